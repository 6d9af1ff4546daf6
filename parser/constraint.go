package parser

import "weir/parser/ast"

// columnConstraint reads one constraint of a column, nil if there is none.
func (p *Parser) columnConstraint() *ast.Constraint {
	t := p.tok
	c := &ast.Constraint{}
	if p.accept("constraint") {
		c.Name = p.colID()
	}
	if !p.columnConstraintBody(c) {
		if !c.Name.IsZero() {
			p.fail()
		}
		return nil
	}
	p.constraintAttributes(c)
	c.Span = p.span(t)
	return c
}

func (p *Parser) columnConstraintBody(c *ast.Constraint) bool {
	switch {
	case p.accept("not", "null"):
		c.Kind = ast.ConstraintNotNull
	case p.accept("null"):
		c.Kind = ast.ConstraintNull
	case p.accept("default"):
		c.Kind = ast.ConstraintDefault
		c.Expr = p.restrictedExpr()
	case p.at("check"):
		p.checkConstraint(c)
	case p.accept("unique"):
		c.Kind = ast.ConstraintUnique
		c.NullsNotDistinct = p.nullsNotDistinct()
		p.indexParameters(c)
	case p.accept("primary"):
		p.expect("key")
		c.Kind = ast.ConstraintPrimaryKey
		p.indexParameters(c)
	case p.at("references"):
		c.Kind = ast.ConstraintReferences
		c.References = p.references()
	case p.accept("generated"):
		p.generated(c)
	default:
		return false
	}
	return true
}

// checkConstraint reads CHECK (expr)
func (p *Parser) checkConstraint(c *ast.Constraint) {
	p.next()
	c.Kind = ast.ConstraintCheck
	p.expectOp("(")
	defer p.inside()()
	c.Expr = p.expr()
	p.expectOp(")")
}

// nullsNotDistinct reads [NULLS [NOT] DISTINCT]
func (p *Parser) nullsNotDistinct() bool {
	switch {
	case p.accept("nulls", "not", "distinct"):
		return true
	default:
		p.accept("nulls", "distinct")
	}
	return false
}

// indexParameters reads [INCLUDE (column, …)] [WITH (…)] [USING INDEX TABLESPACE name]
func (p *Parser) indexParameters(c *ast.Constraint) {
	if p.accept("include") {
		c.Include = p.columns()
	}
	c.Options = p.withOptions()
	if p.accept("using", "index", "tablespace") {
		p.colID()
	}
}

// generated reads ALWAYS AS (expr) STORED | ALWAYS | BY DEFAULT AS IDENTITY [(option …)]
func (p *Parser) generated(c *ast.Constraint) {
	if p.expectAny("always", "by") == "always" {
		c.Always = true
	} else {
		p.expect("default")
	}
	p.expect("as")
	if c.Always && p.acceptOp("(") {
		c.Kind = ast.ConstraintGenerated
		leave := p.inside()
		c.Expr = p.expr()
		leave()
		p.expectOp(")")
		p.expect("stored")
		return
	}
	p.expect("identity")
	c.Kind = ast.ConstraintIdentity
	if p.acceptOp("(") {
		c.Sequence = p.sequenceOptions()
		p.expectOp(")")
	}
}

// references reads REFERENCES table [(column, …)] [MATCH …] [ON DELETE …] [ON UPDATE …]
func (p *Parser) references() *ast.References {
	t := p.next()
	r := &ast.References{Table: p.name(), Columns: p.columns()}
	if p.accept("match") {
		r.Match = upper(p.expectAny("full", "partial", "simple"))
	}
	for p.accept("on") {
		if p.expectAny("delete", "update") == "delete" {
			r.OnDelete, r.DeleteColumns = p.referenceAction()
			continue
		}
		at := p.tok
		var cols []ast.Ident
		if r.OnUpdate, cols = p.referenceAction(); cols != nil {
			p.unsupported(at, "Set columns one by one with ON DELETE only.", "a column list with %s is only supported for ON DELETE actions", r.OnUpdate)
		}
	}
	r.Span = p.span(t)
	return r
}

