package planner

import (
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

var testKinds = map[ast.Test][2]TestKind{
	ast.TestNull:    {IsNull, IsNotNull},
	ast.TestTrue:    {IsTrue, IsNotTrue},
	ast.TestFalse:   {IsFalse, IsNotFalse},
	ast.TestUnknown: {IsUnknown, IsNotUnknown},
}

func (b *builder) isExpr(sc *scope, x *ast.IsExpr) (Expr, error) {
	v, err := b.expr(sc, x.Operand)
	if err != nil {
		return nil, err
	}
	kinds, ok := testKinds[x.Test]
	if !ok {
		return b.isNormalized(v, x)
	}
	i, word := 0, [...]string{"IS NULL", "IS TRUE", "IS FALSE", "IS UNKNOWN"}[x.Test]
	if x.Not {
		i = 1
	}
	if x.Test != ast.TestNull {
		if v, err = b.boolean(v, word); err != nil {
			return nil, err
		}
	} else if r, ok := v.(*Row); ok && (r.Names == nil || r.Composite != 0) {
		return rowIsNull(r, kinds[i], x.Pos()), nil
	} else if d := compositeOf(v); d != nil {
		return b.shareOne(v, func(v Expr) (Expr, error) { return compositeIsNull(v, d, kinds[i], x.Pos()), nil })
	} else if v.Type().OID == sqltype.Unknown {
		if v, _, err = b.coerce(v, textType, implicit); err != nil {
			return nil, err
		}
	}
	return &Test{X: v, Is: kinds[i], P: x.Pos()}, nil
}

// rowIsNull is true when every field is (is not) null.
func rowIsNull(r *Row, kind TestKind, pos int) Expr {
	l := &Logic{Op: And, P: pos}
	for _, f := range r.Fields {
		l.Args = append(l.Args, &Test{X: f, Is: kind, P: pos})
	}
	if len(l.Args) == 1 {
		return l.Args[0]
	}
	return l
}

// compositeIsNull is rowIsNull of a value that may be NULL itself.
func compositeIsNull(v Expr, d *sqltype.Defined, kind TestKind, pos int) Expr {
	whole := &Test{X: v, Is: kind, P: pos}
	if len(d.Attributes) == 0 {
		return whole
	}
	r := &Row{P: pos}
	for i := range d.Attributes {
		r.Fields = append(r.Fields, attribute(v, d, i, pos))
	}
	op := And
	if kind == IsNull {
		op = Or
	}
	return &Logic{Op: op, Args: []Expr{whole, rowIsNull(r, kind, pos)}, P: pos}
}

func (b *builder) isNormalized(v Expr, x *ast.IsExpr) (Expr, error) {
	if x.Test == ast.TestDocument {
		return nil, sqlerr.Unsupported(x.Pos(), "XML is text here.", "IS DOCUMENT is not supported")
	}
	args := []Expr{v}
	if x.Form != "" {
		args = append(args, textConst(x.Form, x.Pos()))
	}
	e, err := b.callExprs("is_normalized", args, x.Pos())
	if err != nil || !x.Not {
		return e, err
	}
	return &Logic{Op: Not, Args: []Expr{e}, P: x.Pos()}, nil
}

func (b *builder) distinctFrom(sc *scope, x *ast.IsDistinctFrom) (Expr, error) {
	l, err := b.expr(sc, x.Left)
	if err != nil {
		return nil, err
	}
	r, err := b.expr(sc, x.Right)
	if err != nil {
		return nil, err
	}
	if isNullConst(r) || isNullConst(l) {
		if isNullConst(l) {
			l = r
		}
		kind := IsNotNull
		if x.Not {
			kind = IsNull
		}
		return &Test{X: l, Is: kind, P: x.Pos()}, nil
	}
	eq, err := b.compare("=", l, r, x.Pos())
	if err != nil {
		return nil, err
	}
	c, ok := eq.(*Call)
	if !ok {
		return b.rowsDistinct(eq, x)
	}
	return &DistinctFrom{L: c.Args[0], R: c.Args[1], Eq: c.Func, Not: x.Not, P: x.Pos()}, nil
}

// rowsDistinct rewrites the field by field equality of rows.
func (b *builder) rowsDistinct(eq Expr, x *ast.IsDistinctFrom) (Expr, error) {
	l := eq.(*Logic)
	out := &Logic{Op: Or, P: x.Pos()}
	if x.Not {
		out.Op = And
	}
	for _, a := range l.Args {
		c, ok := a.(*Call)
		if !ok {
			return nil, sqlerr.Unsupported(x.Pos(), "Compare the fields one by one.", "IS DISTINCT FROM of nested rows is not supported")
		}
		out.Args = append(out.Args, &DistinctFrom{L: c.Args[0], R: c.Args[1], Eq: c.Func, Not: x.Not, P: x.Pos()})
	}
	return out, nil
}

func (b *builder) between(sc *scope, x *ast.BetweenExpr) (Expr, error) {
	list, err := b.exprs(sc, []ast.Expr{x.Operand, x.Low, x.High})
	if err != nil {
		return nil, err
	}
	operands := 1
	if x.Symmetric {
		operands = 3
	}
	if anyVolatile(list[:operands]) {
		operands = 0 // PostgreSQL computes it for each bound
	}
	e, err := b.shared(list[:operands], func(xs []Expr) (Expr, error) {
		xs = append(xs, list[operands:]...)
		e, err := b.range_(xs[0], xs[1], xs[2], x.Pos())
		if err != nil || !x.Symmetric {
			return e, err
		}
		other, err := b.range_(xs[0], xs[2], xs[1], x.Pos())
		return &Logic{Op: Or, Args: []Expr{e, other}, P: x.Pos()}, err
	})
	if err != nil {
		return nil, err
	}
	if x.Not {
		e = &Logic{Op: Not, Args: []Expr{e}, P: x.Pos()}
	}
	return e, nil
}

func (b *builder) range_(v, lo, hi Expr, pos int) (Expr, error) {
	from, err := b.compare(">=", v, lo, pos)
	if err != nil {
		return nil, err
	}
	to, err := b.compare("<=", v, hi, pos)
	if err != nil {
		return nil, err
	}
	return &Logic{Op: And, Args: []Expr{from, to}, P: pos}, nil
}

// in is x IN (list) or x IN (query).
func (b *builder) in(sc *scope, x *ast.InExpr) (Expr, error) {
	v, err := b.expr(sc, x.Operand)
	if err != nil {
		return nil, err
	}
	if x.Query != nil {
		kind := In
		if x.Not {
			kind = NotIn
		}
		return b.subqueryCompare(sc, v, "=", kind, x.Query, x.Pos())
	}
	list, err := b.exprs(sc, x.List)
	if err != nil {
		return nil, err
	}
	if _, ok := v.(*Row); ok {
		return b.inEach(v, list, x)
	}
	return b.inList(v, list, x)
}

// inList makes one list when all items have a common type with the operand.
func (b *builder) inList(v Expr, list []Expr, x *ast.InExpr) (Expr, error) {
	for i := range list {
		pair := []Expr{v, list[i]}
		if err := b.besideDocument("=", pair); err != nil {
			return nil, err
		}
		v, list[i] = pair[0], pair[1]
	}
	all := append([]Expr{v}, list...)
	t, err := b.commonType(all, "IN")
	if err != nil || isDocScalar(v) || t.OID == sqltype.Tid {
		return b.inEach(v, list, x)
	}
	for i, e := range all {
		y, ok, err := b.coerce(e, sqltype.Of(t.OID), implicit)
		if err != nil {
			return nil, err
		}
		if !ok {
			return b.inEach(v, list, x)
		}
		all[i] = y
	}
	eq, many := b.findOperator("=", []sqltype.OID{t.OID, t.OID})
	if eq == nil {
		return nil, operatorError("=", []sqltype.OID{t.OID, t.OID}, many, x.Pos())
	}
	return &InList{X: all[0], List: all[1:], Eq: eq.fn, Not: x.Not, P: x.Pos()}, nil
}

// inEach is x = a OR x = b …, where each comparison has its own types.
func (b *builder) inEach(v Expr, list []Expr, x *ast.InExpr) (Expr, error) {
	if len(list) == 1 {
		return b.inAny(v, list, x)
	}
	return b.shareOne(v, func(v Expr) (Expr, error) { return b.inAny(v, list, x) })
}

func (b *builder) inAny(v Expr, list []Expr, x *ast.InExpr) (Expr, error) {
	op, l := "=", &Logic{Op: Or, P: x.Pos()}
	if x.Not {
		op, l.Op = "<>", And
	}
	for _, e := range list {
		c, err := b.compare(op, v, e, x.Pos())
		if err != nil {
			return nil, err
		}
		l.Args = append(l.Args, c)
	}
	if len(l.Args) == 1 {
		return l.Args[0], nil
	}
	return l, nil
}

var likeOperators = map[ast.LikeKind][2]string{
	ast.Like:      {"~~", "!~~"},
	ast.ILike:     {"~~*", "!~~*"},
	ast.SimilarTo: {"~", "!~"},
	ast.Regexp:    {"~*", "!~*"},
}

func (b *builder) like(sc *scope, x *ast.LikeExpr) (Expr, error) {
	v, err := b.expr(sc, x.Operand)
	if err != nil {
		return nil, err
	}
	p, err := b.expr(sc, x.Pattern)
	if err != nil {
		return nil, err
	}
	var args []Expr
	if x.Escape != nil {
		esc, err := b.expr(sc, x.Escape)
		if err != nil {
			return nil, err
		}
		args = []Expr{p, esc}
	} else {
		args = []Expr{p}
	}
	switch {
	case x.Kind == ast.SimilarTo:
		p, err = b.callExprs("similar_to_escape", args, x.Pos())
	case x.Escape != nil:
		p, err = b.callExprs("like_escape", args, x.Pos())
	}
	if err != nil {
		return nil, err
	}
	if isDocScalar(v) {
		if v, err = b.scalarText(v); err != nil {
			return nil, err
		}
	}
	op := likeOperators[x.Kind][0]
	if x.Not {
		op = likeOperators[x.Kind][1]
	}
	return b.operator(op, []Expr{v, p}, x.Pos())
}

// quantified is x op ANY|ALL (array or query).
func (b *builder) quantified(sc *scope, x *ast.QuantifiedExpr) (Expr, error) {
	v, err := b.expr(sc, x.Left)
	if err != nil {
		return nil, err
	}
	op := x.Op.Symbol
	if x.Query != nil {
		kind := AnyOf
		switch {
		case x.All && op == "<>":
			kind, op = NotIn, "="
		case x.All:
			kind = AllOf
		case op == "=":
			kind = In
		}
		return b.subqueryCompare(sc, v, op, kind, x.Query, x.Pos())
	}
	arr, err := b.expr(sc, x.Array)
	if err != nil {
		return nil, err
	}
	return b.anyAll(v, op, arr, x)
}

func (b *builder) anyAll(v Expr, op string, arr Expr, x *ast.QuantifiedExpr) (Expr, error) {
	elem := arr.Type().OID.Elem()
	if arr.Type().OID == sqltype.Unknown {
		// The literal or parameter is an array of the operand's type.
		elem = v.Type().OID
		if elem == sqltype.Unknown {
			elem = sqltype.Text
		}
	}
	if arr.Type().OID == sqltype.Int2Vector || arr.Type().OID == sqltype.OidVector {
		elem = arr.Type().OID.Subscript()
	}
	if elem == sqltype.Invalid {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "op ANY/ALL (array) requires array on right side").At(x.Op.Pos())
	}
	c, many := b.findOperator(op, []sqltype.OID{v.Type().OID, elem})
	if c == nil {
		return nil, operatorError(op, []sqltype.OID{v.Type().OID, elem}, many, x.Op.Pos())
	}
	if c.fn.Ret != sqltype.Bool {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "op ANY/ALL (array) requires operator to yield boolean").At(x.Op.Pos())
	}
	want, _, err := b.polymorphic(c, []Expr{v, null(sqltype.Of(elem), arr.Pos())}, x.Pos())
	if err != nil {
		return nil, err
	}
	if v, err = b.mustCoerce(v, sqltype.Of(want[0]), implicit, "left side of ANY/ALL"); err != nil {
		return nil, err
	}
	if elem != want[1] || arr.Type().OID == sqltype.Unknown {
		if arr, err = b.mustCoerce(arr, sqltype.Of(want[1].Array()), implicit, "right side of ANY/ALL"); err != nil {
			return nil, err
		}
	}
	return &AnyAll{X: v, Op: c.fn, Array: arr, All: x.All, P: x.Pos()}, nil
}

