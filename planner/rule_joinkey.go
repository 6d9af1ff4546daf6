package planner

// joinKeys computes a subquery that a join compares a column of its right side
// with once for each left row, where it reads nothing of the right:
//
//	a JOIN b ON b.x = (SELECT … WHERE … = a.y)
//
// Then the join is one of columns, by hash or index.
func (b *builder) joinKeys(n Node) Node {
	eachSubplan(n, b.joinKeys)
	for _, in := range Inputs(n) {
		*in = b.joinKeys(*in)
	}
	j, ok := n.(*Join)
	if !ok || j.On == nil || j.Lateral || j.Kind == AntiNull {
		return n
	}
	on := conjuncts(j.On)
	if anyVolatile(on) {
		return n
	}
	left, right := colSet(j.Left.Cols()), colSet(j.Right.Cols())
	var keys []NamedExpr
	for i, c := range on {
		call, ok := c.(*Call)
		if !ok || !isEquality(call) || len(call.Args) != 2 {
			continue
		}
		for k, a := range call.Args {
			if to, ok := bareColumn(call.Args[1-k]); !ok || !right[to.ID] || !leftSubquery(a, left) {
				continue
			}
			col := b.newCol("", a.Type())
			keys = append(keys, NamedExpr{Col: col, Expr: a})
			m := *call
			m.Args = append([]Expr(nil), call.Args...)
			m.Args[k] = colRef(col, a.Pos())
			on[i] = &m
			break
		}
	}
	if len(keys) == 0 {
		return n
	}
	return passing(j, on, keys)
}

// leftSubquery tells whether an expression is a subquery that depends on rows
// of a join's left side and on nothing else.
func leftSubquery(e Expr, left map[ColID]bool) bool {
	if c, ok := e.(*Cast); ok {
		e = c.X
	}
	s, ok := e.(*Subquery)
	if !ok || s.Kind != Scalar || hasSideEffects(s.Plan) {
		return false
	}
	outer := outerColumns(s.Plan)
	for id := range outer {
		if !left[id] {
			return false
		}
	}
	return len(outer) > 0
}

// passing is a join whose left side computes keys, with the columns it had.
func passing(j *Join, on []Expr, keys []NamedExpr) Node {
	p := &Project{Input: j.Left}
	for _, c := range j.Left.Cols() {
		p.Exprs = append(p.Exprs, NamedExpr{Col: c, Expr: colRef(c, 0)})
	}
	p.Exprs = append(p.Exprs, keys...)
	out := &Project{}
	for _, c := range j.Cols() {
		out.Exprs = append(out.Exprs, NamedExpr{Col: c, Expr: colRef(c, 0)})
	}
	out.Input = &Join{Kind: j.Kind, Left: p, Right: j.Right, On: conjunction(on, j.On.Pos())}
	return out
}
