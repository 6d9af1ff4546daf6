package session

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
)

// livePoll is how long a subscription is waited for at a time.
const livePoll = time.Second

// subscription is SUBSCRIBE: rows until it is cancelled.
type subscription struct {
	stmt  *ast.Subscribe
	types []uint32 // of its parameters
	cols  []column
}

// analyzeSubscribe makes the command of SUBSCRIBE. psql shows no row of a query
// before its last one, so typed there it comes as a COPY, whose lines it shows as
// they arrive.
func (s *Session) analyzeSubscribe(ctx context.Context, stmt *ast.Subscribe, src source, oids []uint32) (command, []uint32, error) {
	if s.h.deps.Events == nil {
		return nil, nil, noEvents(stmt)
	}
	types := eventParameters(stmt, oids)
	shape, err := withArguments(stmt, types, nil)
	if err != nil {
		return nil, nil, err
	}
	found, err := s.h.deps.Events.Describe(ctx, shape, relationEnv{s.env})
	if err != nil {
		return nil, nil, err
	}
	sub := &subscription{stmt: stmt, types: types, cols: catalogColumns(found)}
	if src.simple && s.set.value("application_name") == "psql" {
		return &copyTo{cmd: sub, format: &copyFormat{kind: "text", delim: '\t', null: `\N`, header: true}}, types, nil
	}
	return sub, types, nil
}

func (c *subscription) result() []column { return c.cols }

func (c *subscription) open(ctx context.Context, s *Session, call *call) (rows, string, error) {
	stmt, err := withArguments(c.stmt, c.types, call.args)
	if err != nil {
		return nil, "", err
	}
	next, stop, err := s.h.deps.Events.Subscribe(ctx, stmt, relationEnv{s.env})
	if err != nil {
		return nil, "", err
	}
	return &liveRows{pull: next, stop: stop, flush: call.w.Flush}, "", nil
}

// ends tells whether the rows end by themselves.
func (c *subscription) ends() bool {
	return c.stmt.UpTo != nil || c.stmt.Query != nil && c.stmt.Query.Limit != nil
}

// explain is EXPLAIN of it.
func (c *subscription) explain(ctx context.Context, s *Session, args []value.Value) ([]string, error) {
	stmt, err := withArguments(c.stmt, c.types, args)
	if err != nil {
		return nil, err
	}
	return s.h.deps.Events.Explain(ctx, stmt, relationEnv{s.env})
}

// liveRows are rows that come now and then. What is gathered is sent before
// each wait.
type liveRows struct {
	pull func(ctx context.Context, wait time.Duration) (bson.Raw, error)
	stop func()
	// flush sends what is gathered, before waiting for rows.
	flush func() error
}

var _ poller = (*liveRows)(nil)

func (r *liveRows) next(ctx context.Context) (bson.Raw, error) {
	doc, err := r.pull(ctx, 0)
	for doc == nil && err == nil {
		if err = r.flush(); err != nil {
			return nil, err
		}
		doc, err = r.pull(ctx, livePoll)
		if err == nil {
			err = ctx.Err()
		}
	}
	return doc, err
}

func (r *liveRows) poll(ctx context.Context, wait time.Duration) (bson.Raw, error) {
	return r.pull(ctx, wait)
}

func (r *liveRows) tag(n int) string { return "SELECT " + itoa(n) }

func (r *liveRows) close() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}
