package translator

import (
	"strings"

	"weir/catalog"
	"weir/engine/expr"
	"weir/planner"
	"weir/sqlfunc"
	"weir/sqltype"
)

// equality is an equi-join condition that MongoDB's localField/foreignField
// finds candidates for.
type equality struct {
	local, foreign string
	exact          bool // nothing but the foreign side's NULLs has to be excluded
	cond           planner.Expr
}

// join puts the right side's documents under a field of the left ones.
func (c *compiler) join(n *planner.Join, outer map[planner.ColID]*loc) *fragment {
	if n.Kind == planner.Full {
		return c.fullJoin(n, outer)
	}
	left := c.relation(n.Left, outer)
	if call, ok := c.lateralCall(n); ok {
		return c.joinCall(left, n, call)
	}
	return c.joinTo(left, n)
}

func (c *compiler) joinTo(left *fragment, n *planner.Join) *fragment {
	reads := free(n.Right)
	on := newUse()
	on.expr(n.On)
	rightIDs := map[planner.ColID]bool{}
	for _, col := range n.Right.Cols() {
		rightIDs[col.ID] = true
	}
	for _, id := range on.order {
		if !rightIDs[id] {
			reads = append(reads, id)
		}
	}
	c.settleIDs(left, reads)
	let, vars := c.letVars(left, reads)
	right := c.relation(n.Right, vars)
	c.settle(right, right.unsettled(n.Right.Cols())...)
	if n.Kind == planner.AntiNull && len(reads) == 1 && c.notIn(left, right, n) {
		return left
	}
	right.base = len(right.stages)
	as := c.name("__r")
	var eq *equality
	if filtersOnly(right.stages[firstOuter(right.stages):]) {
		eq = c.equality(left, right, n)
	}
	c.joinCondition(right, n, eq)
	switch n.Kind {
	case planner.Semi, planner.Anti, planner.AntiNull:
		right.add("$limit", 1)
		right.add("$project", obj{{"_id", 1}})
		c.lookup(left, right, let, as, eq)
		left.add("$match", obj{{as, obj{{map[bool]string{true: "$ne", false: "$eq"}[n.Kind == planner.Semi], list{}}}}})
		return left
	}
	c.lookup(left, right, let, as, eq)
	left.add("$unwind", obj{{"path", "$" + as}, {"preserveNullAndEmptyArrays", n.Kind == planner.Left}})
	for id, l := range right.cols {
		m := l.at(as)
		m.notNull = m.notNull && n.Kind == planner.Inner
		left.cols[id] = m
	}
	left.one = left.one && right.one
	left.order = nil
	return left
}

// unsettled are the columns that have to be computed before others hold the
// documents: microseconds are joined wherever they are.
func (f *fragment) unsettled(cols []planner.Col) []planner.ColID {
	var out []planner.ColID
	for _, col := range cols {
		if l := f.cols[col.ID]; l != nil && (l.us == nil || l.base != "") {
			out = append(out, col.ID)
		}
	}
	return out
}

// settleIDs settles expressions that a subquery is going to read.
func (c *compiler) settleIDs(f *fragment, ids []planner.ColID) {
	var todo []planner.ColID
	for _, id := range ids {
		if l := f.cols[id]; l != nil && (l.us != nil || l.expr != nil && !cheap(l.expr)) {
			todo = append(todo, id)
		}
	}
	c.settle(f, todo...)
}

// letVars binds columns that a sub-pipeline reads to variables, and hands on
// those of queries further out.
func (c *compiler) letVars(f *fragment, ids []planner.ColID) (obj, map[planner.ColID]*loc) {
	let, vars := obj{}, map[planner.ColID]*loc{}
	for id, l := range f.outer {
		vars[id] = l
	}
	for _, id := range ids {
		l := f.cols[id]
		if l == nil || vars[id] != nil && vars[id] != f.outer[id] {
			continue
		}
		name := c.name("v_")
		let = append(let, field{name, l.ref()})
		m := *l
		m.base, m.path, m.us, m.date, m.expr = "$$"+name, nil, nil, nil, nil
		vars[id] = &m
	}
	return let, vars
}

