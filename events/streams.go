package events

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// The kinds of change streams that a gateway opens.
const (
	streamReader  = "reader"   // the one of a database, shared by its subscriptions
	streamCatchUp = "catch-up" // a subscription's past, once
	streamAdHoc   = "ad hoc"   // CHANGE_STREAM_EVENTS() of what nobody logs
	streamTail    = "tail"     // SUBSCRIBE TO a collection
)

// openStream is a change stream that is open here.
type openStream struct {
	kind, db, of string // of: a subscription or a collection, "": the database
	collections  []string
	stats        *readerStats
	reader       *reader                    // of a shared stream
	shared       atomic.Pointer[sharedTail] // that clients share; nil: it is of one alone
	number       int64
	created      time.Time
}

// id names the stream among all that are open.
func (s *openStream) id(gateway string) string {
	switch s.kind {
	case streamReader:
		return s.db
	case streamCatchUp:
		return s.db + ":" + s.kind + ":" + s.of
	}
	return fmt.Sprintf("%s:%s:%s:%d", s.db, s.kind, gateway, s.number)
}

// opened lists a stream until closed is called, which may be called again.
func (m *Manager) opened(s *openStream) (closed func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opens++
	s.number, s.created = m.opens, m.clock()
	m.streams[s] = struct{}{}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.streams, s)
	}
}

// maxShownStreams bounds what a gateway tells the others of its streams.
const maxShownStreams = 500

// openStreams are the rows of ACTIVE_CHANGE_STREAMS() of this gateway.
func (m *Manager) openStreams(ctx context.Context) (bson.A, error) {
	now, err := m.operationTime(ctx)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	list := make([]*openStream, 0, len(m.streams))
	for s := range m.streams {
		list = append(list, s)
	}
	oldest := m.oplogStart
	m.mu.Unlock()
	slices.SortFunc(list, func(a, b *openStream) int { return cmp.Compare(a.number, b.number) })
	out := bson.A{}
	for _, s := range list {
		row := m.streamRow(s, now, oldest)
		if row != nil && len(out) < maxShownStreams {
			out = append(out, row)
		}
	}
	return out, nil
}

// streamRow makes a row of ACTIVE_CHANGE_STREAMS(), nil: nobody uses the stream.
func (m *Manager) streamRow(s *openStream, now, oldest bson.Timestamp) bson.D {
	subs, epoch, collections := int32(0), any(nil), s.collections
	if s.kind == streamCatchUp {
		subs = 1
	}
	if s.reader != nil {
		routes := s.reader.currentRoutes()
		if len(routes) == 0 {
			return nil
		}
		subs, epoch, collections = int32(len(routes)), s.reader.lease.epoch, watchedBy(routes)
	}
	if h := s.shared.Load(); h != nil {
		collections = h.collections()
	}
	perSecond, bytes := s.stats.rates(m.clock())
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	op := s.stats.operation
	status := s.stats.status()
	if status == "running" && lagging(now, op, oldest) {
		status = "lagging"
	}
	d := bson.D{{Key: "stream_id", Value: s.id(m.gateway)}, {Key: "kind", Value: s.kind}, {Key: "database_name", Value: s.db}, {Key: "collections", Value: collections},
		{Key: "gateway", Value: m.gateway}, {Key: "epoch", Value: epoch}, {Key: "status", Value: status}, {Key: "subscriptions", Value: subs},
		{Key: "events_total", Value: s.stats.events}, {Key: "events_per_second", Value: perSecond}, {Key: "bytes_per_second", Value: bytes},
		{Key: "reopens", Value: s.stats.reopens}, {Key: "created_at", Value: s.created}}
	add := func(key string, v any, ok bool) {
		if ok {
			d = append(d, bson.E{Key: key, Value: v})
		}
	}
	lag := max(0, float64(now.T)-float64(op.T))
	add("resume_token", s.stats.token, s.stats.token != "")
	add("resume_token_timestamp", time.Unix(int64(op.T), 0), op.T > 0)
	add("resume_token_lag_seconds", lag, op.T > 0)
	add("read_lag_ms", 1000*lag, op.T > 0)
	add("oplog_window_seconds", float64(now.T)-float64(oldest.T), oldest.T > 0)
	add("last_error", s.stats.lastError, s.stats.lastError != "")
	return d
}

