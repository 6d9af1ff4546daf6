package translator

import (
	"strings"

	"weir/catalog"
	"weir/engine/value"
	"weir/planner"
	"weir/sqltype"
)

// The match language: it can use indexes, where $expr mostly cannot. match is
// exact: what the language cannot say is an $expr inside of it.

// allOf merges filters into one.
func allOf(docs []obj) obj {
	var exprs list
	out, rest := obj{}, list{}
	seen := map[string]bool{}
	for _, d := range docs {
		switch {
		case len(d) == 0:
		case len(d) == 1 && d[0].k == "$expr":
			exprs = append(exprs, d[0].v)
		case len(d) == 1 && !strings.HasPrefix(d[0].k, "$") && !seen[d[0].k]:
			seen[d[0].k] = true
			out = append(out, d[0])
		default:
			rest = append(rest, d)
		}
	}
	if len(rest) > 0 {
		if len(rest) == 1 && len(out) == 0 && len(exprs) == 0 {
			return rest[0].(obj)
		}
		out = append(out, field{"$and", rest})
	}
	switch len(exprs) {
	case 0:
	case 1:
		out = append(out, field{"$expr", exprs[0]})
	default:
		out = append(out, field{"$expr", obj{{"$and", exprs}}})
	}
	return out
}

// match gives the filter for a condition being true or false.
func (s scope) match(e planner.Expr, want bool) obj {
	if doc := s.indexable(e, want); doc != nil {
		return doc
	}
	if l, ok := e.(*planner.Logic); ok {
		return s.matchLogic(l, want)
	}
	x := s.is(e, want)
	if b, ok := x.(bool); ok && b {
		return obj{}
	}
	return obj{{"$expr", x}}
}

func (s scope) matchLogic(l *planner.Logic, want bool) obj {
	if l.Op == planner.Not {
		return s.match(l.Args[0], !want)
	}
	var docs []obj
	for _, a := range l.Args {
		docs = append(docs, s.match(a, want))
	}
	if (l.Op == planner.And) == want {
		return allOf(boundedAbove(docs))
	}
	or := list{}
	var exprs list
	for _, d := range docs {
		if len(d) == 0 {
			return obj{}
		}
		if len(d) == 1 && d[0].k == "$expr" {
			exprs = append(exprs, d[0].v)
		}
		or = append(or, d)
	}
	if len(exprs) == len(or) {
		return obj{{"$expr", obj{{"$or", exprs}}}}
	}
	return obj{{"$or", or}}
}

// indexable is a filter on a path, nil if the condition is no such thing.
func (s scope) indexable(e planner.Expr, want bool) obj {
	switch e := e.(type) {
	case *planner.ColRef:
		if p, ok := s.plainPath(e); ok && e.T.OID == sqltype.Bool {
			return obj{{p, obj{{"$eq", want}}}}
		}
	case *planner.Test:
		return s.matchTest(e, want)
	case *planner.Call:
		if len(e.Args) != 2 {
			return nil
		}
		if naturalOrder(e.Func.Impl) {
			return s.matchCompare(e, want)
		}
		if e.Func.Impl == "eq_bpchar" && want {
			return s.matchBpchar(e.Args[0], e.Args[1:])
		}
		if e.Func.Impl == "like" && want || e.Func.Impl == "not_like" && !want {
			return s.matchLike(e)
		}
	case *planner.InList:
		if e.Eq.Impl == "eq_bpchar" && e.Not != want {
			return s.matchBpchar(e.X, e.List)
		}
		return s.matchIn(e, want)
	case *planner.AnyAll:
		return s.matchAny(e, want)
	}
	return nil
}

// target is a column that the match language can compare with constants.
type target struct {
	path string
	oid  oidMode
	// inexact columns may hold arrays, in which the match language also looks
	// at the items: the filter finds too much and has to be checked again.
	inexact bool
}

func (s scope) target(e planner.Expr) (target, bool) {
	e = widened(e)
	l := s.location(e)
	if p, ok := e.(*planner.Path); ok && l == nil {
		l = s.pathLoc(p)
	}
	if l == nil {
		return target{}, false
	}
	p, ok := l.queryPath()
	if !ok || !scalarForm(l.t) {
		return target{}, false
	}
	t := target{path: p, oid: oidForm(l)}
	switch {
	case t.oid != plainText:
	case l.stored && l.kinds == 0 && len(l.path) > 1:
		t.inexact = true
	case !comparesStored(l):
		return target{}, false
	}
	return t, true
}

func (s scope) location(e planner.Expr) *loc {
	if s.f == nil {
		return nil
	}
	switch e := e.(type) {
	case *planner.ColRef:
		return s.f.find(e.ID)
	case *planner.Path:
		if s.documentsOnly(e) {
			return s.pathLoc(e)
		}
	}
	return nil
}

func (s scope) plainPath(e planner.Expr) (string, bool) {
	t, ok := s.target(e)
	return t.path, ok && t.oid == plainText && !t.inexact
}

// scalarForm tells whether the type's values are BSON scalars.
func scalarForm(t sqltype.Type) bool {
	switch t.OID {
	case sqltype.JSONB, sqltype.JSON, sqltype.Interval, sqltype.Timetz, sqltype.Record, sqltype.Bpchar:
		return false
	}
	return !t.OID.IsArray() && !t.OID.IsComposite()
}

// oidForm tells whether a text column holds ObjectIds.
func oidForm(l *loc) oidMode {
	if !l.stored || !l.t.OID.IsString() || !l.kinds.Has(catalog.KindObjectID) {
		return plainText
	}
	switch {
	case l.kinds.Only(catalog.KindObjectID):
		return onlyOID
	case l.kinds.Only(catalog.KindObjectID | catalog.KindString):
		return oidAndText
	}
	return plainText
}