// joinCondition filters the right side by ON.
func (c *compiler) joinCondition(right *fragment, n *planner.Join, eq *equality) {
	var rest []planner.Expr
	for _, e := range conjuncts(nil, n.On) {
		if eq == nil || !eq.exact || e != eq.cond {
			rest = append(rest, e)
		}
	}
	if n.Kind == planner.AntiNull {
		// NOT IN yields nothing where the comparison is true or NULL
		s := scope{c: c, f: right}
		if len(rest) > 0 {
			right.add("$match", obj{{"$expr", op("$not", s.isFalse(&planner.Logic{Op: planner.And, Args: rest}))}})
		}
		return
	}
	if eq != nil && eq.exact {
		right.add("$match", obj{{eq.foreign, obj{{"$ne", null}}}})
	}
	for _, e := range rest {
		c.addFilter(right, e)
	}
}

// notIn is the anti-join of NOT IN over one column of a right side that does not
// depend on the left: a row stays if the right side is empty, or if its value and
// all on the right are not NULL and none is equal. The last is found by hash.
func (c *compiler) notIn(left, right *fragment, n *planner.Join) bool {
	call, ok := n.On.(*planner.Call)
	if !ok || call.Func.Impl != "eq" || firstOuter(right.stages) < len(right.stages) {
		return false
	}
	le, re := call.Args[0], call.Args[1]
	if ownColumn(left, widened(le)) == nil {
		le, re = re, le
	}
	eq := c.equalityOf(left, right, le, re)
	if eq == nil || !eq.exact {
		return false
	}
	r := ownColumn(right, widened(re))
	count := &fragment{src: right.src, stages: append([]stage(nil), right.stages...), cols: right.cols}
	count.add("$group", obj{{"_id", null}, {"nulls", obj{{"$max", cond(isNullish(r.ref()), 1, 0)}}}})
	count.base = len(count.stages)
	right.base = len(right.stages)
	right.add("$limit", 1)
	right.add("$project", obj{{"_id", 1}})
	all, same := c.name("__r"), c.name("__r")
	c.lookup(left, count, nil, all, nil)
	c.lookup(left, right, nil, same, eq)
	left.add("$match", obj{{"$or", list{
		obj{{all, list{}}},
		obj{{all + ".nulls", 0}, {same, obj{{"$eq", list{}}}}, {eq.local, obj{{"$ne", null}}}},
	}}})
	return true
}

// equality finds a condition left column = right column for hashing or an
// index. AntiNull has none: its condition is also true for NULLs.
func (c *compiler) equality(left, right *fragment, n *planner.Join) *equality {
	if n.Kind == planner.AntiNull {
		return nil
	}
	var best *equality
	for _, e := range conjuncts(nil, n.On) {
		call, ok := e.(*planner.Call)
		if !ok || call.Func.Impl != "eq" || len(call.Args) != 2 {
			continue
		}
		for i := range 2 {
			eq := c.equalityOf(left, right, call.Args[i], call.Args[1-i])
			if eq != nil && (best == nil || c.worth(right, eq) > c.worth(right, best)) {
				eq.cond = e
				best = eq
			}
		}
	}
	return best
}

// worth ranks the equalities of a join: an exact one saves a test, one with an
// index a table.
func (c *compiler) worth(right *fragment, eq *equality) int {
	n := 0
	if eq.exact {
		n += 2
	}
	if indexed(right.src.scan, eq.foreign) {
		n++
	}
	return n
}

func (c *compiler) equalityOf(left, right *fragment, le, re planner.Expr) *equality {
	l, r := ownColumn(left, widened(le)), ownColumn(right, widened(re))
	if l == nil || r == nil || !scalarForm(l.t) || !scalarForm(r.t) {
		return nil
	}
	if eq, fine := fineEquality(l, r); fine {
		return eq
	}
	lp, ok1 := l.queryPath()
	rp, ok2 := r.queryPath()
	if !ok1 || !ok2 {
		return nil
	}
	oids := oidForm(l) == onlyOID && oidForm(r) == onlyOID
	if !oids && (!comparesStored(l) || !comparesStored(r)) {
		return nil
	}
	return &equality{local: lp, foreign: rp, exact: noArrays(l) && noArrays(r)}
}

func ownColumn(f *fragment, e planner.Expr) *loc {
	if r, ok := e.(*planner.ColRef); ok {
		return f.cols[r.ID]
	}
	return nil
}

// noArrays tells whether no array can be at a place, as far as anybody knows.
func noArrays(l *loc) bool { return !l.stored || !l.kinds.Has(catalog.KindArray) }

