package planner

import (
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// subquery binds a subquery that stands for a value, a truth value or an array.
func (b *builder) subquery(sc *scope, q *ast.Query, kind SubqueryKind, pos int) (Expr, error) {
	n, err := b.queryIn(q, sc, sc.ctes)
	if err != nil {
		return nil, err
	}
	s := &Subquery{Kind: kind, Plan: n, T: boolType, P: pos}
	if kind == Exists {
		return s, nil
	}
	if n, err = b.settleUnknown(n); err != nil {
		return nil, err
	}
	s.Plan = n
	cols := n.Cols()
	if len(cols) != 1 {
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery must return only one column").At(pos)
	}
	if s.T = cols[0].Type; kind == ArrayOf {
		arr := s.T.OID
		if !arr.IsArray() {
			arr = arr.Array()
		}
		if arr == sqltype.Invalid {
			return nil, sqlerr.New(sqlerr.UndefinedObject, "could not find array type for data type %s", s.T.OID).At(pos)
		}
		s.T = sqltype.Of(arr)
	}
	return s, nil
}

// subqueryCompare binds x op ANY|ALL (query), IN and NOT IN; x may be a row.
func (b *builder) subqueryCompare(sc *scope, v Expr, op string, kind SubqueryKind, q *ast.Query, pos int) (Expr, error) {
	n, err := b.queryIn(q, sc, sc.ctes)
	if err != nil {
		return nil, err
	}
	left := []Expr{v}
	if r, ok := v.(*Row); ok {
		left = r.Fields
	}
	cols := n.Cols()
	switch {
	case len(cols) > len(left):
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery has too many columns").At(pos)
	case len(cols) < len(left):
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery has too few columns").At(pos)
	case len(left) > 1 && kind != In && kind != NotIn:
		return nil, sqlerr.Unsupported(pos, "Compare the columns one by one in EXISTS.", "row comparison with ANY or ALL is not supported")
	}
	types := make([]sqltype.Type, len(cols))
	s := &Subquery{Kind: kind, T: boolType, P: pos}
	for i, c := range cols {
		x, f, t, err := b.compareColumn(op, left[i], c, pos)
		if err != nil {
			return nil, err
		}
		s.X, s.Op, types[i] = append(s.X, x), append(s.Op, f), t
	}
	s.Plan, err = b.castColumns(n, types, assignmentNone)
	return s, err
}

// compareColumn finds the operator between a value and a subquery's column:
// both converted values' types come from it.
func (b *builder) compareColumn(op string, x Expr, c Col, pos int) (Expr, *sqlfunc.Func, sqltype.Type, error) {
	args := []Expr{x, colRef(c, pos)}
	if err := b.besideDocument(op, args); err != nil {
		return nil, nil, unknown, err
	}
	e, err := b.compare(op, args[0], args[1], pos)
	if err != nil {
		return nil, nil, unknown, err
	}
	call, ok := e.(*Call)
	if !ok || len(call.Args) != 2 {
		return nil, nil, unknown, sqlerr.Unsupported(pos, "Use EXISTS.", "this comparison with a subquery is not supported")
	}
	return call.Args[0], call.Func, call.Args[1].Type(), nil
}
