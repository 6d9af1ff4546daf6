package events_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/gateway"
	"weir/store"
)

// BenchmarkLog measures reader and durable log: documents that are in the oplog
// already come through one change stream into the log of one subscription.
func BenchmarkLog(b *testing.B) {
	benchmarkEvents(b, `CREATE EVENT_SUBSCRIPTION logged ON docs`, nil)
}

// BenchmarkCollection measures log and delivery to a collection.
func BenchmarkCollection(b *testing.B) {
	benchmarkEvents(b, `CREATE EVENT_SUBSCRIPTION copied ON docs DELIVER TO COLLECTION copies`, nil)
}

// BenchmarkNotify measures log and delivery to a channel that nobody listens on.
func BenchmarkNotify(b *testing.B) {
	benchmarkEvents(b, `CREATE EVENT_SUBSCRIPTION told ON docs DELIVER TO NOTIFY ch`, nil)
}

// BenchmarkWebhook measures signed webhooks, one event each, with durable outcome.
func BenchmarkWebhook(b *testing.B) {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { n.Add(1); w.WriteHeader(http.StatusNoContent) }))
	defer srv.Close()
	benchmarkEvents(b, fmt.Sprintf(`CREATE EVENT_SUBSCRIPTION hooked ON docs DELIVER TO '%s'`, srv.URL), nil)
}

// BenchmarkManySubscriptions measures 1,000 subscriptions of one collection each.
func BenchmarkManySubscriptions(b *testing.B) {
	var more []string
	for i := range 999 {
		more = append(more, fmt.Sprintf(`CREATE EVENT_SUBSCRIPTION other_%d ON other_%d`, i, i))
	}
	benchmarkEvents(b, `CREATE EVENT_SUBSCRIPTION logged ON docs`, more)
}

// BenchmarkWhere measures 1,000 subscriptions of one collection of which none but the
// first wants the events: by conditions that are hashed, and that are tried one by one.
func BenchmarkWhere(b *testing.B) {
	for name, where := range map[string]string{
		"text": `full_document->>'status' = 'none %d'`, "number": `(full_document->>'customer_id')::int = 100000%d`, "range": `(full_document->>'customer_id')::int > 100000%d`,
	} {
		b.Run(name, func(b *testing.B) {
			var more []string
			for i := range 999 {
				more = append(more, fmt.Sprintf(`CREATE EVENT_SUBSCRIPTION other_%d ON docs WHERE `+where, i, i))
			}
			benchmarkEvents(b, `CREATE EVENT_SUBSCRIPTION logged ON docs`, more)
		})
	}
}

// BenchmarkDashboard measures one look at a dashboard over 100,000 logged events.
func BenchmarkDashboard(b *testing.B) {
	g, conn := fill(b, 100_000)
	_ = g
	for name, sql := range map[string]string{
		"active":   `SELECT count(*) FROM EVENT_SUBSCRIPTIONS() WHERE status = 'active'`,
		"queued":   `SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE processing_status = 'queued'`,
		"failed":   `SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE processing_status = 'failed' AND event_timestamp >= now() - interval '1 hour'`,
		"minute":   `SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE event_timestamp >= now() - interval '1 minute'`,
		"duration": `SELECT avg(processing_duration_ms) FROM CHANGE_STREAM_EVENTS() WHERE processing_status = 'completed' AND event_timestamp >= now() - interval '5 minutes'`,
		"dead":     `SELECT count(*) FROM DEAD_LETTER_EVENTS() WHERE created_at >= now() - interval '1 hour'`,
		"lag":      `SELECT max(resume_token_lag_seconds) FROM EVENT_SUBSCRIPTIONS()`,
		"metrics":  `SELECT * FROM event_stream_metrics`,
		"health":   `SELECT * FROM weir.subscription_health`,
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				exec(b, conn, "%s", sql)
			}
		})
	}
}

// fill logs n events of one subscription.
func fill(b *testing.B, n int) (*gateway.Gateway, *pgx.Conn) {
	ctx, stop := context.WithCancel(context.Background())
	g, err := gateway.Open(ctx, gateway.Options{Dir: b.TempDir()})
	require.NoError(b, err)
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	b.Cleanup(func() { stop(); require.NoError(b, <-ended); require.NoError(b, g.Close()) })
	conn := connect(b, g, "bench")
	exec(b, conn, `CREATE EVENT_SUBSCRIPTION logged ON docs`)
	for i := 0; i < n; i += 500 {
		ops := make([]store.WriteOp, 500)
		for j := range ops {
			ops[j] = store.WriteOp{Kind: store.Insert, Document: document(i + j)}
		}
		_, err := g.Store().Write(ctx, store.Namespace{DB: "bench", Coll: "docs"}, ops, store.WriteOptions{})
		require.NoError(b, err)
	}
	for done(b, g.Store()) < int64(n) {
		time.Sleep(50 * time.Millisecond)
	}
	return g, conn
}

func benchmarkEvents(b *testing.B, create string, more []string) {
	ctx, stop := context.WithCancel(context.Background())
	g, err := gateway.Open(ctx, gateway.Options{Dir: b.TempDir(), AllowPrivateTargets: true})
	require.NoError(b, err)
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	defer func() { stop(); require.NoError(b, <-ended); require.NoError(b, g.Close()) }()
	conn := connect(b, g, "bench")
	for _, s := range append(more, create) {
		exec(b, conn, "%s", s)
	}
	st := g.Store()
	const chunk = 500
	b.ResetTimer()
	peak := uint64(0)
	written := time.Duration(0)
	for n := 0; n < b.N; n += chunk {
		ops := make([]store.WriteOp, min(chunk, b.N-n))
		for i := range ops {
			ops[i] = store.WriteOp{Kind: store.Insert, Document: document(n + i)}
		}
		from := time.Now()
		_, err := st.Write(ctx, store.Namespace{DB: "bench", Coll: "docs"}, ops, store.WriteOptions{})
		require.NoError(b, err)
		written += time.Since(from)
		if n%(100*chunk) == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
		}
	}
	for done(b, st) < int64(b.N) {
		time.Sleep(50 * time.Millisecond)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.N)/written.Seconds(), "writes/s")
	b.ReportMetric(float64(peak)/(1<<20), "MB-heap")
}