// lookup appends a $lookup of the right fragment. It runs in the store when
// both sides do; else the right side becomes a Fetch of its own as far as it
// does not depend on the left row, read once.
func (c *compiler) lookup(left, right *fragment, let obj, as string, eq *equality) {
	spec := obj{}
	runs := c.lookupRuns(left, right, eq)
	c.noteJoin(left, right, as, eq, runs)
	if runs {
		spec = append(spec, field{"from", right.src.ns.Coll})
		left.add("$lookup", finishLookup(spec, let, pipelineOf(right.stages), as, eq))
		return
	}
	cut := min(firstOuter(right.stages), right.base)
	inner := &fragment{src: right.src, stages: right.stages[:cut:cut], cols: right.cols}
	keyed := eq != nil && indexed(inner.src.scan, eq.foreign) && inner.src.remote() && filtersOnly(inner.stages)
	c.projectScan(inner)
	name := c.named(inner)
	if f := c.prog.Fetches[name]; keyed && len(f.Local) == 0 {
		f.Key, f.Index, f.Rows = eq.foreign, indexName(inner.src.scan, eq.foreign), inner.src.scan.Table.Estimate
	}
	spec = append(spec, field{"from", name})
	left.addLocal(c.lookupReason(left, right), "$lookup", finishLookup(spec, let, pipelineOf(c.localise(right.stages[cut:], right.src.ns.DB)), as, eq))
}

func firstOuter(stages []stage) int {
	for i, s := range stages {
		if s.outer {
			return i
		}
	}
	return len(stages)
}

// filtersOnly tells whether stages keep documents as they are.
func filtersOnly(stages []stage) bool {
	for _, s := range stages {
		if s.doc[0].k != "$match" {
			return false
		}
	}
	return true
}

func finishLookup(spec, let obj, pipeline list, as string, eq *equality) obj {
	if eq != nil {
		spec = append(spec, field{"localField", eq.local}, field{"foreignField", eq.foreign})
	}
	if len(pipeline) > 0 || eq == nil {
		if let = usedVars(let, pipeline); len(let) > 0 {
			spec = append(spec, field{"let", let})
		}
		spec = append(spec, field{"pipeline", pipeline})
	}
	return append(spec, field{"as", as})
}

// usedVars keeps the variables that a pipeline reads.
func usedVars(let obj, pipeline list) obj {
	var out obj
	for _, v := range let {
		if mentions(pipeline, "$$"+v.k) {
			out = append(out, v)
		}
	}
	return out
}

func mentions(tree any, name string) bool {
	switch t := tree.(type) {
	case obj:
		for _, f := range t {
			if mentions(f.v, name) {
				return true
			}
		}
	case list:
		for _, x := range t {
			if mentions(x, name) {
				return true
			}
		}
	case string:
		return t == name || strings.HasPrefix(t, name+".")
	}
	return false
}

func (c *compiler) lookupReason(left, right *fragment) string {
	switch {
	case left.local():
		return "the left side of the join is here"
	case right.local():
		return "the right side of the join is here"
	case left.src.ns.DB != right.src.ns.DB:
		return "$lookup cannot read another database"
	}
	return "a join by hash is cheaper here"
}

// lookupRuns tells whether the store can do the join well.
func (c *compiler) lookupRuns(left, right *fragment, eq *equality) bool {
	if left.local() || right.local() || left.src.ns.DB != right.src.ns.DB {
		return false
	}
	if eq == nil {
		return true
	}
	caps := c.opts.Capabilities
	if !filtersOnly(right.stages[:right.base]) {
		return false
	}
	if len(right.stages) > 0 && !caps.Embedded && !caps.LookupWithPipeline {
		return false
	}
	return caps.Embedded || indexed(right.src.scan, eq.foreign) || right.src.scan != nil && right.src.scan.Table.Estimate < hashJoinFrom
}

// hashJoinFrom is the size of a collection from which a join without index is
// done here: the server would read it again for every row.
const hashJoinFrom = 2000

func indexed(n *planner.Scan, path string) bool { return indexName(n, path) != "" }

// indexName is an index that finds documents by a path, "": none does.
func indexName(n *planner.Scan, path string) string {
	if n == nil {
		return ""
	}
	if path == "_id" {
		return "_id_"
	}
	for _, ix := range n.Table.Indexes {
		if len(ix.Keys) > 0 && ix.Keys[0].Path == path && ix.Keys[0].Kind == "" && ix.Partial == nil {
			return ix.Name
		}
	}
	return ""
}

