package translator

import "weir/planner"

// exprChildren calls f with the direct operands of an expression. Plans of
// subqueries are not entered.
func exprChildren(e planner.Expr, f func(planner.Expr)) {
	each := func(es []planner.Expr) {
		for _, x := range es {
			f(x)
		}
	}
	opt := func(x planner.Expr) {
		if x != nil {
			f(x)
		}
	}
	switch e := e.(type) {
	case *planner.Call:
		each(e.Args)
	case *planner.Cast:
		f(e.X)
	case *planner.Logic:
		each(e.Args)
	case *planner.Test:
		f(e.X)
	case *planner.DistinctFrom:
		f(e.L)
		f(e.R)
	case *planner.Case:
		for _, w := range e.Whens {
			f(w.Cond)
			f(w.Then)
		}
		opt(e.Else)
	case *planner.Variadic:
		each(e.Args)
	case *planner.InList:
		f(e.X)
		each(e.List)
	case *planner.AnyAll:
		f(e.X)
		f(e.Array)
	case *planner.Subquery:
		each(e.X)
	case *planner.Array:
		each(e.Elems)
	case *planner.Row:
		each(e.Fields)
	case *planner.Checked:
		f(e.X)
	case *converted:
		f(e.Expr)
	case *jsonRow:
		f(e.Expr)
	case *planner.Let:
		f(e.X)
		f(e.In)
	case *planner.Path:
		f(e.X)
	case *planner.Subscript:
		f(e.X)
		opt(e.Lo)
		opt(e.Hi)
	}
}

// walkExpr visits an expression and everything in it but subqueries' plans.
func walkExpr(e planner.Expr, f func(planner.Expr)) {
	if e == nil {
		return
	}
	f(e)
	exprChildren(e, func(x planner.Expr) { walkExpr(x, f) })
}

// use collects the columns that are made and read in plans.
type use struct {
	made, read map[planner.ColID]bool
	order      []planner.ColID // of read, first use first
	ctes       []*planner.CTEScan
	volatile   bool
	wide       bool // numerics beyond decimal128
}

func newUse() *use { return &use{made: map[planner.ColID]bool{}, read: map[planner.ColID]bool{}} }

// free lists the columns that a plan reads from outside of it.
func free(n planner.Node) []planner.ColID {
	u := newUse()
	u.node(n)
	return u.free()
}

func (u *use) free() []planner.ColID {
	var out []planner.ColID
	for _, id := range u.order {
		if !u.made[id] {
			out = append(out, id)
		}
	}
	return out
}

func (u *use) expr(e planner.Expr) {
	walkExpr(e, func(x planner.Expr) {
		switch x := x.(type) {
		case *planner.ColRef:
			if !u.read[x.ID] && !x.Bound {
				u.read[x.ID] = true
				u.order = append(u.order, x.ID)
			}
		case *planner.Const:
			u.wide = u.wide || x.Value.IsWide()
		case *planner.Call:
			u.volatile = u.volatile || isVolatile(x.Func)
		case *planner.Subquery:
			u.node(x.Plan)
		}
	})
}

func (u *use) exprs(es []planner.Expr) {
	for _, e := range es {
		u.expr(e)
	}
}

func (u *use) keys(ks []planner.SortKey) {
	for _, k := range ks {
		u.expr(k.Expr)
	}
}

func (u *use) named(es []planner.NamedExpr) {
	for _, e := range es {
		u.expr(e.Expr)
	}
}

func (u *use) fields(es []planner.FieldExpr) {
	for _, e := range es {
		u.expr(e.Expr)
	}
}

func (u *use) makes(cols []planner.Col) {
	for _, col := range cols {
		u.made[col.ID] = true
	}
}

func (u *use) node(n planner.Node) {
	if n == nil {
		return
	}
	u.makes(n.Cols())
	switch n := n.(type) {
	case *planner.Scan:
		u.scan(n)
		u.exprs(n.Args)
	case *planner.Values:
		for _, r := range n.Rows {
			u.exprs(r)
		}
	case *planner.FuncScan:
		for _, call := range n.Calls {
			u.exprs(call.Args)
		}
	case *planner.Filter:
		u.node(n.Input)
		u.expr(n.Cond)
	case *planner.Project:
		u.node(n.Input)
		u.named(n.Exprs)
	case *planner.Join:
		u.node(n.Left)
		u.node(n.Right)
		u.expr(n.On)
	case *planner.Aggregate:
		u.node(n.Input)
		u.named(n.Groups)
		for _, a := range n.Aggs {
			u.exprs(a.Args)
			u.keys(a.OrderBy)
			u.expr(a.Filter)
			u.expr(a.Limit)
		}
	case *planner.Window:
		u.node(n.Input)
		for _, w := range n.Calls {
			u.window(w)
		}
	case *planner.Sort:
		u.node(n.Input)
		u.keys(n.Keys)
	case *planner.Limit:
		u.node(n.Input)
		u.expr(n.Count)
		u.expr(n.Offset)
		u.keys(n.WithTies)
	case *planner.Distinct:
		u.node(n.Input)
		u.exprs(n.On)
	case *planner.SetOp:
		u.node(n.Left)
		u.node(n.Right)
	case *planner.With:
		u.with(n)
	case *planner.CTEScan:
		u.ctes = append(u.ctes, n)
	case *planner.Insert, *planner.Update, *planner.Delete, *planner.Merge:
		u.write(n)
	}
}

func (u *use) window(w planner.WindowCall) {
	u.exprs(w.Args)
	u.expr(w.Filter)
	u.exprs(w.PartitionBy)
	u.keys(w.OrderBy)
	u.expr(w.Frame.Start.Offset)
	u.expr(w.Frame.End.Offset)
}

func (u *use) with(n *planner.With) {
	for _, cte := range n.CTEs {
		u.node(cte.Plan)
		if cte.Recursive != nil {
			u.makes(cte.Recursive.Out)
			u.node(cte.Recursive.Term)
		}
	}
	u.node(n.Body)
}

func (u *use) write(n planner.Node) {
	switch n := n.(type) {
	case *planner.Insert:
		u.node(n.Input)
		u.makes(n.Target.Out)
		if n.Conflict != nil {
			u.makes(n.Conflict.Excluded)
			u.fields(n.Conflict.Set)
			u.expr(n.Conflict.Where)
		}
		u.fields(n.Defaults)
		u.named(n.Returning)
	case *planner.Update:
		u.node(n.Input)
		u.makes(n.Target.Out)
		u.fields(n.Set)
		u.named(n.Returning)
	case *planner.Delete:
		u.node(n.Input)
		u.makes(n.Target.Out)
		u.named(n.Returning)
	case *planner.Merge:
		u.node(n.Input)
		u.makes(n.Target.Out)
		u.expr(n.Action.Expr)
		for _, a := range n.Actions {
			u.fields(a.Set)
		}
	}
}
