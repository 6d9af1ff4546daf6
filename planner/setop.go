package planner

import (
	"strconv"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

func itoa(n int) string { return strconv.Itoa(n) }

// setOperation plans UNION, INTERSECT and EXCEPT.
func (b *builder) setOperation(q *ast.SetOperation, parent *scope, ctes *cteScope) (Node, error) {
	if err := b.enter(q.Pos()); err != nil {
		return nil, err
	}
	defer b.leave()
	word := [...]string{"UNION", "INTERSECT", "EXCEPT"}[q.Op]
	l, err := b.body(q.Left, &tail{}, parent, ctes)
	if err != nil {
		return nil, err
	}
	r, err := b.body(q.Right, &tail{}, parent, ctes)
	if err != nil {
		return nil, err
	}
	return b.setNodes(word, SetKind(q.Op), q.All, l, r, q.Right.Pos())
}

// setNodes brings both sides to common types.
func (b *builder) setNodes(word string, kind SetKind, all bool, l, r Node, pos int) (Node, error) {
	lc, rc := l.Cols(), r.Cols()
	if len(lc) != len(rc) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "each %s query must have the same number of columns", word).At(pos)
	}
	types := make([]sqltype.Type, len(lc))
	for i := range lc {
		rp := exprPos(r, i)
		t, err := b.commonType([]Expr{colRef(lc[i], 0), colRef(rc[i], rp)}, word)
		if err != nil {
			return nil, err
		}
		types[i] = t
	}
	fail := func(i int, from, to sqltype.Type) error {
		return sqlerr.New(sqlerr.CannotCoerce, "%s could not convert type %s to %s", word, from.OID, to.OID).At(pos)
	}
	var err error
	if l, err = b.castColumns(l, types, fail); err != nil {
		return nil, err
	}
	if r, err = b.castColumns(r, types, fail); err != nil {
		return nil, err
	}
	n := &SetOp{Kind: kind, All: all, Left: l, Right: r}
	for i, c := range lc {
		n.Out = append(n.Out, b.newCol(c.Name, types[i]))
	}
	return n, nil
}

// exprPos is where the i-th column of n was written.
func exprPos(n Node, i int) int {
	if p, ok := n.(*Project); ok {
		return p.Exprs[i].Expr.Pos()
	}
	return 0
}

// body plans one side of a set operation or a whole query without WITH.
func (b *builder) body(q ast.QueryExpr, t *tail, parent *scope, ctes *cteScope) (Node, error) {
	switch x := q.(type) {
	case *ast.Select:
		return b.selectStmt(x, t, parent, ctes)
	case *ast.Query:
		if t.empty() {
			return b.queryIn(x, parent, ctes)
		}
		n, err := b.queryIn(x, parent, ctes)
		if err != nil {
			return nil, err
		}
		return b.plainTail(n, t, false)
	case *ast.SetOperation:
		n, err := b.setOperation(x, parent, ctes)
		if err != nil {
			return nil, err
		}
		return b.plainTail(n, t, true)
	case *ast.Values:
		n, err := b.values(x, parent, ctes)
		if err != nil {
			return nil, err
		}
		return b.plainTail(n, t, false)
	case *ast.TableCommand:
		s := &ast.Select{Span: x.Span, From: []ast.TableExpr{x.Table}, Items: []*ast.SelectItem{{Span: x.Span, Expr: &ast.Star{Span: x.Span}}}}
		return b.selectStmt(s, t, parent, ctes)
	}
	return nil, sqlerr.New(sqlerr.FeatureNotSupported, "this query is not supported").At(q.Pos())
}

// plainTail orders and cuts what is no SELECT: by output columns, for set
// operations by nothing else.
func (b *builder) plainTail(n Node, t *tail, setOp bool) (Node, error) {
	if t.empty() {
		return n, nil
	}
	cols := n.Cols()
	s := &selectQuery{b: b, tail: t, sel: newSelectState()}
	src := fixedSource(ast.Ident{}, cols)
	ns := &namespace{}
	ns.add(src)
	s.sc = &scope{ns: ns, sel: s.sel, noAgg: "ORDER BY", noWindow: "ORDER BY"}
	for _, c := range cols {
		s.outs = append(s.outs, outItem{name: c.Name, expr: colRef(c, 0)})
	}
	for _, o := range t.orderBy {
		x, err := s.outputOrExpr(o.Expr, "ORDER BY")
		if setOp {
			if c, plain := o.Expr.(*ast.ColumnRef); plain && len(c.Parts) == 1 && err != nil {
				return nil, err
			}
			if _, ok := x.(*ColRef); !ok || err != nil {
				return nil, sqlerr.New(sqlerr.FeatureNotSupported, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause").At(o.Pos()).
					WithDetail("Only result column names can be used, not expressions or functions.").
					WithHint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")
			}
		}
		if err != nil {
			return nil, err
		}
		k, err := b.sortKeyOf(x, o)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, k)
	}
	if len(s.keys) > 0 {
		n = &Sort{Input: n, Keys: s.keys}
	}
	limit, err := b.limitNode(t, s.keys)
	if err != nil || limit == nil {
		return n, err
	}
	limit.Input = n
	return limit, nil
}