func (s scope) matchTest(e *planner.Test, want bool) obj {
	if e.Is != planner.IsNull && e.Is != planner.IsNotNull {
		return nil
	}
	l := s.location(e.X)
	if l == nil || l.stored && l.kinds.Has(catalog.KindArray) || l.t.OID.IsArray() || l.t.OID == sqltype.JSONB && l.kinds == 0 {
		return nil
	}
	p, ok := l.queryPath()
	if l.us != nil {
		p, ok = s.finePath(e.X)
	}
	if !ok || l.stored && l.kinds == 0 && len(l.path) > 1 {
		return nil
	}
	if (e.Is == planner.IsNull) == want {
		return obj{{p, obj{{"$eq", null}}}}
	}
	return obj{{p, obj{{"$ne", null}}}}
}

// matchCompare is column op constant, either way round.
func (s scope) matchCompare(e *planner.Call, want bool) obj {
	if doc := s.dateDecides(e, want); doc != nil {
		return doc
	}
	impl, col, k := e.Func.Impl, e.Args[0], e.Args[1]
	if s.c.constant(col) {
		impl, col, k = flipped[impl], k, col
	}
	t, ok := s.target(col)
	if !ok || !s.c.constant(k) {
		return nil
	}
	if !want {
		impl = negated[impl]
	}
	if t.oid != plainText && impl != "eq" && impl != "ne" || t.inexact && impl == "ne" {
		return nil
	}
	doc := obj{{t.path, s.comparison(mongoCompare[impl], t, widened(k))}}
	if hasNaN(widened(col).Type()) {
		doc = s.matchNaN(impl, t, widened(k), doc)
	}
	return s.checked(t, doc, e, want)
}

// checked adds the exact test where the filter finds too much.
func (s scope) checked(t target, doc obj, e planner.Expr, want bool) obj {
	if !t.inexact {
		return doc
	}
	return allOf([]obj{doc, {{"$expr", s.is(e, want)}}})
}

// comparison is {$op: constant}.
func (s scope) comparison(name string, t target, k planner.Expr) any {
	v, n, known := s.slotConst(k)
	if !known {
		return s.c.condition(matchCond{op: name, slots: []int{n}, oid: t.oid})
	}
	m := matchCond{op: name, slots: []int{0}, oid: t.oid}
	start, doc := value.BeginDocument(nil)
	doc = value.EndDocument(m.append(doc, "x", []value.Value{v}), start)
	return value.Lookup(doc, "x")
}

func (c *compiler) condition(m matchCond) placeholder {
	c.prog.conds = append(c.prog.conds, m)
	return placeholder{kind: condition, n: len(c.prog.conds) - 1}
}

// matchIn is column [NOT] IN (constants).
func (s scope) matchIn(e *planner.InList, want bool) obj {
	t, ok := s.target(e.X)
	found := e.Not != want
	if !ok || !naturalOrder(e.Eq.Impl) || t.inexact && !found {
		return nil
	}
	m := matchCond{op: "$in", oid: t.oid}
	if !found {
		m.op = "$nin"
	}
	for _, x := range e.List {
		if !s.c.constant(x) {
			return nil
		}
		if v, n, known := s.slotConst(widened(x)); known {
			m.fixed = append(m.fixed, v)
		} else {
			m.slots = append(m.slots, n)
		}
	}
	return s.checked(t, obj{{t.path, s.listCond(m)}}, e, want)
}

func (s scope) listCond(m matchCond) any {
	if len(m.slots) > 0 {
		return s.c.condition(m)
	}
	return value.Document(m.list(nil))
}

// matchAny is column = ANY (constant array) and column <> ALL (constant array).
func (s scope) matchAny(e *planner.AnyAll, want bool) obj {
	t, ok := s.target(e.X)
	if !ok || !s.c.constant(e.Array) || t.inexact {
		return nil
	}
	m := matchCond{oid: t.oid}
	switch {
	case e.Op.Impl == "eq" && !e.All && want, e.Op.Impl == "ne" && e.All && !want:
		m.op = "any"
	case e.Op.Impl == "ne" && e.All && want, e.Op.Impl == "eq" && !e.All && !want:
		m.op = "all"
	default:
		return nil
	}
	v, n, known := s.slotConst(e.Array)
	if known {
		m.slots = []int{0}
		return obj{{t.path, value.Document(m.list([]value.Value{v}))}}
	}
	m.slots = []int{n}
	return obj{{t.path, s.c.condition(m)}}
}

// matchLike is column LIKE 'constant': an anchored expression, and a range
// where the pattern begins with fixed text.
func (s scope) matchLike(e *planner.Call) obj {
	t, ok := s.target(e.Args[0])
	if !ok || t.oid != plainText || t.inexact {
		return nil
	}
	k, ok := e.Args[1].(*planner.Const)
	if !ok || !k.Value.IsString() {
		return nil
	}
	p, ok := parseLike(k.Value.Str())
	if !ok {
		return nil
	}
	conds := obj{}
	if p.prefix != "" && p.exact {
		return obj{{t.path, obj{{"$eq", p.prefix}}}}
	}
	if p.prefix != "" {
		conds = append(conds, field{"$gte", p.prefix})
		if next, ok := successor(p.prefix); ok {
			conds = append(conds, field{"$lt", next})
		}
	}
	if !p.prefixOnly {
		conds = append(conds, field{"$regex", p.regex}, field{"$options", "s"})
	}
	return obj{{t.path, conds}}
}
