package translator

import (
	"weir/planner"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// subquery compiles a subquery in an expression. One that does not depend on
// rows ran before (slot.go); others become a $lookup before the stage at hand.
func (s scope) subquery(e *planner.Subquery) any {
	if s.c.independent(e.Plan) {
		if n, ok := s.c.initPlan(e); ok {
			return s.slotRef(n, e.T)
		}
	}
	switch e.Kind {
	case planner.Scalar:
		return s.scalarSubquery(e)
	case planner.Exists:
		return op("$ne", s.rows(e, true), list{})
	case planner.NotExists:
		return op("$not", s.exists(e))
	case planner.ArrayOf:
		return s.rows(e, false)
	}
	return s.quantified(e)
}

// exists uses the result of a query that ran before where there is one.
func (s scope) exists(e *planner.Subquery) any {
	m := *e
	m.Kind = planner.Exists
	if s.c.independent(e.Plan) {
		return s.slotRef(s.c.addInit(e.Plan, planner.Exists, e.P), sqltype.Of(sqltype.Bool))
	}
	return s.subquery(&m)
}

// rows is the array of a correlated subquery's rows: values, or arrays of
// values where there are several columns. any asks for one row at most.
func (s scope) rows(e *planner.Subquery, any1 bool) any {
	if s.c.independent(e.Plan) {
		return s.independentRows(e)
	}
	if s.f == nil {
		s.c.fail(sqlerr.New(sqlerr.InternalError, "a correlated subquery has no rows to depend on").At(e.P))
		return list{}
	}
	as := s.c.correlated(s.f, e.Plan, func(r *fragment) {
		if any1 {
			r.add("$limit", 1)
		}
	}, !any1)
	if any1 {
		return "$" + as
	}
	return op1("$map", obj{{"input", "$" + as}, {"as", "d"}, {"in", rowValue("$$d", len(e.Plan.Cols()))}})
}

func rowValue(d string, n int) any {
	if n == 1 {
		return op("$ifNull", d+".c0", null)
	}
	out := list{}
	for i := range n {
		out = append(out, d+"."+slotName("c", i))
	}
	return out
}

func (s scope) independentRows(e *planner.Subquery) any {
	cols := e.Plan.Cols()
	if len(cols) == 1 {
		return s.slotRef(s.c.addInit(e.Plan, planner.ArrayOf, e.P), sqltype.Of(sqltype.AnyArray))
	}
	row := &planner.Row{P: e.P, Bare: true}
	for _, col := range cols {
		row.Fields = append(row.Fields, &planner.ColRef{ID: col.ID, Name: col.Name, T: col.Type, P: e.P})
	}
	key := initKey{e.Plan, planner.ArrayOf}
	if n, ok := s.c.initSlots[key]; ok {
		return s.slotRef(n, sqltype.Of(sqltype.AnyArray))
	}
	id := planner.ColID(-1000 - s.c.seq)
	s.c.seq++
	p := &planner.Project{Input: e.Plan, Exprs: []planner.NamedExpr{{Col: planner.Col{ID: id, Type: row.Type()}, Expr: row}}}
	n := s.c.addInit(p, planner.ArrayOf, e.P)
	s.c.initSlots[key] = n
	return s.slotRef(n, sqltype.Of(sqltype.AnyArray))
}

// correlated appends the $lookup of a subquery and gives its field.
func (c *compiler) correlated(f *fragment, n planner.Node, finish func(*fragment), columns bool) string {
	reads := free(n)
	c.settleIDs(f, reads)
	let, vars := c.letVars(f, reads)
	eq := c.correlation(f, n)
	r := c.relation(n, vars)
	if columns {
		c.normalise(r, n.Cols())
	}
	finish(r)
	if !columns {
		r.add("$project", obj{{"_id", 1}})
	}
	r.base = 0
	as := c.name("__s")
	if eq != nil && !c.opts.Capabilities.Embedded && !c.opts.Capabilities.LookupWithPipeline && !f.local() && !r.local() {
		eq = nil
	}
	if eq == nil {
		r.base = len(r.stages)
	}
	c.lookup(f, r, let, as, eq)
	return as
}

// correlation finds the condition inner column = outer column at the bottom of
// a subquery, which finds candidates; the whole condition is tested again.
func (c *compiler) correlation(f *fragment, n planner.Node) *equality {
	for {
		switch x := n.(type) {
		case *planner.Project:
			n = x.Input
		case *planner.Aggregate:
			n = x.Input
		case *planner.Sort:
			n = x.Input
		case *planner.Limit:
			n = x.Input
		case *planner.Filter:
			scan, ok := x.Input.(*planner.Scan)
			if !ok {
				n = x.Input
				continue
			}
			return c.scanCorrelation(f, scan, x.Cond)
		default:
			return nil
		}
	}
}

func (c *compiler) scanCorrelation(f *fragment, n *planner.Scan, cond planner.Expr) *equality {
	inner := newFragment(nil)
	for i, col := range n.Out {
		inner.cols[col.ID] = scanLoc(n, i)
	}
	for _, e := range conjuncts(nil, cond) {
		call, ok := e.(*planner.Call)
		if !ok || call.Func.Impl != "eq" || len(call.Args) != 2 {
			continue
		}
		for i := range 2 {
			if eq := c.equalityOf(f, inner, call.Args[i], call.Args[1-i]); eq != nil {
				return eq
			}
		}
	}
	return nil
}

func (s scope) scalarSubquery(e *planner.Subquery) any {
	one := false
	as := s.c.correlated(s.f, e.Plan, func(r *fragment) {
		if one = r.one; !one {
			r.add("$limit", 2)
		}
	}, true)
	if one {
		return op("$ifNull", firstOf("$"+as+".c0"), null)
	}
	// more than one row is an error: the conversion fails and is recognised by its text
	excess := op1("$toInt", op("$concat", TooManyRows, op1("$toString", op1("$size", "$"+as))))
	return cond(op("$gt", op1("$size", "$"+as), 1), excess, op("$ifNull", firstOf("$"+as+".c0"), null))
}

// TooManyRows begins the text that a subquery with more than one row fails to
// convert to a number; the executor makes it error 21000.
const TooManyRows = "weir: more than one row: "

func firstOf(arr any) any { return op("$arrayElemAt", arr, 0) }

// quantified is [NOT] IN, ANY and ALL over a subquery's rows.
func (s scope) quantified(e *planner.Subquery) any {
	rows := s.rows(e, false)
	xs := s.values(e.X)
	all := e.Kind == planner.AllOf || e.Kind == planner.NotIn
	return s.c.onceEach(append([]any{rows}, xs...), func(v []any) any {
		item := s.c.name("i")
		yes := s.rowTest(e, v[1:], "$$"+item, !all)
		no := s.rowTest(e, v[1:], "$$"+item, all)
		decided, open := obj{{"$map", mapSpec(v[0], item, yes)}}, obj{{"$map", mapSpec(v[0], item, no)}}
		// ANY: true if some test is true, false if all are false; ALL: the reverse
		return cond(op1("$anyElementTrue", list{decided}), !all, cond(op1("$allElementsTrue", list{open}), all, null))
	})
}

func mapSpec(input any, as string, in any) obj {
	return obj{{"input", input}, {"as", as}, {"in", in}}
}

// rowTest tells whether the comparison of X with a row is want. For NotIn and
// ALL "decided" is a false comparison.
func (s scope) rowTest(e *planner.Subquery, xs []any, row string, want bool) any {
	if e.Kind == planner.NotIn {
		want = !want
	}
	var tests list
	for i, x := range xs {
		item := any(row)
		if len(xs) > 1 {
			item = op("$arrayElemAt", row, i)
		}
		tests = append(tests, s.itemTest(e.Op[min(i, len(e.Op)-1)], x, item, hasNaN(e.X[i].Type()), want))
	}
	if len(tests) == 1 {
		return tests[0]
	}
	if want == conjunctive(e.Op[0]) {
		return obj{{"$and", tests}}
	}
	return obj{{"$or", tests}}
}

// conjunctive tells whether a row comparison is the conjunction of its fields'.
func conjunctive(f *sqlfunc.Func) bool { return f.Impl != "ne" && f.Impl[:2] != "ne" }