func done(b *testing.B, st store.Store) int64 {
	match, err := bson.Marshal(bson.D{{Key: "$match", Value: bson.D{{Key: "processing_status", Value: "completed"}}}})
	require.NoError(b, err)
	count, err := bson.Marshal(bson.D{{Key: "$count", Value: "n"}})
	require.NoError(b, err)
	cur, err := st.Aggregate(context.Background(), store.Namespace{DB: "weir", Coll: "event_log"}, []bson.Raw{match, count}, store.AggregateOptions{})
	require.NoError(b, err)
	defer func() { _ = cur.Close() }()
	doc, err := cur.Next(context.Background())
	if err != nil {
		return 0
	}
	return doc.Lookup("n").AsInt64()
}

func document(i int) bson.Raw {
	raw, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "customer_id", Value: i % 1000}, {Key: "status", Value: "placed"},
		{Key: "total", Value: 12.5}, {Key: "correlationId", Value: fmt.Sprintf("c-%d", i)}, {Key: "note", Value: "a text of ordinary length, as orders have them"}})
	if err != nil {
		panic(err)
	}
	return raw
}

// BenchmarkCreate measures CREATE EVENT_SUBSCRIPTION beside none and beside 1,000 others.
func BenchmarkCreate(b *testing.B) {
	for _, others := range []int{0, 1000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			_, conn := fill(b, 0)
			for i := range others {
				exec(b, conn, `CREATE EVENT_SUBSCRIPTION other_%d ON other_%d`, i, i)
			}
			b.ResetTimer()
			for i := range b.N {
				exec(b, conn, `CREATE EVENT_SUBSCRIPTION s_%d ON docs_%d`, i, i)
			}
		})
	}
}

// BenchmarkMonitoring measures the monitoring of 1,000 subscriptions with a day of
// counters each.
func BenchmarkMonitoring(b *testing.B) {
	const subs, minutes = 1000, 1440
	g, conn := fill(b, 0)
	for i := range subs - 1 {
		exec(b, conn, `CREATE EVENT_SUBSCRIPTION s_%d ON other_%d`, i, i)
	}
	now := time.Now().UTC().Truncate(time.Hour)
	put := func(coll string, n int, doc func(id string, i int) bson.D) {
		for s := range subs - 1 {
			var ops []store.WriteOp
			for i := range n {
				raw, err := bson.Marshal(doc(fmt.Sprintf("s_%d", s), i))
				require.NoError(b, err)
				ops = append(ops, store.WriteOp{Kind: store.Insert, Document: raw})
			}
			_, err := g.Store().Write(context.Background(), store.Namespace{DB: "weir", Coll: coll}, ops, store.WriteOptions{})
			require.NoError(b, err)
		}
	}
	counters := func(id string, at time.Time, more ...bson.E) bson.D {
		return append(bson.D{{Key: "_id", Value: id + ":" + at.String()}, {Key: "subscription_id", Value: id}, {Key: "database_name", Value: "bench"}, {Key: "bucket", Value: at}, {Key: "received", Value: int64(60)},
			{Key: "delivered", Value: int64(59)}, {Key: "failed", Value: int64(1)}, {Key: "retried", Value: int64(2)}, {Key: "timed", Value: int64(60)}, {Key: "duration_us", Value: int64(6000)},
			{Key: "ops", Value: bson.D{{Key: "insert", Value: int64(60)}}}, {Key: "bytes", Value: int64(6000)}}, more...)
	}
	put("event_stats", minutes, func(id string, i int) bson.D {
		return counters(id, now.Add(-time.Duration(i)*time.Minute), bson.E{Key: "lag", Value: bson.D{{Key: "80", Value: int64(30)}, {Key: "90", Value: int64(30)}}}, bson.E{Key: "delivery", Value: bson.D{{Key: "80", Value: int64(60)}}})
	})
	put("event_hours", minutes/60, func(id string, i int) bson.D { return counters(id, now.Add(-time.Duration(i)*time.Hour)) })
	for _, sql := range []string{
		`SELECT * FROM event_stream_metrics`,
		`SELECT service_name, sum(total_events_received) FROM event_stream_metrics GROUP BY 1`,
		`SELECT * FROM weir.subscription_health`,
		`SELECT count(*) FROM EVENT_SUBSCRIPTIONS() WHERE status = 'active'`,
		`SELECT * FROM weir.processing_lag`,
		`SELECT * FROM weir.event_throughput`,
		`SELECT bucket, sum(received) FROM weir.event_throughput GROUP BY 1`,
		`SELECT * FROM weir.error_summary`,
		`SELECT * FROM weir.dead_letter_summary`,
		`SELECT * FROM weir.service_interactions`,
		`SELECT * FROM weir.active_streams`,
		`SELECT * FROM weir.gateway_status`,
		`SELECT * FROM EVENT_STATS() WHERE bucket >= now() - interval '5 minutes'`,
		`SELECT * FROM EVENT_STATS() WHERE subscription_id = 's_7'`,
	} {
		b.Run(sql, func(b *testing.B) {
			for range b.N {
				exec(b, conn, "%s", sql)
			}
		})
	}
}
