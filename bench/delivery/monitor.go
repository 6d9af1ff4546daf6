package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/events"
	"weir/store"
)

// monitorRows is how many rows the log has for each event of the other measures.
const monitorRows = 10

// monitorQueries are what dashboards ask; those that list events ask for a page.
var monitorQueries = []struct{ name, sql string }{
	{"EVENT_SUBSCRIPTIONS()", `SELECT * FROM EVENT_SUBSCRIPTIONS()`},
	{"ACTIVE_CHANGE_STREAMS()", `SELECT * FROM ACTIVE_CHANGE_STREAMS()`},
	{"EVENT_STATS()", `SELECT * FROM EVENT_STATS()`},
	{"DEAD_LETTER_EVENTS()", `SELECT * FROM DEAD_LETTER_EVENTS() LIMIT 100`},
	{"event_stream_metrics", `SELECT * FROM weir.event_stream_metrics`},
	{"subscription_health", `SELECT * FROM weir.subscription_health`},
	{"processing_lag", `SELECT * FROM weir.processing_lag`},
	{"event_throughput", `SELECT * FROM weir.event_throughput`},
	{"error_summary", `SELECT * FROM weir.error_summary`},
	{"dead_letter_summary", `SELECT * FROM weir.dead_letter_summary`},
	{"service_interactions", `SELECT * FROM weir.service_interactions`},
	{"process_timeline, one process", `SELECT * FROM weir.process_timeline WHERE correlation_id = 'c-7'`},
	{"active_streams", `SELECT * FROM weir.active_streams`},
	{"gateway_status", `SELECT * FROM weir.gateway_status`},
	{"events of the last second", `SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE event_timestamp >= now() - interval '1 second'`},
	{"failed of the last minute", `SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE processing_status = 'failed' AND event_timestamp >= now() - interval '1 minute'`},
}

// measureMonitor times the monitoring functions and views over a log of many
// rows, of which a tenth wait and a hundredth are dead letters.
func measureMonitor(ctx context.Context, o Options) (_ []line, err error) {
	r, err := newRig(ctx, o, "monitor")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	for _, sql := range []string{`CREATE EVENT_SUBSCRIPTION bench_watched ON docs DELIVER TO NOTIFY watched`, `PAUSE EVENT_SUBSCRIPTION bench_watched`} {
		if err := r.exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	const waiting = 100
	if err := r.write(ctx, 0, waiting); err != nil {
		return nil, err
	}
	if err := r.untilLogged(ctx, 0, waiting); err != nil {
		return nil, err
	}
	if err := r.fillLog(ctx, monitorRows*o.Events); err != nil {
		return nil, err
	}
	var lines []line
	for _, q := range monitorQueries {
		ms, err := r.median(ctx, q.sql)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.sql, err)
		}
		lines = append(lines, line{q.name, fmt.Sprintf("%.1f ms", ms), fmt.Sprintf("%d rows", monitorRows*o.Events), "< 20 ms", ms < 20})
	}
	return lines, nil
}

// fillLog writes rows of the last day, in the shape of a row that is there: most are
// settled, one in ten waits, and one in a hundred has a dead letter.
func (r *rig) fillLog(ctx context.Context, n int) error {
	raw, err := r.logRow(ctx)
	if err != nil {
		return err
	}
	var row bson.D
	if err := bson.Unmarshal(raw, &row); err != nil {
		return err
	}
	set := func(key string, v any) {
		if i := slices.IndexFunc(row, func(e bson.E) bool { return e.Key == key }); i >= 0 {
			row[i].Value = v
			return
		}
		row = append(row, bson.E{Key: key, Value: v})
	}
	const chunk = 1000
	now, step := time.Now(), 24*time.Hour/time.Duration(n)
	for at := 0; at < n; at += chunk {
		ops := make([]store.WriteOp, min(chunk, n-at))
		var dead []store.WriteOp
		for i := range ops {
			k := at + i
			when := now.Add(-time.Duration(n-k) * step)
			set("_id", fmt.Sprintf("bench_watched:%d", k))
			set("position", fmt.Sprintf("%08x%08x%08x", when.Unix(), 1, k))
			set("event_timestamp", when)
			set("correlation_id", fmt.Sprintf("c-%d", k/10))
			set("expire_at", now.Add(24*time.Hour))
			status := "completed"
			switch {
			case k%100 == 0:
				status = "failed"
				dead = append(dead, deadOf(row, when))
			case k%10 == 1:
				status = "queued"
				set("expire_at", nil)
			}
			set("processing_status", status)
			doc, err := bson.Marshal(row)
			if err != nil {
				return err
			}
			ops[i] = store.WriteOp{Kind: store.Insert, Document: doc}
		}
		if err := errors.Join(r.insertInto(ctx, "event_log", ops), r.insertInto(ctx, "dead_letter_events", dead)); err != nil {
			return err
		}
	}
	return nil
}

// deadOf makes a dead letter of a row.
func deadOf(row bson.D, when time.Time) store.WriteOp {
	doc := append(slices.Clone(row), bson.E{Key: "status", Value: "open"}, bson.E{Key: "reason", Value: "max_attempts"}, bson.E{Key: "attempts", Value: 3},
		bson.E{Key: "last_status", Value: 503}, bson.E{Key: "last_attempt_at", Value: when}, bson.E{Key: "created_at", Value: when})
	raw, err := bson.Marshal(doc)
	if err != nil {
		panic(err) // it was a row
	}
	return store.WriteOp{Kind: store.Insert, Document: raw}
}

func (r *rig) insertInto(ctx context.Context, coll string, ops []store.WriteOp) error {
	if len(ops) == 0 {
		return nil
	}
	res, err := r.st.Write(ctx, store.Namespace{DB: events.Database, Coll: coll}, ops, store.WriteOptions{Unordered: true})
	if err == nil {
		err = res.Err()
	}
	return err
}

// median is the middle of five times that a query takes, in milliseconds.
func (r *rig) median(ctx context.Context, sql string) (float64, error) {
	var took []time.Duration
	for range 5 {
		from := time.Now()
		rows, err := r.conn.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return 0, err
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(from))
	}
	slices.Sort(took)
	return float64(took[2].Microseconds()) / 1000, nil
}
