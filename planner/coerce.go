package planner

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// The context of a conversion, beyond those of pg_cast.
const (
	implicit   = sqlfunc.Implicit
	assignment = sqlfunc.Assignment
	explicit   = sqlfunc.Explicit
)

type castContext = sqlfunc.CastContext

func null(t sqltype.Type, pos int) *Const {
	return &Const{T: t, Value: value.Of(bson.TypeNull, nil), P: pos}
}

func isNullConst(e Expr) bool {
	c, ok := e.(*Const)
	return ok && c.Value.IsNullish()
}

// canCoerce tells whether e becomes a type in a context.
func (b *builder) canCoerce(e Expr, to sqltype.OID, ctx sqlfunc.CastContext) bool {
	from := e.Type().OID
	if from == to || from == sqltype.Unknown {
		return true
	}
	c, ok := b.env.Funcs.Cast(from, to)
	return ok && c.Context >= ctx
}

// coerce converts e to a type where the context allows it; false if not.
func (b *builder) coerce(e Expr, to sqltype.Type, ctx sqlfunc.CastContext) (Expr, bool, error) {
	from := e.Type()
	if from == to || from.OID == to.OID && to.Mod == -1 {
		if ctx == assignment {
			e = bareTid(e)
		}
		return e, true, nil
	}
	switch x := e.(type) {
	case *Const:
		if from.OID == sqltype.Unknown {
			c, err := b.literal(x, to, ctx)
			return c, err == nil, err
		}
		if x.Value.IsNullish() && b.canCoerce(e, to.OID, ctx) {
			return &Const{T: to, Value: x.Value, P: x.P, Missing: x.Missing}, true, nil
		}
	case *Param:
		if from.OID == sqltype.Unknown {
			return b.setParam(x, to), true, nil
		}
	case *Array:
		if y, ok, err := b.coerceArray(x, to, ctx); ok || err != nil {
			return y, ok, err
		}
	case *Row:
		if to.OID == sqltype.Record {
			return e, true, nil
		}
		if y, ok, err := b.coerceRow(x, to, ctx); ok || err != nil {
			return y, ok, err
		}
	}
	if to.OID == sqltype.Record && from.OID.IsComposite() {
		return e, true, nil // it keeps its names
	}
	if !b.canCoerce(e, to.OID, ctx) {
		return nil, false, nil
	}
	return &Cast{X: e, T: to, Explicit: ctx == explicit, P: e.Pos()}, true, nil
}

// coerceArray converts the elements of ARRAY[…], so that literals get their type.
func (b *builder) coerceArray(a *Array, to sqltype.Type, ctx sqlfunc.CastContext) (Expr, bool, error) {
	elem := to.OID.Elem()
	if elem == sqltype.Invalid {
		return nil, false, nil
	}
	out := &Array{T: to, P: a.P, Elems: make([]Expr, len(a.Elems))}
	for i, x := range a.Elems {
		want := sqltype.Type{OID: elem, Mod: to.Mod}
		if x.Type().OID.IsArray() {
			want = to
		}
		y, ok, err := b.coerce(x, want, ctx)
		if !ok || err != nil {
			return nil, false, err
		}
		out.Elems[i] = y
	}
	return out, true, nil
}

// setParam gives a parameter the type of its first use.
func (b *builder) setParam(p *Param, t sqltype.Type) Expr {
	known := &b.params[p.N-1]
	if known.OID == sqltype.Invalid {
		*known = sqltype.Of(t.OID)
		b.paramPos[p.N-1] = p.P
	}
	q := &Param{N: p.N, T: *known, P: p.P}
	if *known == t || known.OID == t.OID && t.Mod == -1 {
		return q
	}
	return &Cast{X: q, T: t, P: p.P}
}

// mustCoerce converts to a type or says what does not fit; what names the
// construct as PostgreSQL does ("argument of WHERE").
func (b *builder) mustCoerce(e Expr, to sqltype.Type, ctx sqlfunc.CastContext, what string) (Expr, error) {
	x, ok, err := b.coerce(e, to, ctx)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "%s must be type %s, not type %s", what, to.OID, e.Type().OID).At(e.Pos())
	}
	return x, nil
}

// boolean converts a condition.
func (b *builder) boolean(e Expr, what string) (Expr, error) {
	return b.mustCoerce(e, boolType, implicit, "argument of "+what)
}

