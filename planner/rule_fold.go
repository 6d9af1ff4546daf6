package planner

import (
	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlfunc"
	"weir/sqltype"
)

// foldConstants computes calls of immutable functions on constants, by the
// functions that the engine runs. One that fails stays: it may never be reached.
func (b *builder) foldConstants(n Node) Node {
	mapNode(n, b.foldOne)
	return dropTrue(n)
}

// fold is foldConstants for one expression.
func (b *builder) fold(e Expr) Expr { return mapExpr(e, b.foldOne) }

func (b *builder) foldOne(e Expr) Expr {
	switch x := e.(type) {
	case *Call:
		return b.foldCall(x)
	case *Cast:
		return b.foldCast(x)
	case *Logic:
		return foldLogic(x)
	case *Test:
		return foldTest(x)
	case *Case:
		return foldCase(x)
	case *Let:
		return b.foldLet(x)
	}
	return e
}

// foldCase leaves out the arms that are never reached, so that what they hold
// is not computed.
func foldCase(c *Case) Expr {
	out := *c
	out.Whens = nil
	for _, w := range c.Whens {
		k, ok := w.Cond.(*Const)
		switch {
		case !ok:
			out.Whens = append(out.Whens, w)
		case k.Value.IsNullish() || !k.Value.AsBool():
		case len(out.Whens) == 0:
			return w.Then
		default:
			out.Else = w.Then
			return &out
		}
	}
	switch {
	case len(out.Whens) == len(c.Whens):
		return c
	case len(out.Whens) > 0:
		return &out
	case out.Else == nil:
		return null(c.T, c.P)
	}
	return out.Else
}

func constArgs(args []Expr) (vals []value.Value, hasNull, ok bool) {
	for _, a := range args {
		c, is := a.(*Const)
		if !is {
			return nil, false, false
		}
		hasNull = hasNull || c.Value.IsNullish()
		vals = append(vals, c.Value)
	}
	return vals, hasNull, true
}

func (b *builder) foldCall(c *Call) Expr {
	f := c.Func
	if f.Volatility != sqlfunc.Immutable || f.Kind != sqlfunc.Scalar || f.AnyAs != sqltype.Invalid || c.Spread {
		return c
	}
	vals, hasNull, ok := constArgs(c.Args)
	if !ok {
		return c
	}
	if hasNull && !f.NotStrict {
		return null(c.T, c.P)
	}
	v, ok := b.evaluate(f.Impl, vals)
	if !ok {
		return c
	}
	return &Const{T: c.T, Value: v, P: c.P}
}

// evaluate runs a local operator; false when it is not there or fails.
func (b *builder) evaluate(impl string, vals []value.Value) (value.Value, bool) {
	if b.env.Library == nil {
		return value.Value{}, false
	}
	f, ok := b.env.Library.Functions[impl]
	if !ok || len(vals) < f.MinArgs || f.MaxArgs >= 0 && len(vals) > f.MaxArgs {
		return value.Value{}, false
	}
	v, err := f.Eval(expr.Folding(nil), vals)
	if err != nil {
		return value.Value{}, false
	}
	return v.Clone(), true
}

// foldCast converts constants between numbers and between strings; other casts
// may depend on the session.
func (b *builder) foldCast(c *Cast) Expr {
	k, ok := c.X.(*Const)
	if !ok {
		return c
	}
	from, to := k.T.OID, c.T.OID
	if k.Value.IsNullish() {
		return &Const{T: c.T, Value: k.Value, P: c.P, Missing: k.Missing}
	}
	if from.Category() != to.Category() || from.Category() != 'N' && from.Category() != 'S' || from.IsReg() || to.IsReg() {
		return c
	}
	cast, ok := b.env.Funcs.Cast(from, to)
	if !ok {
		return c
	}
	if cast.Impl == "" {
		return &Const{T: c.T, Value: k.Value, P: c.P}
	}
	v, ok := b.evaluate(cast.Impl, []value.Value{k.Value, value.Int32(c.T.Mod), value.Bool(c.Explicit)})
	if !ok {
		return c
	}
	return &Const{T: c.T, Value: v, P: c.P}
}

// foldLogic drops what does not matter: true in AND, false in OR.
func foldLogic(l *Logic) Expr {
	if l.Op == Not {
		if v, known := truth(l.Args[0]); known {
			return boolConst(!v, l.P)
		}
		return foldNot(l)
	}
	absorbing := l.Op == Or
	var keep []Expr
	for _, a := range l.Args {
		v, known := truth(a)
		switch {
		case known && v == absorbing:
			return boolConst(absorbing, l.P)
		case known:
		default:
			if in, ok := a.(*Logic); ok && in.Op == l.Op {
				keep = append(keep, in.Args...)
			} else {
				keep = append(keep, a)
			}
		}
	}
	switch len(keep) {
	case 0:
		return boolConst(!absorbing, l.P)
	case 1:
		return keep[0]
	}
	return &Logic{Op: l.Op, Args: keep, P: l.P}
}

// foldNot moves NOT into what has a negation of its own.
func foldNot(l *Logic) Expr {
	switch x := l.Args[0].(type) {
	case *Logic:
		if x.Op == Not {
			return x.Args[0]
		}
	case *Test:
		c := *x
		c.Is = x.Is ^ 1
		return &c
	case *InList:
		c := *x
		c.Not = !x.Not
		return &c
	case *DistinctFrom:
		c := *x
		c.Not = !x.Not
		return &c
	case *Subquery:
		negated := map[SubqueryKind]SubqueryKind{Exists: NotExists, NotExists: Exists, In: NotIn, NotIn: In}
		if k, ok := negated[x.Kind]; ok {
			c := *x
			c.Kind = k
			return &c
		}
	}
	return l
}

func truth(e Expr) (v, known bool) {
	c, ok := e.(*Const)
	if !ok || c.T.OID != sqltype.Bool || c.Value.IsNullish() {
		return false, false
	}
	return c.Value.AsBool(), true
}

func boolConst(v bool, pos int) *Const { return &Const{T: boolType, Value: value.Bool(v), P: pos} }

func foldTest(t *Test) Expr {
	c, ok := t.X.(*Const)
	if !ok || t.Is > IsNotNull {
		return t
	}
	return boolConst(c.Value.IsNullish() == (t.Is == IsNull), t.P)
}

// dropTrue takes away filters that let everything pass.
func dropTrue(n Node) Node {
	for _, in := range Inputs(n) {
		*in = dropTrue(*in)
	}
	eachSubplan(n, dropTrue)
	if f, ok := n.(*Filter); ok {
		if v, known := truth(f.Cond); known && v {
			return f.Input
		}
	}
	if j, ok := n.(*Join); ok && j.On != nil {
		if v, known := truth(j.On); known && v {
			j.On = nil
		}
	}
	return n
}

// eachSubplan applies a rule to the plans of subqueries in a node's expressions.
func eachSubplan(n Node, rule func(Node) Node) {
	eachExpr(n, func(e *Expr) {
		switch (*e).(type) {
		case *Const, *ColRef:
			return // rows of VALUES are mostly these
		}
		walkOwnPlans(*e, rule)
	})
}

func walkOwnPlans(e Expr, rule func(Node) Node) {
	walkOwn(e, func(s *Subquery) { s.Plan = rule(s.Plan) })
}
