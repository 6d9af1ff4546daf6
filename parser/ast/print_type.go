package ast

// define writes the statements of types.
func (p *printer) define(n Node) bool {
	switch n := n.(type) {
	case *CreateType:
		p.createType(n)
	case *AlterType:
		p.alterType(n)
	case *CreateDomain:
		p.s("CREATE DOMAIN ")
		p.name(n.Name)
		p.s(" AS ")
		p.optNode("", n.Type)
		if n.Collation != nil {
			p.s(" COLLATE ")
			p.name(n.Collation)
		}
		for _, c := range n.Constraints {
			p.s(" ")
			p.node(c)
		}
	case *AlterDomain:
		p.alterDomain(n)
	default:
		return false
	}
	return true
}

func (p *printer) createType(n *CreateType) {
	p.s("CREATE TYPE ")
	p.name(n.Name)
	if n.Enum {
		p.s(" AS ENUM (")
		nodes(p, n.Labels)
	} else {
		p.s(" AS (")
		nodes(p, n.Fields)
	}
	p.s(")")
}

func (p *printer) alterType(n *AlterType) {
	p.s("ALTER TYPE ")
	p.name(n.Name)
	if n.Rename {
		p.s(" RENAME VALUE ")
		p.str(n.Value.Value)
		p.s(" TO ")
		p.str(n.NewValue.Value)
		return
	}
	p.s(" ADD VALUE ", ifWords(n.IfNotExists, "IF NOT EXISTS "))
	p.str(n.Value.Value)
	if n.Before != nil {
		p.s(" BEFORE ")
		p.str(n.Before.Value)
	}
	if n.After != nil {
		p.s(" AFTER ")
		p.str(n.After.Value)
	}
}

func (p *printer) alterDomain(n *AlterDomain) {
	p.s("ALTER DOMAIN ")
	p.name(n.Name)
	switch n.Action {
	case DomainSetDefault:
		p.s(" SET DEFAULT ")
		p.expr(n.Default)
	case DomainDropDefault:
		p.s(" DROP DEFAULT")
	case DomainSetNotNull:
		p.s(" SET NOT NULL")
	case DomainDropNotNull:
		p.s(" DROP NOT NULL")
	case DomainAdd:
		p.s(" ADD ")
		p.node(n.Constraint)
	case DomainDropConstraint:
		p.s(" DROP CONSTRAINT ", ifWords(n.IfExists, "IF EXISTS "))
		p.id(n.ConstraintRef)
		p.behavior(n.Behavior)
	case DomainRenameConstraint:
		p.s(" RENAME CONSTRAINT ")
		p.id(n.ConstraintRef)
		p.s(" TO ")
		p.id(n.NewName)
	case DomainValidate:
		p.s(" VALIDATE CONSTRAINT ")
		p.id(n.ConstraintRef)
	}
}
