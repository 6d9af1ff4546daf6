package planner

import "weir/sqlfunc"

// decorrelate makes joins of EXISTS, IN and their negations in WHERE: semi
// joins, anti joins, and NOT IN's anti join, which knows NULL.
func (b *builder) decorrelate(n Node) Node {
	for _, in := range Inputs(n) {
		*in = b.decorrelate(*in)
	}
	eachSubplan(n, b.decorrelate)
	f, ok := n.(*Filter)
	if !ok {
		return n
	}
	var keep []Expr
	input := f.Input
	for _, c := range conjuncts(f.Cond) {
		s, ok := c.(*Subquery)
		if !ok {
			if j, cond := b.groupJoin(input, c, f.Cond); j != nil {
				input, c = j, cond
			}
			keep = append(keep, c)
			continue
		}
		if j := b.subqueryJoin(input, s); j != nil {
			input = j
		} else {
			keep = append(keep, c)
		}
	}
	return filterNode(input, keep, f.Cond.Pos())
}

// conjuncts are the parts of an AND.
func conjuncts(e Expr) []Expr {
	if e == nil {
		return nil
	}
	if l, ok := e.(*Logic); ok && l.Op == And {
		var out []Expr
		for _, a := range l.Args {
			out = append(out, conjuncts(a)...)
		}
		return out
	}
	return []Expr{e}
}

func conjunction(list []Expr, pos int) Expr {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return &Logic{Op: And, Args: list, P: pos}
}

func filterNode(in Node, conds []Expr, pos int) Node {
	if len(conds) == 0 {
		return in
	}
	return &Filter{Input: in, Cond: conjunction(conds, pos)}
}

// subqueryJoin makes the join, or answers nil where only evaluating the
// subquery for each row is right.
func (b *builder) subqueryJoin(left Node, s *Subquery) Node {
	kind := map[SubqueryKind]JoinKind{Exists: Semi, NotExists: Anti, In: Semi, NotIn: AntiNull}
	k, ok := kind[s.Kind]
	if !ok || hasSideEffects(s.Plan) || anyVolatile(s.X) {
		return nil
	}
	if s.Kind == Exists || s.Kind == NotExists {
		if len(outerColumns(s.Plan)) == 0 {
			return nil // computed once, not joined
		}
	}
	if s.Kind == NotIn && (len(s.X) > 1 || len(outerColumns(s.Plan)) > 0) {
		return nil
	}
	made := map[ColID]bool{}
	makesDeep(s.Plan, made)
	right, on, ok := b.pullUp(s.Plan, made, s.Kind == In || s.Kind == NotIn)
	if !ok {
		return nil
	}
	cols := right.Cols()
	for i, x := range s.X {
		on = append(on, &Call{Func: s.Op[i], Args: []Expr{x, colRef(cols[i], s.P)}, T: boolType, P: s.P})
	}
	if !allWithin(on, left, right) {
		return nil
	}
	return &Join{Kind: k, Left: left, Right: right, On: conjunction(on, s.P)}
}

// allWithin refuses predicates that read columns of neither side: they belong
// to a query further out, which a join's inputs may still read.
func allWithin(on []Expr, left, right Node) bool {
	set := colSet(left.Cols())
	for _, c := range right.Cols() {
		set[c.ID] = true
	}
	for _, e := range on {
		if !within(e, set) {
			return false
		}
	}
	return true
}

func anyVolatile(list []Expr) bool {
	found := false
	for _, e := range list {
		walkExpr(e, func(e Expr) bool {
			if c, ok := e.(*Call); ok && c.Func.Volatility == sqlfunc.Volatile {
				found = true
			}
			return !found
		})
	}
	return found
}

// pullUp takes the predicates out of a subquery that read outer columns. needCols
// says that the output columns are used, else only the existence of rows.
func (b *builder) pullUp(n Node, made map[ColID]bool, needCols bool) (Node, []Expr, bool) {
	switch x := n.(type) {
	case *Filter:
		in, preds, ok := b.pullUp(x.Input, made, needCols)
		if !ok {
			return nil, nil, false
		}
		var keep []Expr
		for _, c := range conjuncts(x.Cond) {
			switch {
			case within(c, made):
				keep = append(keep, c)
			case hasSubquery(c):
				return nil, nil, false
			default:
				preds = append(preds, c)
			}
		}
		return filterNode(in, keep, x.Cond.Pos()), preds, true
	case *Project:
		if x.SetReturning {
			break
		}
		in, preds, ok := b.pullUp(x.Input, made, needCols)
		if !ok {
			return nil, nil, false
		}
		if !needCols {
			return in, preds, true
		}
		return b.exposing(x, in, preds, made)
	case *Sort:
		return b.pullUp(x.Input, made, needCols)
	case *Distinct:
		if x.On == nil {
			return b.pullUp(x.Input, made, needCols)
		}
	}
	return n, nil, len(outerColumns(n)) == 0
}

// exposing adds the columns that pulled predicates read to a projection.
func (b *builder) exposing(p *Project, in Node, preds []Expr, made map[ColID]bool) (Node, []Expr, bool) {
	out := &Project{Input: in, Exprs: append([]NamedExpr(nil), p.Exprs...)}
	for _, e := range out.Exprs {
		if !within(e.Expr, made) {
			return nil, nil, false
		}
	}
	byID := map[ColID]Col{}
	for _, e := range out.Exprs {
		if c, ok := e.Expr.(*ColRef); ok {
			byID[c.ID] = e.Col
		}
	}
	inCols := in.Cols()
	for i, pr := range preds {
		preds[i] = mapExpr(pr, func(e Expr) Expr {
			c, ok := e.(*ColRef)
			if !ok || !made[c.ID] {
				return e
			}
			col, ok := byID[c.ID]
			if !ok {
				col = b.newCol(c.Name, c.T)
				for _, ic := range inCols {
					if ic.ID == c.ID {
						col.Table, col.Attr = ic.Table, ic.Attr
					}
				}
				byID[c.ID] = col
				out.Exprs = append(out.Exprs, NamedExpr{Col: col, Expr: c})
			}
			return colRef(col, c.P)
		})
	}
	return out, preds, true
}

func hasSubquery(e Expr) bool {
	found := false
	walkExpr(e, func(e Expr) bool {
		if _, ok := e.(*Subquery); ok {
			found = true
		}
		return !found
	})
	return found
}
