package parser

import "weir/parser/ast"

// createIndex goes on at [UNIQUE] INDEX.
func (p *Parser) createIndex(t *token) ast.Statement {
	s := &ast.CreateIndex{Unique: p.accept("unique")}
	p.expect("index")
	s.Concurrently = p.accept("concurrently")
	if s.IfNotExists = p.ifNotExists(); s.IfNotExists || !p.at("on") {
		s.Name = p.colID()
	}
	p.expect("on")
	s.Table = p.relation()
	s.Method = p.tableMethod()
	s.Elems = p.indexElems()
	if p.accept("include") {
		s.Include = p.indexElems()
	}
	s.NullsNotDistinct = p.nullsNotDistinct()
	s.Options = p.withOptions()
	s.Tablespace = p.tablespace()
	s.Where = p.where()
	s.Stmt = p.stmt(t)
	return s
}

// indexElems reads (elem, …)
func (p *Parser) indexElems() []*ast.IndexElem {
	p.expectOp("(")
	defer p.inside()()
	list := []*ast.IndexElem{p.indexElem()}
	for p.acceptOp(",") {
		list = append(list, p.indexElem())
	}
	p.expectOp(")")
	return list
}

// indexElem reads column | path | func(…) | (expr) [COLLATE c] [opclass] [ASC | DESC] [NULLS …]
func (p *Parser) indexElem() *ast.IndexElem {
	t := p.tok
	e := &ast.IndexElem{}
	if p.acceptOp("(") {
		leave := p.inside()
		e.Expr = p.expr()
		leave()
		p.expectOp(")")
	} else {
		e.Expr = p.word()
	}
	if p.accept("collate") {
		e.Collation = p.name()
	}
	if p.accept("using") {
		e.OpClass = p.name()
	} else if p.tok.isColID() && !p.at("nulls") {
		e.OpClass = p.name()
		if p.atOp("(") {
			e.OpOptions = p.relOptions()
		}
	}
	switch p.acceptAny("asc", "desc") {
	case "asc":
		e.Direction = ast.Ascending
	case "desc":
		e.Direction = ast.Descending
	}
	e.Nulls = p.nulls()
	e.Span = p.span(t)
	return e
}
