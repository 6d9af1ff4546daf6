package parser

import "weir/parser/ast"

// with reads [WITH [RECURSIVE] cte, …]
func (p *Parser) with() *ast.With {
	if !p.at("with") {
		return nil
	}
	t := p.next()
	w := &ast.With{Recursive: p.accept("recursive")}
	for first := true; first || p.acceptOp(","); first = false {
		w.CTEs = append(w.CTEs, p.cte())
	}
	w.Span = p.span(t)
	return w
}

// cte reads name [(column, …)] AS [[NOT] MATERIALIZED] (statement) [SEARCH …] [CYCLE …]
func (p *Parser) cte() *ast.CTE {
	t := p.tok
	c := &ast.CTE{Name: p.colID(), Columns: p.columns()}
	p.expect("as")
	switch {
	case p.accept("materialized"):
		c.Materialized = ast.MaterializedAlways
	case p.accept("not"):
		p.expect("materialized")
		c.Materialized = ast.MaterializedNever
	}
	p.expectOp("(")
	leave := p.inside()
	c.Statement = p.preparable()
	leave()
	p.expectOp(")")
	if p.at("search") {
		c.Search = p.search()
	}
	if p.at("cycle") {
		c.Cycle = p.cycle()
	}
	c.Span = p.span(t)
	return c
}

// preparable reads a query or a DML statement.
func (p *Parser) preparable() ast.Statement {
	p.enter()
	defer p.leave()
	from := p.tok
	if p.atOp("(") {
		return p.placed(from, p.query())
	}
	with := p.with()
	switch {
	case p.at("insert"):
		return p.placed(from, p.insert(from, with))
	case p.at("update"):
		return p.placed(from, p.update(from, with))
	case p.at("delete"):
		return p.placed(from, p.delete(from, with))
	case p.at("merge"):
		return p.placed(from, p.merge(from, with))
	}
	return p.placed(from, p.queryOf(from, with))
}

// placed notes where a statement inside of another one stands.
func (p *Parser) placed(from *token, s ast.Statement) ast.Statement {
	s.Place(from.start, p.last.end)
	return s
}

// search reads SEARCH BREADTH | DEPTH FIRST BY column, … SET column
func (p *Parser) search() *ast.Search {
	t := p.next()
	s := &ast.Search{Breadth: p.expectAny("breadth", "depth") == "breadth"}
	p.expect("first", "by")
	s.By = p.colIDs()
	p.expect("set")
	s.Set = p.colID()
	s.Span = p.span(t)
	return s
}

// cycle reads CYCLE column, … SET mark [TO value DEFAULT value] USING path
func (p *Parser) cycle() *ast.Cycle {
	t := p.next()
	c := &ast.Cycle{Columns: p.colIDs()}
	p.expect("set")
	c.Mark = p.colID()
	if p.accept("to") {
		c.To = p.primary()
		p.expect("default")
		c.Default = p.primary()
	}
	p.expect("using")
	c.Path = p.colID()
	c.Span = p.span(t)
	return c
}
