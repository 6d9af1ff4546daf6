package ast

// CreateType is CREATE TYPE name AS ENUM (['label', …]) | AS ([field type [COLLATE c], …])
type CreateType struct {
	Stmt
	Name   *Name
	Enum   bool
	Labels []*StringLiteral
	Fields []*ColumnDef
}

// AlterType is ALTER TYPE name ADD VALUE [IF NOT EXISTS] 'label' [BEFORE | AFTER 'label'] | RENAME VALUE 'label' TO 'label'
type AlterType struct {
	Stmt
	Name        *Name
	Rename      bool // RENAME VALUE, not ADD VALUE
	IfNotExists bool
	Value       *StringLiteral
	Before      *StringLiteral
	After       *StringLiteral
	NewValue    *StringLiteral // of RENAME
}

// CreateDomain is CREATE DOMAIN name [AS] type [COLLATE c] [DEFAULT e | [CONSTRAINT n] NOT NULL | NULL | CHECK (e)] …
type CreateDomain struct {
	Stmt
	Name        *Name
	Type        *TypeName
	Collation   *Name
	Constraints []*Constraint
}

// DomainAction is what ALTER DOMAIN does.
type DomainAction int

const (
	DomainSetDefault DomainAction = iota
	DomainDropDefault
	DomainSetNotNull
	DomainDropNotNull
	DomainAdd
	DomainDropConstraint
	DomainRenameConstraint
	DomainValidate
)

// AlterDomain is ALTER DOMAIN name SET DEFAULT e | DROP DEFAULT | SET NOT NULL | DROP NOT NULL | ADD constraint [NOT VALID] | DROP CONSTRAINT [IF EXISTS] c [CASCADE | RESTRICT] | RENAME CONSTRAINT c TO c | VALIDATE CONSTRAINT c
type AlterDomain struct {
	Stmt
	Name          *Name
	Action        DomainAction
	Default       Expr
	Constraint    *Constraint
	IfExists      bool
	ConstraintRef Ident
	NewName       Ident
	Behavior      Behavior
}

func (n *CreateType) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitAll(visit, n.Labels)
	visitAll(visit, n.Fields)
}

func (n *AlterType) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitOne(visit, n.Value)
	visitOne(visit, n.Before)
	visitOne(visit, n.After)
	visitOne(visit, n.NewValue)
}

func (n *CreateDomain) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitOne(visit, n.Type)
	visitOne(visit, n.Collation)
	visitAll(visit, n.Constraints)
}

func (n *AlterDomain) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitAny(visit, n.Default)
	visitOne(visit, n.Constraint)
}