func (b *builder) overlaps(sc *scope, x *ast.OverlapsExpr) (Expr, error) {
	list, err := b.exprs(sc, append(append([]ast.Expr(nil), x.Left.Items...), x.Right.Items...))
	if err != nil {
		return nil, err
	}
	return b.callExprs("overlaps", list, x.Pos())
}

// withoutSets is the scope of a construct that computes but some of its parts,
// where functions that return sets have no place.
func (b *builder) withoutSets(sc *scope, what string) *scope {
	if !b.strict() || sc.noSRF != "" {
		return sc
	}
	inner := *sc
	inner.noSRF = what
	return &inner
}

func (b *builder) caseExpr(sc *scope, x *ast.CaseExpr) (Expr, error) {
	sc = b.withoutSets(sc, "CASE")
	var operand Expr
	var err error
	if x.Operand != nil {
		if operand, err = b.expr(sc, x.Operand); err != nil {
			return nil, err
		}
		if operand.Type().OID == sqltype.Unknown {
			if operand, _, err = b.coerce(operand, textType, implicit); err != nil {
				return nil, err
			}
		}
	}
	if operand == nil || len(x.Whens) == 1 {
		return b.caseOf(sc, x, operand)
	}
	return b.shareOne(operand, func(operand Expr) (Expr, error) { return b.caseOf(sc, x, operand) })
}

