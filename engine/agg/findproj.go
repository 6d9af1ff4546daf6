package agg

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
)

// FindProjection is a compiled projection of the find command, which knows
// more than $project: $slice, $elemMatch and the positional operator.
type FindProjection struct {
	p      *projection
	extras *findExtras
	query  *match.Matcher
	fields []string
	bufs   [2][]byte
}

// findExtras collects what only find's projections have.
type findExtras struct {
	compiler   *compiler
	slices     []findSlice
	elemMatch  bool
	positional []string // nil: none
}

type findSlice struct {
	path        []string
	skip, limit int64
	hasSkip     bool
}

// CompileFindProjection compiles the projection of a find command; query is
// its filter, for the positional operator.
func CompileFindProjection(spec bson.Raw, query *match.Matcher, env *Env) (*FindProjection, error) {
	if env == nil {
		env = &Env{}
	}
	opts := env.compileOptions()
	opts.Deps = &expr.Deps{}
	c := &compiler{env: env, opts: opts}
	extras := &findExtras{compiler: c}
	parser := projParser{compile: c.expr, find: extras}
	p, err := parser.parse(spec)
	if err != nil {
		return nil, err
	}
	f := &FindProjection{p: p, extras: extras, query: query}
	if parser.typ == projInclusion && extras.positional == nil && len(extras.slices) == 0 && !extras.elemMatch {
		f.fields = inclusionFields(p, opts.Deps)
	}
	return f, nil
}

func inclusionFields(p *projection, deps *expr.Deps) []string {
	s := &projectStage{p: p, kind: projectInclude}
	s.setDeps(*deps)
	set := &fieldSet{}
	s.needs(set)
	if set.whole {
		return nil
	}
	return append([]string{}, set.names...)
}

// Fields are the top-level fields that the projection reads; nil: all.
func (f *FindProjection) Fields() []string { return f.fields }

// Positional tells whether the projection has the positional operator.
func (f *FindProjection) Positional() bool { return f.extras.positional != nil }

// Apply projects a document. The result is valid until the next call.
func (f *FindProjection) Apply(x *expr.Context, doc bson.Raw) (bson.Raw, error) {
	x.Root = doc
	out, err := f.p.apply(x, f.bufs[0][:0], doc)
	if err != nil {
		return nil, err
	}
	f.bufs[0] = out
	cur := 0
	for i := range f.extras.slices {
		s := &f.extras.slices[i]
		next := 1 - cur
		f.bufs[next] = s.appendDocument(f.bufs[next][:0], f.bufs[cur], s.path)
		cur = next
	}
	if f.extras.positional == nil {
		return f.bufs[cur], nil
	}
	out, err = f.position(x, doc, f.bufs[cur])
	return out, err
}

// position replaces the array of the positional path by its matching item.
func (f *FindProjection) position(x *expr.Context, doc, out bson.Raw) (bson.Raw, error) {
	pos := -1
	if f.query != nil {
		_, p, err := f.query.Position(x, doc)
		if err != nil {
			return nil, err
		}
		pos = p
	}
	if pos < 0 {
		return nil, mongoerr.New(51246, "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching element in the array")
	}
	path := f.extras.positional
	for i := 1; i <= len(path); i++ {
		v := getPlain(out, path[:i])
		if !v.IsArray() {
			continue
		}
		item := value.Index(v.Doc(), pos)
		if item.IsMissing() {
			return nil, mongoerr.New(51247, "Executor error during find command :: caused by :: positional operator '.$' element mismatch")
		}
		return setPath(nil, out, path[:i], value.ArrayFrom([]value.Value{item})), nil
	}
	return out, nil
}

// operator takes the operators that only find has; done tells that it did.
func (f *findExtras) operator(p *projParser, path, op string, arg, whole value.Value) (done bool, err error) {
	switch op {
	case "$slice":
		return f.slice(p, path, arg, whole)
	case "$elemMatch":
		return true, f.elem(p, path, arg)
	}
	return false, nil
}

func (f *findExtras) slice(p *projParser, path string, arg, whole value.Value) (bool, error) {
	s, ok := parseFindSlice(arg)
	if !ok {
		if !arg.IsArray() || value.Len(arg.Doc()) < 2 {
			return false, mongoerr.New(28667, "Invalid $slice syntax. The given syntax %s did not match the find() syntax because :: Location31273: $slice only supports numbers and [skip, limit] arrays", whole)
		}
		return false, nil
	}
	s.path = strings.Split(path, ".")
	f.slices = append(f.slices, s)
	// The field itself is kept by either kind of projection.
	return true, p.leaf(path, projEntry{action: actInclude})
}

