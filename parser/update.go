package parser

import "weir/parser/ast"

// update reads UPDATE table [alias] SET … [FROM …] [WHERE …] [RETURNING …]
func (p *Parser) update(from *token, with *ast.With) *ast.Update {
	p.next()
	s := &ast.Update{With: with, Table: p.updateTarget()}
	p.expect("set")
	s.Set = p.assignments()
	if p.accept("from") {
		s.From = p.fromList()
	}
	s.Where = p.where()
	s.Returning = p.returning()
	s.Span = p.span(from)
	return s
}

// updateTarget reads table [[AS] alias], where SET is no alias.
func (p *Parser) updateTarget() *ast.TableRef {
	r := p.relation()
	t := p.tok
	if p.accept("as") || p.tok.isColID() && !p.at("set") {
		r.Alias = &ast.Alias{Name: p.colID(), Span: p.span(t)}
		r.Span = p.spanAt(r.Start)
	}
	return r
}

// delete reads DELETE FROM table [alias] [USING …] [WHERE …] [RETURNING …]
func (p *Parser) delete(from *token, with *ast.With) *ast.Delete {
	p.next()
	p.expect("from")
	s := &ast.Delete{With: with, Table: p.updateTarget()}
	if p.accept("using") {
		s.Using = p.fromList()
	}
	s.Where = p.where()
	s.Returning = p.returning()
	s.Span = p.span(from)
	return s
}
