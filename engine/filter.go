package engine

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
)

var emptyDoc = bson.Raw{5, 0, 0, 0, 0}

// filterSpec is a compiled filter with what is needed to run it. It is used by
// one goroutine at a time.
type filterSpec struct {
	raw       bson.Raw
	matcher   *match.Matcher
	context   *expr.Context
	collation *value.Collation
	let       bson.Raw // evaluated
}

// compileFilter compiles a filter; let holds evaluated variables or is nil.
func (e *Engine) compileFilter(filter bson.Raw, collation *value.Collation, let bson.Raw) (filterSpec, error) {
	if filter == nil {
		filter = emptyDoc
	}
	opts, vars := e.compileOptions(collation, let)
	m, err := match.Compile(filter, opts)
	if err != nil {
		return filterSpec{}, err
	}
	return filterSpec{raw: filter, matcher: m, context: e.exprContext(vars), collation: collation, let: let}, nil
}

func (e *Engine) compileOptions(collation *value.Collation, let bson.Raw) (*expr.CompileOptions, []value.Value) {
	opts := &expr.CompileOptions{Library: e.opts.Library, Collation: collation}
	var vars []value.Value
	if let != nil {
		for it := value.Walk(let); it.Next(); {
			opts.Vars, opts.Known = append(opts.Vars, it.Key()), append(opts.Known, it.Value())
			vars = append(vars, it.Value())
		}
	}
	return opts, vars
}

func (e *Engine) exprContext(vars []value.Value) *expr.Context {
	ts := e.log.Durable()
	return &expr.Context{
		Vars:        slices.Clone(vars),
		Now:         e.opts.Now().UnixMilli(),
		ClusterTime: value.Timestamp(uint32(ts>>32), uint32(ts)),
	}
}

// evalLet turns the let option of a command into a document of constants.
func (e *Engine) evalLet(let bson.Raw) (bson.Raw, error) {
	if let == nil {
		return nil, nil
	}
	c := e.exprContext(nil)
	start, dst := value.BeginDocument(nil)
	for it := value.Walk(let); it.Next(); {
		if err := expr.CheckUserVariable(it.Key()); err != nil {
			return nil, mongoerr.New(mongoerr.CodeOf(err), "Invalid 'let' parameter :: caused by :: %v", err)
		}
		deps := &expr.Deps{}
		x, err := expr.CompileValue(it.Value(), &expr.CompileOptions{Library: e.opts.Library, Deps: deps})
		if err != nil {
			return nil, err
		}
		if deps.Whole || len(deps.Fields) > 0 {
			return nil, mongoerr.New(4890500, "Command let Expression tried to access a field, but this is not allowed because Command let Expressions run before the query examines any documents.")
		}
		v, err := x.Eval(c)
		if err != nil {
			return nil, err
		}
		dst = value.AppendElement(dst, it.Key(), v)
	}
	return value.EndDocument(dst, start), nil
}

func (f *filterSpec) matches(doc bson.Raw) (bool, error) {
	return f.matcher.Match(f.context, doc)
}

// collationOf is the collation of an operation: its own, else the collection's.
func collationOf(spec bson.Raw, c *collection) (*value.Collation, error) {
	if spec != nil {
		return value.ParseCollation(spec)
	}
	if c == nil {
		return nil, nil
	}
	return c.load().collation, nil
}

func sameCollation(a, b *value.Collation) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a == b || string(a.Spec()) == string(b.Spec()) ||
		value.Compare(value.Document(completeCollation(a.Spec())), value.Document(completeCollation(b.Spec()))) == 0
}
