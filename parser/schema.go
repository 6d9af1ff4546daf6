package parser

import "weir/parser/ast"

// createSchema goes on at SCHEMA.
func (p *Parser) createSchema(t *token) ast.Statement {
	p.next()
	s := &ast.CreateSchema{IfNotExists: p.ifNotExists()}
	if !p.at("authorization") {
		s.Name = p.colID()
	}
	if p.accept("authorization") {
		s.Owner = p.role()
	}
	for p.atAny("create", "grant") {
		from := p.tok
		s.Elements = append(s.Elements, p.placed(from, p.statement()))
	}
	s.Stmt = p.stmt(t)
	return s
}

// createDatabase goes on at DATABASE: [IF NOT EXISTS] name [WITH] [option [=] value …]
func (p *Parser) createDatabase(t *token) ast.Statement {
	p.next()
	s := &ast.CreateDatabase{IfNotExists: p.ifNotExists(), Name: p.colID()}
	s.Options = p.databaseOptions()
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) databaseOptions() []*ast.Option {
	p.accept("with")
	var list []*ast.Option
	for !p.atEnd() {
		t := p.tok
		o := &ast.Option{Name: p.colID()}
		if o.Name.Name == "connection" && p.accept("limit") {
			o.Name.Name, o.Name.Text = "connection_limit", "connection_limit"
		}
		p.acceptOp("=")
		if d := p.tok; p.accept("default") {
			o.Value = &ast.Default{Span: p.span(d)}
		} else {
			o.Value = p.optionValue()
		}
		o.Span = p.span(t)
		list = append(list, o)
	}
	return list
}
