package parser

import "weir/parser/ast"

// subscribe reads SUBSCRIBE TO name | (query) [WITH (SNAPSHOT, PROGRESS)] [AS OF expr] [UP TO expr]
func (p *Parser) subscribe() ast.Statement {
	t := p.next()
	p.expect("to")
	s := &ast.Subscribe{}
	if p.acceptOp("(") {
		s.Query = p.query()
		p.expectOp(")")
	} else {
		s.Name = p.name()
	}
	for {
		switch {
		case s.Options == nil && p.accept("with"):
			s.Options = p.flags()
		case s.AsOf == nil && p.at("as"):
			p.next()
			p.expect("of")
			s.AsOf = p.expr()
		case s.UpTo == nil && p.at("up"):
			p.next()
			p.expect("to")
			s.UpTo = p.expr()
		default:
			s.Stmt = p.stmt(t)
			return s
		}
	}
}
