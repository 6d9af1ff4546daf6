package planner

import (
	"strings"

	"weir/sqlfunc"
)

// groupJoin makes a join with groups of an aggregate subquery that a condition
// compares with, where the subquery depends on the row by equalities only:
//
//	x < (SELECT avg(y) FROM t WHERE t.k = o.k)
//
// becomes a join with SELECT k, avg(y) FROM t GROUP BY k. It answers the join and
// the condition over it; nil where the subquery has to be evaluated for each row
// or is better so.
func (b *builder) groupJoin(input Node, c, all Expr) (Node, Expr) {
	s := onlySubquery(c)
	if s == nil || s.Kind != Scalar || hasSideEffects(s.Plan) {
		return nil, nil
	}
	p, agg := groupedScalar(s.Plan)
	if agg == nil || len(outerColumns(s.Plan)) == 0 {
		return nil, nil
	}
	made := map[ColID]bool{}
	makesDeep(s.Plan, made)
	for _, a := range agg.Aggs {
		if !nullOfNothing(&a) || !callWithin(&a, made) || !calm(a.Filter) || len(a.Args) != 1 || !calm(a.Args[0]) {
			return nil, nil
		}
	}
	value := p.Exprs[0]
	if !within(value.Expr, made) || !nullOfNull(value.Expr, colSet(agg.Cols())) || !calm(value.Expr) {
		return nil, nil
	}
	in, preds, ok := b.pullUp(agg.Input, made, true)
	if !ok || len(preds) == 0 || b.cheaperByRow(input, all, c, in, preds, made) {
		return nil, nil
	}
	right, on := b.grouped(in, agg, value, preds, made)
	if right == nil || !allWithin(on, input, right) {
		return nil, nil
	}
	kind := Left
	if rejectsNull(c, s) {
		kind = Inner
	}
	out := value.Col
	cond := mapDown(c, func(e Expr) (Expr, bool) {
		if e == Expr(s) {
			return colRef(out, s.P), true
		}
		return e, false
	})
	return &Join{Kind: kind, Left: input, Right: right, On: conjunction(on, s.P)}, cond
}

// onlySubquery is the one subquery in an expression.
func onlySubquery(e Expr) *Subquery {
	var found *Subquery
	n := 0
	walkOwn(e, func(s *Subquery) { found, n = s, n+1 })
	if n != 1 {
		return nil
	}
	return found
}

// groupedScalar takes SELECT f(aggregates) FROM … without groups apart. Between
// the aggregate and its conditions nothing may stand that counts rows.
func groupedScalar(n Node) (*Project, *Aggregate) {
	p, ok := n.(*Project)
	if !ok || p.SetReturning || len(p.Exprs) != 1 {
		return nil, nil
	}
	a, ok := p.Input.(*Aggregate)
	if !ok || len(a.Groups) > 0 || a.Sets != nil || len(a.Grouping) > 0 || len(a.Aggs) == 0 {
		return nil, nil
	}
	for in := a.Input; ; {
		switch x := in.(type) {
		case *Filter:
			in = x.Input
			continue
		case *Sort, *Distinct, *Limit:
			return nil, nil
		}
		return p, a
	}
}

// nullOfNothing tells whether an aggregate gives NULL for no rows, as a row
// without a group will have it.
func nullOfNothing(a *AggCall) bool {
	if a.AnyValue || a.Func == nil || a.Func.Kind != sqlfunc.Aggregate || a.Limit != nil {
		return false
	}
	for _, name := range []string{"sum", "avg", "min", "max"} {
		if a.Func.Name == name {
			return true
		}
	}
	return false
}

func callWithin(a *AggCall, made map[ColID]bool) bool {
	list := append([]Expr{a.Filter}, a.Args...)
	for _, k := range a.OrderBy {
		list = append(list, k.Expr)
	}
	for _, e := range list {
		if !within(e, made) || hasSubquery(e) {
			return false
		}
	}
	return !anyVolatile(list)
}

