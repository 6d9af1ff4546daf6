package translator

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/expr"
	"weir/engine/value"
	"weir/planner"
	"weir/sqltype"
)

// A column that holds microseconds has its dates at loc.path, and at loc.us the
// whole values in microseconds (catalog.FineField). Only the local operator
// opFine makes values of the two, so what needs them runs here. The store can
// do what the dates decide: NULL or not, and comparisons as supersets, which
// are exact for < and >= of whole milliseconds.

const (
	opFine  = "t_fine"  // [date, microseconds], [decimal, text]: the value of both
	opFloor = "t_floor" // [moments or numbers]: without what BSON cannot hold
	opCeil  = "t_ceil"  // [moment]: the next whole millisecond, itself if it is one
)

func fineOps() map[string]func(*expr.Context, []value.Value) (value.Value, error) {
	return map[string]func(*expr.Context, []value.Value) (value.Value, error){
		opFine: func(_ *expr.Context, a []value.Value) (value.Value, error) { return JoinFine(a[0], a[1]), nil },
		opFloor: func(_ *expr.Context, a []value.Value) (value.Value, error) {
			return a[0].EachFine(value.Value.Floor), nil
		},
		opCeil: func(_ *expr.Context, a []value.Value) (value.Value, error) { return ceilOf(a[0]), nil },
	}
}

// JoinMicros is the value of a date and the microseconds since 1970 beside it,
// which count while they fall into the date's millisecond.
func JoinMicros(date, us value.Value) value.Value {
	if date.Kind() != bson.TypeDateTime || us.Kind() != bson.TypeInt64 {
		return date
	}
	if v := value.DateOfMicros(us.AsInt64()); v.AsDate() == date.AsDate() {
		return v
	}
	return date
}

func ceilOf(v value.Value) value.Value {
	if v.IsMicros() {
		return value.Date(v.AsDate() + 1)
	}
	return v
}

// dateRef is the date of a column with microseconds.
func (l *loc) dateRef() any { return fieldRef(l.base, l.path) }

// fine is the location of a column that holds microseconds; nil: it is another
// expression.
func (s scope) fine(e planner.Expr) *loc {
	if r, ok := widened(e).(*planner.ColRef); ok && s.f != nil {
		if l := s.f.find(r.ID); l != nil && l.expr == nil && l.us != nil {
			return l
		}
	}
	return nil
}

// moment is a moment for what its milliseconds decide.
func (s scope) moment(e planner.Expr) any {
	if l := s.fine(e); l != nil {
		return l.dateRef()
	}
	return s.value(e)
}

// fineDate is the location of a column of moments that hold microseconds.
func (s scope) fineDate(e planner.Expr) *loc {
	if l := s.fine(e); l != nil && l.t.OID != sqltype.Numeric {
		return l
	}
	return nil
}

// readsFine tells whether an expression reads a column that holds microseconds.
func (s scope) readsFine(e planner.Expr) bool {
	found := false
	walkExpr(e, func(x planner.Expr) { found = found || s.fine(x) != nil })
	return found
}

// finePath is the dotted path of the dates of such a column.
func (s scope) finePath(e planner.Expr) (string, bool) {
	l := s.fine(e)
	if l == nil {
		return "", false
	}
	m := *l
	m.us = nil
	return m.queryPath()
}

// fineCompare gives column and constant of a comparison, the column first.
func (s scope) fineCompare(e *planner.Call) (path, impl string, k planner.Expr, ok bool) {
	if len(e.Args) != 2 || !naturalOrder(e.Func.Impl) {
		return "", "", nil, false
	}
	col, k, impl := e.Args[0], e.Args[1], e.Func.Impl
	if s.c.constant(col) {
		col, k, impl = k, col, flipped[impl]
	}
	path, ok = s.finePath(col)
	return path, impl, k, ok && s.c.constant(k)
}

// dateDecides is the filter of a comparison that the date alone decides; nil if
// it does not.
func (s scope) dateDecides(e *planner.Call, want bool) obj {
	path, impl, k, ok := s.fineCompare(e)
	if !ok {
		return nil
	}
	if !want {
		impl = negated[impl]
	}
	v, _, known := s.slotConst(widened(k))
	if impl != "lt" && impl != "ge" || !known || v.IsFine() {
		return nil
	}
	t := target{path: path}
	doc := obj{{path, s.comparison(mongoCompare[impl], t, widened(k))}}
	if k.Type().OID == sqltype.Numeric {
		doc = s.matchNaN(impl, t, widened(k), doc)
	}
	return doc
}

// fineSuperset is a filter on dates for a condition on a column that holds
// microseconds.
func (s scope) fineSuperset(e planner.Expr) obj {
	switch e := e.(type) {
	case *planner.Call:
		if path, impl, k, ok := s.fineCompare(e); ok {
			return s.roughCompare(path, impl, k)
		}
	case *planner.InList:
		path, ok := s.finePath(e.X)
		if !ok || e.Not || e.Eq.Impl != "eq" {
			return nil
		}
		return s.roughIn(path, e.List)
	case *planner.AnyAll:
		path, ok := s.finePath(e.X)
		if !ok || e.All || e.Op.Impl != "eq" || !s.c.constant(e.Array) {
			return nil
		}
		return obj{{path, s.c.condition(matchCond{op: "any", slots: []int{s.rounded(opFloor, e.Array)}})}}
	case *planner.Logic:
		return s.roughLogic(e)
	}
	return nil
}

