package translator

import (
	"strconv"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqlfunc"
)

// projection gives its columns places: columns of the input keep theirs, others
// stay expressions until something needs them in a field.
func (c *compiler) projection(n *planner.Project, outer map[planner.ColID]*loc) *fragment {
	f := c.relation(n.Input, outer)
	if n.SetReturning {
		return c.projectSet(f, n)
	}
	exprs := make([]planner.Expr, len(n.Exprs))
	for i, e := range n.Exprs {
		exprs[i] = e.Expr
	}
	c.settleUsed(f, exprs...)
	volatile := false
	for _, e := range n.Exprs {
		f.cols[e.Col.ID] = c.projected(f, e)
		c.noteDigits(e.Col, c.digitsOf(e.Expr))
		u := newUse()
		u.expr(e.Expr)
		volatile = volatile || u.volatile
	}
	if volatile {
		c.settle(f, colIDs(n.Cols())...)
	}
	return f
}

func colIDs(cols []planner.Col) []planner.ColID {
	ids := make([]planner.ColID, len(cols))
	for i, col := range cols {
		ids[i] = col.ID
	}
	return ids
}

func (c *compiler) projected(f *fragment, e planner.NamedExpr) *loc {
	s := scope{c: c, f: f}
	x := e.Expr
	if cast, ok := x.(*planner.Cast); ok && plainString(cast.T.OID) && cast.T.Mod < 0 && plainString(cast.X.Type().OID) {
		x = cast.X
	}
	if l := s.location(x); l != nil {
		return l
	}
	return &loc{expr: s.value(e.Expr), t: e.Col.Type, notNull: !s.nullable(e.Expr)}
}

// projectSet is a select list with set-returning functions: their rows side by
// side, shorter ones padded with NULL.
func (c *compiler) projectSet(f *fragment, n *planner.Project) *fragment {
	var calls []*planner.Call
	for _, e := range n.Exprs {
		walkExpr(e.Expr, func(x planner.Expr) {
			if call, ok := x.(*planner.Call); ok && call.Func.Kind == sqlfunc.SetReturning {
				calls = append(calls, call)
			}
		})
	}
	rows := map[*planner.Call]*loc{}
	for i, l := range c.sideBySide(f, calls, unwound{most: c.most[n]}) {
		l.t = calls[i].T
		rows[calls[i]] = l
	}
	for _, e := range n.Exprs {
		f.cols[e.Col.ID] = c.setColumn(f, e, rows)
	}
	c.settle(f, colIDs(n.Cols())...)
	f.one, f.order = false, nil
	return f
}

// unwound tells how the rows of set-returning functions are wanted.
type unwound struct {
	most  int64  // so many are read, 0: any number
	index string // a field for the row's number, "": none
	keep  bool   // a document without rows stays
}

// sideBySide unwinds the rows of set-returning functions, the nth of one beside the
// nth of the others, shorter ones padded with NULL. It gives where the current row
// of each is.
func (c *compiler) sideBySide(f *fragment, calls []*planner.Call, as unwound) []*loc {
	s := scope{c: c, f: f}
	for _, call := range calls {
		c.settleUsed(f, call.Args...)
	}
	sets := make(list, len(calls))
	for i, call := range calls {
		sets[i] = s.setCall(call, as.most)
	}
	name := c.name("__f")
	if len(calls) == 1 {
		if starts, rows, ok := s.longSeries(calls[0], as, name); ok {
			f.add("$addFields", obj{{name, starts}})
			f.add("$unwind", "$"+name)
			sets[0] = rows
		}
		f.unwind(name, sets[0], as)
		return []*loc{{path: []string{name}}}
	}
	f.unwind(name, op1("$zip", obj{{"inputs", sets}, {"useLongestLength", true}}), as)
	var locs []*loc
	for i := range calls {
		locs = append(locs, &loc{expr: op("$arrayElemAt", "$"+name, i)})
	}
	return locs
}

func (f *fragment) unwind(name string, rows any, as unwound) {
	f.add("$addFields", obj{{name, rows}})
	spec := obj{{"path", "$" + name}}
	if as.index != "" {
		spec = append(spec, field{"includeArrayIndex", as.index})
	}
	f.add("$unwind", append(spec, field{"preserveNullAndEmptyArrays", as.keep}))
}

