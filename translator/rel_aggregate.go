package translator

import (
	"bytes"

	"weir/engine/expr"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqlfunc"
)

// grouping is the state of translating one Aggregate: the accumulators of its
// $group, each once, and the default values for a group without rows.
type grouping struct {
	c     *compiler
	f     *fragment
	s     scope
	accs  obj
	empty obj
	// grouped tells that a group has at least one row; ordered that rows come
	// in the order that the aggregates ask for.
	grouped, ordered bool
}

// aggregate is $group, then the columns' final values as expressions over its
// accumulators.
func (c *compiler) aggregate(n *planner.Aggregate, outer map[planner.ColID]*loc) *fragment {
	f := c.relation(n.Input, outer)
	c.settleAggregate(f, n)
	sets := len(n.Sets) > 0
	g := &grouping{c: c, f: f, s: scope{c: c, f: f}, grouped: len(n.Groups) > 0 && !sets}
	var order []planner.SortKey
	if order = sharedOrder(n.Aggs); order != nil {
		c.orderBy(f, order)
		g.ordered = true
	}
	cols := map[planner.ColID]*loc{}
	id := g.keys(n, cols)
	for i := range n.Aggs {
		cols[n.Aggs[i].Col.ID] = g.column(&n.Aggs[i], order)
	}
	if sets {
		id = g.setKeys(n, id, cols)
	}
	c.noteAggregate(n)
	f.add("$group", append(obj{{"_id", id}}, g.accs...))
	f.cols, f.order = cols, nil
	f.one = len(n.Groups) == 0 && !sets
	if f.one {
		g.defaultRow(null)
	}
	if sets {
		g.emptySets(n)
	}
	return f
}

// settleAggregate computes what the aggregates read, once.
func (c *compiler) settleAggregate(f *fragment, n *planner.Aggregate) {
	var es []planner.Expr
	for _, k := range n.Groups {
		es = append(es, k.Expr)
	}
	for _, a := range n.Aggs {
		es = append(es, a.Args...)
		if a.Filter != nil {
			es = append(es, a.Filter)
		}
		for _, k := range a.OrderBy {
			es = append(es, k.Expr)
		}
	}
	c.settleUsed(f, es...)
}

// keys is the _id of $group. One key is the _id itself, so that it can be read
// off an index; MongoDB makes a missing one null.
func (g *grouping) keys(n *planner.Aggregate, cols map[planner.ColID]*loc) any {
	id := obj{}
	for i, k := range n.Groups {
		name := slotName("k", i)
		l := &loc{path: []string{"_id", name}, t: k.Col.Type, notNull: !g.s.nullable(k.Expr)}
		x, stored := g.keyValue(k)
		if fine := g.s.fineDate(k.Expr); fine != nil {
			l = pairAt(k.Col.Type, l.path...)
			x, stored = g.s.finePair(fine), nil
		}
		if stored != nil {
			l.stored, l.kinds, l.t = true, stored.kinds, stored.t
		}
		if needsKey(k.Expr.Type()) && len(n.Sets) > 0 {
			g.c.fail(sqlerr.Unsupported(k.Expr.Pos(), "Cast it to text.", "grouping sets over type %s are not supported", k.Expr.Type().OID))
		}
		if needsKey(k.Expr.Type()) {
			// group by the key, show the first value
			l.path = []string{g.acc("$first", op("$ifNull", x, null), null)}
			x = g.c.groupKey(x, k.Expr.Type())
		}
		cols[k.Col.ID] = l
		id = append(id, field{name, x})
	}
	switch {
	case len(id) == 0:
		return null
	case len(id) == 1 && len(n.Sets) == 0:
		l := cols[n.Groups[0].Col.ID]
		switch {
		case l.us != nil:
			cols[n.Groups[0].Col.ID] = pairAt(l.t, "_id")
		case l.path[0] == "_id":
			l.path = []string{"_id"}
		}
		return id[0].v
	}
	for i := range id {
		id[i].v = op("$ifNull", id[i].v, null)
	}
	return id
}

// keyValue is a group's key; a column of ObjectIds stays one.
func (g *grouping) keyValue(k planner.NamedExpr) (any, *loc) {
	if l := g.s.location(k.Expr); l != nil && l.expr == nil && oidForm(l) == onlyOID {
		return l.ref(), l
	}
	return g.s.value(k.Expr), nil
}

