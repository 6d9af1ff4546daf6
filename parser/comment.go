package parser

import "weir/parser/ast"

// comment reads COMMENT ON kind name IS 'text' | NULL
func (p *Parser) comment() ast.Statement {
	t := p.next()
	p.expect("on")
	s := &ast.Comment{Kind: p.commentKind()}
	if s.Kind == "" {
		return p.unsupportedKind(t, "COMMENT ON")
	}
	s.Name = p.nameFrom(p.ident(p.tok.isColID() || p.tok.isTypeFunctionName()))
	if hasArguments(s.Kind) && p.atOp("(") {
		s.Args = p.argumentTypes()
	}
	if p.accept("on") {
		p.accept("domain")
		s.On = p.name()
	}
	p.expect("is")
	if !p.accept("null") {
		s.Text = p.stringLiteral()
	}
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) commentKind() ast.ObjectKind {
	if p.acceptSubscription() {
		return ast.KindEventSubscription
	}
	for word, kind := range map[string]ast.ObjectKind{
		"column": ast.KindColumn, "constraint": ast.KindConstraint, "role": ast.KindRole, "connection": ast.KindConnection,
	} {
		if p.accept(word) {
			return kind
		}
	}
	kind, _ := p.objectKind()
	return kind
}
