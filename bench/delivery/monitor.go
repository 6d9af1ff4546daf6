package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/events"
	"weir/store"
)

const (
	// monitorRows is how many rows the log has for each event of the other measures.
	monitorRows = 10
	// monitorSubscriptions share them.
	monitorSubscriptions = 20
	// monitorAsked is how often each question is put.
	monitorAsked = 9
	// collections that are filled
	logColl, deadColl, statsColl, hoursColl, pairsColl, sumsColl = "event_log", "dead_letter_events", "event_stats", "event_hours", "event_interactions", "event_rollups"
)

// monitorQueries are what dashboards ask; those that list events ask for a page. $1 is
// a time with events before and after it.
var monitorQueries = []struct{ name, sql string }{
	{"EVENT_SUBSCRIPTIONS()", `SELECT * FROM EVENT_SUBSCRIPTIONS()`},
	{"ACTIVE_CHANGE_STREAMS()", `SELECT * FROM ACTIVE_CHANGE_STREAMS()`},
	{"EVENT_STATS() of an hour", `SELECT * FROM EVENT_STATS() WHERE bucket >= now() - interval '1 hour'`},
	{"EVENT_STATS('1 hour'), a day", `SELECT * FROM EVENT_STATS('1 hour') WHERE bucket >= now() - interval '1 day'`},
	{"DEAD_LETTER_EVENTS()", `SELECT * FROM DEAD_LETTER_EVENTS() LIMIT 100`},
	{"the last dead letters", `SELECT * FROM DEAD_LETTER_EVENTS() ORDER BY created_at DESC LIMIT 100`},
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
	{"the last events", `SELECT * FROM CHANGE_STREAM_EVENTS() ORDER BY event_timestamp DESC LIMIT 100`},
	{"the last of a subscription", `SELECT * FROM CHANGE_STREAM_EVENTS('bench_watched_7') ORDER BY event_timestamp DESC LIMIT 100`},
	{"the last failed", `SELECT * FROM CHANGE_STREAM_EVENTS() WHERE processing_status = 'failed' ORDER BY event_timestamp DESC LIMIT 100`},
	{"events of a second", `SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE event_timestamp BETWEEN $1 AND $1::timestamptz + interval '1 second'`},
	{"failed of a minute", `SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE processing_status = 'failed' AND event_timestamp BETWEEN $1 AND $1::timestamptz + interval '1 minute'`},
}

// measureMonitor times the monitoring functions and views over a log of many rows, of
// which a tenth wait and a hundredth are dead letters, with counters for each minute
// and hour of the day that they are of.
func measureMonitor(ctx context.Context, o Options) (_ []line, err error) {
	r, err := newRig(ctx, o, "monitor")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	watched := func(statement string) error {
		for i := range monitorSubscriptions {
			if err := r.exec(ctx, fmt.Sprintf(statement, i)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := watched(`CREATE EVENT_SUBSCRIPTION bench_watched_%d ON docs DELIVER TO NOTIFY watched WITH (source_service = 'shop', target_service = 'mail', interaction_type = 'event')`); err != nil {
		return nil, err
	}
	const first = 100
	if err := r.write(ctx, 0, first); err != nil {
		return nil, err
	}
	if err := r.untilLogged(ctx, 0, first*monitorSubscriptions); err != nil {
		return nil, err
	}
	if err := r.untilSettled(ctx); err != nil {
		return nil, err
	}
	if err := watched(`PAUSE EVENT_SUBSCRIPTION bench_watched_%d`); err != nil {
		return nil, err
	}
	now, rows := time.Now(), monitorRows*o.Events
	if err := errors.Join(r.fillCounters(ctx, now), r.fillLog(ctx, now, rows)); err != nil {
		return nil, err
	}
	var lines []line
	for _, q := range monitorQueries {
		args := []any{pgx.QueryExecModeSimpleProtocol}
		if strings.Contains(q.sql, "$1") {
			args = append(args, now.Add(-12*time.Hour))
		}
		ms, n, err := r.times(ctx, q.sql, args)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.sql, err)
		}
		lines = append(lines, line{q.name, fmt.Sprintf("%.1f ms", middle(ms)), fmt.Sprintf("slowest of %d %.1f ms; %d rows; log of %d", monitorAsked, slices.Max(ms), n, rows), "< 20 ms", middle(ms) < 20})
	}
	return lines, nil
}

// someOf gives up to n documents of one of the runtime's collections that match.
func (r *rig) someOf(ctx context.Context, coll string, match bson.D, n int64) (docs []bson.D, err error) {
	filter, err := bson.Marshal(bson.D{{Key: "$match", Value: match}})
	if err != nil {
		return nil, err
	}
	limit, err := bson.Marshal(bson.D{{Key: "$limit", Value: n}})
	if err != nil {
		return nil, err
	}
	cur, err := r.st.Aggregate(ctx, store.Namespace{DB: events.Database, Coll: coll}, []bson.Raw{filter, limit}, store.AggregateOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cur.Close()) }()
	for {
		raw, err := cur.Next(ctx)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, err
		}
		var doc bson.D
		if err := bson.Unmarshal(raw, &doc); err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
}