// caseOf is CASE with its operand bound, nil if there is none.
func (b *builder) caseOf(sc *scope, x *ast.CaseExpr, operand Expr) (Expr, error) {
	c := &Case{P: x.Pos()}
	var results []Expr
	var err error
	for _, w := range x.Whens {
		cond, err := b.expr(sc, w.Cond)
		if err != nil {
			return nil, err
		}
		if operand != nil {
			cond, err = b.compare("=", operand, cond, w.Pos())
		} else {
			cond, err = b.boolean(cond, "CASE/WHEN")
		}
		if err != nil {
			return nil, err
		}
		then, err := b.expr(sc, w.Then)
		if err != nil {
			return nil, err
		}
		c.Whens = append(c.Whens, When{Cond: cond})
		results = append(results, then)
	}
	// PostgreSQL looks at ELSE first for the common type.
	if x.Else != nil {
		y, err := b.expr(sc, x.Else)
		if err != nil {
			return nil, err
		}
		results = append([]Expr{y}, results...)
	}
	if c.T, err = b.unify(results, "CASE"); err != nil {
		return nil, err
	}
	if x.Else != nil {
		c.Else, results = results[0], results[1:]
	}
	for i := range c.Whens {
		c.Whens[i].Then = results[i]
	}
	return c, nil
}

