package parser

import (
	"math"
	"strconv"

	"weir/parser/ast"
	"weir/sqlerr"
)

// primary reads what has no operators around it: PostgreSQL's c_expr.
func (p *Parser) primary() ast.Expr {
	t := p.tok
	switch t.kind {
	case tokenWord, tokenQuoted:
		return p.word()
	case tokenString:
		return p.stringLiteral()
	case tokenInteger, tokenNumber:
		return p.number()
	case tokenBits, tokenHex:
		p.next()
		return &ast.BitLiteral{Hex: t.kind == tokenHex, Digits: t.name, Span: p.span(t)}
	case tokenParam:
		return p.indirection(p.parameter())
	}
	switch {
	case t.op("{"):
		return p.document()
	case t.op("["):
		return p.list()
	case !t.op("("):
		p.fail()
	}
	return p.parenthesised()
}

func (p *Parser) parameter() ast.Expr {
	t := p.next()
	n, err := strconv.ParseInt(t.name, 10, 64)
	if err != nil || n > math.MaxInt32 {
		p.refuse(sqlerr.UndefinedParameter, t.pos, "there is no parameter %s", t.raw)
	}
	return &ast.Parameter{Number: int(n), Span: p.span(t)}
}

// parenthesised reads (expr), (expr, expr, …) or (query).
func (p *Parser) parenthesised() ast.Expr {
	t := p.tok
	query, items := p.parens()
	return p.indirection(p.asExpr(t, query, items))
}

// asExpr is what parens read, as one expression.
func (p *Parser) asExpr(from *token, query *ast.Query, items []ast.Expr) ast.Expr {
	switch {
	case query != nil:
		return &ast.SubqueryExpr{Query: query, Span: p.span(from)}
	case len(items) == 1:
		return items[0]
	}
	row := &ast.RowExpr{Items: items, Span: p.span(from)}
	if p.accept("overlaps") {
		right := p.row()
		if len(items) != 2 {
			p.refuse(sqlerr.SyntaxError, row.Start, "wrong number of parameters on left side of OVERLAPS expression")
		}
		return &ast.OverlapsExpr{Left: row, Right: right, Span: p.span(from)}
	}
	return row
}

// row reads (expr, expr) | ROW (expr, …), the right side of OVERLAPS.
func (p *Parser) row() *ast.RowExpr {
	t := p.tok
	e, ok := p.primary().(*ast.RowExpr)
	if !ok || len(e.Items) != 2 {
		p.refuse(sqlerr.SyntaxError, t.pos, "wrong number of parameters on right side of OVERLAPS expression")
	}
	return e
}

// parens reads (query) or (expr, …); one of the results is nil. What begins
// with several parentheses is known only at its end: ((SELECT 1) UNION SELECT 2)
// is a query, ((SELECT 1) + 2) is not.
func (p *Parser) parens() (query *ast.Query, items []ast.Expr) {
	p.expectOp("(")
	p.enter()
	defer p.leave()
	defer p.inside()()
	if p.atQuery() {
		query = p.query()
		p.expectOp(")")
		return query, nil
	}
	var first ast.Expr
	if p.atOp("(") && p.atNestedQuery() {
		t := p.tok
		query, items = p.parens()
		if query != nil && (p.atOp(")") || p.atQueryTail()) {
			query = p.queryAfter(query)
			p.expectOp(")")
			return query, nil
		}
		first = p.infix(p.indirection(p.asExpr(t, query, items)), precOr)
	} else {
		first = p.expr()
	}
	items = []ast.Expr{first}
	for p.acceptOp(",") {
		items = append(items, p.expr())
	}
	p.expectOp(")")
	return nil, items
}

// indirection reads .field, .*, [index] and [low:high] after an operand.
func (p *Parser) indirection(e ast.Expr) ast.Expr {
	for first := true; ; first = false {
		switch {
		case p.atOp("["):
			e = p.subscript(e, first && isSubscripted(e)) // what begins so stood in parentheses
		case p.atOp(".") && p.peek(1).op("*"):
			p.next()
			p.next()
			return &ast.FieldStar{Of: e, Span: p.spanAt(e.Pos())}
		case p.acceptOp("."):
			e = &ast.Field{Of: e, Name: p.label(), Span: p.spanAt(e.Pos())}
		default:
			return e
		}
	}
}

func isSubscripted(e ast.Expr) bool {
	switch e.(type) {
	case *ast.Subscript, *ast.Slice:
		return true
	}
	return false
}

func (p *Parser) subscript(of ast.Expr, apart bool) ast.Expr {
	p.expectOp("[")
	defer p.inside()()
	var low, high ast.Expr
	if !p.atOp(":") {
		low = p.expr()
		if p.acceptOp("]") {
			return &ast.Subscript{Of: of, Index: low, Apart: apart, Span: p.spanAt(of.Pos())}
		}
	}
	p.expectOp(":")
	if !p.atOp("]") {
		high = p.expr()
	}
	p.expectOp("]")
	return &ast.Slice{Of: of, Low: low, High: high, Apart: apart, Span: p.spanAt(of.Pos())}
}

// word reads what begins with a name: a special form, a call, a typed literal
// or a column.
func (p *Parser) word() ast.Expr {
	t := p.tok
	if t.kind == tokenWord && t.keyword.class != plain {
		if e := p.special(t); e != nil {
			return e
		}
	}
	if !t.isColID() && !t.isTypeFunctionName() {
		p.fail()
	}
	switch n := p.peek(1); {
	case n.op("."):
		return p.qualified()
	case n.op("(") && t.isTypeFunctionName():
		return p.call(p.nameFrom(makeIdent(p.next())))
	case n.kind == tokenString && t.isTypeFunctionName():
		return p.typedLiteral()
	case !t.isColID():
		p.next()
		p.fail()
	}
	ref := &ast.ColumnRef{Parts: []ast.Ident{makeIdent(p.next())}, Span: ast.Span{Start: t.pos, Stop: t.stop}}
	if p.atOp("[") {
		return p.indirection(ref)
	}
	return ref
}

// qualified reads a.b.c, a.*, a.f(…) or a.type 'text'.
func (p *Parser) qualified() ast.Expr {
	t := p.tok
	parts := []ast.Ident{makeIdent(p.next())}
	for p.acceptOp(".") {
		if p.acceptOp("*") {
			p.needColID(t)
			return &ast.Star{Qualifier: parts, Span: p.span(t)}
		}
		parts = append(parts, p.label())
	}
	switch {
	case p.atOp("("):
		return p.call(&ast.Name{Parts: parts, Span: p.span(t)})
	case p.tok.kind == tokenString:
		typ := &ast.TypeName{Schema: parts[len(parts)-2], Name: parts[len(parts)-1], Span: p.span(t)}
		return &ast.TypedLiteral{Type: typ, Value: p.str(), Span: p.span(t)}
	}
	p.needColID(t)
	return p.indirection(&ast.ColumnRef{Parts: parts, Span: p.span(t)})
}

func (p *Parser) needColID(t *token) {
	if !t.isColID() {
		p.fail()
	}
}

// typedLiteral reads type 'text'.
func (p *Parser) typedLiteral() ast.Expr {
	t := p.tok
	typ := p.simpleTypeName()
	return &ast.TypedLiteral{Type: typ, Value: p.str(), Span: p.span(t)}
}
