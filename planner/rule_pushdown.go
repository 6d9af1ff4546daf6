package planner

// pushDown moves conditions towards the data: through projections, sorts,
// set operations and joins, and below groups and windows where only groups and
// partitions are read.
func (b *builder) pushDown(n Node) Node {
	eachSubplan(n, b.pushDown)
	switch x := n.(type) {
	case *Filter:
		conds := conjuncts(x.Cond)
		in := x.Input
		for {
			f, ok := in.(*Filter)
			if !ok {
				break
			}
			conds = append(conjuncts(f.Cond), conds...)
			eachSubplan(f, b.pushDown)
			in = f.Input
		}
		conds = spread(conds, in)
		var stay []Expr
		for _, c := range conds {
			if anyVolatile([]Expr{c}) || !push(&in, c) {
				stay = append(stay, c)
			}
		}
		return filterNode(b.pushDown(in), stay, x.Cond.Pos())
	case *Join:
		pushOn(x)
	}
	for _, in := range Inputs(n) {
		*in = b.pushDown(*in)
	}
	return n
}

// push places a condition below a node; false when it has to stay above.
func push(at *Node, c Expr) bool {
	switch x := (*at).(type) {
	case *Filter:
		put(&x.Input, c)
		return true
	case *Project:
		if x.SetReturning || hasSubquery(c) || !substitutable(x, c) {
			return false
		}
		put(&x.Input, substitute(c, x.Exprs))
		return true
	case *Sort:
		put(&x.Input, c)
		return true
	case *Distinct:
		if x.On != nil {
			return false
		}
		put(&x.Input, c)
		return true
	case *With:
		put(&x.Body, c)
		return true
	case *SetOp:
		if hasSubquery(c) {
			return false
		}
		put(&x.Left, rename2(c, x.Out, x.Left.Cols()))
		put(&x.Right, rename2(c, x.Out, x.Right.Cols()))
		return true
	case *Aggregate:
		return pushGroups(x, c)
	case *Window:
		return pushPartition(x, c)
	case *Join:
		innerWhere(x, c)
		return pushJoin(x, c)
	}
	return false
}

// put pushes a condition further or leaves it as a filter right there.
func put(at *Node, c Expr) {
	if push(at, c) {
		return
	}
	if f, ok := (*at).(*Filter); ok {
		f.Cond = conjunction(append(conjuncts(f.Cond), c), f.Cond.Pos())
		return
	}
	*at = &Filter{Input: *at, Cond: c}
}

// substitutable tells whether the projected expressions that a condition reads
// may be computed twice.
func substitutable(p *Project, c Expr) bool {
	cols := map[ColID]bool{}
	columnsOf(c, cols)
	for _, e := range p.Exprs {
		if cols[e.Col.ID] && (anyVolatile([]Expr{e.Expr}) || hasSubquery(e.Expr)) {
			return false
		}
	}
	return true
}

func substitute(c Expr, exprs []NamedExpr) Expr {
	return mapExpr(c, func(e Expr) Expr {
		if r, ok := e.(*ColRef); ok {
			for _, x := range exprs {
				if x.Col.ID == r.ID {
					return x.Expr
				}
			}
		}
		return e
	})
}

func rename2(c Expr, from, to []Col) Expr {
	return mapExpr(c, func(e Expr) Expr {
		if r, ok := e.(*ColRef); ok {
			for i, f := range from {
				if f.ID == r.ID {
					return colRef(to[i], r.P)
				}
			}
		}
		return e
	})
}

// pushGroups moves a condition on group columns below the grouping.
func pushGroups(a *Aggregate, c Expr) bool {
	if a.Sets != nil || len(a.Groups) == 0 || hasSubquery(c) {
		return false
	}
	groups := map[ColID]bool{}
	for _, g := range a.Groups {
		groups[g.Col.ID] = true
	}
	cols := map[ColID]bool{}
	columnsOf(c, cols)
	reads := false
	for _, col := range a.Cols() {
		if cols[col.ID] {
			if !groups[col.ID] {
				return false
			}
			reads = true
		}
	}
	if !reads {
		return false
	}
	put(&a.Input, substitute(c, a.Groups))
	return true
}

// pushPartition moves a condition that keeps or drops whole partitions below the
// window calls.
func pushPartition(w *Window, c Expr) bool {
	cols := map[ColID]bool{}
	columnsOf(c, cols)
	if len(cols) == 0 || hasSubquery(c) {
		return false
	}
	for i := range w.Calls {
		by := map[ColID]bool{}
		for _, e := range w.Calls[i].PartitionBy {
			if r, ok := e.(*ColRef); ok {
				by[r.ID] = true
			}
		}
		for id := range cols {
			if !by[id] {
				return false
			}
		}
	}
	put(&w.Input, c)
	return true
}

// sides tells which inputs of a join a condition reads.
func sides(j *Join, c Expr) (left, right bool) {
	cols := map[ColID]bool{}
	columnsOf(c, cols)
	for _, l := range j.Left.Cols() {
		left = left || cols[l.ID]
	}
	for _, r := range j.Right.Cols() {
		right = right || cols[r.ID]
	}
	return left, right
}

func pushJoin(j *Join, c Expr) bool {
	l, r := sides(j, c)
	switch j.Kind {
	case Inner:
		switch {
		case !r:
			put(&j.Left, c)
		case !l:
			put(&j.Right, c)
		default:
			j.On = conjunction(append(conjuncts(j.On), c), c.Pos())
		}
		return true
	case Left, Semi, Anti, AntiNull:
		if !r {
			spreadOn(j, c)
			put(&j.Left, c)
			return true
		}
	}
	return false
}

// pushOn moves the parts of a join condition that read one side to that side,
// where that does not change which rows are kept.
func pushOn(j *Join) {
	if j.On == nil || j.Kind == Full {
		return
	}
	var stay []Expr
	pos := j.On.Pos()
	for _, c := range conjuncts(j.On) {
		l, r := sides(j, c)
		switch {
		case anyVolatile([]Expr{c}):
			stay = append(stay, c)
		case r && !l && j.Kind != AntiNull:
			put(&j.Right, c)
		case l && !r && (j.Kind == Inner || j.Kind == Semi):
			put(&j.Left, c)
		default:
			stay = append(stay, c)
		}
	}
	j.On = conjunction(stay, pos)
}