// calm tells whether an expression may be computed for groups that no row asks
// for: divisions and conversions might fail there.
func calm(e Expr) bool {
	switch x := e.(type) {
	case nil, *ColRef, *Const, *Param:
		return true
	case *Cast:
		return !x.Explicit && calm(x.X)
	case *Logic:
		return calmAll(x.Args)
	case *Call:
		return calmCall(x) && calmAll(x.Args)
	}
	return false
}

func calmAll(list []Expr) bool {
	for _, e := range list {
		if !calm(e) {
			return false
		}
	}
	return true
}

func calmCall(c *Call) bool {
	op, _, _ := strings.Cut(c.Func.Impl, "_")
	switch op {
	case "add", "sub", "mul", "eq", "ne", "lt", "le", "gt", "ge":
		return c.Func.Volatility == sqlfunc.Immutable
	}
	return false
}

// nullOfNull tells whether an expression is NULL when the columns are.
func nullOfNull(e Expr, cols map[ColID]bool) bool {
	switch x := e.(type) {
	case *ColRef:
		return cols[x.ID]
	case *Cast:
		return nullOfNull(x.X, cols)
	case *Call:
		if x.Func.NotStrict {
			return false
		}
		for _, a := range x.Args {
			if nullOfNull(a, cols) {
				return true
			}
		}
	}
	return false
}

// rejectsNull tells whether a condition is not true when the subquery is NULL.
func rejectsNull(c Expr, s *Subquery) bool {
	switch x := c.(type) {
	case *Subquery:
		return x == s
	case *Cast:
		return rejectsNull(x.X, s)
	case *Call:
		if x.Func.NotStrict {
			return false
		}
		for _, a := range x.Args {
			if rejectsNull(a, s) {
				return true
			}
		}
	}
	return false
}

// grouped makes the groups and the equalities to join them by.
func (b *builder) grouped(in Node, agg *Aggregate, value NamedExpr, preds []Expr, made map[ColID]bool) (Node, []Expr) {
	out := &Aggregate{Input: in, Aggs: agg.Aggs}
	p := &Project{Input: out}
	var on []Expr
	for _, e := range preds {
		call, ok := e.(*Call)
		if !ok || !isEquality(call) || len(call.Args) != 2 {
			return nil, nil
		}
		inner := 0
		if !within(call.Args[0], made) {
			inner = 1
		}
		key, outer := call.Args[inner], call.Args[1-inner]
		if !within(key, made) || !readsAny(key) || readsOf(outer, made) {
			return nil, nil
		}
		group := NamedExpr{Col: b.newCol("", key.Type()), Expr: key}
		shown := NamedExpr{Col: b.newCol("", key.Type()), Expr: colRef(group.Col, key.Pos())}
		out.Groups, p.Exprs = append(out.Groups, group), append(p.Exprs, shown)
		eq := *call
		eq.Args = []Expr{colRef(shown.Col, key.Pos()), outer}
		if inner == 1 {
			eq.Args[0], eq.Args[1] = eq.Args[1], eq.Args[0]
		}
		on = append(on, &eq)
	}
	p.Exprs = append(p.Exprs, value)
	return p, on
}

func readsOf(e Expr, set map[ColID]bool) bool {
	cols := map[ColID]bool{}
	columnsOf(e, cols)
	return anyIn(cols, set)
}

// cheaperByRow tells whether an index finds the few rows that each of a small
// number of outer rows asks for.
func (b *builder) cheaperByRow(input Node, all, c Expr, in Node, preds []Expr, made map[ColID]bool) bool {
	st := newEstimate(input, in)
	indexed := false
	for _, e := range preds {
		if call, ok := e.(*Call); ok && isEquality(call) {
			for _, a := range call.Args {
				if r, ok := bareColumn(a); ok && made[r.ID] && st.scans[r.ID] != nil && indexedColumn(st.scans[r.ID], r.ID) {
					indexed = true
				}
			}
		}
	}
	if !indexed {
		return false
	}
	var others []Expr
	for _, e := range conjuncts(all) {
		if e != c {
			others = append(others, e)
		}
	}
	st.equate(others)
	outer, ok1 := st.rows(filterNode(input, others, 0))
	inner, ok2 := st.rows(in)
	return !ok1 || !ok2 || outer*10 < inner
}
