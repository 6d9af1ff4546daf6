package planner

import (
	"strings"

	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// ZeroProbe finds out whether a step of a lenient statement divided by zero,
// which gave NULL: Plan has at most one row, of booleans, and Notices[i] is due
// where its i-th column is true.
type ZeroProbe struct {
	Plan    *Plan
	Notices []*sqlerr.Error
}

// ZeroProbes makes the probes of a plan. Divisions in conditions of joins, in
// recursive terms and in subqueries that depend on rows have none.
func ZeroProbes(p *Plan, funcs *sqlfunc.Table) []ZeroProbe {
	if p.Strict {
		return nil
	}
	b := &probing{plan: p, funcs: funcs}
	b.node(p.Root, nil)
	return b.probes
}

// probing collects the probes; with are the WITH clauses around the node at hand.
type probing struct {
	plan   *Plan
	funcs  *sqlfunc.Table
	with   []*With
	probes []ZeroProbe
}

// node visits a plan. cut is the LIMIT that stands directly over n.
func (b *probing) node(n Node, cut *Limit) {
	if w, ok := n.(*With); ok {
		b.ctes(w)
		b.node(w.Body, nil)
		b.with = b.with[:len(b.with)-1]
		return
	}
	var found []zeroDivision
	for _, e := range guardedExprs(n) {
		found = b.divisions(found, e.expr, e.guard)
	}
	if len(found) > 0 {
		b.probe(n, cut, found)
	}
	below, _ := n.(*Limit)
	for _, in := range Inputs(n) {
		b.node(*in, below)
	}
}

// ctes visits the queries of a WITH clause; each sees those before it.
func (b *probing) ctes(w *With) {
	b.with = append(b.with, &With{})
	seen := b.with[len(b.with)-1]
	for _, q := range w.CTEs {
		b.node(q.Plan, nil)
		seen.CTEs = append(seen.CTEs, q)
	}
}

// probe adds a probe over the input of a node.
func (b *probing) probe(n Node, cut *Limit, found []zeroDivision) {
	in := Node(&Values{Rows: [][]Expr{{}}})
	if ins := Inputs(n); len(ins) == 1 {
		in = *ins[0]
	} else if len(ins) > 1 {
		return
	}
	if _, ok := n.(*Project); ok && cut != nil && cut.WithTies == nil {
		in = &Limit{Input: in, Count: cut.Count, Offset: cut.Offset}
	}
	out := &Project{}
	any := &Logic{Op: Or}
	p := ZeroProbe{}
	for i, d := range found {
		col := Col{ID: ColID(1<<24 + i), Type: sqltype.Of(sqltype.Bool)}
		out.Exprs = append(out.Exprs, NamedExpr{Col: col, Expr: d.met})
		any.Args = append(any.Args, d.met)
		p.Notices = append(p.Notices, zeroNotice(d.call))
	}
	cond := Expr(any)
	if len(found) == 1 {
		cond = any.Args[0]
	}
	one := &Const{T: sqltype.Of(sqltype.Int8), Value: value.Int64(1)}
	out.Input = &Limit{Input: &Filter{Input: in, Cond: cond}, Count: one}
	root := Node(out)
	for i := len(b.with) - 1; i >= 0; i-- {
		if len(b.with[i].CTEs) > 0 {
			root = &With{CTEs: b.with[i].CTEs, Body: root}
		}
	}
	if len(outerColumns(root)) > 0 || effects(root) {
		return
	}
	p.Plan = &Plan{Root: root, Params: b.plan.Params, Cols: out.Cols(), ReadOnly: true}
	b.probes = append(b.probes, p)
}

// effects tells whether running a plan once more could do or give something else.
func effects(n Node) bool {
	found := false
	walkNode(n, func(e Expr) bool {
		c, ok := e.(*Call)
		found = found || ok && c.Func.Volatility == sqlfunc.Volatile
		return !found
	})
	return found || writesBelow(n)
}

func writesBelow(n Node) bool {
	switch n.(type) {
	case *Insert, *Update, *Delete:
		return true
	}
	for _, in := range Inputs(n) {
		if writesBelow(*in) {
			return true
		}
	}
	return false
}

// guarded is an expression and when it is computed, nil for always.
type guarded struct{ expr, guard Expr }

// guardedExprs are a node's expressions that read its one input.
func guardedExprs(n Node) []guarded {
	var out []guarded
	add := func(e *Expr) {
		if *e != nil {
			out = append(out, guarded{expr: *e})
		}
	}
	switch x := n.(type) {
	case *Aggregate:
		eachNamed(x.Groups, add)
		for i := range x.Aggs {
			a := &x.Aggs[i]
			if a.Filter != nil {
				add(&a.Filter)
			}
			from := len(out)
			eachOf(a.Args, add)
			eachKey(a.OrderBy, add)
			for j := from; j < len(out); j++ {
				out[j].guard = a.Filter
			}
		}
	case *Insert, *Delete, *FuncScan, *Scan, *Join, *SetOp:
	case *Update:
		eachField(x.Set, add)
	default:
		eachExpr(n, add)
	}
	return out
}

// zeroDivision is a division and the condition under which its divisor is zero.
type zeroDivision struct {
	call *Call
	met  Expr
}

// divisions appends the divisions in an expression that is computed where guard
// is true. What AND, OR, CASE and COALESCE leave out is not divided.
func (b *probing) divisions(out []zeroDivision, e, guard Expr) []zeroDivision {
	switch x := e.(type) {
	case nil:
		return out
	case *Call:
		if d := b.zero(x); d != nil {
			out = append(out, zeroDivision{x, both(guard, d)})
		}
	case *Logic:
		if x.Op != Not {
			return b.inTurn(out, x.Args, guard, map[LogicOp]TestKind{And: IsNotFalse, Or: IsNotTrue}[x.Op])
		}
	case *Variadic:
		if x.Kind == Coalesce {
			return b.inTurn(out, x.Args, guard, IsNull)
		}
	case *Case:
		for _, w := range x.Whens {
			out = b.divisions(out, w.Cond, guard)
			out = b.divisions(out, w.Then, both(guard, &Test{X: w.Cond, Is: IsTrue}))
			guard = both(guard, &Test{X: w.Cond, Is: IsNotTrue})
		}
		return b.divisions(out, x.Else, guard)
	case *Let:
		out = b.divisions(out, x.X, guard)
		from := len(out)
		out = b.divisions(out, x.In, nil)
		for i := from; i < len(out); i++ {
			out[i].met = both(guard, &Let{Col: x.Col, X: x.X, In: out[i].met, P: x.P})
		}
		return out
	case *Subquery:
		b.node(x.Plan, nil)
	}
	for _, c := range parts(e) {
		out = b.divisions(out, c, guard)
	}
	return out
}

// inTurn visits operands of which each is computed where those before it passed
// the test.
func (b *probing) inTurn(out []zeroDivision, args []Expr, guard Expr, on TestKind) []zeroDivision {
	for _, a := range args {
		out = b.divisions(out, a, guard)
		guard = both(guard, &Test{X: a, Is: on})
	}
	return out
}

func both(a, b Expr) Expr {
	if a == nil {
		return b
	}
	return &Logic{Op: And, Args: []Expr{a, b}}
}

// zero is the condition that a call divides a value by zero; nil if it never
// does, or its divisor is a constant, of which planning has told.
func (b *probing) zero(c *Call) Expr {
	if !divides(c) || isConstant(c.Args[1]) {
		return nil
	}
	t := c.Args[1].Type()
	zeros := map[sqltype.OID]value.Value{sqltype.Int2: value.Int32(0), sqltype.Int4: value.Int32(0), sqltype.Int8: value.Int64(0),
		sqltype.Float4: value.Double(0), sqltype.Float8: value.Double(0), sqltype.Numeric: value.Int32(0)}
	k, ok := zeros[t.OID]
	if !ok {
		return nil
	}
	for _, o := range b.funcs.Operators("=") {
		if o.Left == t.OID && o.Right == t.OID {
			eq := &Call{Func: o.Func, Args: []Expr{c.Args[1], &Const{T: sqltype.Of(t.OID), Value: k}}, T: sqltype.Of(sqltype.Bool)}
			return both(&Test{X: c.Args[0], Is: IsNotNull}, eq)
		}
	}
	return nil
}

// divides tells whether a call is a division or the remainder of one.
func divides(c *Call) bool {
	return len(c.Args) == 2 && (strings.HasPrefix(c.Func.Impl, "div_") || strings.HasPrefix(c.Func.Impl, "mod_"))
}

func isConstant(e Expr) bool {
	for cast, is := e.(*Cast); is; cast, is = e.(*Cast) {
		e = cast.X
	}
	_, ok := e.(*Const)
	return ok
}

// zeroNotice is the warning that a division gave NULL.
func zeroNotice(c *Call) *sqlerr.Error {
	x := c.Args[0]
	for cast, is := x.(*Cast); is; cast, is = x.(*Cast) {
		x = cast.X
	}
	what := "an expression"
	switch x := x.(type) {
	case *ColRef:
		if !x.Bound {
			what = `"` + x.Name + `"`
		}
	case *Const:
		what = exprText(x)
	}
	return sqlerr.Notice("WARNING", sqlerr.DivisionByZero, "division of %s by zero, it reads as NULL", what).At(c.P).
		WithHint("SET weir.strict = on refuses it.")
}