// longSeries makes a series that may be too long for one array in runs: starts are
// the first values of the runs, rows those of the run that starts at a field.
func (s scope) longSeries(call *planner.Call, as unwound, field string) (starts, rows any, ok bool) {
	if call.Func.Name != "generate_series" || as.most > 0 || as.index != "" || as.keep || shortSeries(call.Args) {
		return nil, nil, false
	}
	u := newUse()
	if u.exprs(call.Args); len(u.order) > 0 || u.volatile {
		return nil, nil, false
	}
	args := s.callArgs(call.Func, call.Args)
	run := append(list{sqlfunc.RunRows, "$" + field}, args[1:]...)
	return op("$ifNull", obj{{expr.LocalPrefix + sqlfunc.StartsOf + call.Func.Impl, args}}, list{}),
		obj{{expr.LocalPrefix + sqlfunc.FirstOf + call.Func.Impl, run}}, true
}

// shortSeries tells whether a series is known to be one run.
func shortSeries(args []planner.Expr) bool {
	n := [3]int64{2: 1}
	for i, a := range args {
		var ok bool
		if n[i], ok = constInt(a); !ok {
			return false
		}
	}
	return n[2] == 0 || (float64(n[1])-float64(n[0]))/float64(n[2]) < sqlfunc.RunRows
}

// setColumn compiles a column with the set-returning calls in it replaced by
// columns that hold their current row.
func (c *compiler) setColumn(f *fragment, e planner.NamedExpr, rows map[*planner.Call]*loc) *loc {
	x := replaceCalls(e.Expr, func(call *planner.Call) planner.Expr {
		l, ok := rows[call]
		if !ok {
			return nil
		}
		id := planner.ColID(-1 - len(f.cols))
		f.cols[id] = l
		return &planner.ColRef{ID: id, T: call.T, P: call.P}
	})
	return c.projected(f, planner.NamedExpr{Col: e.Col, Expr: x})
}

// replaceCalls rebuilds the outer part of an expression where calls are
// replaced; only calls, casts and plain operators are entered.
func replaceCalls(e planner.Expr, f func(*planner.Call) planner.Expr) planner.Expr {
	switch e := e.(type) {
	case *planner.Call:
		if r := f(e); r != nil {
			return r
		}
		m := *e
		m.Args = make([]planner.Expr, len(e.Args))
		for i, a := range e.Args {
			m.Args[i] = replaceCalls(a, f)
		}
		return &m
	case *planner.Cast:
		m := *e
		m.X = replaceCalls(e.X, f)
		return &m
	case *planner.Path:
		m := *e
		m.X = replaceCalls(e.X, f)
		return &m
	}
	return e
}

// setCall is the array of a set-returning function's rows.
//
// most is how many of its rows are read, 0: any number.
func (s scope) setCall(e *planner.Call, most int64) any {
	if e.Func.Impl == "unnest" && len(e.Args) == 1 {
		return s.unnested(e.Args[0])
	}
	if e.Func.Kind != sqlfunc.SetReturning {
		return list{s.value(e)} // a plain function in FROM has one row
	}
	x := obj{{expr.LocalPrefix + e.Func.Impl, s.callArgs(e.Func, e.Args)}}
	if most > 0 && e.Func.Name == "generate_series" {
		x = obj{{expr.LocalPrefix + sqlfunc.FirstOf + e.Func.Impl, append(list{int(most)}, s.callArgs(e.Func, e.Args)...)}}
	}
	return op("$ifNull", x, list{})
}

// unnested is the elements of an array; NULL has none. Arrays of documents have
// one dimension, others may have more.
func (s scope) unnested(e planner.Expr) any {
	if l := s.location(e); l != nil && l.stored && l.t.OID.IsArray() {
		return op("$ifNull", l.ref(), list{})
	}
	return op(expr.LocalPrefix+opUnnest, s.value(e))
}

// outColumn is a column of a normalised row.
type outColumn struct {
	name string
	id   planner.ColID
}

func slotName(prefix string, i int) string { return prefix + strconv.Itoa(i) }

