package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/store"
)

// catchup is a stretch of the past that a private reader brings into the log
// before delivery begins: the events after one position up to another.
type catchup struct {
	After string `bson:"after"`
	Until string `bson:"until"`
}

// pastPosition gives the position after which START AT or REWIND TO begins, for
// a point in the past.
func (c *call) pastPosition(ctx context.Context, at *ast.StreamPosition) (string, error) {
	if at.Kind == ast.PositionBeginning {
		t, err := c.m.oldest(ctx, c.env.Database())
		return before(string(appendPosition(nil, t, 0))), err
	}
	if at.Kind == ast.PositionToken {
		v, err := c.lang.Constant(ctx, at.Value)
		if err != nil {
			return "", err
		}
		return c.tokenPosition(ctx, text(v), at)
	}
	ms, err := moment(ctx, c.lang, at.Value)
	if err != nil {
		return "", err
	}
	// Times are those of the server, whose clock may be a little late.
	if now, err := c.m.operationTime(ctx); err != nil {
		return "", err
	} else if ms/1000 > int64(now.T)+futureAllowed {
		return "", sqlerr.New(sqlerr.InvalidParameterValue, "the time lies in the future").At(at.Value.Pos()).
			WithHint("Events from now on come with NOW; the server's time is %s.", time.Unix(int64(now.T), 0).UTC().Format(time.RFC3339))
	}
	return before(secondOf(ms)), nil
}

// futureAllowed is how many seconds a client's clock may be ahead of the server's.
const futureAllowed = 60

// moment evaluates a timestamp, in milliseconds. Where no zone is given it is in that
// of the session.
func moment(ctx context.Context, lang Language, e ast.Expr) (int64, error) {
	v, err := lang.Constant(ctx, &ast.CastExpr{Span: ast.Span{Start: e.Pos(), Stop: e.End()}, Operand: e, Type: &ast.TypeName{Name: ast.MakeIdent("timestamptz")}})
	if s := sqlerr.As(err); err != nil && s.Code != sqlerr.CannotCoerce {
		return 0, err
	}
	if err != nil || v.Kind() != bson.TypeDateTime {
		return 0, sqlerr.New(sqlerr.DatatypeMismatch, "a timestamp is needed").At(e.Pos()).
			WithHint("Write '2026-01-31 12:00Z', or an expression like now() - interval '5 minutes'.")
	}
	return v.AsDate(), nil
}

// tokenPosition finds a token in the log, else in the oplog. A position stands for
// itself.
func (c *call) tokenPosition(ctx context.Context, token string, at *ast.StreamPosition) (string, error) {
	if _, _, ok := ParsePosition(token); ok {
		return strings.ToLower(token), nil
	}
	var found string
	match := bson.D{{Key: "resume_token", Value: token}, {Key: "database_name", Value: c.env.Database()}}
	if first, last, ok := tokenSpan(token); ok { // which the log has an index of
		match = append(bson.D{{Key: "position", Value: bson.D{{Key: "$gte", Value: first}, {Key: "$lte", Value: last}}}}, match...)
	}
	err := query(ctx, c.m.st, collLog, []bson.D{{{Key: "$match", Value: match}}, {{Key: "$limit", Value: int64(1)}}}, func(doc bson.Raw) error {
		found = string([]byte(position(doc)))
		return nil
	})
	if err != nil || found != "" {
		return found, err
	}
	p, err := c.m.probeToken(ctx, c.env.Database(), token)
	if err != nil {
		return "", sqlerr.New(sqlerr.InvalidParameterValue, "the token is neither in the log nor in the oplog").At(at.Value.Pos()).
			WithDetail("%s", err.Error()).WithHint("Use a resume_token of CHANGE_STREAM_EVENTS() of this database, or TIMESTAMP or BEGINNING.")
	}
	return p, nil
}

// probeToken gives the position of the event before the first one after a token.
// Positions count the events of a cluster time from its first one, so that is
// where the count begins.
func (m *Manager) probeToken(ctx context.Context, db, token string) (string, error) {
	now, err := m.operationTime(ctx)
	if err != nil {
		return "", err
	}
	first, err := m.firstEvent(ctx, db, store.WatchOptions{StartAfter: marshal(bson.D{{Key: "_data", Value: token}})}, func(*Event) bool { return true })
	if err != nil {
		return "", err
	}
	if first == nil {
		return endOf(now), nil
	}
	same, err := m.firstEvent(ctx, db, store.WatchOptions{StartAtOperationTime: &first.Time}, func(e *Event) bool {
		return text(value.Lookup(e.Token, "_data")) == text(value.Lookup(first.Token, "_data"))
	})
	if err != nil || same == nil {
		return endOf(now), err
	}
	return before(string(appendPosition(nil, same.Time, same.Ordinal))), nil
}

// firstEvent opens a stream and gives the first event that a test likes, nil: there is none now.
func (m *Manager) firstEvent(ctx context.Context, db string, o store.WatchOptions, likes func(*Event) bool) (*Event, error) {
	o.ShowExpandedEvents = m.data.Capabilities().ExpandedEvents
	stream, err := m.data.Watch(ctx, store.Namespace{DB: db}, nil, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = stream.Close() }()
	var last bson.Timestamp
	ordinal := uint32(0)
	for {
		raw, err := stream.Next(ctx, idleWait)
		if raw == nil || err != nil {
			return nil, ignoreEOF(err)
		}
		e := &Event{}
		e.parse(append(bson.Raw(nil), raw...))
		if ordinal++; e.Time != last {
			ordinal, last = 0, e.Time
		}
		if e.Ordinal = ordinal; likes(e) {
			return e, nil
		}
	}
}

