package events

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/store"
)

// router finds the routes that may want an event without asking every one:
// first by operation and collection, then by the equality terms of filters,
// which are hashed. What it leaves out cannot match; what it gives is still to
// be asked. One reader uses it.
type router struct {
	routes []*route
	kinds  map[kind]*candidates
	found  []*route // reused
	key    []byte   // reused
}

// candidates are the routes of one operation on one collection.
type candidates struct {
	all    []*route // in the order of the router
	rest   []*route // those without a hashed term
	terms  []hashed
	lookup bool // one of them wants documents to be looked up
}

// hashed are the routes whose terms are of one path.
type hashed struct {
	path path
	keys keying
	by   map[string][]*route
	all  []*route
}

// term is what an event has to have to be wanted: one of some values at a path.
type term struct {
	names []string // of the path
	by    keying
	keys  []string // of the values, each once
}

// keying is what hashed values are found by.
type keying int

const (
	bySortKey keying = iota
	byText           // as ->> gives it
	byNumber         // of ->>, cast to a number: the digits of an integer
)

func newRouter(routes []*route) *router {
	return &router{routes: routes, kinds: map[kind]*candidates{}}
}

// of gives the candidates of an operation on a collection.
func (r *router) of(op, coll string) *candidates {
	c := r.kinds[kind{op, coll}]
	if c == nil {
		if len(r.kinds) >= maxKinds {
			clear(r.kinds)
		}
		c = r.candidates(op, coll)
		r.kinds[kind{strings.Clone(op), strings.Clone(coll)}] = c
	}
	return c
}

func (r *router) candidates(op, coll string) *candidates {
	c := &candidates{}
	for _, rt := range r.routes {
		if !rt.wantsKind(op, coll) {
			continue
		}
		c.all = append(c.all, rt)
		c.lookup = c.lookup || rt.spec.FullDocument == string(store.ImageUpdateLookup)
		t := rt.term
		if t == nil {
			c.rest = append(c.rest, rt)
			continue
		}
		i := slices.IndexFunc(c.terms, func(h hashed) bool { return h.keys == t.by && slices.Equal(h.path.names, t.names) })
		if i < 0 {
			i = len(c.terms)
			c.terms = append(c.terms, hashed{path: path{names: t.names}, keys: t.by, by: map[string][]*route{}})
		}
		h := &c.terms[i]
		for _, k := range t.keys {
			h.by[k] = append(h.by[k], rt)
		}
		h.all = append(h.all, rt)
	}
	return c
}

// find gives the routes that may want an event; they are valid until the
// next call.
func (r *router) find(e *Event) []*route {
	c := r.of(e.Op, e.Coll)
	if len(c.terms) == 0 {
		return c.all
	}
	r.found = append(r.found[:0], c.rest...)
	for i := range c.terms {
		h := &c.terms[i]
		v, plain := h.path.plain(e)
		if !plain {
			r.found = append(r.found, h.all...)
			continue
		}
		if v.IsMissing() {
			continue
		}
		if r.key, plain = h.appendKey(r.key[:0], v); !plain {
			r.found = append(r.found, h.all...)
			continue
		}
		r.found = append(r.found, h.by[string(r.key)]...)
	}
	return r.found
}

// appendKey appends what a value is found by; false: the language has to be asked
// what it is as text or number, or that it is none.
func (h *hashed) appendKey(dst []byte, v value.Value) ([]byte, bool) {
	switch kind := v.Kind(); {
	case h.keys == bySortKey:
		return value.AppendSortKey(dst, v, false), true
	case kind == bson.TypeString && h.keys == byText:
		return append(dst, v.Str()...), true
	case kind == bson.TypeInt32, kind == bson.TypeInt64 && (h.keys == byText || v.AsInt64() == int64(int32(v.AsInt64()))):
		return strconv.AppendInt(dst, v.AsInt64(), 10), true
	}
	return dst, false
}

// whereTerm finds a term of a condition that asks for texts or numbers at a path of the
// document or its key, such as full_document->'a'->>'b' = 'text' or
// (full_document->>'n')::int IN (5, 6): the condition cannot be true without it.
func whereTerm(e ast.Expr) *term {
	switch e := e.(type) {
	case *ast.AndExpr:
		for _, o := range e.Operands {
			if t := whereTerm(o); t != nil {
				return t
			}
		}
	case *ast.OrExpr:
		return anyTerm(e.Operands, whereTerm)
	case *ast.InExpr:
		if !e.Not && e.Query == nil {
			return anyTerm(e.List, func(x ast.Expr) *term { return termOf(e.Operand, x) })
		}
	case *ast.BinaryExpr:
		if !isOperator(e, "=") {
			return nil
		}
		if t := termOf(e.Left, e.Right); t != nil {
			return t
		}
		return termOf(e.Right, e.Left)
	}
	return nil
}

// anyTerm is the term of which one of several has to hold, where all are of one path.
func anyTerm(of []ast.Expr, termOf func(ast.Expr) *term) (all *term) {
	for _, e := range of {
		t := termOf(e)
		switch {
		case t == nil:
			return nil
		case all == nil:
			all = t
		case t.by != all.by || !slices.Equal(t.names, all.names):
			return nil
		default:
			all.keys = append(all.keys, t.keys...)
		}
	}
	if all != nil {
		slices.Sort(all.keys)
		all.keys = slices.Compact(all.keys)
	}
	return all
}

