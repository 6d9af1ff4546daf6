package events

import (
	"context"
	"io"
	"math"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/sqltype"
	"weir/store"
)

// Tables are the table functions over the runtime's state.
func (m *Manager) Tables() []*catalog.Table {
	fn := func(name string, cols []catalog.Column, f catalog.TableFunction, params ...catalog.Param) *catalog.Table {
		ready := func(ctx context.Context, s catalog.Session, args []bson.RawValue) (catalog.FunctionRows, error) {
			if err := m.wait(ctx); err != nil { // before, no name is a subscription's
				return catalog.FunctionRows{}, err
			}
			rows, err := f(ctx, s, args)
			if m.apart() {
				rows.From = m.st
			}
			return rows, err
		}
		return &catalog.Table{Name: name, Kind: catalog.Function, Columns: cols, Function: ready, Params: params}
	}
	textParam := func(name string) catalog.Param {
		return catalog.Param{Name: name, Type: sqltype.Of(sqltype.Text)}
	}
	timeParam := func(name string) catalog.Param {
		return catalog.Param{Name: name, Type: sqltype.Of(sqltype.Timestamptz)}
	}
	return []*catalog.Table{
		fn("change_stream_events", eventColumns(), m.eventRows, textParam("source"), timeParam("since"), timeParam("until")),
		fn("change_stream", eventColumns(), m.eventRows, textParam("source"), timeParam("since"), timeParam("until")), // another spelling
		fn("event_subscriptions", subscriptionColumns(), m.subscriptionRows),
		fn("active_change_streams", streamColumns(), m.live(m.streamRows)),
		fn("dead_letter_events", deadLetterColumns(), m.ofUsable(collDead)),
		fn("event_attempts", attemptColumns(), m.ofUsable(collAttempts)),
		fn("event_gaps", gapColumns(), m.ofSubscriptions(collGaps)),
		fn("event_backfills", backfillColumns(), m.ofSubscriptions(collBackfills)),
		fn("event_redrives", redriveColumns(), m.ofSubscriptions(collRedrives)),
		fn("event_gateways", gatewayColumns(), m.gatewayRows),
		fn("event_stats", statsColumns(), m.statsRows, catalog.Param{Name: "bucket", Type: sqltype.Of(sqltype.Interval)}),
		fn("event_connections", connectionColumns(), m.live(m.connectionRows)),
		fn("event_throughput", throughputColumns(), m.throughputRows),
		fn("service_interactions", interactionColumns(), m.interactionRows),
		fn("dead_letter_counts", deadCountColumns(), m.live(m.deadCounts)),
		fn("event_stream_metrics", metricsColumns(), m.metricsRows),
	}
}

// eventDataField computes the business payload of a row: the document after the
// change, else the changed fields, else the document before it, else its key.
var eventDataField = &catalog.Computed{Field: "event_data", Stage: marshal(bson.D{{Key: "$set", Value: bson.D{{Key: "event_data", Value: bson.D{{Key: "$ifNull", Value: bson.A{
	"$full_document", "$update_description.updatedFields", "$full_document_before_change", "$document_key"}}}}}}})}

// eventRows is CHANGE_STREAM_EVENTS([source], [since], [until]), both ends inclusive.
func (m *Manager) eventRows(ctx context.Context, s catalog.Session, args []bson.RawValue) (catalog.FunctionRows, error) {
	database := s.Database()
	match := bson.D{{Key: "database_name", Value: database}}
	if source := argument(args, 0); source.IsString() {
		name, err := m.sourceName(ctx, s, source.Str())
		if err != nil {
			return catalog.FunctionRows{}, err
		}
		if m.named(database, name) == nil && (name == database || len(m.of(name)) > 0) { // a database
			if err := mayRead(s, name, 0); err != nil {
				return catalog.FunctionRows{}, err
			}
		}
		if db, coll, ok := m.unlogged(s.Database(), name); ok {
			return m.adhocRows(ctx, db, coll, argument(args, 1), argument(args, 2))
		}
		match, database = m.bySource(database, name)
	}
	match = append(match, m.byLoggers(ctx, database, match)...)
	if hidden := m.hidden(database, s.User()); len(hidden) > 0 {
		match = append(match, bson.E{Key: "$nor", Value: bson.A{bson.D{{Key: "subscription_id", Value: bson.D{{Key: "$in", Value: hidden}}}}}})
	}
	span := bson.D{}
	if v := argument(args, 1); v.Kind() == bson.TypeDateTime {
		span = append(span, bson.E{Key: "$gte", Value: bson.DateTime(v.AsDate())})
	}
	if v := argument(args, 2); v.Kind() == bson.TypeDateTime {
		span = append(span, bson.E{Key: "$lte", Value: bson.DateTime(v.AsDate())})
	}
	if len(span) > 0 {
		match = append(match, bson.E{Key: "event_timestamp", Value: span})
	}
	return catalog.FunctionRows{NS: ns(collLog), Pipeline: []bson.Raw{marshal(bson.D{{Key: "$match", Value: match}})},
		Ordered: []string{"event_timestamp", "position"}, Computed: eventDataField, Late: imagesLate}, nil
}

