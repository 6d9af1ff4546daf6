package planner

import "slices"

// orderJoins chooses the order of inner joins: by the catalog's counts where it
// has them, else it changes only orders in which two inputs would meet without
// a condition that compares them. FROM lists with the conditions in WHERE are
// often of this kind.
func (b *builder) orderJoins(n Node) Node {
	eachSubplan(n, b.orderJoins)
	if j, ok := n.(*Join); ok && j.Kind == Inner {
		if t, ok := joinTreeOf(j); ok {
			return b.orderTree(n, t)
		}
	}
	for _, in := range Inputs(n) {
		*in = b.orderJoins(*in)
	}
	return n
}

// orderTree orders a tree as a whole: a part of it knows less about how many
// values its columns have.
func (b *builder) orderTree(n Node, t *joinTree) Node {
	order := t.cheapest()
	if order == nil && !(t.crosses && len(t.inputs) > 2) {
		b.orderInputs(n)
		return n
	}
	for i := range t.inputs {
		t.inputs[i] = b.orderJoins(t.inputs[i])
	}
	if order == nil {
		return b.lift(t, t.ordered())
	}
	return b.lift(t, t.inOrder(order))
}

// orderInputs goes on below the inner joins of a tree that stays as it is.
func (b *builder) orderInputs(n Node) {
	for _, in := range Inputs(n) {
		if j, ok := (*in).(*Join); ok && j.Kind == Inner {
			eachSubplan(j, b.orderJoins)
			b.orderInputs(j)
			continue
		}
		*in = b.orderJoins(*in)
	}
}

// joinTree is a tree of inner joins taken apart.
type joinTree struct {
	inputs  []Node
	conds   []Expr
	crosses bool // some join of the tree compares nothing
	bushy   bool // some right side is a join, too
	lifted  []*Join
	pos     int
}

// joinTreeOf takes a tree apart; false where the order of its inputs matters or
// there is none but one.
func joinTreeOf(j *Join) (*joinTree, bool) {
	t := &joinTree{}
	if !t.add(j) || len(t.inputs) < 2 {
		return nil, false
	}
	return t, true
}

func (t *joinTree) add(n Node) bool {
	j, ok := n.(*Join)
	if ok && t.liftable(j) {
		t.lifted = append(t.lifted, j)
		return t.add(j.Left)
	}
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
	if r, ok := j.Right.(*Join); ok && r.Kind == Inner {
		t.bushy = true
	}
	t.crosses = t.crosses || !compares
	t.conds = append(t.conds, on...)
	return !anyVolatile(on) && t.add(j.Left) && t.add(j.Right)
}

// comparesSides tells whether a condition equates something of one input with
// something of the other.
func comparesSides(j *Join, c Expr) bool {
	call, ok := c.(*Call)
	if !ok || !isEquality(call) {
		return false
	}
	l, r := sides(j, c)
	return l && r
}

// seekCost is what finding a document by an index costs, in documents read.
const seekCost = 10

// cheapest is the best order that going on from each input with the join that
// leaves the fewest rows finds. nil: the catalog knows too little, or the order
// as written is about as good.
func (t *joinTree) cheapest() []int {
	if len(t.inputs) > 20 {
		return nil
	}
	c := newJoinCost(t)
	if c == nil {
		return nil
	}
	written := make([]int, len(t.inputs))
	for i := range written {
		written[i] = i
	}
	limit := c.cost(written) * 0.9
	if t.bushy {
		limit = c.cost(written) * 10
	}
	var best []int
	for i := range t.inputs {
		order := c.greedy(i)
		if cost := c.cost(order); cost < limit {
			best, limit = order, cost
		}
	}
	if best == nil || slices.Equal(best, written) && !t.bushy {
		return nil
	}
	return best
}

// joinCost weighs orders of a tree's inputs.
type joinCost struct {
	t     *joinTree
	st    *estimate
	rows  []float64 // of each input
	reads []float64 // documents read for each input by itself
	conds []joinCond
}

// joinCond is a condition between inputs.
type joinCond struct {
	inputs uint64 // that it reads
	sel    float64
	equal  bool
	seeks  uint64  // inputs with an index for it
	found  float64 // documents that a look-up by that index reads
}

func newJoinCost(t *joinTree) *joinCost {
	c := &joinCost{t: t, st: newEstimate(t.inputs...)}
	c.st.equate(t.conds)
	owner := map[ColID]int{}
	for i, n := range t.inputs {
		rows, ok := c.st.rows(n)
		if !ok {
			return nil
		}
		c.rows, c.reads = append(c.rows, rows), append(c.reads, c.readBy(n, rows))
		for _, col := range n.Cols() {
			owner[col.ID] = i
		}
	}
	for _, e := range t.conds {
		c.conds = append(c.conds, c.cond(e, owner))
	}
	return c
}