// setField sets a field of a document.
func setField(doc *bson.D, key string, v any) {
	if i := slices.IndexFunc(*doc, func(e bson.E) bool { return e.Key == key }); i >= 0 {
		(*doc)[i].Value = v
		return
	}
	*doc = append(*doc, bson.E{Key: key, Value: v})
}

// fillCounters counts for each minute and hour of the last day what was counted of the
// first events, and waits until that is summed up.
func (r *rig) fillCounters(ctx context.Context, now time.Time) error {
	for _, c := range []struct {
		coll  string
		width time.Duration
		have  int // as many documents are there when the first events are counted
	}{{statsColl, time.Minute, monitorSubscriptions}, {hoursColl, time.Hour, monitorSubscriptions}, {pairsColl, time.Minute, 1}} {
		var docs []bson.D
		err := until(ctx, func() (ok bool, err error) {
			docs, err = r.someOf(ctx, c.coll, bson.D{}, int64(c.have))
			return len(docs) == c.have, err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", c.coll, err)
		}
		for at := now.Truncate(c.width).Add(-24 * time.Hour); at.Before(now.Truncate(c.width)); at = at.Add(c.width) {
			ops := make([]store.WriteOp, len(docs))
			for i, doc := range docs {
				doc = slices.Clone(doc)
				setField(&doc, "_id", fmt.Sprintf("%s:%d:%d", r.db, i, at.Unix()))
				setField(&doc, "bucket", at)
				setField(&doc, "expire_at", at.Add(48*time.Hour))
				raw, err := bson.Marshal(doc)
				if err != nil {
					return err
				}
				ops[i] = store.WriteOp{Kind: store.Insert, Document: raw}
			}
			if err := r.insertInto(ctx, c.coll, ops); err != nil {
				return err
			}
		}
	}
	return r.sumUpAgain(ctx, now)
}

// sumUpAgain has the counters of the day before a time summed up, those that were there
// before and those that were filled in, and waits until they are.
func (r *rig) sumUpAgain(ctx context.Context, now time.Time) error {
	state := func(match bson.D) error {
		return until(ctx, func() (bool, error) {
			found, err := r.someOf(ctx, sumsColl, append(match, bson.E{Key: "_id", Value: "state"}), 1)
			return len(found) > 0, err
		})
	}
	if err := state(bson.D{}); err != nil { // somebody sums up
		return err
	}
	var again bson.A
	for at := now.Truncate(time.Hour).Add(-24 * time.Hour); at.Before(now); at = at.Add(time.Hour) {
		again = append(again, at)
	}
	update := bson.D{{Key: "$addToSet", Value: bson.D{{Key: "again", Value: bson.D{{Key: "$each", Value: again}}}}}}
	if err := r.command(ctx, events.Database, bson.D{{Key: "update", Value: sumsColl}, {Key: "updates", Value: bson.A{
		bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: "state"}}}, {Key: "u", Value: update}}}}}); err != nil {
		return err
	}
	return state(bson.D{{Key: "again.0", Value: bson.D{{Key: "$exists", Value: false}}}, {Key: "summed_to", Value: bson.D{{Key: "$gt", Value: now.Add(-10 * time.Minute)}}}})
}

// fillLog writes rows of the last day, in the shape of those that are there: most are
// settled, one in ten waits, and one in a hundred has a dead letter.
func (r *rig) fillLog(ctx context.Context, now time.Time, n int) error {
	shapes, err := r.someOf(ctx, logColl, bson.D{}, 100*monitorSubscriptions)
	if err != nil {
		return err
	}
	const chunk = 1000
	step := 24 * time.Hour / time.Duration(n)
	for at := 0; at < n; at += chunk {
		ops := make([]store.WriteOp, min(chunk, n-at))
		var dead []store.WriteOp
		for i := range ops {
			k := at + i
			row, when := slices.Clone(shapes[(k+k/100)%len(shapes)]), now.Add(-time.Duration(n-k)*step)
			setField(&row, "_id", fmt.Sprintf("bench_watched:%d", k))
			setField(&row, "position", fmt.Sprintf("%08x%08x%08x", when.Unix(), 1, k))
			setField(&row, "event_timestamp", when)
			setField(&row, "correlation_id", fmt.Sprintf("c-%d", k/10))
			setField(&row, "expire_at", now.Add(24*time.Hour))
			status := "completed"
			switch {
			case k%100 == 0:
				status = "failed"
				dead = append(dead, deadOf(row, when))
			case k%10 == 1:
				status = "queued"
				setField(&row, "expire_at", nil)
			}
			setField(&row, "processing_status", status)
			doc, err := bson.Marshal(row)
			if err != nil {
				return err
			}
			ops[i] = store.WriteOp{Kind: store.Insert, Document: doc}
		}
		if err := errors.Join(r.insertInto(ctx, logColl, ops), r.insertInto(ctx, deadColl, dead)); err != nil {
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

// times are the milliseconds that a query takes, and how many rows it gives.
func (r *rig) times(ctx context.Context, sql string, args []any) (ms []float64, n int64, err error) {
	for range monitorAsked {
		from := time.Now()
		rows, err := r.conn.Query(ctx, sql, args...)
		if err != nil {
			return nil, 0, err
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return nil, 0, err
		}
		ms, n = append(ms, float64(time.Since(from).Microseconds())/1000), rows.CommandTag().RowsAffected()
	}
	return ms, n, nil
}
