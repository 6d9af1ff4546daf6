package events

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/store"
)

// past holds the rows that a monitoring view makes of buckets, while somebody asks
// for it: a bucket whose time is over does not change any more, so that of a view
// over a thousand subscriptions only the last buckets are read each time.
type past struct {
	coll   string
	window time.Duration // how far back the view goes
	open   time.Duration // the buckets of so long may still grow
	stages []bson.D      // what makes a row, with bucket and subscription_id

	mu      sync.Mutex
	spans   []pastSpan // by time
	read    time.Time  // when all was read
	asked   time.Time
	dropped int64 // Manager.dropped then
}

// pastSpan is a bucket of all subscriptions.
type pastSpan struct {
	at   int64
	rows []pastRow
}

type pastRow struct {
	id  string // of the subscription
	row bson.Raw
}

const (
	// pastWhole is how often all buckets are read again: what a gateway whose clock
	// is late puts into an old one shows then.
	pastWhole = 5 * time.Minute
	// pastIdle is after what time nobody asks any more.
	pastIdle = 10 * time.Minute
)

// rows gives what the view shows of a database. A filter that names subscriptions
// is left to the store.
func (p *past) rows(ctx context.Context, m *Manager, database string) (catalog.FunctionRows, error) {
	if some, ok := catalog.Wanted(ctx, "subscription_id"); ok {
		match := bson.D{{Key: "subscription_id", Value: bson.D{{Key: "$in", Value: m.idsAmong(database, some)}}}, p.since(m.clock().Add(-p.window))}
		out := catalog.FunctionRows{NS: ns(p.coll)}
		for _, s := range append([]bson.D{{{Key: "$match", Value: match}}}, p.stages...) {
			out.Pipeline = append(out.Pipeline, marshal(s))
		}
		return out, nil
	}
	spans, err := p.refresh(ctx, m)
	if err != nil {
		return catalog.FunctionRows{}, fmt.Errorf("read the buckets of %s: %w", p.coll, err)
	}
	ids := map[string]bool{}
	for _, s := range m.of(database) {
		ids[s.ID] = true
	}
	low, high := bucketSpan(catalog.Match(ctx))
	spans = slices.DeleteFunc(slices.Clone(spans), func(s pastSpan) bool { return s.at < low || s.at > high })
	return catalog.FunctionRows{Rows: &pastCursor{spans: spans, ids: ids}}, nil
}

// bucketSpan are the first and the last bucket that a filter may want.
func bucketSpan(filter bson.Raw) (low, high int64) {
	low, high = math.MinInt64, math.MaxInt64
	for it := value.Walk(filter); it.Next(); {
		v := it.Value()
		switch {
		case it.Key() == "$and" && v.IsArray():
			for _, term := range value.Items(nil, v.Doc()) {
				if term.IsDocument() {
					l, h := bucketSpan(term.Doc())
					low, high = max(low, l), min(high, h)
				}
			}
		case it.Key() == "bucket" && v.IsDocument():
			for c := value.Walk(v.Doc()); c.Next(); {
				if c.Value().Kind() != bson.TypeDateTime {
					continue
				}
				switch at := c.Value().AsDate(); c.Key() {
				case "$gte":
					low = max(low, at)
				case "$gt":
					low = max(low, at+1)
				case "$lte":
					high = min(high, at)
				case "$lt":
					high = min(high, at-1)
				case "$eq":
					low, high = max(low, at), min(high, at)
				}
			}
		}
	}
	return low, high
}

func (p *past) since(at time.Time) bson.E {
	return bson.E{Key: "bucket", Value: bson.D{{Key: "$gt", Value: at}}}
}

