package planner

// filterInputs applies filterInput everywhere.
func (b *builder) filterInputs(n Node) Node {
	eachSubplan(n, b.filterInputs)
	if x, ok := n.(*Aggregate); ok {
		filterInput(x)
	}
	for _, in := range Inputs(n) {
		*in = b.filterInputs(*in)
	}
	return n
}

// filterInput makes what the FILTERs of all aggregates over one group demand a
// condition on the rows, which goes further down:
//
//	SELECT array_agg(x) FILTER (WHERE p) FROM t  →  SELECT array_agg(x) FROM t WHERE p
//
// Without GROUP BY there is a row in either case.
func filterInput(x *Aggregate) {
	if len(x.Groups) > 0 || len(x.Sets) > 1 || len(x.Aggs) == 0 {
		return
	}
	count := map[string]int{}
	for _, a := range x.Aggs {
		seen := map[string]bool{}
		for _, c := range conjuncts(a.Filter) {
			if k := exprKey(c); !seen[k] && !anyVolatile([]Expr{c}) && !hasSubquery(c) {
				seen[k] = true
				count[k]++
			}
		}
	}
	var common []Expr
	for i := range x.Aggs {
		a := &x.Aggs[i]
		var own []Expr
		for _, c := range conjuncts(a.Filter) {
			switch {
			case count[exprKey(c)] < len(x.Aggs):
				own = append(own, c)
			case i == 0:
				common = append(common, c)
			}
		}
		if len(own) < len(conjuncts(a.Filter)) {
			pos := a.Filter.Pos()
			a.Filter = nil
			if len(own) > 0 {
				a.Filter = conjunction(own, pos)
			}
		}
	}
	if len(common) > 0 {
		x.Input = filterNode(x.Input, common, common[0].Pos())
	}
}
