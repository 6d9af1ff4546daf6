package planner

// outerKey is what ties the rows of a recursive query to the query around it:
// a column that its rows carry, equal to an outer column. A recursive query is
// computed once, for all keys, and filtered where it is used.
type outerKey struct {
	col Col
	eq  *Call // inner = outer, or the other way round
	arg int   // which argument is the outer one
}

// carryKey makes a recursive query independent of the outer row that its
// non-recursive term compares a column with: the rows carry the column along.
func (b *builder) carryKey(def *cteDef, left, term Node) *outerKey {
	p, ok := left.(*Project)
	if !ok {
		return nil
	}
	f, ok := p.Input.(*Filter)
	if !ok {
		return nil
	}
	made := colSet(f.Input.Cols())
	list := conjuncts(f.Cond)
	for i, c := range list {
		eq, ok := c.(*Call)
		if !ok || eq.Func.Impl != "eq" || len(eq.Args) != 2 {
			continue
		}
		for arg := range eq.Args {
			outer, ok1 := eq.Args[arg].(*ColRef)
			inner, ok2 := eq.Args[1-arg].(*ColRef)
			if !ok1 || !ok2 || made[outer.ID] || !made[inner.ID] {
				continue
			}
			key := b.newCol("key", inner.T)
			if !b.carry(term, def.id, key) {
				return nil
			}
			p.Exprs = append(p.Exprs, NamedExpr{Col: key, Expr: inner})
			p.Input = filterNode(f.Input, append(append([]Expr(nil), list[:i]...), list[i+1:]...), f.Cond.Pos())
			return &outerKey{col: key, eq: eq, arg: arg}
		}
	}
	return nil
}

// carry adds the key of the working table's rows to what a recursive term
// yields; false: nothing was changed, since rows do not come straight from it.
func (b *builder) carry(term Node, cte int, key Col) bool {
	p, ok := term.(*Project)
	if !ok || p.SetReturning {
		return false
	}
	c, ok := b.carried(p.Input, cte, key)
	if ok {
		p.Exprs = append(p.Exprs, NamedExpr{Col: b.newCol(key.Name, key.Type), Expr: colRef(c, 0)})
	}
	return ok
}

func (b *builder) carried(n Node, cte int, key Col) (Col, bool) {
	switch x := n.(type) {
	case *CTEScan:
		if x.ID != cte {
			return Col{}, false
		}
		c := b.newCol(key.Name, key.Type)
		x.Out, x.From = append(x.Out, c), append(x.From, key.ID)
		return c, true
	case *Filter:
		return b.carried(x.Input, cte, key)
	case *Join:
		if x.Kind != Inner && x.Kind != Left {
			return Col{}, false
		}
		if c, ok := b.carried(x.Left, cte, key); ok || x.Kind == Left {
			return c, ok
		}
		return b.carried(x.Right, cte, key)
	case *Project:
		if !b.carry(x, cte, key) {
			return Col{}, false
		}
		return x.Exprs[len(x.Exprs)-1].Col, true
	}
	return Col{}, false
}

// forKey is a use of the query: the rows of the outer row's key.
func (k *outerKey) forKey(b *builder, s *CTEScan) Node {
	c := b.newCol(k.col.Name, k.col.Type)
	s.Out, s.From = append(s.Out[:len(s.Out):len(s.Out)], c), append(s.From, k.col.ID)
	eq := *k.eq
	eq.Args = append([]Expr(nil), k.eq.Args...)
	eq.Args[1-k.arg] = colRef(c, k.eq.P)
	return &Filter{Input: s, Cond: &eq}
}
