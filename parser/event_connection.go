package parser

import "weir/parser/ast"

// createConnection goes on after CREATE [OR REPLACE] CONNECTION: [IF NOT EXISTS] name TO kind (option = expr, …)
func (p *Parser) createConnection(t *token, orReplace bool) ast.Statement {
	s := &ast.CreateConnection{OrReplace: orReplace, IfNotExists: p.ifNotExists(), Name: p.colID()}
	p.expect("to")
	s.Kind = p.ident(p.atAny("kafka", "nats", "redis", "webhook", "mongodb"))
	s.Options = p.eventOptions()
	s.Stmt = p.stmt(t)
	return s
}

// alterConnection goes on after ALTER CONNECTION: name SET (option = expr, …)
func (p *Parser) alterConnection(t *token) ast.Statement {
	s := &ast.AlterConnection{Name: p.colID()}
	p.expect("set")
	s.Set = p.eventOptions()
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) dropConnection(t *token) ast.Statement {
	return &ast.DropConnection{IfExists: p.ifExists(), Name: p.colID(), Stmt: p.stmt(t)}
}