// refresh reads what may have changed and gives all buckets, which do not change.
func (p *past) refresh(ctx context.Context, m *Manager) ([]pastSpan, error) {
	m.mu.Lock()
	dropped := m.dropped
	m.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := m.clock()
	from := now.Add(-p.window)
	spans := slices.Clone(p.spans)
	if whole := p.read.IsZero() || now.Sub(p.read) >= pastWhole || now.Before(p.asked) || p.dropped != dropped; whole {
		spans, p.read, p.dropped = nil, now, dropped
	} else {
		// Buckets are read from the last question on, not from now on: they grew until then.
		again := p.asked.Add(-p.open)
		spans = slices.DeleteFunc(spans, func(s pastSpan) bool { return s.at <= from.UnixMilli() || s.at > again.UnixMilli() })
		from = later(from, again)
	}
	added, err := p.load(ctx, m.st, from)
	if err != nil {
		p.read = time.Time{}
		return nil, err
	}
	p.spans, p.asked = append(spans, added...), now
	return p.spans, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// load reads the buckets that began after a time.
func (p *past) load(ctx context.Context, st store.Store, from time.Time) (spans []pastSpan, err error) {
	stages := append([]bson.D{{{Key: "$match", Value: bson.D{p.since(from)}}}, {{Key: "$sort", Value: asc("bucket")}}}, p.stages...)
	var chunk []byte
	err = query(ctx, st, p.coll, stages, func(doc bson.Raw) error {
		at := value.Lookup(doc, "bucket").AsDate()
		if len(spans) == 0 || spans[len(spans)-1].at != at {
			spans = append(spans, pastSpan{at: at})
		}
		if cap(chunk)-len(chunk) < len(doc) {
			chunk = make([]byte, 0, max(len(doc), 64<<10))
		}
		begin := len(chunk)
		chunk = append(chunk, doc...)
		last := &spans[len(spans)-1]
		last.rows = append(last.rows, pastRow{id: strings.Clone(text(value.Lookup(doc, "subscription_id"))), row: bson.Raw(chunk[begin:len(chunk):len(chunk)])})
		return nil
	})
	return spans, err
}

// rest lets go of the rows when nobody has asked for a while.
func (p *past) rest(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.read.IsZero() && now.Sub(p.asked) > pastIdle {
		p.spans, p.read = nil, time.Time{}
	}
}

// pastCursor is a store.Cursor over the rows of some subscriptions.
type pastCursor struct {
	spans []pastSpan
	next  int // of the first span
	ids   map[string]bool
}

// Next implements store.Cursor.
func (c *pastCursor) Next(context.Context) (bson.Raw, error) {
	for len(c.spans) > 0 {
		for rows := c.spans[0].rows; c.next < len(rows); {
			r := &rows[c.next]
			if c.next++; c.ids[r.id] {
				return r.row, nil
			}
		}
		c.spans, c.next = c.spans[1:], 0
	}
	return nil, io.EOF
}

// Close implements store.Cursor.
func (c *pastCursor) Close() error { return nil }

// throughputPast are the minutes of EVENT_THROUGHPUT().
func throughputPast() past {
	project := bson.D{{Key: "_id", Value: 0}, {Key: "bucket", Value: 1}, {Key: "subscription_id", Value: 1}}
	for _, name := range []string{"received", "delivered", "failed", "retried", "bytes"} {
		project = append(project, bson.E{Key: name, Value: 1})
	}
	return past{coll: collStats, window: time.Hour, open: 3 * time.Minute, stages: []bson.D{{{Key: "$project", Value: project}}}}
}

// throughputRows is EVENT_THROUGHPUT(): the minutes of the last hour.
func (m *Manager) throughputRows(ctx context.Context, s catalog.Session, _ []bson.RawValue) (catalog.FunctionRows, error) {
	return m.minutes.rows(ctx, m, s.Database())
}

// metricsRows is EVENT_STREAM_METRICS(): the counters of the last 24 hours by
// subscription and hour.
func (m *Manager) metricsRows(ctx context.Context, s catalog.Session, _ []bson.RawValue) (catalog.FunctionRows, error) {
	return m.hours.rows(ctx, m, s.Database())
}

// metricsPast are the hours of EVENT_STREAM_METRICS().
func metricsPast() past {
	long := func(field string) bson.D {
		return bson.D{{Key: "$toLong", Value: bson.D{{Key: "$ifNull", Value: bson.A{"$" + field, 0}}}}}
	}
	over := func(a, b any) bson.D {
		return bson.D{{Key: "$cond", Value: bson.A{bson.D{{Key: "$gt", Value: bson.A{b, 0}}}, bson.D{{Key: "$divide", Value: bson.A{a, b}}}, nil}}}
	}
	ms := func(field string) bson.D { return bson.D{{Key: "$divide", Value: bson.A{"$" + field, 1000.0}}} }
	// what was rewound, or came in the hour before, is delivered more often than it came
	delivered := bson.D{{Key: "$min", Value: bson.A{"$delivered", "$received"}}}
	rate := over(bson.D{{Key: "$multiply", Value: bson.A{delivered, 100.0}}}, "$received")
	project := bson.D{
		{Key: "_id", Value: 0}, {Key: "bucket", Value: 1}, {Key: "subscription_id", Value: 1}, {Key: "service_name", Value: 1},
		{Key: "total_events_received", Value: long("received")}, {Key: "events_processed", Value: long("delivered")},
		{Key: "events_failed", Value: long("failed")}, {Key: "events_retrying", Value: long("retried")},
		{Key: "avg_processing_time_ms", Value: over(ms("duration_us"), "$timed")},
		{Key: "max_processing_time_ms", Value: ms("longest_us")}, {Key: "min_processing_time_ms", Value: ms("shortest_us")},
		{Key: "insert_events", Value: long("ops.insert")}, {Key: "update_events", Value: long("ops.update")}, {Key: "delete_events", Value: long("ops.delete")},
		{Key: "user_events", Value: long("colls.users")}, {Key: "profile_events", Value: long("colls.user_profiles")}, {Key: "preference_events", Value: long("colls.user_preferences")},
		{Key: "hour_bucket", Value: bson.D{{Key: "$dateToString", Value: bson.D{{Key: "date", Value: "$bucket"}, {Key: "format", Value: "%Y-%m-%d %H:00:00"}}}}},
		{Key: "hourly_event_count", Value: long("received")},
		{Key: "success_rate_percent", Value: bson.D{{Key: "$round", Value: bson.A{rate, 2}}}},
	}
	return past{coll: collHours, window: Day, open: time.Hour + 3*time.Minute, stages: []bson.D{{{Key: "$project", Value: project}}}}
}
