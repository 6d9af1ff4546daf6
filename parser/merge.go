package parser

import "weir/parser/ast"

// merge reads MERGE INTO table [alias] USING item ON cond WHEN …
func (p *Parser) merge(from *token, with *ast.With) *ast.Merge {
	p.next()
	p.expect("into")
	s := &ast.Merge{With: with, Table: p.updateTarget()}
	p.expect("using")
	s.Using = p.tableExpr()
	p.expect("on")
	s.On = p.expr()
	for first := true; first || p.at("when"); first = false {
		s.Whens = append(s.Whens, p.mergeWhen())
	}
	s.Returning = p.returning()
	s.Span = p.span(from)
	return s
}

// mergeWhen reads WHEN [NOT] MATCHED [BY SOURCE | TARGET] [AND cond] THEN action
func (p *Parser) mergeWhen() *ast.MergeWhen {
	t := p.tok
	p.expect("when")
	w := &ast.MergeWhen{}
	if p.accept("not") {
		w.Match = ast.NotMatched
	}
	p.expect("matched")
	if w.Match == ast.NotMatched && p.accept("by") && p.expectAny("source", "target") == "source" {
		w.Match = ast.NotMatchedBySource
	}
	if p.accept("and") {
		w.Cond = p.expr()
	}
	p.expect("then")
	p.mergeAction(w)
	w.Span = p.span(t)
	return w
}

func (p *Parser) mergeAction(w *ast.MergeWhen) {
	if p.accept("do") {
		p.expect("nothing")
		return
	}
	if w.Match == ast.NotMatched {
		p.expect("insert")
		p.mergeInsert(w)
		return
	}
	if p.expectAny("update", "delete") == "delete" {
		w.Action = ast.MergeDelete
		return
	}
	p.expect("set")
	w.Action, w.Set = ast.MergeUpdate, p.assignments()
}

func (p *Parser) mergeInsert(w *ast.MergeWhen) {
	w.Action = ast.MergeInsert
	if p.accept("default") {
		p.expect("values")
		return
	}
	if p.atOp("(") {
		w.Columns = p.targets()
	}
	w.Overriding = p.overriding()
	p.expect("values")
	w.Values = p.parenExprs()
}