func (b *builder) row(sc *scope, x *ast.RowExpr) (Expr, error) {
	r := &Row{P: x.Pos()}
	for _, it := range x.Items {
		if s, ok := it.(*ast.Star); ok {
			cols, err := b.expandStar(sc, s)
			if err != nil {
				return nil, err
			}
			for _, c := range cols {
				r.Fields = append(r.Fields, c.Expr)
			}
			continue
		}
		v, err := b.expr(sc, it)
		if err != nil {
			return nil, err
		}
		r.Fields = append(r.Fields, v)
	}
	return r, nil
}

func (b *builder) array(sc *scope, x *ast.ArrayExpr) (Expr, error) {
	list, err := b.exprs(sc, x.Items)
	if err != nil {
		return nil, err
	}
	a := &Array{Elems: list, P: x.Pos()}
	if len(list) == 0 {
		return nil, sqlerr.New("42P18", "cannot determine type of empty array").At(x.Pos()).
			WithHint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")
	}
	t, err := b.unify(list, "ARRAY")
	if err != nil {
		return nil, err
	}
	oid := t.OID
	if !oid.IsArray() {
		oid = oid.Array()
	}
	if oid == sqltype.Invalid {
		return nil, sqlerr.New(sqlerr.UndefinedObject, "could not find array type for data type %s", t.OID).At(x.Pos())
	}
	a.T = sqltype.Type{OID: oid, Mod: t.Mod}
	return a, nil
}

func (b *builder) variadic(sc *scope, kind VariadicKind, args []ast.Expr, what string, pos int) (Expr, error) {
	list, err := b.exprs(sc, args)
	if err != nil {
		return nil, err
	}
	t, err := b.unify(list, what)
	if err != nil {
		return nil, err
	}
	return b.enumExtremum(&Variadic{Kind: kind, Args: list, T: t, P: pos}), nil
}

func (b *builder) nullIf(sc *scope, x *ast.NullIf) (Expr, error) {
	list, err := b.exprs(sc, []ast.Expr{x.Left, x.Right})
	if err != nil {
		return nil, err
	}
	eq, err := b.compare("=", list[0], list[1], x.Pos())
	if err != nil {
		return nil, err
	}
	c, ok := eq.(*Call)
	if !ok {
		return nil, sqlerr.Unsupported(x.Pos(), "Use CASE.", "NULLIF of rows is not supported")
	}
	return &Variadic{Kind: NullIf, Args: c.Args, Eq: c.Func, T: c.Args[0].Type(), P: x.Pos()}, nil
}

// equality is the = of a type, nil if it has none.
func (b *builder) equality(t sqltype.OID) *sqlfunc.Func {
	if c, _ := b.findOperator("=", []sqltype.OID{t, t}); c != nil {
		return c.fn
	}
	return nil
}
