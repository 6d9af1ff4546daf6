package agg

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// lookupStage is $lookup: equality of two fields, a pipeline, or both. With
// the $unwind that follows it, it gives one document for each match.
type lookupStage struct {
	reads
	from    string // "" when the pipeline makes its own documents
	as      []string
	local   []string // nil: no equality
	foreign string
	lets    letVars
	pipe    *Pipeline // nil: none
	// uncorrelated pipelines give the same for every document of one input,
	// pure ones in the whole execution.
	uncorrelated, pure bool
	unwind             *unwindStage
	coll               *value.Collation
	joinOn             []*exprJoin // equalities found in the pipeline's $expr
	hashed             hashPlan
}

// letVars are the variables of a sub-pipeline.
type letVars struct {
	names []string
	exprs []expr.Expr
	outer int // variables in scope around
}

// bind makes the context of a sub-pipeline for the document in x.Root.
func (l *letVars) bind(env *Env, x *expr.Context) (*expr.Context, error) {
	sub := &expr.Context{Now: x.Now, ClusterTime: x.ClusterTime, Session: x.Session, Watch: x.Watch}
	sub.Vars = make([]value.Value, l.outer+len(l.exprs), l.outer+len(l.exprs)+4)
	copy(sub.Vars, x.Vars)
	for i, e := range l.exprs {
		v, err := e.Eval(x)
		if err != nil {
			return nil, err
		}
		sub.Vars[l.outer+i] = v
	}
	return sub, nil
}

func failParse(format string, args ...any) error {
	return mongoerr.New(mongoerr.FailedToParse, format, args...)
}

// lookupSpec is the specification as written.
type lookupSpec struct {
	from, local, foreign, as string
	let                      bson.Raw
	pipeline                 []bson.Raw
	hasFrom, hasPipeline     bool
}

func compileLookup(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, failParse("the $lookup stage specification must be an object, but found %s", value.TypeName(spec.Type))
	}
	var p lookupSpec
	for it := value.Walk(spec.Value); it.Next(); {
		if err := p.field(c, it.Key(), it.Value()); err != nil {
			return nil, err
		}
	}
	if err := p.check(spec); err != nil {
		return nil, err
	}
	as, err := splitPath(p.as)
	if err != nil {
		return nil, err
	}
	s := &lookupStage{from: p.from, as: as, foreign: p.foreign, coll: c.env.Collation}
	if p.local != "" {
		if s.local, err = splitPath(p.local); err != nil {
			return nil, err
		}
		if _, err = splitPath(p.foreign); err != nil {
			return nil, err
		}
	}
	if p.hasPipeline {
		if err := s.compilePipeline(c, &p); err != nil {
			return nil, err
		}
	}
	return []stage{s}, nil
}

func (p *lookupSpec) field(c *compiler, key string, v value.Value) (err error) {
	switch key {
	case "from":
		p.hasFrom = true
		if v.IsDocument() {
			db, coll := value.Lookup(v.Doc(), "db"), value.Lookup(v.Doc(), "coll")
			return failParse("$lookup with syntax {from: {db:<>, coll:<>},..} is not supported for db: %s and coll: %s", show(db), show(coll))
		}
		if !v.IsString() {
			return failParse("$lookup 'from' field must be a string, but found %s", value.TypeName(v.Kind()))
		}
		p.from = v.Str()
	case "let":
		if !v.IsDocument() {
			return failParse("$lookup argument 'let: %s' must be an object, is type %s", v, value.TypeName(v.Kind()))
		}
		p.let = v.Doc()
	case "pipeline":
		p.hasPipeline = true
		p.pipeline, err = pipelineArray(v)
		return err
	case "as", "localField", "foreignField":
		if !v.IsString() {
			return failParse("$lookup argument '%s: %s' must be a string, is type %s", key, v, value.TypeName(v.Kind()))
		}
		switch key {
		case "as":
			p.as = v.Str()
		case "localField":
			p.local = v.Str()
		default:
			p.foreign = v.Str()
		}
	case "_internalCollation", "_internalUnwind":
		return failParse("unknown argument to $lookup: %s", key)
	default:
		return failParse("unknown argument to $lookup: %s", key)
	}
	return nil
}

