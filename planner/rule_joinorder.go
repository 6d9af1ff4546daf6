package planner

// orderJoins changes the order of inner joins where, in the order written, two
// inputs would meet without a condition that compares them. FROM lists with the
// conditions in WHERE are often of this kind.
func (b *builder) orderJoins(n Node) Node {
	eachSubplan(n, b.orderJoins)
	if j, ok := n.(*Join); ok && j.Kind == Inner {
		if t, ok := joinTreeOf(j); ok && t.crosses {
			n = t.ordered()
		}
	}
	for _, in := range Inputs(n) {
		*in = b.orderJoins(*in)
	}
	return n
}

// joinTree is a tree of inner joins taken apart.
type joinTree struct {
	inputs  []Node
	conds   []Expr
	crosses bool // some join of the tree compares nothing
	pos     int
}

// joinTreeOf takes a tree apart; false where the order of its inputs matters or
// there is none but one.
func joinTreeOf(j *Join) (*joinTree, bool) {
	t := &joinTree{}
	if !t.add(j) || len(t.inputs) < 3 {
		return nil, false
	}
	return t, true
}

func (t *joinTree) add(n Node) bool {
	j, ok := n.(*Join)
	if !ok || j.Kind != Inner {
		t.inputs = append(t.inputs, n)
		return true
	}
	if j.Lateral {
		return false
	}
	on := conjuncts(j.On)
	compares := false
	for _, c := range on {
		compares = compares || comparesSides(j, c)
		t.pos = c.Pos()
	}
	t.crosses = t.crosses || !compares
	t.conds = append(t.conds, on...)
	return !anyVolatile(on) && t.add(j.Left) && t.add(j.Right)
}

// comparesSides tells whether a condition equates something of one input with
// something of the other.
func comparesSides(j *Join, c Expr) bool {
	call, ok := c.(*Call)
	if !ok || call.Func.Impl != "eq" {
		return false
	}
	l, r := sides(j, c)
	return l && r
}

// ordered joins the inputs anew: the one with the most conditions of its own
// comes first, then always one that is compared with those joined already.
func (t *joinTree) ordered() Node {
	left := t.take(func(int) bool { return true })
	for len(t.inputs) > 0 {
		have := colSet(left.Cols())
		right := t.take(func(i int) bool { return t.connected(have, i) })
		if right == nil {
			right = t.take(func(int) bool { return true })
		}
		j := &Join{Kind: Inner, Left: left, Right: right}
		j.On = conjunction(t.conditions(), t.pos)
		left = j
	}
	return filterNode(left, t.conds, t.pos)
}

// take removes the most restricted of the inputs that will do; nil if none does.
func (t *joinTree) take(will func(i int) bool) Node {
	best, score := -1, -1
	for i, n := range t.inputs {
		if s := restrictions(n); s > score && will(i) {
			best, score = i, s
		}
	}
	if best < 0 {
		return nil
	}
	n := t.inputs[best]
	t.inputs = append(t.inputs[:best:best], t.inputs[best+1:]...)
	return n
}

// restrictions counts the conditions on an input itself.
func restrictions(n Node) int {
	f, ok := n.(*Filter)
	if !ok {
		return 0
	}
	return 1 + len(conjuncts(f.Cond))
}

func (t *joinTree) connected(have map[ColID]bool, i int) bool {
	own := colSet(t.inputs[i].Cols())
	for _, c := range t.conds {
		call, ok := c.(*Call)
		if !ok || call.Func.Impl != "eq" {
			continue
		}
		cols := map[ColID]bool{}
		columnsOf(c, cols)
		reads, known := false, true
		for id := range cols {
			if own[id] {
				reads = true
			} else {
				known = known && (have[id] || !t.isInput(id))
			}
		}
		if reads && known && anyIn(cols, have) {
			return true
		}
	}
	return false
}

func anyIn(cols, set map[ColID]bool) bool {
	for id := range cols {
		if set[id] {
			return true
		}
	}
	return false
}

// isInput tells whether an input that is not joined yet makes a column.
func (t *joinTree) isInput(id ColID) bool {
	for _, n := range t.inputs {
		if colSet(n.Cols())[id] {
			return true
		}
	}
	return false
}

// conditions takes the conditions that a join can check: all whose columns no
// later input makes.
func (t *joinTree) conditions() []Expr {
	var now, later []Expr
	for _, c := range t.conds {
		cols := map[ColID]bool{}
		columnsOf(c, cols)
		ready := true
		for id := range cols {
			ready = ready && !t.isInput(id)
		}
		if ready {
			now = append(now, c)
		} else {
			later = append(later, c)
		}
	}
	t.conds = later
	return now
}
