package parser

import "weir/parser/ast"

// document reads {"name": value, …}, a document as MongoDB's users write it:
// jsonb_build_object(…). Within it "x" is a string where a value stands.
func (p *Parser) document() ast.Expr {
	t := p.tok
	p.expectOp("{")
	p.enter()
	defer p.leave()
	defer p.inside()()
	var args []ast.Expr
	for !p.atOp("}") {
		k := p.tok
		switch {
		case k.kind == tokenString:
			args = append(args, p.stringLiteral())
		case k.isLabel():
			p.next()
			args = append(args, &ast.StringLiteral{Value: makeIdent(k).Text, Span: p.span(k)})
		default:
			p.fail()
		}
		p.expectOp(":")
		args = append(args, p.member())
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectOp("}")
	return p.build("jsonb_build_object", args, t)
}

// member is a value within a document or a list.
func (p *Parser) member() ast.Expr {
	t := p.tok
	if n := p.peek(1); t.kind == tokenQuoted && (n.op(",") || n.op("}") || n.op("]")) {
		p.next()
		return &ast.StringLiteral{Value: t.name, Span: p.span(t)}
	}
	if t.op("[") {
		items := p.members()
		return p.build("jsonb_build_array", items, t)
	}
	return p.expr()
}

func (p *Parser) members() []ast.Expr {
	p.expectOp("[")
	p.enter()
	defer p.leave()
	defer p.inside()()
	var items []ast.Expr
	for !p.atOp("]") {
		items = append(items, p.member())
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectOp("]")
	return items
}

// list reads [value, …] that stands for itself: an array when all items are
// strings or all are numbers, else a document's list.
func (p *Parser) list() ast.Expr {
	t := p.tok
	items := p.members()
	strings, numbers := 0, 0
	for _, e := range items {
		switch e.(type) {
		case *ast.StringLiteral:
			strings++
		case *ast.NumberLiteral:
			numbers++
		}
	}
	if n := len(items); n > 0 && (strings == n || numbers == n) {
		return &ast.ArrayExpr{Items: items, Span: p.span(t)}
	}
	return p.build("jsonb_build_array", items, t)
}

func (p *Parser) build(function string, args []ast.Expr, from *token) ast.Expr {
	name := &ast.Name{Parts: []ast.Ident{ast.MakeIdent(function)}, Span: p.span(from)}
	return p.indirection(&ast.FunctionCall{Name: name, Args: args, Span: p.span(from)})
}