// pipelineArray reads an array of stages.
func pipelineArray(v value.Value) ([]bson.Raw, error) {
	if !v.IsArray() {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "'pipeline' option must be specified as an array")
	}
	out := []bson.Raw{}
	for it := value.Walk(v.Doc()); it.Next(); {
		if !it.Value().IsDocument() {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "Each element of the 'pipeline' array must be an object")
		}
		out = append(out, it.Value().Doc())
	}
	return out, nil
}

func (p *lookupSpec) check(spec bson.RawValue) error {
	generated := len(p.pipeline) > 0 && firstKey(p.pipeline[0]) == "$documents"
	switch {
	case !p.hasFrom && !generated:
		return failParse("missing 'from' option to $lookup stage specification: %s", value.FromRaw(spec))
	case p.as == "":
		return failParse("must specify 'as' field for a $lookup")
	case !p.hasPipeline && (p.local == "" || p.foreign == ""):
		return failParse("$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified")
	case (p.local == "") != (p.foreign == ""):
		return failParse("$lookup requires both or neither of 'localField' and 'foreignField' to be specified")
	case p.let != nil && !p.hasPipeline:
		return failParse("$lookup with a 'let' argument must also specify 'pipeline'")
	}
	return nil
}

func (s *lookupStage) compilePipeline(c *compiler, p *lookupSpec) (err error) {
	if s.lets, err = c.letVars(p.let); err != nil {
		return err
	}
	sub := c.sub(inLookup)
	opts := *c.opts
	opts.Vars = append(append([]string(nil), opts.Vars...), s.lets.names...)
	sub.opts = &opts
	if s.pipe, err = sub.pipeline(p.pipeline); err != nil {
		return err
	}
	if !hasVolatile(p.pipeline) {
		s.uncorrelated = !mentions(p.pipeline, s.lets.names)
		s.pure = !mentions(p.pipeline, opts.Vars)
	}
	s.joinOn = findExprJoins(sub, s.pipe, p.pipeline)
	return nil
}

func (c *compiler) letVars(let bson.Raw) (letVars, error) {
	l := letVars{outer: len(c.opts.Vars)}
	for it := value.Walk(let); it.Next(); {
		name := it.Key()
		if err := expr.CheckUserVariable(name); err != nil {
			return l, failParse("%s", err)
		}
		e, err := c.expr(it.Value().RawValue())
		if err != nil {
			return l, err
		}
		l.names, l.exprs = append(l.names, name), append(l.exprs, e)
	}
	return l, nil
}

// mentions tells whether a pipeline reads one of the variables.
func mentions(pipeline []bson.Raw, vars []string) bool {
	for _, stage := range pipeline {
		if mentionsIn(value.Document(stage), vars) {
			return true
		}
	}
	return false
}

func mentionsIn(v value.Value, vars []string) bool {
	switch {
	case v.IsString():
		s, ok := strings.CutPrefix(v.Str(), "$$")
		if !ok {
			return false
		}
		name := firstPart(s)
		return slices.Contains(vars, name)
	case v.IsDocument(), v.IsArray():
		for it := value.Walk(v.Doc()); it.Next(); {
			if mentionsIn(it.Value(), vars) {
				return true
			}
		}
	}
	return false
}

// hasVolatile tells whether a pipeline gives another result every time.
func hasVolatile(pipeline []bson.Raw) bool {
	for _, stage := range pipeline {
		if volatileIn(value.Document(stage)) {
			return true
		}
	}
	return false
}