func termOf(at, constant ast.Expr) *term {
	t := &term{}
	switch k := constant.(type) {
	case *ast.StringLiteral:
		t.keys, t.by = []string{k.Value}, byText
	case *ast.NumberLiteral:
		n, err := strconv.ParseInt(k.Text, 10, 64)
		c, ok := at.(*ast.CastExpr)
		if err != nil || !ok || !isNumber(c.Type) {
			return nil
		}
		t.keys, t.by, at = []string{strconv.FormatInt(n, 10)}, byNumber, c.Operand
	default:
		return nil
	}
	if b, ok := at.(*ast.BinaryExpr); ok && isOperator(b, "->>") {
		t.names = pathNames(b)
	}
	if t.names == nil {
		return nil
	}
	return t
}

// isNumber tells whether a type holds all integers of 32 bits.
func isNumber(t *ast.TypeName) bool {
	if t.Schema.Name != "" || t.SetOf || len(t.Mods) > 0 || len(t.Dims) > 0 || t.Like != nil {
		return false
	}
	switch t.Name.Name {
	case "int", "integer", "int4", "int8", "bigint", "numeric", "decimal":
		return true
	}
	return false
}

func isOperator(e *ast.BinaryExpr, symbol string) bool {
	return e.Op != nil && len(e.Op.Schema) == 0 && e.Op.Symbol == symbol
}

// pathNames are the fields that a chain of -> and ->> goes through; nil: it does
// not begin at a column that is a part of the change, or takes items of arrays.
func pathNames(e *ast.BinaryExpr) []string {
	name, ok := e.Right.(*ast.StringLiteral)
	if !ok {
		return nil
	}
	switch in := e.Left.(type) {
	case *ast.BinaryExpr:
		if !isOperator(in, "->") {
			return nil
		}
		if names := pathNames(in); names != nil {
			return append(names, name.Value)
		}
	case *ast.ColumnRef:
		if len(in.Parts) != 1 {
			return nil
		}
		switch in.Parts[0].Name {
		case "full_document":
			return []string{"fullDocument", name.Value}
		case "document_key":
			return []string{"documentKey", name.Value}
		case "event_data":
			return []string{eventData, name.Value}
		}
	}
	return nil
}

// eventData begins the paths of the column event_data.
const eventData = "event_data"

// plain finds the path's value through documents only. An array on the way, or
// as the value, has several values: those of its items and itself.
func (p path) plain(e *Event) (v value.Value, plain bool) {
	if v = p.root(e); v.IsMissing() && p.names[0] == eventData {
		return v, false
	}
	for _, name := range p.names[1:] {
		switch {
		case v.IsArray():
			return v, false
		case !v.IsDocument():
			return value.Value{}, true
		}
		v = value.Lookup(v.Doc(), name)
	}
	return v, !v.IsArray()
}

// root is the value of the path's first name.
func (p path) root(e *Event) value.Value {
	switch p.names[0] {
	case "fullDocument":
		return e.Full
	case "fullDocumentBeforeChange":
		return e.Before
	case "updateDescription":
		return e.Update
	case "documentKey":
		return e.Key
	case eventData:
		return e.data()
	}
	return value.Lookup(e.Raw, p.names[0])
}

// data is the event_data of all subscriptions that want the images of updates; missing
// where they differ in it.
func (e *Event) data() value.Value {
	switch {
	case e.bare != nil: // not all of them look the document up
	case !e.Full.IsNullish():
		return e.Full
	case !e.Updated.IsNullish():
		return e.Updated
	}
	return noValue
}

// filterTerm finds a term of a filter that asks for values at a path: the event cannot
// match without it.
func filterTerm(filter bson.Raw) *term {
	for it := value.Walk(filter); it.Next(); {
		if it.Key() == "$and" && it.Value().IsArray() {
			for _, arm := range value.Items(nil, it.Value().Doc()) {
				if arm.IsDocument() {
					if t := filterTerm(arm.Doc()); t != nil {
						return t
					}
				}
			}
			continue
		}
		if strings.HasPrefix(it.Key(), "$") {
			continue
		}
		if keys := askedFor(it.Value()); keys != nil {
			return &term{names: makePaths([]string{strings.Clone(it.Key())})[0].names, keys: keys}
		}
	}
	return nil
}

// askedFor gives the keys of the values that a condition asks for, when all are
// compared as they are.
func askedFor(v value.Value) (keys []string) {
	asked := []value.Value{v}
	if v.IsDocument() {
		asked = []value.Value{value.Lookup(v.Doc(), "$eq")}
		if in := value.Lookup(v.Doc(), "$in"); in.IsArray() {
			asked = value.Items(nil, in.Doc())
		}
	}
	for _, v := range asked {
		switch v.Kind() {
		case bson.TypeString, bson.TypeObjectID, bson.TypeInt32, bson.TypeInt64, bson.TypeBoolean, bson.TypeDateTime:
			keys = append(keys, string(value.AppendSortKey(nil, v, false)))
		default:
			return nil
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