func parseFindSlice(arg value.Value) (s findSlice, ok bool) {
	if arg.IsNumber() {
		return findSlice{limit: clampInt64(arg)}, true
	}
	if !arg.IsArray() {
		return s, false
	}
	parts := value.Items(nil, arg.Doc())
	if len(parts) != 2 || !parts[0].IsNumber() || !parts[1].IsNumber() {
		return s, false
	}
	s = findSlice{skip: clampInt64(parts[0]), limit: clampInt64(parts[1]), hasSkip: true}
	return s, s.limit > 0
}

func (f *findExtras) elem(p *projParser, path string, arg value.Value) error {
	if !arg.IsDocument() {
		return mongoerr.New(31274, "elemMatch: Invalid argument, object required, but got %s", value.TypeName(arg.Kind()))
	}
	if strings.Contains(path, ".") {
		return mongoerr.New(31275, "Cannot use $elemMatch projection on a nested field.")
	}
	if f.positional != nil {
		return mongoerr.New(31255, "Cannot specify positional operator and $elemMatch.")
	}
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, path)
	b.Add("$elemMatch", arg)
	m, err := f.compiler.match(b.Doc())
	if err != nil {
		return err
	}
	f.elemMatch = true
	return p.leaf(path, projEntry{action: actCompute, expr: &elemMatchExpr{path: path, m: m}})
}

// elemMatchExpr gives an array of the first item that matches, or nothing.
type elemMatchExpr struct {
	path string
	m    *match.Matcher
}

func (e *elemMatchExpr) Eval(x *expr.Context) (value.Value, error) {
	ok, pos, err := e.m.Position(x, x.Root)
	if !ok || pos < 0 || err != nil {
		return value.Value{}, err
	}
	item := value.Index(value.Lookup(x.Root, e.path).Doc(), pos)
	return value.ArrayFrom([]value.Value{item}), nil
}

func (f *findExtras) positionalField(p *projParser, path string, v value.Value) error {
	if strings.Contains(path, ".$.") {
		return mongoerr.New(31394, "As of 4.4, it's illegal to specify positional operator in the middle of a path. Positional projection may only be used at the end, for example: a.b.$. If the query previously used a form like a.b.$.d, remove the parts following the '$' and the results will be equivalent.")
	}
	base := strings.TrimSuffix(path, ".$")
	parts, err := splitPath(base)
	if err != nil {
		return err
	}
	if !isFlag(v) {
		if v.IsDocument() {
			return mongoerr.New(31271, "positional projection cannot be used with an expression or sub object")
		}
		return mongoerr.New(31308, "positional projection cannot be used with a literal")
	}
	if !v.Truthy() {
		return mongoerr.New(31395, "positional projection cannot be used with exclusion")
	}
	if f.positional != nil {
		return mongoerr.New(31276, "Cannot specify more than one positional projection per query.")
	}
	if f.elemMatch {
		return mongoerr.New(31256, "Cannot specify positional operator and $elemMatch.")
	}
	f.positional = parts
	return p.flag(base, true)
}

// appendDocument cuts the arrays at a path, through documents and arrays.
func (s *findSlice) appendDocument(dst []byte, doc bson.Raw, path []string) []byte {
	start, dst := value.BeginDocument(dst)
	for it := value.Walk(doc); it.Next(); {
		if it.Key() != path[0] {
			dst = append(dst, it.Element()...)
			continue
		}
		dst = s.appendValue(dst, it.Key(), it.Value(), path[1:])
	}
	return value.EndDocument(dst, start)
}

func (s *findSlice) appendValue(dst []byte, key string, v value.Value, rest []string) []byte {
	switch {
	case v.IsArray() && len(rest) == 0:
		return value.AppendElement(dst, key, s.cut(v))
	case v.IsArray():
		dst = value.AppendHeader(dst, bson.TypeArray, key)
		start, out := value.BeginDocument(dst)
		for it := value.Walk(v.Doc()); it.Next(); {
			out = s.appendValue(out, it.Key(), it.Value(), rest)
		}
		return value.EndDocument(out, start)
	case v.IsDocument() && len(rest) > 0:
		return s.appendDocument(value.AppendHeader(dst, bson.TypeEmbeddedDocument, key), v.Doc(), rest)
	}
	return value.AppendElement(dst, key, v)
}

func (s *findSlice) cut(v value.Value) value.Value {
	items := value.Items(nil, v.Doc())
	n := int64(len(items))
	from, count := int64(0), s.limit
	switch {
	case s.hasSkip && s.skip < 0:
		from = max(n+s.skip, 0)
	case s.hasSkip:
		from = min(s.skip, n)
	case s.limit < 0:
		from, count = max(n+s.limit, 0), n
	}
	return value.ArrayFrom(items[from:min(from+min(count, n), n)])
}