func volatileIn(v value.Value) bool {
	if !v.IsDocument() && !v.IsArray() {
		return false
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		switch it.Key() {
		case "$sample", "$rand", "$sampleRate":
			return true
		}
		if volatileIn(it.Value()) {
			return true
		}
	}
	return false
}

func (s *lookupStage) needs(f *fieldSet) bool {
	f.addDeps(&s.deps)
	if s.local != nil {
		f.add(strings.Join(s.local, "."))
	}
	if len(s.as) > 1 {
		f.add(s.as[0])
	}
	return false
}

func (s *lookupStage) open(ctx context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	j := &joiner{s: s, r: r}
	if s.from != "" {
		src, err := r.env.source(ctx, s.from)
		if err != nil {
			return nil, err
		}
		j.src = src
	}
	if s.unwind != nil {
		return &lookupUnwind{piped: piped{in}, j: j}, nil
	}
	return &lookupCursor{piped: piped{in}, j: j}, nil
}

// source opens another collection of the same database.
func (e *Env) source(ctx context.Context, coll string) (Source, error) {
	if e.Collections == nil {
		return nil, mongoerr.New(mongoerr.InvalidNamespace, "no other collections can be read here: %s", coll)
	}
	return e.Collections(ctx, store.Namespace{DB: e.NS.DB, Coll: coll})
}

// lookupCursor puts the matches of each document into an array.
type lookupCursor struct {
	piped
	j   *joiner
	buf []byte
}

// maxLookup bounds the array of one $lookup, as the server does.
const maxLookup = 16<<20 + 16<<10

func (c *lookupCursor) Next(ctx context.Context) (bson.Raw, error) {
	doc, err := c.j.local(ctx, c.in)
	if err != nil {
		return nil, err
	}
	var items arrayBuilder
	matches, err := c.j.matches(ctx, doc)
	if err != nil {
		return nil, err
	}
	defer matches.Close()
	err = drain(ctx, matches, func(m bson.Raw) error {
		items.add(value.Document(m))
		if len(items.buf) > maxLookup {
			return mongoerr.New(4568, "Total size of documents in %s matching pipeline's $lookup stage exceeds %d bytes", c.j.s.from, maxLookup)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.buf = setPath(c.buf[:0], doc, c.j.s.as, items.array())
	return c.buf, nil
}

// lookupUnwind gives one document for each match.
type lookupUnwind struct {
	piped
	j        *joiner
	doc      bson.Raw
	matches  store.Cursor
	n        int64
	bufs     [2][]byte
	patience patience
}

func (c *lookupUnwind) Next(ctx context.Context) (bson.Raw, error) {
	for {
		if c.matches == nil {
			doc, err := c.j.local(ctx, c.in)
			if err != nil {
				return nil, err
			}
			c.doc, c.n = doc, 0
			if c.matches, err = c.j.matches(ctx, doc); err != nil {
				return nil, err
			}
		}
		m, err := c.matches.Next(ctx)
		if err == nil {
			if err := c.patience.step(ctx); err != nil {
				return nil, err
			}
			c.n++
			return c.emit(value.Document(m), value.Int64(c.n-1)), nil
		}
		if err != errEnd {
			return nil, err
		}
		c.matches.Close()
		c.matches = nil
		if c.n == 0 && c.j.s.unwind.preserve {
			return c.emit(value.Value{}, value.Null()), nil
		}
	}
}

func (c *lookupUnwind) emit(v, index value.Value) bson.Raw {
	c.bufs[0] = setPath(c.bufs[0][:0], c.doc, c.j.s.as, v)
	if c.j.s.unwind.index == nil {
		return c.bufs[0]
	}
	c.bufs[1] = setPath(c.bufs[1][:0], c.bufs[0], c.j.s.unwind.index, index)
	return c.bufs[1]
}

func (c *lookupUnwind) Close() error {
	if c.matches != nil {
		c.matches.Close()
		c.matches = nil
	}
	if c.j.batch.src != nil {
		c.j.dropTable()
	}
	return c.in.Close()
}