// fullJoin is a left join and then the right rows that match nothing.
func (c *compiler) fullJoin(n *planner.Join, outer map[planner.ColID]*loc) *fragment {
	leftCols, rightCols := n.Left.Cols(), n.Right.Cols()
	cols := append(append([]planner.Col(nil), leftCols...), rightCols...)
	inner := *n
	inner.Kind = planner.Left
	f := c.relation(n.Left, outer)
	f = c.joinTo(f, &inner)
	c.normalise(f, cols)

	anti := c.relation(n.Right, outer)
	swapped := &planner.Join{Kind: planner.Anti, Left: n.Right, Right: n.Left, On: n.On}
	anti = c.joinTo(anti, swapped)
	var out []outColumn
	for i, col := range rightCols {
		out = append(out, outColumn{slotName("c", len(leftCols)+i), col.ID})
	}
	c.project(anti, out)
	c.union(f, anti)
	for _, l := range f.cols {
		l.notNull = false
	}
	f.one, f.order = false, nil
	return f
}

// union appends the rows of another fragment.
func (c *compiler) union(f, g *fragment) {
	if !f.local() && !g.local() && f.src.ns.DB == g.src.ns.DB {
		f.add("$unionWith", obj{{"coll", g.src.ns.Coll}, {"pipeline", pipelineOf(g.stages)}})
		return
	}
	cut := firstOuter(g.stages)
	name := c.named(&fragment{src: g.src, stages: g.stages[:cut], cols: g.cols})
	f.addLocal("not both sides of the union are in the store", "$unionWith",
		obj{{"coll", name}, {"pipeline", pipelineOf(c.localise(g.stages[cut:], g.src.ns.DB))}})
}

// lateralCall finds a right side that is a set-returning function of left
// columns: its rows are unwound in place.
func (c *compiler) lateralCall(n *planner.Join) (*planner.FuncScan, bool) {
	call, ok := n.Right.(*planner.FuncScan)
	if !ok || n.Kind != planner.Inner && n.Kind != planner.Left || n.Kind == planner.Left && n.On != nil {
		return nil, false
	}
	return call, true
}

func (c *compiler) joinCall(f *fragment, n *planner.Join, call *planner.FuncScan) *fragment {
	c.addCalls(f, call, n.Kind == planner.Left)
	f.one, f.order = false, nil
	if n.On != nil {
		c.addFilter(f, n.On)
	}
	return f
}

// funcScan is a set-returning function in FROM.
func (c *compiler) funcScan(n *planner.FuncScan, outer map[planner.ColID]*loc) *fragment {
	f := newFragment(outer)
	f.src.docs = []any{obj{}}
	c.addCalls(f, n, false)
	return f
}

// addCalls unwinds the functions' rows, side by side.
func (c *compiler) addCalls(f *fragment, n *planner.FuncScan, keep bool) {
	calls := make([]*planner.Call, len(n.Calls))
	for i, call := range n.Calls {
		calls[i] = &planner.Call{Func: call.Func, Args: call.Args, P: call.Pos}
	}
	row := ""
	if n.Ordinality {
		row = c.name("__i")
	}
	rows := c.sideBySide(f, calls, unwound{c.most[n], row, keep})
	at := 0
	for i, call := range n.Calls {
		for j := range call.Cols {
			col := n.Out[at]
			at++
			f.cols[col.ID] = callColumn(&call, rows[i], j, col)
		}
	}
	if n.Ordinality {
		col := n.Out[len(n.Out)-1]
		f.cols[col.ID] = &loc{expr: op1("$toLong", op("$add", "$"+row, 1)), t: col.Type}
	}
}

// callColumn is a column of a function's current row: the row itself, or a
// field of it where the function has several.
func callColumn(call *planner.FuncCall, row *loc, j int, col planner.Col) *loc {
	fn := call.Func
	if fn.Ret == sqltype.Record && len(fn.Columns) == 0 {
		return definedColumn(row.ref(), col)
	}
	if call.Composite {
		return &loc{expr: getField(row.ref(), []string{col.Name}), t: col.Type}
	}
	if call.Cols == 1 && len(fn.Columns) < 2 {
		return &loc{path: row.path, expr: row.expr, t: col.Type}
	}
	return &loc{expr: op("$arrayElemAt", row.ref(), j), t: col.Type}
}

// definedColumn is a column of a column definition list: the field of its name
// of an object, read as its type.
func definedColumn(item any, col planner.Col) *loc {
	x := op(expr.LocalPrefix+sqlfunc.PopulateField, item, op1("$literal", col.Name), int(col.Type.OID), int(col.Type.Mod))
	return &loc{expr: x, t: col.Type}
}