// oldest gives the earliest time that the oplog reaches back to. It is searched
// for by opening streams: that asks for no rights on the database local.
func (m *Manager) oldest(ctx context.Context, db string) (bson.Timestamp, error) {
	now, err := m.operationTime(ctx)
	if err != nil {
		return now, err
	}
	low, high := uint32(0), now.T // the oplog does not reach back to low, but to high
	for high-low > 1 {
		middle := low + (high-low)/2
		reaches, err := m.oplogReaches(ctx, db, bson.Timestamp{T: middle, I: 1})
		if err != nil {
			return now, err
		}
		if reaches {
			high = middle
		} else {
			low = middle
		}
	}
	return bson.Timestamp{T: high, I: 1}, nil
}

// oplogReaches tells whether the oplog reaches back to a time.
func (m *Manager) oplogReaches(ctx context.Context, db string, at bson.Timestamp) (bool, error) {
	stream, err := m.data.Watch(ctx, store.Namespace{DB: db}, nil, store.WatchOptions{StartAtOperationTime: &at, BatchSize: 1})
	switch {
	case err == nil:
		return true, stream.Close()
	case isHistoryLost(err):
		return false, nil
	}
	return false, fmt.Errorf("find how far the oplog reaches back: %w", err)
}

// reachable refuses a point that the oplog does not reach back to.
func (c *call) reachable(ctx context.Context, after string, at *ast.StreamPosition) error {
	_, err := c.m.firstEvent(ctx, c.env.Database(), store.WatchOptions{StartAtOperationTime: startOf(after)}, func(*Event) bool { return true })
	if err == nil || !isHistoryLost(err) {
		return err
	}
	return sqlerr.As(c.m.tooEarly(ctx, c.env.Database())).At(at.Pos())
}

// startOf gives the cluster time that holds the first event after a position.
func startOf(after string) *bson.Timestamp {
	t, ordinal, ok := ParsePosition(after)
	if !ok {
		return &bson.Timestamp{T: 1, I: 1}
	}
	if ordinal == ^uint32(0) {
		if t.I++; t.I == 0 {
			t.T++
		}
	}
	if t.I == 0 {
		t.I = 1
	}
	return &t
}

// catchUp writes the rows of a subscription's past to the log by a stream of its
// own, then lets delivery begin. It starts over when it is cut off; rows that
// are there already stay.
func (m *Manager) catchUp(ctx context.Context, s *subscription, def stored) error {
	r := newReader(m, s.Database)
	rt, err := compileRoute(ctx, m.lang, def.Spec)
	if err != nil {
		return m.suspend(ctx, s, reasonFilter, err.Error())
	}
	rt.after, rt.until = def.Catchup.After, def.Catchup.Until
	if err := r.setRoutes(ctx, []*route{rt}); err != nil {
		return err
	}
	r.at = startOf(def.Catchup.After)
	defer r.close()
	if err := r.watch(ctx); err != nil {
		return err
	}
	closed := m.opened(&openStream{kind: streamCatchUp, db: s.Database, of: s.ID, collections: def.Spec.Collections, stats: &r.stats})
	defer closed()
	for {
		if err := r.readOn(ctx); err != nil {
			return err
		}
		last := r.reached()
		if len(r.events) > 0 {
			if last, err = r.logBatch(ctx); err != nil {
				return err
			}
			r.state.LastPos = last
			r.stats.batch(r.events, m.clock())
		}
		if err := r.tookOn(ctx); err != nil {
			return err
		}
		if last > def.Catchup.Until {
			return m.caughtUp(ctx, s, def)
		}
	}
}

// scanned gives a position that a stream without events has passed: the server's
// time, or that of the token where it is earlier. A token begins with its time.
func scanned(stream store.ChangeStream) string {
	at := string(appendPosition(nil, stream.OperationTime(), 0))
	if first, _, ok := tokenSpan(text(value.Lookup(stream.ResumeToken(), "_data"))); ok {
		at = min(at, first)
	}
	return at
}

// passedTime is the cluster time of scanned.
func passedTime(stream store.ChangeStream) bson.Timestamp {
	at, _, _ := ParsePosition(scanned(stream))
	return at
}

// tokenSpan gives the first and the last position of the cluster time that a token
// begins with; false: it does not look like one of MongoDB's.
func tokenSpan(token string) (first, last string, ok bool) {
	const mark, digits = "82", 16
	if len(token) < len(mark)+digits || token[:len(mark)] != mark {
		return "", "", false
	}
	at := strings.ToLower(token[len(mark) : len(mark)+digits])
	first, last = at+"00000000", at+"ffffffff"
	_, _, ok = ParsePosition(first)
	return first, last, ok
}

// caughtUp makes a subscription active whose past is in the log.
func (m *Manager) caughtUp(ctx context.Context, s *subscription, def stored) error {
	if _, err := changeDefinition(ctx, m.st, bson.D{{Key: "_id", Value: s.ID}}, bson.E{Key: "$unset", Value: bson.D{{Key: "catchup", Value: ""}}},
		bson.E{Key: "$set", Value: bson.D{{Key: "caught_up", Value: def.Catchup.Until}}}); err != nil {
		return err
	}
	_, err := m.bump(ctx, s.Database)
	return err
}

// runCatchUp tries again after failures of the store; a history that is lost
// suspends the subscription.
func (m *Manager) runCatchUp(ctx context.Context, s *subscription, def stored) error {
	const longest = 10 * time.Second
	for delay := 100 * time.Millisecond; ; delay = min(2*delay, longest) {
		err := m.catchUp(ctx, s, def)
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, errSuspended):
			return nil
		case isHistoryLost(err):
			return m.suspend(ctx, s, "history_lost", err.Error())
		}
		m.log.Warn("a catch-up failed; it is tried again", "subscription", s.ID, "error", err, "delay", delay)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
	}
}