// acc adds an accumulator unless there is an equal one, and gives its field.
// empty is its value for no rows.
func (g *grouping) acc(name string, arg, empty any) string {
	spec := obj{{name, arg}}
	raw := encode(spec)
	none := encode(obj{{"v", empty}})
	for i, f := range g.accs {
		if bytes.Equal(encode(f.v.(obj)), raw) && bytes.Equal(encode(obj{{"v", g.empty[i].v}}), none) {
			return f.k
		}
	}
	field1 := slotName("a", len(g.accs))
	g.accs = append(g.accs, field{field1, spec})
	g.empty = append(g.empty, field{field1, empty})
	return field1
}

// column is the final value of an aggregate.
func (g *grouping) column(a *planner.AggCall, order []planner.SortKey) *loc {
	l := &loc{t: a.Col.Type}
	if a.AnyValue {
		x := op("$ifNull", g.s.value(a.Args[0]), null)
		l.path = []string{g.acc("$first", x, null)}
		return l
	}
	if build, ok := g.c.aggs[a.Func.Impl]; ok && (!a.Distinct || distinctAgg[a.Func.Impl]) && a.Limit == nil && a.Func.Kind == sqlfunc.Aggregate {
		if x := build(g, a); x != nil {
			if s, ok := x.(string); ok {
				l.path = []string{s[1:]}
			} else {
				l.expr = x
			}
			l.notNull = a.Func.Impl == "count"
			return l
		}
	}
	l.path = []string{g.local(a, order)}
	if l.path[0] == "" {
		l.path, l.expr = nil, g.collected(a)
	}
	return l
}

// local is an aggregate that only we know, fed row by row; "" if its rows have
// to be collected first (DISTINCT, FILTER, LIMIT, an order of its own).
func (g *grouping) local(a *planner.AggCall, order []planner.SortKey) string {
	if a.Distinct || a.Filter != nil || a.Limit != nil || a.Func.Kind == sqlfunc.OrderedSet || len(a.OrderBy) > 0 && order == nil {
		return ""
	}
	return g.acc(expr.LocalPrefix+a.Func.Impl, g.s.callArgs(a.Func, a.Args), g.emptyOf(a))
}

// emptyOf is the result over no rows.
func (g *grouping) emptyOf(a *planner.AggCall) any {
	return op(expr.LocalPrefix+opAgg, a.Func.Impl, list{}, op1("$literal", obj{{"distinct", false}}))
}

// collected gathers an aggregate's rows and applies it to them afterwards.
func (g *grouping) collected(a *planner.AggCall) any {
	row := obj{{"a", g.s.callArgs(a.Func, a.Args)}}
	if a.Distinct && a.Func.AnyAs != 0 {
		row = append(row, field{"d", g.s.values(a.Args)}) // what the arguments are made of is different, or not
	}
	desc, nulls := list{}, list{}
	if len(a.OrderBy) > 0 {
		keys := list{}
		for _, k := range a.OrderBy {
			keys = append(keys, op("$ifNull", g.s.value(k.Expr), null))
			desc = append(desc, k.Desc)
			nulls = append(nulls, k.NullsFirst)
		}
		row = append(row, field{"k", keys})
	}
	types, of := list{}, list{}
	for _, k := range a.OrderBy {
		types = append(types, int(k.Expr.Type().OID))
	}
	for _, x := range a.Args {
		of = append(of, int(x.Type().OID))
	}
	var item any = row
	if a.Filter != nil {
		item = cond(g.s.isTrue(a.Filter), row, "$$REMOVE")
	}
	rows := "$" + g.acc("$push", item, list{})
	spec := obj{{"distinct", a.Distinct}, {"desc", desc}, {"nulls", nulls}, {"types", types}, {"of", of}, {"ordered", a.Func.Kind == sqlfunc.OrderedSet}}
	limit := any(null)
	if a.Limit != nil {
		limit = scope{c: g.c}.value(a.Limit)
	}
	direct := any(list{})
	if a.Func.Kind == sqlfunc.OrderedSet {
		direct = g.directArgs(a)
	}
	return op(expr.LocalPrefix+opAgg, a.Func.Impl, op("$ifNull", rows, list{}), op1("$literal", spec), limit, direct)
}

// directArgs are the direct arguments of an ordered-set aggregate.
func (g *grouping) directArgs(a *planner.AggCall) any {
	out := list{}
	for _, x := range a.Args {
		if !g.c.constant(x) {
			g.c.fail(sqlerr.Unsupported(x.Pos(), "Use a constant or a parameter.", "direct arguments of %s cannot depend on the group", a.Func.Name))
		}
		out = append(out, g.s.value(x))
	}
	return out
}

