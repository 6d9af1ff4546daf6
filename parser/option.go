package parser

import "weir/parser/ast"

// optionValue reads the value of an option that PostgreSQL knows: a word, a
// number or a text. Words come out as columns of that name.
func (p *Parser) optionValue() ast.Expr {
	t := p.tok
	switch {
	case t.kind == tokenString:
		return p.stringLiteral()
	case t.is("true"), t.is("false"):
		p.next()
		return &ast.BoolLiteral{Value: t.name == "true", Span: p.span(t)}
	case t.isLabel():
		name := p.nameFrom(makeIdent(p.next()))
		return &ast.ColumnRef{Parts: name.Parts, Span: name.Span}
	}
	return p.numeric()
}

// flags reads (name [value], …), as of EXPLAIN and VACUUM.
func (p *Parser) flags() []*ast.Option {
	p.expectOp("(")
	var list []*ast.Option
	for first := true; first || p.acceptOp(","); first = false {
		t := p.tok
		o := &ast.Option{Name: p.label()}
		if !p.atOp(",") && !p.atOp(")") {
			p.acceptOp("=")
			o.Value = p.optionValue()
		}
		o.Span = p.span(t)
		list = append(list, o)
	}
	p.expectOp(")")
	return list
}

// relOptions reads ([prefix .] name [= value], …), as of WITH in CREATE TABLE.
func (p *Parser) relOptions() []*ast.Option {
	p.expectOp("(")
	var list []*ast.Option
	for first := true; first || p.acceptOp(","); first = false {
		t := p.tok
		o := &ast.Option{Name: p.label()}
		if p.acceptOp(".") {
			o.Prefix, o.Name = o.Name, p.label()
		}
		if p.acceptOp("=") {
			o.Value = p.relOptionValue()
		}
		o.Span = p.span(t)
		list = append(list, o)
	}
	p.expectOp(")")
	return list
}

// relOptionValue reads also types and operators, which come as their names.
func (p *Parser) relOptionValue() ast.Expr {
	if t := p.tok; t.is("none") {
		p.next()
		return &ast.ColumnRef{Parts: []ast.Ident{makeIdent(t)}, Span: p.span(t)}
	}
	return p.optionValue()
}

// withOptions reads [WITH (…)]
func (p *Parser) withOptions() []*ast.Option {
	if p.at("with") && p.peek(1).op("(") {
		p.next()
		return p.relOptions()
	}
	return nil
}

// eventOptions reads (name = expr, …), the options of event statements.
func (p *Parser) eventOptions() []*ast.Option {
	p.expectOp("(")
	defer p.inside()()
	var list []*ast.Option
	for first := true; first || p.acceptOp(","); first = false {
		t := p.tok
		o := &ast.Option{Name: p.label()}
		p.expectOp("=")
		o.Value = p.optionExpr()
		o.Span = p.span(t)
		list = append(list, o)
	}
	p.expectOp(")")
	return list
}

// optionExpr reads an expression or the word ON, which is reserved.
func (p *Parser) optionExpr() ast.Expr {
	if t := p.tok; t.is("on") {
		p.next()
		return &ast.BoolLiteral{Value: true, Span: p.span(t)}
	}
	return p.expr()
}
