package parser

import "weir/parser/ast"

// partitionOf goes on at PARTITION OF: parent [(element, …)] bound [PARTITION BY …]
func (p *Parser) partitionOf(s *ast.CreateTable) {
	p.expect("partition", "of")
	s.PartitionOf = p.name()
	if p.acceptOp("(") {
		done := p.inside()
		for {
			s.Elements = append(s.Elements, p.typedElement())
			if !p.acceptOp(",") {
				break
			}
		}
		done()
		p.expectOp(")")
	}
	s.Bound = p.partitionBound()
}

// typedElement is a column without its type, or a constraint.
func (p *Parser) typedElement() ast.TableElement {
	if p.atTableConstraint() {
		return p.tableConstraint()
	}
	t := p.tok
	d := &ast.ColumnDef{Name: p.colID()}
	p.accept("with", "options")
	p.columnConstraints(d)
	d.Span = p.span(t)
	return d
}

// partitionBound reads DEFAULT | FOR VALUES IN (…) | FROM (…) TO (…) | WITH (MODULUS n, REMAINDER n)
func (p *Parser) partitionBound() *ast.PartitionBound {
	t := p.tok
	b := &ast.PartitionBound{}
	if p.accept("default") {
		b.Default = true
		b.Span = p.span(t)
		return b
	}
	p.expect("for", "values")
	switch p.expectAny("in", "from", "with") {
	case "in":
		b.In = p.parenExprs()
	case "from":
		b.From = p.parenExprs()
		p.expect("to")
		b.To = p.parenExprs()
	case "with":
		p.expectOp("(")
		p.expect("modulus")
		b.Modulus = p.expr()
		p.expectOp(",")
		p.expect("remainder")
		b.Remainder = p.expr()
		p.expectOp(")")
	}
	b.Span = p.span(t)
	return b
}

// partitionAction reads ATTACH PARTITION name bound | DETACH PARTITION name [CONCURRENTLY | FINALIZE]
func (p *Parser) partitionAction(a *ast.AlterAction) {
	a.Kind = ast.DetachPartition
	if p.expectAny("attach", "detach") == "attach" {
		a.Kind = ast.AttachPartition
	}
	p.expect("partition")
	a.Parent = p.name()
	if a.Kind == ast.AttachPartition {
		a.Bound = p.partitionBound()
		return
	}
	a.Text = upper(p.acceptAny("concurrently", "finalize"))
}