// project makes documents of nothing but the given columns in canonical form.
func (c *compiler) project(f *fragment, cols []outColumn) {
	spec := obj{}
	hasID := false
	for _, col := range cols {
		if l := f.find(col.id); l != nil {
			spec = append(spec, field{col.name, computed(canonical(l))})
		} else {
			c.fail(sqlerr.New(sqlerr.InternalError, "no column for %s", col.name))
		}
		hasID = hasID || col.name == "_id"
	}
	if f.constantRow(spec) {
		return
	}
	if !hasID {
		spec = append(obj{{"_id", 0}}, spec...)
	}
	if len(cols) == 0 {
		f.add("$replaceRoot", obj{{"newRoot", op1("$literal", obj{})}})
		return
	}
	f.add("$project", spec)
}

// constantRow makes rows of constants documents of the source, so that nothing
// has to run: VALUES as they are, or a select list without FROM.
func (f *fragment) constantRow(spec obj) bool {
	if len(f.stages) > 0 || len(f.src.docs) == 0 || len(spec) == 0 {
		return false
	}
	first := f.src.docs[0].(obj)
	if len(first) > 0 {
		same := len(first) == len(spec)
		for i := range spec {
			same = same && spec[i].k == first[i].k && spec[i].v == any("$"+first[i].k)
		}
		return same
	}
	doc := obj{}
	for _, x := range spec {
		v, ok := bareConstant(x.v)
		if !ok {
			return false
		}
		doc = append(doc, field{x.k, v})
	}
	f.src.docs = []any{doc}
	return true
}

// bareConstant takes a constant out of the $literal that protects it.
func bareConstant(e any) (any, bool) {
	switch e := e.(type) {
	case value.Value, placeholder, bool, int:
		return e, true
	case obj:
		if len(e) == 1 && e[0].k == "$literal" {
			if o, ok := e[0].v.(obj); ok {
				return value.Document(encode(o)), true
			}
			return e[0].v, true
		}
	}
	if s, ok := e.(string); ok && (s == "" || s[0] != '$') {
		return s, true
	}
	return nil, false
}

// normalise makes every column a field c0, c1 … and nothing else.
func (c *compiler) normalise(f *fragment, cols []planner.Col) {
	var out []outColumn
	places := map[planner.ColID]*loc{}
	for i, col := range cols {
		name := slotName("c", i)
		out = append(out, outColumn{name, col.ID})
		notNull := false
		if l := f.find(col.ID); l != nil {
			notNull = l.notNull
		}
		places[col.ID] = &loc{path: []string{name}, t: col.Type, notNull: notNull}
	}
	c.project(f, out)
	f.cols = places
}

// output makes the rows of a result. When every column is in the documents as
// the row encoder reads it, documents stay as they are.
func (c *compiler) output(f *fragment, cols []planner.Col) []Column {
	out := make([]Column, len(cols))
	direct := c.opts.Capabilities.Embedded || len(f.stages) == 0 && !f.src.remote()
	for i, col := range cols {
		out[i] = Column{Name: col.Name, Type: col.Type, Table: col.Table, Attr: col.Attr}
		l := f.find(col.ID)
		if l == nil {
			c.fail(sqlerr.New(sqlerr.InternalError, "no column %q in the result", col.Name))
			return out
		}
		direct = direct && len(l.path) > 0 && l.expr == nil && l.us == nil && l.base == "" && encodable(l)
	}
	if direct {
		for i, col := range cols {
			out[i].Path = f.find(col.ID).path
		}
		return out
	}
	spec := obj{}
	for i, col := range cols {
		l := f.find(col.ID)
		x := l.ref()
		if !encodable(l) {
			x = canonical(l)
		}
		name := slotName("c", i)
		out[i].Path = []string{name}
		spec = append(spec, field{name, computed(x)})
	}
	if len(cols) == 0 {
		spec = append(spec, field{"c", op1("$literal", 1)})
	}
	if !f.constantRow(spec) {
		f.add("$project", append(obj{{"_id", 0}}, spec...))
	}
	return out
}

// encodable tells whether the row encoder prints the stored form as it is.
func encodable(l *loc) bool {
	return isCanonical(l) || oidForm(l) != plainText || isFloat(l.t.OID)
}
