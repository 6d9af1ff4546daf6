package parser

import (
	"weir/parser/ast"
	"weir/sqlerr"
)

// insert reads INSERT INTO table [AS alias] [(target, …)] [OVERRIDING …] query | DEFAULT VALUES [ON CONFLICT …] [RETURNING …]
func (p *Parser) insert(from *token, with *ast.With) *ast.Insert {
	p.next()
	p.expect("into")
	s := &ast.Insert{With: with, Table: p.name()}
	if p.accept("as") {
		s.Alias = p.colID()
	}
	if p.atOp("(") && !p.atNestedQuery() {
		s.Columns = p.targets()
	}
	s.Overriding = p.overriding()
	if s.Columns == nil && s.Overriding == ast.OverridingNone && p.accept("default") {
		p.expect("values")
	} else {
		if !p.atQuery() && !p.atOp("(") {
			p.fail()
		}
		s.Query = p.query()
	}
	if p.accept("on") {
		s.OnConflict = p.onConflict(p.last)
	}
	s.Returning = p.returning()
	s.Span = p.span(from)
	return s
}

// targets reads (target, …)
func (p *Parser) targets() []ast.Expr {
	p.expectOp("(")
	list := []ast.Expr{p.target()}
	for p.acceptOp(",") {
		list = append(list, p.target())
	}
	p.expectOp(")")
	return list
}

// target reads column | path | column[index] …, what can be assigned to.
func (p *Parser) target() ast.Expr {
	name := p.name()
	return p.indirection(&ast.ColumnRef{Parts: name.Parts, Span: name.Span})
}

// overriding reads [OVERRIDING SYSTEM | USER VALUE]
func (p *Parser) overriding() ast.Overriding {
	if !p.accept("overriding") {
		return ast.OverridingNone
	}
	which := p.expectAny("system", "user")
	p.expect("value")
	if which == "user" {
		return ast.OverridingUser
	}
	return ast.OverridingSystem
}

// onConflict goes on after ON.
func (p *Parser) onConflict(from *token) *ast.OnConflict {
	if p.at("duplicate") {
		panic(p.syntaxError(p.tok).WithHint("Use ON CONFLICT (column) DO UPDATE SET ..."))
	}
	p.expect("conflict")
	c := &ast.OnConflict{}
	switch {
	case p.atOp("("):
		c.Target = p.indexElems()
		c.TargetWhere = p.where()
	case p.accept("on"):
		p.expect("constraint")
		c.Constraint = p.colID()
	}
	p.expect("do")
	if p.expectAny("nothing", "update") == "update" {
		if c.Target == nil && c.Constraint.IsZero() {
			panic(sqlerr.New(sqlerr.SyntaxError, "ON CONFLICT DO UPDATE requires inference specification or constraint name").
				At(from.pos).WithHint("For example, ON CONFLICT (column_name)."))
		}
		p.expect("set")
		c.Set = p.assignments()
		c.Where = p.where()
	}
	c.Span = p.span(from)
	return c
}

// returning reads [RETURNING item, …]
func (p *Parser) returning() []*ast.SelectItem {
	if p.accept("returning") {
		return p.selectItems()
	}
	return nil
}

// assignments reads target = expr | (target, …) = row, …
func (p *Parser) assignments() []*ast.Assignment {
	var list []*ast.Assignment
	for first := true; first || p.acceptOp(","); first = false {
		t := p.tok
		a := &ast.Assignment{Row: p.atOp("(")}
		if a.Row {
			a.Targets = p.targets()
		} else {
			a.Targets = []ast.Expr{p.target()}
		}
		p.expectOp("=")
		a.Value = p.expr()
		a.Span = p.span(t)
		list = append(list, a)
	}
	return list
}