// readBy is the documents read for an input: all of its tables, or what an
// equality with an index leaves.
func (c *joinCost) readBy(n Node, rows float64) float64 {
	switch x := n.(type) {
	case *Scan:
		return rows
	case *Filter:
		if s, ok := x.Input.(*Scan); ok {
			for _, e := range conjuncts(x.Cond) {
				if call, ok := e.(*Call); ok && isEquality(call) {
					if col, ok := bareColumn(call.Args[0]); ok && indexedColumn(s, col.ID) && !readsAny(call.Args[1]) {
						return rows
					}
				}
			}
		}
	}
	total := 0.0
	for _, in := range Inputs(n) {
		r, _ := c.st.rows(*in)
		total += c.readBy(*in, r)
	}
	return total
}

func (c *joinCost) cond(e Expr, owner map[ColID]int) joinCond {
	out := joinCond{sel: c.st.selectivity(e)}
	cols := map[ColID]bool{}
	columnsOf(e, cols)
	for id := range cols {
		if i, ok := owner[id]; ok {
			out.inputs |= 1 << i
		}
	}
	if call, ok := e.(*Call); ok && isEquality(call) {
		out.equal = true
		for _, a := range call.Args {
			col, ok := bareColumn(a)
			if !ok {
				continue
			}
			if s := c.st.scans[col.ID]; s != nil && plainScan(c.t.inputs[owner[col.ID]]) == s && indexedColumn(s, col.ID) {
				out.seeks |= 1 << owner[col.ID]
				out.found = max(out.found, tableRows(s.Table)/c.st.distinct(col.ID))
			}
		}
	}
	return out
}

// plainScan is the scan below nothing but filters.
func plainScan(n Node) *Scan {
	for {
		switch x := n.(type) {
		case *Scan:
			return x
		case *Filter:
			n = x.Input
		default:
			return nil
		}
	}
}

// cost sums what the joins of an order read and yield.
func (c *joinCost) cost(order []int) float64 {
	set, rows := uint64(1)<<order[0], c.rows[order[0]]
	total := c.reads[order[0]]
	for _, i := range order[1:] {
		after, access, _ := c.step(set, rows, i)
		total += access + after
		set, rows = set|1<<i, after
	}
	return total
}

// step joins one more input: the rows that come out and what it costs to reach
// them. connected tells that some condition equates it with those before.
func (c *joinCost) step(set uint64, rows float64, i int) (after, access float64, connected bool) {
	after = rows * c.rows[i]
	access = c.reads[i] + rows
	for _, k := range c.conds {
		if k.inputs&(1<<i) == 0 || k.inputs&set == 0 || k.inputs&^(set|1<<i) != 0 {
			continue
		}
		after *= k.sel
		if k.equal {
			connected = true
			if k.seeks&(1<<i) != 0 {
				access = min(access, rows*(seekCost+k.found))
			}
		}
	}
	return max(after, 1), access, connected
}

// greedy goes on from one input with what leaves the fewest rows.
func (c *joinCost) greedy(first int) []int {
	order, set, rows := []int{first}, uint64(1)<<first, c.rows[first]
	for len(order) < len(c.rows) {
		best, bestRows, bestCost, joined := -1, 0.0, 0.0, false
		for i := range c.rows {
			if set&(1<<i) != 0 {
				continue
			}
			after, access, connected := c.step(set, rows, i)
			better := after < bestRows || after == bestRows && access < bestCost
			if best < 0 || connected && !joined || connected == joined && better {
				best, bestRows, bestCost, joined = i, after, access, connected
			}
		}
		order, set, rows = append(order, best), set|1<<best, bestRows
	}
	return order
}

// inOrder joins the inputs in an order, one after the other.
func (t *joinTree) inOrder(order []int) Node {
	inputs := t.inputs
	left := inputs[order[0]]
	for k, i := range order[1:] {
		t.inputs = nil
		for _, later := range order[k+2:] {
			t.inputs = append(t.inputs, inputs[later])
		}
		j := &Join{Kind: Inner, Left: left, Right: inputs[i]}
		j.On = conjunction(t.conditions(), t.pos)
		left = j
	}
	return filterNode(left, t.conds, t.pos)
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
		if !ok || !isEquality(call) {
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
