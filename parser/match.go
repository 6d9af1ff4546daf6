package parser

import (
	"strconv"

	"weir/parser/ast"
	"weir/sqlerr"
)

// at reports whether the words are next.
func (p *Parser) at(words ...string) bool {
	for n, w := range words {
		if !p.peek(n).is(w) {
			return false
		}
	}
	return true
}

// atAny reports whether one of the words is next.
func (p *Parser) atAny(words ...string) bool {
	for _, w := range words {
		if p.tok.is(w) {
			return true
		}
	}
	return false
}

// accept takes the words if all of them are next.
func (p *Parser) accept(words ...string) bool {
	if !p.at(words...) {
		return false
	}
	for range words {
		p.next()
	}
	return true
}

// acceptAny takes one of the words and gives it, or "".
func (p *Parser) acceptAny(words ...string) string {
	if p.atAny(words...) {
		return p.next().name
	}
	return ""
}

// expect takes the words one by one or fails at the first that is not there.
func (p *Parser) expect(words ...string) {
	for _, w := range words {
		if !p.tok.is(w) {
			p.fail()
		}
		p.next()
	}
}

// expectAny takes one of the words.
func (p *Parser) expectAny(words ...string) string {
	w := p.acceptAny(words...)
	if w == "" {
		p.fail()
	}
	return w
}

func (p *Parser) atOp(op string) bool { return p.tok.op(op) }

func (p *Parser) acceptOp(op string) bool {
	if !p.tok.op(op) {
		return false
	}
	p.next()
	return true
}

func (p *Parser) expectOp(op string) {
	if !p.acceptOp(op) {
		p.fail()
	}
}

func makeIdent(t *token) ast.Ident {
	i := ast.Ident{Span: ast.Span{Start: t.pos, Stop: t.stop}, Name: t.name, Text: t.name}
	if t.kind == tokenQuoted {
		i.Quoted = true
	} else {
		i.Text = t.raw
	}
	return i
}

// ident takes the next token as a name if ok.
func (p *Parser) ident(ok bool) ast.Ident {
	if !ok {
		p.fail()
	}
	return makeIdent(p.next())
}

func (p *Parser) colID() ast.Ident       { return p.ident(p.tok.isColID()) }
func (p *Parser) label() ast.Ident       { return p.ident(p.tok.isLabel()) }
func (p *Parser) nonReserved() ast.Ident { return p.ident(p.tok.isNonReserved()) }

// colIDs reads name, …
func (p *Parser) colIDs() []ast.Ident {
	list := []ast.Ident{p.colID()}
	for p.acceptOp(",") {
		list = append(list, p.colID())
	}
	return list
}

// columns reads [(name, …)]
func (p *Parser) columns() []ast.Ident {
	if !p.acceptOp("(") {
		return nil
	}
	list := p.colIDs()
	p.expectOp(")")
	return list
}

// name reads colid [. label …]
func (p *Parser) name() *ast.Name {
	return p.nameFrom(p.colID())
}

// nameFrom goes on after the first part of a name.
func (p *Parser) nameFrom(first ast.Ident) *ast.Name {
	n := &ast.Name{Parts: []ast.Ident{first}}
	for p.acceptOp(".") {
		n.Parts = append(n.Parts, p.label())
	}
	n.Span = p.spanAt(first.Start)
	return n
}

func (p *Parser) names() []*ast.Name {
	list := []*ast.Name{p.name()}
	for p.acceptOp(",") {
		list = append(list, p.name())
	}
	return list
}

// str reads a string constant.
func (p *Parser) str() string {
	if p.tok.kind != tokenString {
		p.fail()
	}
	return p.next().name
}

func (p *Parser) stringLiteral() *ast.StringLiteral {
	t := p.tok
	return &ast.StringLiteral{Value: p.str(), Span: p.span(t)}
}

// integer reads an integer constant that fits an int4.
func (p *Parser) integer() int {
	if p.tok.kind != tokenInteger {
		p.fail()
	}
	n, err := strconv.ParseInt(p.tok.name, 10, 32)
	if err != nil {
		p.fail()
	}
	p.next()
	return int(n)
}

// numeric reads [+ | -] number as an expression.
func (p *Parser) numeric() ast.Expr {
	t := p.tok
	var minus *ast.Operator
	if p.acceptOp("-") {
		minus = &ast.Operator{Span: p.span(t), Symbol: "-"}
	} else {
		p.acceptOp("+")
	}
	if p.tok.kind != tokenInteger && p.tok.kind != tokenNumber {
		p.fail()
	}
	n := p.number()
	if minus == nil {
		return n
	}
	return &ast.UnaryExpr{Op: minus, Operand: n, Span: p.span(t)}
}

func (p *Parser) number() *ast.NumberLiteral {
	t := p.next()
	return &ast.NumberLiteral{Span: p.span(t), Text: t.name, Integer: t.kind == tokenInteger}
}

// behavior reads [CASCADE | RESTRICT]
func (p *Parser) behavior() ast.Behavior {
	switch p.acceptAny("cascade", "restrict") {
	case "cascade":
		return ast.Cascade
	case "restrict":
		return ast.Restrict
	}
	return ast.BehaviorDefault
}

func (p *Parser) ifExists() bool { return p.accept("if", "exists") }

func (p *Parser) ifNotExists() bool {
	if !p.accept("if", "not") {
		return false
	}
	p.expect("exists")
	return true
}

// unsupported refuses syntax that is known but has no meaning here.
func (p *Parser) unsupported(t *token, hint, format string, args ...any) {
	panic(sqlerr.Unsupported(t.pos, hint, format, args...))
}

// back gives the last token back.
func (p *Parser) back() {
	p.i--
	p.tok, p.last = &p.toks[p.i], &p.toks[max(p.i-1, 0)]
}