// referenceAction reads NO ACTION | RESTRICT | CASCADE | SET NULL [(column, …)] | SET DEFAULT [(column, …)]
func (p *Parser) referenceAction() (string, []ast.Ident) {
	switch word := p.expectAny("no", "restrict", "cascade", "set"); word {
	case "no":
		p.expect("action")
		return "NO ACTION", nil
	case "set":
		word = p.expectAny("null", "default")
		return "SET " + upper(word), p.columns()
	default:
		return upper(word), nil
	}
}

// constraintAttributes reads [NOT] DEFERRABLE | INITIALLY … | NOT VALID | NO INHERIT …
func (p *Parser) constraintAttributes(c *ast.Constraint) {
	yes, no := true, false
	for {
		switch {
		case p.accept("deferrable"):
			c.Deferrable = &yes
		case p.accept("not", "deferrable"):
			c.Deferrable = &no
		case p.accept("not", "valid"):
			c.NotValid = true
		case p.accept("no", "inherit"):
			c.NoInherit = true
		case p.accept("initially"):
			c.Initially = upper(p.expectAny("deferred", "immediate"))
		default:
			return
		}
	}
}

func (p *Parser) atTableConstraint() bool {
	return p.atAny("constraint", "check", "unique", "primary", "foreign") || p.at("exclude") && (p.peek(1).op("(") || p.peek(1).is("using"))
}

// tableConstraint reads [CONSTRAINT name] CHECK … | UNIQUE … | PRIMARY KEY … | FOREIGN KEY … | EXCLUDE …
func (p *Parser) tableConstraint() *ast.Constraint {
	t := p.tok
	c := &ast.Constraint{}
	if p.accept("constraint") {
		c.Name = p.colID()
	}
	switch {
	case p.at("check"):
		p.checkConstraint(c)
	case p.accept("unique"):
		c.Kind = ast.ConstraintUnique
		c.NullsNotDistinct = p.nullsNotDistinct()
		p.keyColumns(c)
	case p.accept("primary"):
		p.expect("key")
		c.Kind = ast.ConstraintPrimaryKey
		p.keyColumns(c)
	case p.accept("foreign"):
		p.expect("key")
		c.Kind = ast.ConstraintReferences
		if !p.atOp("(") {
			p.fail()
		}
		c.Columns = p.columns()
		if !p.at("references") {
			p.fail()
		}
		c.References = p.references()
	case p.accept("exclude"):
		p.exclude(c)
	default:
		p.fail()
	}
	p.constraintAttributes(c)
	c.Span = p.span(t)
	return c
}

// keyColumns reads (column, …) … | USING INDEX name
func (p *Parser) keyColumns(c *ast.Constraint) {
	if p.accept("using", "index") {
		c.UsingIndex = p.colID()
		return
	}
	if !p.atOp("(") {
		p.fail()
	}
	c.Columns = p.columns()
	p.indexParameters(c)
}

// exclude reads [USING method] (elem WITH op, …) … [WHERE (cond)]
func (p *Parser) exclude(c *ast.Constraint) {
	c.Kind = ast.ConstraintExclude
	c.Method = p.tableMethod()
	p.expectOp("(")
	for first := true; first || p.acceptOp(","); first = false {
		t := p.tok
		e := &ast.ExcludeElem{Elem: p.indexElem()}
		p.expect("with")
		if p.at("operator") {
			e.Op = p.operator()
		} else {
			from := p.tok
			e.Op = &ast.Operator{Symbol: p.operatorSymbol(), Span: p.span(from)}
		}
		e.Span = p.span(t)
		c.Exclude = append(c.Exclude, e)
	}
	p.expectOp(")")
	p.indexParameters(c)
	if p.accept("where") {
		p.expectOp("(")
		c.Where = p.expr()
		p.expectOp(")")
	}
}
