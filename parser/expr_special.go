package parser

import (
	"weir/parser/ast"
)

func (p *Parser) special(t *token) ast.Expr {
	called := p.peek(1).op("(")
	switch t.name {
	case "null":
		p.next()
		return &ast.NullLiteral{Span: p.span(t)}
	case "true", "false":
		p.next()
		return &ast.BoolLiteral{Value: t.name == "true", Span: p.span(t)}
	case "default":
		p.next()
		return &ast.Default{Span: p.span(t)}
	case "case":
		return p.caseExpr()
	case "cast":
		return p.cast()
	case "array":
		return p.array()
	case "current_date", "current_user", "current_role", "session_user", "user", "current_catalog":
		p.next()
		return &ast.ValueKeyword{Keyword: t.name, Precision: -1, Span: p.span(t)}
	case "current_schema":
		if !called {
			p.next()
			return &ast.ValueKeyword{Keyword: t.name, Precision: -1, Span: p.span(t)}
		}
	case "current_time", "current_timestamp", "localtime", "localtimestamp":
		return p.timeKeyword()
	case "current":
		if p.at("current", "of") {
			p.next()
			p.next()
			return &ast.CurrentOf{Cursor: p.colID(), Span: p.span(t)}
		}
	case "collation":
		if p.at("collation", "for") {
			p.next()
			p.next()
			return p.collationFor(t)
		}
	case "interval":
		return p.interval()
	case "double", "bit", "boolean", "char", "character", "dec", "decimal", "float", "int", "integer", "bigint",
		"smallint", "real", "numeric", "nchar", "national", "varchar", "time", "timestamp":
		if p.atTypedLiteral() {
			return p.typedLiteral()
		}
	}
	if called && t.keyword.class == colName {
		return p.specialCall(t)
	}
	return nil
}

// specialCall reads the calls whose names are keywords.
func (p *Parser) specialCall(t *token) ast.Expr {
	switch t.name {
	case "row":
		return p.rowExpr()
	case "exists":
		return p.exists()
	case "coalesce":
		p.next()
		return &ast.Coalesce{Args: p.parenExprs(), Span: p.span(t)}
	case "greatest", "least":
		p.next()
		return &ast.Extremum{Least: t.name == "least", Args: p.parenExprs(), Span: p.span(t)}
	case "grouping":
		p.next()
		return &ast.Grouping{Args: p.parenExprs(), Span: p.span(t)}
	case "nullif":
		return p.nullIf()
	case "extract", "substring", "overlay", "trim", "position", "normalize":
		return p.formCall(t)
	}
	return nil
}

// caseExpr reads CASE [operand] WHEN cond THEN value … [ELSE value] END
func (p *Parser) caseExpr() ast.Expr {
	t := p.next()
	defer p.inside()()
	e := &ast.CaseExpr{}
	if !p.at("when") {
		e.Operand = p.expr()
	}
	for {
		from := p.tok
		p.expect("when")
		w := &ast.When{Cond: p.expr()}
		p.expect("then")
		w.Then = p.expr()
		w.Span = p.span(from)
		e.Whens = append(e.Whens, w)
		if !p.at("when") {
			break
		}
	}
	if p.accept("else") {
		e.Else = p.expr()
	}
	p.expect("end")
	e.Span = p.span(t)
	return e
}

// cast reads CAST(expr AS type)
func (p *Parser) cast() ast.Expr {
	t := p.next()
	p.expectOp("(")
	defer p.inside()()
	e := &ast.CastExpr{Operand: p.expr()}
	p.expect("as")
	e.Type = p.typeName()
	p.expectOp(")")
	e.Span = p.span(t)
	return e
}

// array reads ARRAY[…] | ARRAY(query)
func (p *Parser) array() ast.Expr {
	t := p.next()
	if p.atOp("[") {
		return p.arrayItems(t, false)
	}
	p.expectOp("(")
	defer p.inside()()
	e := &ast.ArraySubquery{Query: p.query()}
	p.expectOp(")")
	e.Span = p.span(t)
	return e
}

func (p *Parser) arrayItems(from *token, nested bool) ast.Expr {
	p.enter()
	defer p.leave()
	defer p.inside()()
	p.expectOp("[")
	e := &ast.ArrayExpr{Nested: nested}
	if rows := p.atOp("["); !p.atOp("]") {
		for first := true; first || p.acceptOp(","); first = false {
			if rows {
				e.Items = append(e.Items, p.arrayItems(p.tok, true))
			} else {
				e.Items = append(e.Items, p.expr())
			}
		}
	}
	p.expectOp("]")
	e.Span = p.span(from)
	return e
}

// rowExpr reads ROW([expr, …])
func (p *Parser) rowExpr() ast.Expr {
	t := p.next()
	row := &ast.RowExpr{Explicit: true}
	p.expectOp("(")
	leave := p.inside()
	if !p.atOp(")") {
		row.Items = p.exprList()
	}
	p.expectOp(")")
	leave()
	row.Span = p.span(t)
	if p.accept("overlaps") {
		return &ast.OverlapsExpr{Left: row, Right: p.row(), Span: p.span(t)}
	}
	return row
}

func (p *Parser) exists() ast.Expr {
	t := p.next()
	query, _ := p.parens()
	if query == nil {
		p.failAt(p.last)
	}
	return &ast.ExistsExpr{Query: query, Span: p.span(t)}
}

func (p *Parser) nullIf() ast.Expr {
	t := p.next()
	p.expectOp("(")
	defer p.inside()()
	e := &ast.NullIf{Left: p.expr()}
	p.expectOp(",")
	e.Right = p.expr()
	p.expectOp(")")
	e.Span = p.span(t)
	return e
}

// timeKeyword reads CURRENT_TIME [(precision)] and its like.
func (p *Parser) timeKeyword() ast.Expr {
	t := p.next()
	e := &ast.ValueKeyword{Keyword: t.name, Precision: -1}
	if p.atOp("(") && p.peek(1).op(")") && t.name != "localtime" && t.name != "localtimestamp" {
		p.next() // MySQL's CURRENT_TIMESTAMP()
		p.next()
	} else if p.acceptOp("(") {
		e.Precision = p.integer()
		p.expectOp(")")
	}
	e.Span = p.span(t)
	return e
}

// collationFor reads COLLATION FOR (expr).
func (p *Parser) collationFor(t *token) ast.Expr {
	args := p.parenExprs()
	if len(args) != 1 {
		p.failAt(p.last)
	}
	name := &ast.Name{Parts: []ast.Ident{ast.MakeIdent("pg_catalog"), ast.MakeIdent("pg_collation_for")}, Span: p.span(t)}
	return &ast.FunctionCall{Name: name, Args: args, Span: p.span(t)}
}
