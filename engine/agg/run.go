package agg

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/store"
)

// stage is one compiled stage. open puts it behind its input; first stages
// that make documents themselves close the input they get.
type stage interface {
	open(ctx context.Context, r *run, in store.Cursor) (store.Cursor, error)
}

// run is one execution of a pipeline.
type run struct {
	env *Env
	x   *expr.Context
	// shared is common to an execution and all its sub-pipelines.
	shared *shared
}

// shared keeps what sub-pipelines that are run again and again need not make anew.
type shared struct {
	tables map[*lookupStage]*hashTable
	cached map[*lookupStage][]bson.Raw
}

// close gives back what tables hold on disk.
func (s *shared) close() {
	for _, t := range s.tables {
		if t.disk != nil {
			t.disk.close()
		}
	}
}

func newRun(env *Env) *run {
	return &run{env: env, x: env.context(), shared: &shared{
		tables: map[*lookupStage]*hashTable{}, cached: map[*lookupStage][]bson.Raw{},
	}}
}

// with is the same execution with other variables.
func (r *run) with(x *expr.Context) *run { return &run{env: r.env, x: x, shared: r.shared} }

func (e *Env) compileOptions() *expr.CompileOptions {
	o := &expr.CompileOptions{Library: e.Library, Collation: e.Collation, SourceMeta: e.SourceMeta}
	if e.SortedBy != nil && e.Collation == nil {
		o.SortKey = sortKeyOf(e.SortedBy)
	}
	for it := value.Walk(e.Let); it.Next(); {
		o.Vars, o.Known = append(o.Vars, it.Key()), append(o.Known, it.Value())
	}
	return o
}

// context makes what expressions of one execution see.
func (e *Env) context() *expr.Context {
	x := &expr.Context{Now: e.Now, Session: e.Session, Vars: value.Items(nil, e.Let)}
	if x.Now == 0 {
		x.Now = time.Now().UnixMilli()
	}
	if e.ClusterTime != (bson.Timestamp{}) {
		x.ClusterTime = value.Timestamp(e.ClusterTime.T, e.ClusterTime.I)
	}
	return x
}

// Run starts the pipeline over a source. src may be nil when the first stage
// makes its own documents.
func (p *Pipeline) Run(ctx context.Context, src Source) (store.Cursor, error) {
	r := newRun(p.env)
	r.x.Attend(ctx)
	cur, err := p.run(ctx, r, src)
	return p.ending(r, cur, err)
}

// ending closes with a cursor what its execution shares, where something might
// be there to be closed.
func (p *Pipeline) ending(r *run, cur store.Cursor, err error) (store.Cursor, error) {
	if err != nil {
		return nil, err
	}
	for _, s := range p.stages {
		switch s.(type) {
		case *lookupStage, *unionStage, *facetStage:
			return &endCursor{attended{piped{cur}, r.x}, r.shared}, nil
		}
	}
	return &attended{piped{cur}, r.x}, nil
}

// attended has the expressions of an execution end with whoever asks for the
// next document; that is another call each time.
type attended struct {
	piped
	x *expr.Context
}

func (c *attended) Next(ctx context.Context) (bson.Raw, error) {
	c.x.Attend(ctx)
	return c.in.Next(ctx)
}

type endCursor struct {
	attended
	shared *shared
}

func (c *endCursor) Close() error {
	defer c.shared.close()
	return c.in.Close()
}

func (p *Pipeline) run(ctx context.Context, r *run, src Source) (store.Cursor, error) {
	stages := p.stages
	in := Documents(nil)
	if src != nil && !p.generates() {
		var err error
		if in, stages, err = p.openSource(ctx, r, src); err != nil {
			return nil, err
		}
	}
	return openStages(ctx, r, in, stages)
}

// RunOver runs the pipeline over the documents of a cursor, which it closes.
func (p *Pipeline) RunOver(ctx context.Context, in store.Cursor) (store.Cursor, error) {
	r := newRun(p.env)
	r.x.Attend(ctx)
	cur, err := openStages(ctx, r, &checked{piped: piped{in}}, p.stages)
	return p.ending(r, cur, err)
}

func openStages(ctx context.Context, r *run, in store.Cursor, stages []stage) (store.Cursor, error) {
	for _, s := range stages {
		out, err := s.open(ctx, r, in)
		if err != nil {
			in.Close()
			return nil, err
		}
		in = out
	}
	return in, nil
}

// Generates tells whether the pipeline makes its own documents, so that it
// needs no source.
func (p *Pipeline) Generates() bool { return p.generates() }

func (p *Pipeline) generates() bool {
	if len(p.stages) == 0 {
		return false
	}
	g, ok := p.stages[0].(generator)
	return ok && g.generates()
}

// generator is a stage that makes documents without input.
type generator interface{ generates() bool }

// localStage runs a stage that only local execution knows.
type localStage struct{ s Stage }

func (l localStage) open(ctx context.Context, _ *run, in store.Cursor) (store.Cursor, error) {
	return l.s.Run(ctx, in)
}
