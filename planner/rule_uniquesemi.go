package planner

// uniqueSemi makes an inner join of a semi join above inner joins whose right
// side has each compared value once: then it can come first where it leaves
// the fewest rows.
func (b *builder) uniqueSemi(n Node) Node {
	eachSubplan(n, b.uniqueSemi)
	for _, in := range Inputs(n) {
		*in = b.uniqueSemi(*in)
	}
	j, ok := n.(*Join)
	if !ok || j.Kind != Semi || j.Lateral {
		return n
	}
	if l, ok := j.Left.(*Join); !ok || l.Kind != Inner {
		return n
	}
	compared := map[ColID]bool{}
	for _, c := range conjuncts(j.On) {
		call, ok := c.(*Call)
		if !ok || !isEquality(call) {
			return n
		}
		for _, a := range call.Args {
			if r, ok := a.(*ColRef); ok {
				compared[r.ID] = true
			}
		}
	}
	if !uniqueBy(j.Right, compared) {
		return n
	}
	// The columns stay those of the left side.
	p := &Project{Input: &Join{Kind: Inner, Left: j.Left, Right: j.Right, On: j.On}}
	for _, c := range j.Left.Cols() {
		p.Exprs = append(p.Exprs, NamedExpr{Col: c, Expr: colRef(c, 0)})
	}
	return p
}

// uniqueBy tells whether no two rows of a plan agree in the columns.
func uniqueBy(n Node, cols map[ColID]bool) bool {
	switch x := n.(type) {
	case *Scan:
		return uniqueScan(x, cols)
	case *Filter:
		return uniqueBy(x.Input, cols)
	case *Sort:
		return uniqueBy(x.Input, cols)
	case *Limit:
		return uniqueBy(x.Input, cols)
	case *Project:
		if x.SetReturning {
			return false
		}
		below := map[ColID]bool{}
		for _, e := range x.Exprs {
			if r, ok := e.Expr.(*ColRef); ok && cols[e.Col.ID] {
				below[r.ID] = true
			}
		}
		return uniqueBy(x.Input, below)
	case *Aggregate:
		if x.Sets != nil {
			return false
		}
		for _, g := range x.Groups {
			if !cols[g.Col.ID] {
				return false
			}
		}
		return true
	case *Distinct:
		if x.On != nil {
			return false
		}
		for _, c := range x.Input.Cols() {
			if !cols[c.ID] {
				return false
			}
		}
		return true
	}
	return false
}
