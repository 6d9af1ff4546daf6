package parser

import "weir/parser/ast"

// truncate reads TRUNCATE [TABLE] table, … [RESTART | CONTINUE IDENTITY] [CASCADE | RESTRICT]
func (p *Parser) truncate() ast.Statement {
	t := p.next()
	p.accept("table")
	s := &ast.Truncate{Tables: p.relations()}
	if word := p.acceptAny("restart", "continue"); word != "" {
		p.expect("identity")
		s.RestartIdentity = word == "restart"
	}
	s.Behavior = p.behavior()
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) relations() []*ast.TableRef {
	list := []*ast.TableRef{p.relation()}
	for p.acceptOp(",") {
		list = append(list, p.relation())
	}
	return list
}
