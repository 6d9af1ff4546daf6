package events

import (
	"context"
	"io"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/store"
)

// adhocStalled is how many replies in a row may bring neither events nor a later
// time; each waits for adhocWait. Then the read fails: what it has may be short.
const (
	adhocStalled = 100
	adhocWait    = 100 * time.Millisecond
)

// adhocSpan is how far back an ad-hoc read looks that names no time.
const adhocSpan = 5 * time.Minute

// adhoc reads the events of a collection, "": of a database, straight from the
// oplog, for what no subscription logs. It is bounded: it ends at now.
type adhoc struct {
	r     *reader
	since int64 // milliseconds
	until int64
	now   string // where the server was when it began
	end   string // the last position that is wanted, "": it has ended
	last  string // how far the stream was read
	still int    // replies in a row that brought nothing
	rows  []bson.Raw

	closed func() // takes it off the list of open streams
}

// watched tells whether a subscription logs a collection.
func (m *Manager) watched(database, coll string) bool {
	return slices.ContainsFunc(m.found(database), func(s found) bool {
		if !s.active() {
			return false
		}
		rt, err := compileRoute(context.Background(), m.lang, s.Spec)
		return err == nil && rt.wantsCollection(coll)
	})
}

func (m *Manager) adhocRows(ctx context.Context, database, coll string, since, until value.Value) (catalog.FunctionRows, error) {
	now, err := m.operationTime(ctx)
	if err != nil {
		return catalog.FunctionRows{}, err
	}
	spec := NewSpec(database, "")
	spec.ID, spec.FullDocumentBeforeChange = "oplog", string(store.ImageWhenAvailable)
	spec.EventTypes = append(spec.EventTypes, "ddl")
	if coll != "" {
		spec.Collections = []string{coll}
	}
	rt, err := compileRoute(ctx, m.lang, spec)
	if err != nil {
		return catalog.FunctionRows{}, err
	}
	a := &adhoc{r: newReader(m, database), since: int64(now.T)*1000 - adhocSpan.Milliseconds(), until: 1 << 62, now: string(appendPosition(nil, now, 0)), end: endOf(now)}
	a.r.wait, a.r.whole = adhocWait, true
	if since.Kind() == bson.TypeDateTime {
		a.since = since.AsDate()
	}
	if until.Kind() == bson.TypeDateTime {
		a.until = until.AsDate()
	}
	if err := a.r.setRoutes(ctx, []*route{rt}); err != nil {
		return catalog.FunctionRows{}, err
	}
	a.r.at = &bson.Timestamp{T: uint32(max(1, a.since/1000)), I: 1}
	if err := a.r.watch(ctx); err != nil {
		if isHistoryLost(err) {
			return catalog.FunctionRows{}, m.tooEarly(ctx, database)
		}
		return catalog.FunctionRows{}, err
	}
	a.closed = m.opened(&openStream{kind: streamAdHoc, db: database, of: coll, collections: spec.Collections, stats: &a.r.stats})
	return catalog.FunctionRows{Rows: a}, nil
}

// tooEarly is the error of a read from before the oplog's beginning.
func (m *Manager) tooEarly(ctx context.Context, database string) error {
	e := sqlerr.New(sqlerr.InvalidParameterValue, "the oplog does not reach back to this point")
	if t, err := m.oldest(ctx, database); err == nil {
		return e.WithHint("The earliest possible time is %s.", time.Unix(int64(t.T), 0).UTC().Format(time.RFC3339))
	}
	return e
}

// Next implements store.Cursor.
func (a *adhoc) Next(ctx context.Context) (bson.Raw, error) {
	for len(a.rows) == 0 {
		if a.end == "" {
			return nil, io.EOF
		}
		if err := a.read(ctx); err != nil {
			return nil, err
		}
	}
	row := a.rows[0]
	a.rows = a.rows[1:]
	return row, nil
}

func (a *adhoc) read(ctx context.Context) error {
	r := a.r
	if err := r.readOn(ctx); err != nil {
		return err
	}
	last := scanned(r.stream)
	if len(r.events) > 0 {
		r.events = joinFragments(r.events)
		last = r.number(r.state.LastPos)
		if err := r.lookUp(ctx); err != nil {
			return err
		}
		r.state.LastPos = last
		r.stats.batch(r.events, r.clock())
	}
	for _, row := range r.route().docs {
		if at := value.Lookup(row, "event_timestamp").AsDate(); at >= a.since && at <= a.until && position(row) <= a.end {
			a.rows = append(a.rows, oplogRow(row))
		}
	}
	if err := r.tookOn(ctx); err != nil {
		return err
	}
	a.still++
	if len(r.events) > 0 || last > a.last {
		a.last, a.still = last, 0
	}
	switch {
	case last >= a.now && (len(r.events) == 0 || last > a.end): // else there may be more of the last transaction
		a.end = ""
	case a.still == adhocStalled:
		return sqlerr.New(sqlerr.QueryCanceled, "the change stream did not reach the present").
			WithHint("The server did not answer in time; run the query again, or with a later `since`.")
	}
	return nil
}

// oplogRow is a row without what only a subscription gives it.
func oplogRow(row bson.Raw) bson.Raw {
	var b value.Builder
	for it := value.Walk(row); it.Next(); {
		switch it.Key() {
		case "subscription_id", "subscription_name", "processing_status", "queued_at", "processing_started_at", "processing_completed_at",
			"processing_duration_ms", "processed_by", "retry_count", "expire_at":
		default:
			b.AddElement(it.Element())
		}
	}
	return Computed(b.Doc())
}

// Close implements store.Cursor.
func (a *adhoc) Close() error {
	a.r.close()
	a.closed()
	a.end = ""
	return nil
}
