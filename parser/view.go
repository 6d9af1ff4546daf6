package parser

import "weir/parser/ast"

// createView goes on at [RECURSIVE] VIEW.
func (p *Parser) createView(t *token, orReplace bool, persistence ast.Persistence) ast.Statement {
	s := &ast.CreateView{OrReplace: orReplace, Persistence: persistence, Recursive: p.accept("recursive")}
	p.expect("view")
	s.Name = p.name()
	s.Columns = p.columns()
	if s.Recursive && s.Columns == nil {
		p.fail()
	}
	s.Options = p.withOptions()
	p.expect("as")
	from := p.tok
	s.Query = p.query()
	p.placed(from, s.Query)
	if p.accept("with") {
		s.CheckOption = "CASCADED"
		if word := p.acceptAny("local", "cascaded"); word != "" {
			s.CheckOption = upper(word)
		}
		p.expect("check", "option")
	}
	s.Stmt = p.stmt(t)
	return s
}

// createMaterializedView goes on at MATERIALIZED VIEW.
func (p *Parser) createMaterializedView(t *token) ast.Statement {
	p.next()
	p.expect("view")
	s := &ast.CreateMaterializedView{IfNotExists: p.ifNotExists(), Name: p.name(), Columns: p.columns()}
	s.Method, s.Options, s.Tablespace = p.tableMethod(), p.withOptions(), p.tablespace()
	p.expect("as")
	from := p.tok
	s.Query = p.query()
	p.placed(from, s.Query)
	s.NoData = p.noData()
	s.Stmt = p.stmt(t)
	return s
}

// refresh reads REFRESH MATERIALIZED VIEW [CONCURRENTLY] name [WITH [NO] DATA]
func (p *Parser) refresh() ast.Statement {
	t := p.next()
	p.expect("materialized", "view")
	s := &ast.RefreshMaterializedView{Concurrently: p.accept("concurrently"), Name: p.name(), NoData: p.noData()}
	s.Stmt = p.stmt(t)
	return s
}