// commonType is PostgreSQL's choice for UNION, CASE, VALUES, ARRAY and the like.
func (b *builder) commonType(list []Expr, what string) (sqltype.Type, error) {
	var best sqltype.OID
	var first Expr
	same := true
	for _, e := range list {
		t := e.Type().OID
		if first == nil {
			first = e
		} else if e.Type() != first.Type() {
			same = false
		}
		if t == sqltype.Unknown {
			continue
		}
		switch {
		case best == sqltype.Invalid:
			best = t
		case best == t:
		case best.Category() != t.Category():
			if b.implicitly(t, best) || b.implicitly(best, t) {
				if b.implicitly(best, t) && !b.implicitly(t, best) {
					best = t
				}
				continue
			}
			return sqltype.Type{}, sqlerr.New(sqlerr.DatatypeMismatch, "%s types %s and %s cannot be matched", what, best, t).At(e.Pos())
		case !best.Preferred() && b.implicitly(best, t) && !b.implicitly(t, best):
			best = t
		}
	}
	if best == sqltype.Invalid {
		return textType, nil
	}
	if same && first.Type().OID == best {
		return first.Type(), nil
	}
	return sqltype.Of(best), nil
}

func (b *builder) implicitly(from, to sqltype.OID) bool { return b.env.Funcs.ImplicitCast(from, to) }

// unify converts all expressions to their common type.
func (b *builder) unify(list []Expr, what string) (sqltype.Type, error) {
	if ok, err := b.unifyDocuments(list); ok || err != nil {
		return jsonbType, err
	}
	t, err := b.commonType(list, what)
	if err != nil {
		return t, err
	}
	for i, e := range list {
		x, ok, err := b.coerce(e, t, implicit)
		if err != nil {
			return t, err
		}
		if !ok {
			return t, sqlerr.New(sqlerr.CannotCoerce, "%s could not convert type %s to %s", what, e.Type().OID, t.OID).At(e.Pos())
		}
		list[i] = x
	}
	return t, nil
}

// assign converts a value to a column's type, as INSERT and UPDATE do.
func (b *builder) assign(e Expr, to sqltype.Type, column string) (Expr, error) {
	if t := e.Type().OID; to.OID == sqltype.JSONB && t != sqltype.JSONB && t != sqltype.Unknown && t != sqltype.JSON {
		if !t.IsString() || isDocScalar(e) {
			return b.toJSONB(e)
		}
	}
	x, ok, err := b.coerce(e, to, assignment)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "column %q is of type %s but expression is of type %s",
			column, to.OID, e.Type().OID).At(e.Pos()).WithHint("You will need to rewrite or cast the expression.")
	}
	return x, nil
}

// castColumns puts a projection over n that converts its columns, if any needs it.
func (b *builder) castColumns(n Node, types []sqltype.Type, fail castFailure) (Node, error) {
	cols := n.Cols()
	exprs := make([]NamedExpr, len(cols))
	changed := false
	for i, c := range cols {
		if c.Type == types[i] || c.Type.OID == types[i].OID && types[i].Mod == -1 {
			exprs[i] = NamedExpr{Col: c, Expr: &ColRef{ID: c.ID, Name: c.Name, T: c.Type}}
			continue
		}
		if done, err := b.castInPlace(n, i, types[i]); err != nil {
			return nil, err
		} else if done {
			exprs[i] = NamedExpr{Col: n.Cols()[i], Expr: &ColRef{ID: c.ID, Name: c.Name, T: types[i]}}
			continue
		}
		x, ok, err := b.coerce(&ColRef{ID: c.ID, Name: c.Name, T: c.Type}, types[i], implicit)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fail(i, c.Type, types[i])
		}
		exprs[i], changed = NamedExpr{Col: b.newCol(c.Name, types[i]), Expr: x}, true
	}
	if !changed {
		return n, nil
	}
	for i, c := range cols {
		if exprs[i].Col.ID == c.ID {
			exprs[i].Col = b.newCol(c.Name, c.Type)
			exprs[i].Col.Table, exprs[i].Col.Attr = c.Table, c.Attr
		}
	}
	return &Project{Input: n, Exprs: exprs}, nil
}

type castFailure func(i int, from, to sqltype.Type) error

func assignmentNone(_ int, from, to sqltype.Type) error {
	return sqlerr.New(sqlerr.DatatypeMismatch, "type %s cannot become %s", from.OID, to.OID)
}

// castInPlace converts a literal or parameter of a projection where it stands.
func (b *builder) castInPlace(n Node, i int, t sqltype.Type) (bool, error) {
	p, ok := n.(*Project)
	if !ok || p.Exprs[i].Expr.Type().OID != sqltype.Unknown {
		return false, nil
	}
	x, ok, err := b.coerce(p.Exprs[i].Expr, t, implicit)
	if !ok || err != nil {
		return false, err
	}
	p.Exprs[i].Expr, p.Exprs[i].Col.Type = x, t
	return true, nil
}
