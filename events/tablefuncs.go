package events

import (
	"context"
	"io"
	"math"
	"slices"
	"strings"
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
		at := database
		match, database = m.bySource(at, name)
		if s := m.named(at, name); s != nil {
			above, err := m.byCursor(ctx, s)
			if err != nil {
				return catalog.FunctionRows{}, err
			}
			match = append(match, above...)
		}
	}
	match = m.byIDs(ctx, database, match)
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

// byIDs narrows a filter on a database's rows down to the subscriptions that may have
// some of those that are asked for, for which there are indexes. A subscription is of one
// database, so that what names subscriptions need not be asked for the database, too:
// the keys of an index then answer it. Nothing changes where these are many.
func (m *Manager) byIDs(ctx context.Context, database string, match bson.D) bson.D {
	for _, e := range match {
		if e.Key == "subscription_id" {
			return match
		}
	}
	may := m.loggers(ctx, match)
	if may == nil {
		return match
	}
	ids := bson.A{}
	m.mu.Lock()
	for _, s := range m.subs {
		if s.Database == database && may(s) {
			ids = append(ids, s.ID)
		}
	}
	m.mu.Unlock()
	if len(ids) == 0 || len(ids) > fewIDs { // none: another gateway may have made one just now
		return match
	}
	slices.SortFunc(ids, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	match = slices.DeleteFunc(match, func(e bson.E) bool { return e.Key == "database_name" })
	return append(match, bson.E{Key: "subscription_id", Value: bson.D{{Key: "$in", Value: ids}}})
}

// loggers tells which subscriptions may have rows that a statement asks for, nil: all.
// Of a collection they are those that want it, those whose definition was another one
// once, and those that are told of renames, whose rows bear the old name; of a name those
// that have it, and those that may have had it.
func (m *Manager) loggers(ctx context.Context, match bson.D) func(*subscription) bool {
	coll, named := "", false
	for _, e := range match {
		if e.Key == "collection_name" {
			coll, named = e.Value.(string), true
		}
	}
	if wanted, ok := catalog.Wanted(ctx, "collection_name"); ok && !named && len(wanted) == 1 {
		coll, named = wanted[0], true
	}
	ids, byID := catalog.Wanted(ctx, "subscription_id")
	names, byName := catalog.Wanted(ctx, "subscription_name")
	if !named && !byID && !byName {
		return nil
	}
	return func(s *subscription) bool {
		return (!named || s.Version != 1 || s.Spec.mayLog(coll)) && (!byID || slices.Contains(ids, s.ID)) && (!byName || s.Version != 1 || slices.Contains(names, s.Spec.Name))
	}
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
	rows, err := m.bucketRows(ctx, ids, named, width)
	return catalog.FunctionRows{Rows: rows}, err
}

// bucketRows gives the rows of EVENT_STATS() of subscriptions in buckets of a width.
func (m *Manager) bucketRows(ctx context.Context, ids bson.A, named bool, width time.Duration) (store.Cursor, error) {
	s, err := m.rolledUp(ctx)
	if err != nil {
		return nil, err
	}
	low, high := bucketBounds(catalog.Match(ctx), width)
	c := &bucketCursor{parts: statsParts(s.upTo, width, low, high), width: width.Milliseconds(), at: math.MinInt64, read: newMinuteReader(),
		rows: map[bucketID]*statsBucket{}, summed: map[string]int64{}}
	if !s.upTo.IsZero() {
		c.upTo = s.upTo.UnixMilli()
	}
	of, hinted := bson.D{}, map[string]string{collStats: "bucket", collRollups: "width_bucket"}
	if named || len(ids) <= fewIDs {
		of, hinted = bson.D{{Key: "subscription_id", Value: bson.D{{Key: "$in", Value: ids}}}}, nil
	} else { // most of what there is: it is left out here
		c.ids = map[string]bool{}
		for _, id := range ids {
			c.ids[id.(string)] = true
		}
	}
	c.open = func(ctx context.Context, p statsPart) (store.Cursor, error) {
		coll, match := ofWidth(p.width)
		span := bson.D{}
		if !p.from.IsZero() {
			span = append(span, bson.E{Key: "$gte", Value: p.from})
		}
		if !p.to.IsZero() {
			span = append(span, bson.E{Key: "$lt", Value: p.to})
		}
		if len(span) > 0 {
			match = append(match, bson.E{Key: "bucket", Value: span})
		}
		o := store.AggregateOptions{AllowDiskUse: true}
		if name := hinted[coll]; name != "" {
			o.Hint = indexHint(name)
		}
		return m.st.Aggregate(ctx, ns(coll), []bson.Raw{marshal(bson.D{{Key: "$match", Value: append(match, of...)}}), marshal(bson.D{{Key: "$sort", Value: asc("bucket")}})}, o)
	}
	return c, nil
}

// bucketBounds are the first and the last time, which is not in it, of what is counted in
// the rows of a width that a statement's filter may want; zero: no bound.
func bucketBounds(filter bson.Raw, width time.Duration) (low, high time.Time) {
	w := width.Milliseconds()
	first, last := bucketSpan(filter)
	if first > 0 {
		low = time.UnixMilli((first + w - 1) / w * w).UTC()
	}
	if last >= 0 && last < math.MaxInt64-w {
		high = time.UnixMilli(last/w*w + w).UTC()
	}
	return low, high
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
