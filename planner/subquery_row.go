package planner

import (
	"strconv"

	"weir/parser/ast"
	"weir/sqlerr"
)

// columnQueries makes a subquery of each of the columns of one that gives a row.
func columnQueries(q *ast.SubqueryExpr, n int) []ast.Expr {
	names := make([]ast.Ident, n)
	for i := range names {
		names[i] = ast.MakeIdent("c" + strconv.Itoa(i))
	}
	var out []ast.Expr
	for i := range names {
		from := &ast.DerivedTable{Span: q.Span, Query: q.Query, Alias: &ast.Alias{Span: q.Span, Name: ast.MakeIdent("row"), Columns: names}}
		sel := &ast.Select{
			Items: []*ast.SelectItem{{Span: q.Span, Expr: &ast.ColumnRef{Span: q.Span, Parts: []ast.Ident{names[i]}}}},
			From:  []ast.TableExpr{from},
		}
		out = append(out, &ast.SubqueryExpr{Span: q.Span, Query: &ast.Query{Body: sel}})
	}
	return out
}

// assignedQuery is SET (a, b) = (SELECT …).
func (b *builder) assignedQuery(sc *scope, a *ast.Assignment, q *ast.SubqueryExpr) ([]ast.Expr, error) {
	n, err := b.queryIn(q.Query, sc, sc.ctes)
	if err != nil {
		return nil, err
	}
	if len(n.Cols()) != len(a.Targets) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "number of columns does not match number of values").At(q.Pos())
	}
	return columnQueries(q, len(a.Targets)), nil
}

// rowQuery is (a, b) = (SELECT …): NULLs where there is no row.
func (b *builder) rowQuery(sc *scope, left *Row, q *ast.SubqueryExpr) (*Row, error) {
	n, err := b.queryIn(q.Query, sc, sc.ctes)
	if err != nil {
		return nil, err
	}
	switch cols := n.Cols(); {
	case len(cols) > len(left.Fields):
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery has too many columns").At(q.Pos())
	case len(cols) < len(left.Fields):
		return nil, sqlerr.New(sqlerr.SyntaxError, "subquery has too few columns").At(q.Pos())
	}
	out := &Row{P: q.Pos(), Bare: true}
	for _, e := range columnQueries(q, len(left.Fields)) {
		x, err := b.expr(sc, e)
		if err != nil {
			return nil, err
		}
		out.Fields = append(out.Fields, x)
	}
	return out, nil
}