// unlogged tells what a source names that no subscription logs: a collection of
// the database, or the database itself.
func (m *Manager) unlogged(database, source string) (db, coll string, ok bool) {
	switch {
	case m.named(database, source) != nil, len(m.of(source)) > 0:
		return "", "", false
	case source == database:
		return source, "", true
	}
	return database, source, !m.watched(database, source)
}

// bySource finds what a source names, and tells of which database it is: a
// subscription, else a collection of the database, else a database.
func (m *Manager) bySource(database, source string) (match bson.D, of string) {
	if s := m.named(database, source); s != nil {
		return bson.D{{Key: "subscription_id", Value: s.ID}}, database
	}
	if len(m.of(source)) > 0 {
		return bson.D{{Key: "database_name", Value: source}}, source
	}
	return bson.D{{Key: "database_name", Value: database}, {Key: "collection_name", Value: source}}, database
}

// byLoggers narrows a filter on a collection down to the subscriptions that may have
// rows of it, for which there are indexes: those that want it, those whose definition
// was another one once, and those that are told of renames, whose rows bear the old name.
// Nothing is added where these are many.
func (m *Manager) byLoggers(ctx context.Context, database string, match bson.D) bson.D {
	coll, named := "", false
	for _, e := range match {
		switch e.Key {
		case "subscription_id":
			return nil
		case "collection_name":
			coll, named = e.Value.(string), true
		}
	}
	if wanted, ok := catalog.Wanted(ctx, "collection_name"); ok && !named && len(wanted) == 1 {
		coll, named = wanted[0], true
	}
	if !named {
		return nil
	}
	ids := bson.A{}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.subs {
		if s.Database != database || s.Version == 1 && !s.Spec.mayLog(coll) {
			continue
		}
		if ids = append(ids, s.ID); len(ids) > fewIDs {
			return nil
		}
	}
	return bson.D{{Key: "subscription_id", Value: bson.D{{Key: "$in", Value: ids}}}}
}

// mayLog tells whether a subscription may have rows of a collection.
func (s *Spec) mayLog(coll string) bool {
	return len(s.Collections) == 0 || slices.ContainsFunc(s.Collections, func(c string) bool { return globMatch(c, coll) }) ||
		slices.Contains(s.EventTypes, "ddl") || slices.Contains(s.EventTypes, "rename")
}

func argument(args []bson.RawValue, i int) value.Value {
	if i >= len(args) {
		return value.Value{}
	}
	return value.FromRaw(args[i])
}

// ofSubscriptions reads a collection's rows of the database's subscriptions.
func (m *Manager) ofSubscriptions(coll string) catalog.TableFunction {
	return func(_ context.Context, s catalog.Session, _ []bson.RawValue) (catalog.FunctionRows, error) {
		return rowsOf(coll, m.idsOf(s.Database())), nil
	}
}

// ofUsable reads those of the subscriptions that the role may use: the rows hold
// what the events do.
func (m *Manager) ofUsable(coll string) catalog.TableFunction {
	return func(_ context.Context, s catalog.Session, _ []bson.RawValue) (catalog.FunctionRows, error) {
		hidden := m.hidden(s.Database(), s.User())
		ids := slices.DeleteFunc(m.idsOf(s.Database()), func(id any) bool { return slices.Contains(hidden, id) })
		return rowsOf(coll, ids), nil
	}
}

func rowsOf(coll string, ids bson.A) catalog.FunctionRows {
	rows := catalog.FunctionRows{NS: ns(coll), Pipeline: []bson.Raw{marshal(bson.D{{Key: "$match", Value: amongMany(ids)}})}}
	switch coll {
	case collDead:
		rows.Ordered, rows.Computed, rows.Late = []string{"created_at"}, eventDataField, imagesLate
	case collAttempts:
		rows.Ordered = []string{"started_at"}
	}
	return rows
}

// fewIDs is up to how many subscriptions are looked for one by one.
const fewIDs = 50

