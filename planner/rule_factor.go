package planner

// factor takes conditions that all arms of an OR share out of it, so that a
// join or an index finds them, and adds what an OR over several tables says
// about each of them alone.
//
//	(a AND b) OR (a AND c)  =>  a AND (b OR c)
func (b *builder) factor(n Node) Node {
	eachSubplan(n, b.factor)
	switch x := n.(type) {
	case *Filter:
		x.Cond = conjunction(factored(x.Cond, x.Input), x.Cond.Pos())
	case *Join:
		switch {
		case x.On == nil:
		case x.Kind == Inner || x.Kind == Semi:
			x.On = conjunction(factored(x.On, x.Left, x.Right), x.On.Pos())
		default:
			x.On = conjunction(factored(x.On), x.On.Pos())
		}
	}
	for _, in := range Inputs(n) {
		*in = b.factor(*in)
	}
	return n
}

// factored is the conjuncts of a condition with the ORs among them taken apart.
func factored(cond Expr, inputs ...Node) []Expr {
	var out []Expr
	for _, c := range conjuncts(cond) {
		or, ok := c.(*Logic)
		if !ok || or.Op != Or || anyVolatile([]Expr{c}) || hasSubquery(c) {
			out = append(out, c)
			continue
		}
		common, rest := commonConjuncts(or)
		out = append(out, common...)
		if rest == nil {
			continue
		}
		out = append(out, rest)
		out = append(out, perTable(rest, inputs)...)
	}
	return out
}

// arms are the parts of an OR.
func arms(e Expr) []Expr {
	if l, ok := e.(*Logic); ok && l.Op == Or {
		var out []Expr
		for _, a := range l.Args {
			out = append(out, arms(a)...)
		}
		return out
	}
	return []Expr{e}
}

// commonConjuncts divides an OR into what all arms have and what is left of
// it; nil if an arm has nothing else, so that nothing is left to ask.
func commonConjuncts(or *Logic) (common []Expr, rest *Logic) {
	var lists [][]Expr
	count := map[string]int{}
	for _, arm := range arms(or) {
		list := conjuncts(arm)
		lists = append(lists, list)
		seen := map[string]bool{}
		for _, c := range list {
			if k := exprKey(c); !seen[k] {
				seen[k] = true
				count[k]++
			}
		}
	}
	taken := map[string]bool{}
	for _, c := range lists[0] {
		if k := exprKey(c); count[k] == len(lists) && !taken[k] {
			taken[k] = true
			common = append(common, c)
		}
	}
	if len(common) == 0 {
		return nil, or
	}
	rest = &Logic{Op: Or, P: or.P}
	for _, list := range lists {
		var keep []Expr
		for _, c := range list {
			if !taken[exprKey(c)] {
				keep = append(keep, c)
			}
		}
		if len(keep) == 0 {
			return common, nil
		}
		rest.Args = append(rest.Args, conjunction(keep, or.P))
	}
	return common, rest
}

// perTable is what an OR over several tables says about one of them: the OR of
// its arms' conditions on that table, where every arm has one.
func perTable(or *Logic, inputs []Node) []Expr {
	read := map[ColID]bool{}
	columnsOf(or, read)
	var out []Expr
	for _, in := range inputs {
		eachScan(in, func(s *Scan) {
			own := colSet(s.Out)
			touched, all := false, true
			for id := range read {
				touched = touched || own[id]
				all = all && own[id]
			}
			if !touched || all {
				return
			}
			if e := restricted(or, own); e != nil {
				out = append(out, e)
			}
		})
	}
	return out
}

func restricted(or *Logic, own map[ColID]bool) Expr {
	out := &Logic{Op: Or, P: or.P}
	for _, arm := range arms(or) {
		var keep []Expr
		for _, c := range conjuncts(arm) {
			if within(c, own) && readsAny(c) {
				keep = append(keep, c)
			}
		}
		if len(keep) == 0 {
			return nil
		}
		out.Args = append(out.Args, conjunction(keep, or.P))
	}
	return out
}

func readsAny(e Expr) bool {
	cols := map[ColID]bool{}
	columnsOf(e, cols)
	return len(cols) > 0
}

// eachScan visits the scans that a condition above inner joins may be pushed to.
func eachScan(n Node, f func(*Scan)) {
	switch x := n.(type) {
	case *Scan:
		f(x)
	case *Filter:
		eachScan(x.Input, f)
	case *Join:
		switch x.Kind {
		case Inner:
			eachScan(x.Left, f)
			eachScan(x.Right, f)
		case Left, Semi, Anti, AntiNull:
			eachScan(x.Left, f)
		}
	}
}
