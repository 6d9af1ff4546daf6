package parser

import "weir/parser/ast"

// createType goes on at TYPE: AS ENUM (…) | AS (…). Ranges, base types and
// shells are not supported.
func (p *Parser) createType(t *token) ast.Statement {
	p.next()
	s := &ast.CreateType{Name: p.typeObject()}
	if !p.accept("as") || p.at("range") {
		return p.skipTo(t, "CREATE TYPE of this kind")
	}
	s.Enum = p.accept("enum")
	p.expectOp("(")
	for first := true; !p.atOp(")") && (first || p.acceptOp(",")); first = false {
		if s.Enum {
			s.Labels = append(s.Labels, p.stringLiteral())
			continue
		}
		s.Fields = append(s.Fields, p.attribute())
	}
	p.expectOp(")")
	s.Stmt = p.stmt(t)
	return s
}

// typeObject reads the name of a type that a statement is about.
func (p *Parser) typeObject() *ast.Name {
	return p.nameFrom(p.ident(p.tok.isColID() || p.tok.isTypeFunctionName()))
}

// attribute reads name type [COLLATE c]
func (p *Parser) attribute() *ast.ColumnDef {
	t := p.tok
	d := &ast.ColumnDef{Name: p.colID(), Type: p.typeName()}
	if p.accept("collate") {
		d.Collation = p.name()
	}
	d.Span = p.span(t)
	return d
}

// alterType goes on at TYPE … ADD VALUE | RENAME VALUE.
func (p *Parser) alterType(t *token) ast.Statement {
	p.next()
	s := &ast.AlterType{Name: p.typeObject()}
	switch {
	case p.accept("add", "value"):
		s.IfNotExists = p.ifNotExists()
		s.Value = p.stringLiteral()
		if p.accept("before") {
			s.Before = p.stringLiteral()
		} else if p.accept("after") {
			s.After = p.stringLiteral()
		}
	case p.accept("rename", "value"):
		s.Rename = true
		s.Value = p.stringLiteral()
		p.expect("to")
		s.NewValue = p.stringLiteral()
	default:
		return p.skipTo(t, "this action of ALTER TYPE")
	}
	s.Stmt = p.stmt(t)
	return s
}

// createDomain goes on at DOMAIN.
func (p *Parser) createDomain(t *token) ast.Statement {
	p.next()
	s := &ast.CreateDomain{Name: p.typeObject()}
	p.accept("as")
	s.Type = p.typeName()
	d := &ast.ColumnDef{}
	p.columnConstraints(d)
	s.Collation, s.Constraints = d.Collation, d.Constraints
	s.Stmt = p.stmt(t)
	return s
}

// alterDomain goes on at DOMAIN.
func (p *Parser) alterDomain(t *token) ast.Statement {
	p.next()
	s := &ast.AlterDomain{Name: p.typeObject()}
	switch {
	case p.accept("set", "default"):
		s.Action, s.Default = ast.DomainSetDefault, p.expr()
	case p.accept("set", "not", "null"):
		s.Action = ast.DomainSetNotNull
	case p.accept("drop", "default"):
		s.Action = ast.DomainDropDefault
	case p.accept("drop", "not", "null"):
		s.Action = ast.DomainDropNotNull
	case p.accept("drop", "constraint"):
		s.Action, s.IfExists = ast.DomainDropConstraint, p.ifExists()
		s.ConstraintRef = p.colID()
		s.Behavior = p.behavior()
	case p.accept("rename", "constraint"):
		s.Action, s.ConstraintRef = ast.DomainRenameConstraint, p.colID()
		p.expect("to")
		s.NewName = p.colID()
	case p.accept("validate", "constraint"):
		s.Action, s.ConstraintRef = ast.DomainValidate, p.colID()
	case p.accept("add"):
		s.Action = ast.DomainAdd
		if s.Constraint = p.columnConstraint(); s.Constraint == nil {
			p.fail()
		}
	default:
		p.fail()
	}
	s.Stmt = p.stmt(t)
	return s
}