// roughCompare compares dates with a constant cut to milliseconds so that no
// row is lost.
func (s scope) roughCompare(path, impl string, k planner.Expr) obj {
	name, by := map[string]string{"eq": "$eq", "lt": "$lt", "le": "$lte", "gt": "$gte", "ge": "$gte"}[impl], opFloor
	switch impl {
	case "ne":
		return obj{{path, obj{{"$ne", null}}}}
	case "lt":
		by = opCeil
		if k.Type().OID == sqltype.Numeric {
			name, by = "$lte", opFloor
		}
	}
	if k.Type().OID == sqltype.Numeric && (impl == "gt" || impl == "ge") {
		n := s.rounded(by, k)
		above := obj{{path, s.c.condition(matchCond{op: name, slots: []int{n}})}}
		return obj{{"$or", list{above, obj{{path, s.c.condition(matchCond{op: fromNaN, slots: []int{n}})}}}}}
	}
	return obj{{path, s.c.condition(matchCond{op: name, slots: []int{s.rounded(by, k)}})}}
}

func (s scope) roughIn(path string, items []planner.Expr) obj {
	m := matchCond{op: "$in"}
	for _, x := range items {
		if !s.c.constant(x) {
			return nil
		}
		m.slots = append(m.slots, s.rounded(opFloor, x))
	}
	return obj{{path, s.c.condition(m)}}
}

// rounded is the slot of a constant under one of the operators above.
func (s scope) rounded(name string, e planner.Expr) int {
	e = widened(e)
	inner := scope{c: s.c, slots: true}
	return s.c.exprSlot(op(expr.LocalPrefix+name, inner.slotRef(s.c.constSlot(e), e.Type())), e.Pos())
}

// roughLogic combines the filters of a condition's parts: AND may leave parts
// out, OR may not.
func (s scope) roughLogic(e *planner.Logic) obj {
	if e.Op == planner.Not {
		if call, ok := e.Args[0].(*planner.Call); ok && naturalOrder(call.Func.Impl) {
			if path, impl, k, ok := s.fineCompare(call); ok {
				return s.roughCompare(path, negated[impl], k)
			}
		}
		return nil
	}
	if !s.readsFine(e) {
		return nil
	}
	var docs []obj
	for _, a := range e.Args {
		doc := s.match(a, true)
		if traitsOf(doc).local {
			doc = s.superset(a)
		}
		if doc == nil && e.Op == planner.Or {
			return nil
		}
		docs = append(docs, doc)
	}
	if e.Op == planner.And {
		if doc := allOf(docs); len(doc) > 0 {
			return doc
		}
		return nil
	}
	or := list{}
	for _, d := range docs {
		if len(d) == 0 {
			return nil
		}
		or = append(or, d)
	}
	return obj{{"$or", or}}
}

// finePair is an order and an identity of a column with microseconds that the
// store can compute: {d: the date, u: its microseconds where there are some}.
func (s scope) finePair(l *loc) any {
	us := fieldRef(l.base, l.us)
	pair := s.c.once(op("$subtract", us, op("$multiply", op1("$toLong", l.dateRef()), 1000)), func(rest any) any {
		counts := op("$and", op("$gte", rest, 0), op("$lt", rest, 1000))
		return obj{{"d", l.dateRef()}, {"u", cond(counts, us, "$$REMOVE")}}
	})
	return cond(isNullish(l.dateRef()), null, pair)
}

// pairAt is the location of a column of which pairs are at a path.
func pairAt(t sqltype.Type, path ...string) *loc {
	at := func(name string) []string { return append(slices.Clone(path), name) }
	return &loc{path: at("d"), us: at("u"), t: t}
}

// dates is where the dates of a column's values are, if they are at a place and
// the values may have microseconds.
func (l *loc) dates() (string, bool) {
	m := *l
	switch {
	case l.expr != nil || l.us == nil && l.date == nil:
		return "", false
	case l.date != nil:
		m.path = l.date
	}
	m.us, m.base = nil, l.base
	return m.queryPath()
}

// fineEquality finds candidates for the equality of two columns by their dates;
// fine is false when neither has microseconds.
func fineEquality(l, r *loc) (eq *equality, fine bool) {
	lp, lf := l.dates()
	rp, rf := r.dates()
	if !lf && !rf {
		return nil, false
	}
	plain := func(l *loc) (string, bool) {
		p, ok := l.queryPath()
		return p, ok && l.stored && comparesStored(l)
	}
	if !lf {
		if lp, lf = plain(l); !lf {
			return nil, true
		}
	}
	if !rf {
		if rp, rf = plain(r); !rf {
			return nil, true
		}
	}
	return &equality{local: lp, foreign: rp}, true
}

// fineTargets are the columns of a table that have, or may get, microseconds.
func fineTargets(t *catalog.Table) []string {
	var out []string
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Marked || t.StoresFine(c.Path) {
			out = append(out, c.Path[0])
		}
	}
	return out
}

// fineTarget fills in what a target means for fine values.
func (t *WriteTarget) fineTarget(table *catalog.Table) {
	if len(t.Path) != 1 || t.Elems != 0 || table == nil {
		return
	}
	t.Fine, t.Marked = table.StoresFine(t.Path), table.IsMarked(t.Path[0])
}