// amongMany finds the rows of subscriptions, which are all of a database. Many of
// them are most of what there is: it is said so that no index is thought to find
// them, and what the statement itself asks for finds its rows sooner.
func amongMany(ids bson.A) bson.D {
	if len(ids) <= fewIDs {
		return bson.D{{Key: "subscription_id", Value: bson.D{{Key: "$in", Value: ids}}}}
	}
	return bson.D{{Key: "$nor", Value: bson.A{bson.D{{Key: "subscription_id", Value: bson.D{{Key: "$nin", Value: ids}}}}}}}
}

func (m *Manager) idsOf(database string) bson.A {
	ids := bson.A{}
	for _, s := range m.of(database) {
		ids = append(ids, s.ID)
	}
	return ids
}

func (m *Manager) gatewayRows(context.Context, catalog.Session, []bson.RawValue) (catalog.FunctionRows, error) {
	return catalog.FunctionRows{NS: ns(collGateways)}, nil
}

// bucketCounters are the counters of event_stats that are summed.
var bucketCounters = []string{"received", "matched", "delivered", "failed", "retried", "dead", "bytes"}

// statsRows is EVENT_STATS([bucket]).
func (m *Manager) statsRows(ctx context.Context, s catalog.Session, args []bson.RawValue) (catalog.FunctionRows, error) {
	width := time.Minute
	if v := argument(args, 0); v.IsDocument() {
		o := OptionValue{Name: "bucket", Value: v}
		d, err := o.duration()
		if err != nil {
			return catalog.FunctionRows{}, err
		}
		if d%time.Minute != 0 {
			return catalog.FunctionRows{}, o.bad("whole minutes")
		}
		width = d
	}
	ids := m.idsOf(s.Database())
	only, named := catalog.Wanted(ctx, "subscription_id")
	if named {
		ids = m.idsAmong(s.Database(), only)
	}
	of := amongMany(ids)
	if named {
		of = bson.D{{Key: "subscription_id", Value: bson.D{{Key: "$in", Value: ids}}}}
	}
	if width == time.Minute { // as they are stored
		return catalog.FunctionRows{NS: ns(collStats), Pipeline: []bson.Raw{marshal(bson.D{{Key: "$match", Value: of}})}, Late: quantilesLate}, nil
	}
	o := store.AggregateOptions{AllowDiskUse: true}
	bounds := bucketBounds(catalog.Match(ctx), width)
	if len(bounds) > 0 && !named { // else all minutes are read for the order that they are wanted in
		o.Hint = indexHint("bucket")
	}
	cur, err := m.st.Aggregate(ctx, ns(collStats), []bson.Raw{
		marshal(bson.D{{Key: "$match", Value: bson.D{{Key: "$and", Value: append(bounds, of)}}}}),
		marshal(bson.D{{Key: "$sort", Value: asc("subscription_id", "bucket")}}),
	}, o)
	return catalog.FunctionRows{Rows: &bucketCursor{minutes: cur, width: width.Milliseconds(), read: newMinuteReader()}}, err
}

// idsAmong gives those of some ids that are subscriptions of a database.
func (m *Manager) idsAmong(database string, some []string) bson.A {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := bson.A{}
	for _, id := range some {
		if s := m.subs[id]; s != nil && s.Database == database {
			ids = append(ids, id)
		}
	}
	return ids
}

// bucketBounds are the bounds that a statement's filter sets to the minutes of
// buckets of a width.
func bucketBounds(filter bson.Raw, width time.Duration) (terms bson.A) {
	low, high := bucketSpan(filter)
	if low > math.MinInt64 {
		terms = append(terms, bson.D{{Key: "bucket", Value: bson.D{{Key: "$gte", Value: bson.DateTime(low)}}}})
	}
	if high < math.MaxInt64-width.Milliseconds() {
		terms = append(terms, bson.D{{Key: "bucket", Value: bson.D{{Key: "$lt", Value: bson.DateTime(high + width.Milliseconds())}}}})
	}
	return terms
}

// live makes a table function of rows that are made when asked.
func (m *Manager) live(rows func(ctx context.Context, database string) ([]bson.Raw, error)) catalog.TableFunction {
	return func(ctx context.Context, s catalog.Session, _ []bson.RawValue) (catalog.FunctionRows, error) {
		docs, err := rows(ctx, s.Database())
		return catalog.FunctionRows{Rows: &rowCursor{docs: docs}}, err
	}
}

// rowCursor is a store.Cursor over documents in memory.
type rowCursor struct{ docs []bson.Raw }

var _ store.Cursor = (*rowCursor)(nil)

func (c *rowCursor) Next(context.Context) (bson.Raw, error) {
	if len(c.docs) == 0 {
		return nil, io.EOF
	}
	d := c.docs[0]
	c.docs = c.docs[1:]
	return d, nil
}

func (c *rowCursor) Close() error { return nil }