// watchedBy gives the collections that routes want, none: all of the database.
func watchedBy(routes []*route) []string {
	out := []string{}
	for _, r := range routes {
		if len(r.spec.Collections) == 0 {
			return nil
		}
		out = append(out, r.spec.Collections...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// streamRows makes the rows of ACTIVE_CHANGE_STREAMS(): those of this gateway, and
// what the others told of theirs with their last heartbeat.
func (m *Manager) streamRows(ctx context.Context, database string) ([]bson.Raw, error) {
	own, err := m.openStreams(ctx)
	if err != nil {
		return nil, err
	}
	var out []bson.Raw
	for _, row := range own {
		if raw := marshal(row); text(value.Lookup(raw, "database_name")) == database {
			out = append(out, raw)
		}
	}
	match := append(bson.D{{Key: "_id", Value: bson.D{{Key: "$ne", Value: m.gateway}}}, {Key: "open_streams.database_name", Value: database}}, gatewayAlive...)
	err = query(ctx, m.st, collGateways, []bson.D{{{Key: "$match", Value: match}}}, func(doc bson.Raw) error {
		for it := value.Walk(value.Lookup(doc, "open_streams").Doc()); it.Next(); {
			if row := it.Value(); row.IsDocument() && text(value.Lookup(row.Doc(), "database_name")) == database {
				out = append(out, slices.Clone(row.Doc()))
			}
		}
		return nil
	})
	return out, err
}

// readerRow gives the row of the stream that a database is read by, nil: there is none.
func (m *Manager) readerRow(ctx context.Context, database string) (bson.Raw, error) {
	rows, err := m.streamRows(ctx, database)
	i := slices.IndexFunc(rows, func(r bson.Raw) bool { return text(value.Lookup(r, "kind")) == streamReader })
	if err != nil || i < 0 {
		return nil, err
	}
	return rows[i], nil
}

// oplogEvery is how often the beginning of the oplog is looked for, at most.
const oplogEvery = time.Minute

// lookAtOplog finds out now and then how far the oplog reaches back, while streams
// are open here. It waits for nothing: without rights on the database local a server
// may have to read much of the oplog for it.
func (m *Manager) lookAtOplog() {
	m.mu.Lock()
	due := len(m.streams) > 0 && !m.oplogBusy && !m.clock().Before(m.oplogDue)
	db, known := "", m.oplogStart
	for s := range m.streams {
		db = s.db
	}
	m.oplogBusy = m.oplogBusy || due
	m.mu.Unlock()
	if !due {
		return
	}
	m.beside(func(ctx context.Context) {
		began := time.Now()
		at, err := m.oplogBegin(ctx, db, known)
		if err != nil && ctx.Err() == nil {
			m.log.Warn("how far the oplog reaches back could not be found; it is tried again", "error", err)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.oplogBusy, m.oplogDue = false, m.clock().Add(max(oplogEvery, recountRest*time.Since(began)))
		if err == nil {
			m.oplogStart = at
		}
	})
}

// oplogBegin is where the oplog begins; known is where it did.
func (m *Manager) oplogBegin(ctx context.Context, db string, known bson.Timestamp) (bson.Timestamp, error) {
	if !m.data.Capabilities().Sharded { // whose shards have an oplog each
		at, err := m.firstOfOplog(ctx)
		if mongoerr.CodeOf(err) != mongoerr.Unauthorized && (err != nil || at.T > 0) {
			return at, err
		}
	}
	if known.T > 0 {
		if still, err := m.oplogReaches(ctx, db, bson.Timestamp{T: known.T, I: 1}); err != nil || still {
			return known, err
		}
	}
	return m.oldest(ctx, db)
}

// lagAtLeast is from how many seconds on a stream can be called lagging.
const lagAtLeast = 60

// lagging tells of a stream that has used up half of what the oplog holds.
func lagging(now, at, oldest bson.Timestamp) bool {
	return oldest.T > 0 && at.T > 0 && now.T > at.T+lagAtLeast && 2*(now.T-at.T) > now.T-oldest.T
}

// firstOfOplog reads the oldest entry, zero: there is no oplog to be read.
func (m *Manager) firstOfOplog(ctx context.Context) (at bson.Timestamp, err error) {
	stages := []bson.Raw{marshal(bson.D{{Key: "$limit", Value: int64(1)}}), marshal(bson.D{{Key: "$project", Value: bson.D{{Key: "ts", Value: 1}}}})}
	err = drain(ctx, m.data, store.Namespace{DB: "local", Coll: "oplog.rs"}, stages, func(doc bson.Raw) error {
		at.T, at.I = value.Lookup(doc, "ts").AsTimestamp()
		return nil
	})
	return at, err
}