// listing are the aggregates that show the order of their rows.
var listing = map[string]bool{"array_agg": true, "array_agg_array": true, "string_agg": true, "string_agg_bytea": true, "json_agg": true, "jsonb_agg": true,
	"json_object_agg": true, "jsonb_object_agg": true}

// sharedOrder is the order in which the local aggregates want their rows, if
// all that want one want the same.
func sharedOrder(aggs []planner.AggCall) []planner.SortKey {
	var order []planner.SortKey
	for _, a := range aggs {
		if a.Func != nil && len(a.OrderBy) == 0 && !a.Distinct && listing[a.Func.Impl] {
			return nil // its rows stay in the order in which they come
		}
		if len(a.OrderBy) == 0 || a.Func == nil || a.Func.Kind == sqlfunc.OrderedSet || a.Distinct || a.Filter != nil || a.Limit != nil {
			continue
		}
		if order != nil {
			return nil
		}
		order = a.OrderBy
	}
	return order
}

// defaultRow yields one row where there would be none.
func (g *grouping) defaultRow(id any) {
	doc := append(obj{{"_id", id}}, g.empty...)
	doc = append(doc, field{"e", true})
	g.f.add("$unionWith", obj{{"pipeline", list{
		obj{{"$documents", list{doc}}},
	}}})
	g.markDocuments()
	g.f.add("$sort", obj{{"e", 1}})
	g.f.add("$limit", 1)
}

// markDocuments makes the last stage local on servers without $documents.
func (g *grouping) markDocuments() {
	last := &g.f.stages[len(g.f.stages)-1]
	if caps := g.c.opts.Capabilities; !caps.Embedded && !caps.AtLeast(6, 0) {
		last.local, last.reason = true, "the server has no $documents"
	}
}

// setKeys repeats every row for each grouping set; keys outside of the set are NULL.
func (g *grouping) setKeys(n *planner.Aggregate, id any, cols map[planner.ColID]*loc) any {
	f := g.f
	sets := list{}
	for i := range n.Sets {
		sets = append(sets, i)
	}
	f.add("$addFields", obj{{"__gs", op1("$literal", sets)}})
	f.add("$unwind", "$__gs")
	keys, _ := id.(obj)
	out := obj{{"gs", "$__gs"}}
	for i, k := range keys {
		in := list{}
		for j, set := range n.Sets {
			for _, m := range set {
				if m == i {
					in = append(in, j)
				}
			}
		}
		out = append(out, field{k.k, cond(op("$in", "$__gs", op1("$literal", in)), k.v, null)})
		cols[n.Groups[i].Col.ID].notNull = false
	}
	for _, call := range n.Grouping {
		cols[call.Col.ID] = &loc{expr: groupingValue(n, call), t: call.Col.Type, notNull: true}
	}
	return out
}

// groupingValue is GROUPING(…): a bit for each argument that is not in the set.
func groupingValue(n *planner.Aggregate, call planner.GroupingCall) any {
	values := list{}
	for _, set := range n.Sets {
		bits := 0
		for _, arg := range call.Args {
			bits <<= 1
			if !contains(set, arg) {
				bits |= 1
			}
		}
		values = append(values, bits)
	}
	return op("$arrayElemAt", op1("$literal", values), "$_id.gs")
}

func contains(set []int, x int) bool {
	for _, m := range set {
		if m == x {
			return true
		}
	}
	return false
}

// emptySets adds the rows of empty grouping sets when there is no input.
func (g *grouping) emptySets(n *planner.Aggregate) {
	docs := list{}
	for i, set := range n.Sets {
		if len(set) > 0 {
			continue
		}
		id := obj{{"gs", i}}
		for j := range n.Groups {
			id = append(id, field{slotName("k", j), null})
		}
		docs = append(docs, append(append(obj{{"_id", id}}, g.empty...), field{"e", true}))
	}
	if len(docs) == 0 {
		return
	}
	g.f.add("$unionWith", obj{{"pipeline", list{obj{{"$documents", docs}}}}})
	g.markDocuments()
	g.f.add("$sort", obj{{"e", 1}})
	g.f.add("$group", obj{{"_id", "$_id"}, {"d", obj{{"$first", "$$ROOT"}}}})
	g.f.add("$replaceRoot", obj{{"newRoot", "$d"}})
}

// filtered gives an aggregate's argument, or the neutral value where FILTER says no.
func (g *grouping) filtered(a *planner.AggCall, x, neutral any) any {
	if a.Filter == nil {
		return x
	}
	return cond(g.s.isTrue(a.Filter), x, neutral)
}
