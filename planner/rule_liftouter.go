package planner

// liftable tells whether a left join below the inner joins of a tree may as
// well come after them, since none of them reads what it adds:
//
//	(a LEFT JOIN b ON …) JOIN c ON c.x = a.x  →  (a JOIN c ON c.x = a.x) LEFT JOIN b ON …
//
// Then c, if it has few rows, leaves few of a to look up in b. The conditions
// of all joins above are in the tree already.
func (t *joinTree) liftable(j *Join) bool {
	if j.Kind != Left || j.Lateral || anyVolatile(conjuncts(j.On)) {
		return false
	}
	own := colSet(j.Right.Cols())
	for _, c := range t.conds {
		cols := map[ColID]bool{}
		columnsOf(c, cols)
		if anyIn(cols, own) {
			return false
		}
	}
	return len(t.conds) > 0
}

// lift puts the left joins of a tree above its inner joins, in their order.
func (b *builder) lift(t *joinTree, n Node) Node {
	for i := len(t.lifted) - 1; i >= 0; i-- {
		j := *t.lifted[i]
		j.Left, j.Right = n, b.orderJoins(j.Right)
		eachSubplan(&j, b.orderJoins)
		n = &j
	}
	return n
}
