package planner

// prune takes away columns that nothing reads.
func prune(n Node) Node {
	pruneNode(n, colSet(n.Cols()))
	return n
}

// need adds the columns that a node's own expressions read.
func need(n Node, set map[ColID]bool) map[ColID]bool {
	out := make(map[ColID]bool, len(set))
	for id := range set {
		out[id] = true
	}
	eachExpr(n, func(e *Expr) {
		columnsOf(*e, out)
	})
	return out
}

func pruneNode(n Node, used map[ColID]bool) {
	switch x := n.(type) {
	case *Scan:
		pruneScan(x, used)
	case *Project:
		pruneProject(x, used)
	case *Aggregate:
		x.Aggs = keepAggs(x.Aggs, used)
	case *Window:
		x.Calls = keepCalls(x.Calls, used)
	}
	eachExpr(n, func(e *Expr) {
		walkOwn(*e, func(q *Subquery) {
			if q.Kind == Exists || q.Kind == NotExists {
				pruneNode(q.Plan, nil) // rows count, not what is in them
			} else {
				prune(q.Plan)
			}
		})
	})
	child := need(n, used)
	switch x := n.(type) {
	case *SetOp:
		child = colSet(append(append([]Col(nil), x.Left.Cols()...), x.Right.Cols()...))
	case *Distinct:
		if x.On == nil {
			child = colSet(x.Input.Cols())
		}
	case *With:
		for i := range x.CTEs {
			pruneNode(x.CTEs[i].Plan, colSet(x.CTEs[i].Plan.Cols()))
			if r := x.CTEs[i].Recursive; r != nil {
				pruneNode(r.Term, colSet(r.Term.Cols()))
			}
		}
		pruneNode(x.Body, used)
		return
	case *Insert:
		child = colSet(x.Input.Cols())
	case *Update:
		child[x.Key] = true
	case *Delete:
		child[x.Key] = true
	case *Merge:
		child[x.Key] = true
	case *Join:
		// A lateral right side reads columns of the left one.
		for id := range outerColumns(x.Right) {
			child[id] = true
		}
	}
	for _, in := range Inputs(n) {
		*in = withoutUnused(*in, child)
		pruneNode(*in, child)
	}
}

func pruneScan(x *Scan, used map[ColID]bool) {
	var out []Col
	var fields []Field
	for i, c := range x.Out {
		if used[c.ID] {
			out, fields = append(out, c), append(fields, x.Fields[i])
		}
	}
	x.Out, x.Fields = out, fields
}

// pruneProject keeps one column at least, and functions that make rows.
func pruneProject(x *Project, used map[ColID]bool) {
	var keep []NamedExpr
	for _, e := range x.Exprs {
		_, plain := e.Expr.(*ColRef)
		if used[e.Col.ID] || x.SetReturning && !plain || anyVolatile([]Expr{e.Expr}) {
			keep = append(keep, e)
		}
	}
	if len(keep) == 0 && len(x.Exprs) > 0 {
		keep = x.Exprs[:1]
	}
	x.Exprs = keep
}

func keepAggs(list []AggCall, used map[ColID]bool) []AggCall {
	var keep []AggCall
	for _, a := range list {
		if used[a.Col.ID] {
			keep = append(keep, a)
		}
	}
	return keep
}

func keepCalls(list []WindowCall, used map[ColID]bool) []WindowCall {
	var keep []WindowCall
	for _, w := range list {
		if used[w.Col.ID] {
			keep = append(keep, w)
		}
	}
	return keep
}
