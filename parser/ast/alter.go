package ast

// AlterTable is ALTER TABLE | VIEW | MATERIALIZED VIEW | INDEX | SEQUENCE … [IF EXISTS] [ONLY] name action, …
type AlterTable struct {
	Stmt
	Kind     ObjectKind
	IfExists bool
	Table    *TableRef
	Actions  []*AlterAction
}

// AlterActionKind tells the actions of ALTER TABLE apart.
type AlterActionKind int

const (
	AddColumn AlterActionKind = iota
	DropColumn
	AlterColumnType
	SetColumnDefault
	DropColumnDefault
	SetColumnNotNull
	DropColumnNotNull
	SetColumnStatistics
	SetColumnStorage
	SetColumnOptions
	ResetColumnOptions
	AddIdentity
	SetIdentity
	DropIdentity
	DropExpression
	AddConstraint
	DropConstraint
	ValidateConstraint
	AlterConstraint
	SetOptions
	ResetOptions
	SetLogged
	SetUnlogged
	SetTablespace
	ClusterOn
	SetWithoutCluster
	InheritFrom
	NoInheritFrom
	AttachPartition
	DetachPartition // CONCURRENTLY or FINALIZE is in Text
	OwnerTo
	SetSchema
	RenameTo
	RenameColumn
	RenameConstraint
	RowSecurity // ENABLE | DISABLE | FORCE | NO FORCE ROW LEVEL SECURITY, in Text
	Triggers    // ENABLE | DISABLE … TRIGGER name, in Text
	ReplicaIdentity
)

// AlterAction is one action:
//
//	ADD [COLUMN] [IF NOT EXISTS] def | DROP [COLUMN] [IF EXISTS] c | ALTER [COLUMN] c [SET DATA] TYPE t [COLLATE n] [USING e]
//	| ALTER c SET DEFAULT e | … | ADD constraint | DROP CONSTRAINT … | SET (…) | OWNER TO r | SET SCHEMA s | RENAME TO n | RENAME [COLUMN] c TO n
type AlterAction struct {
	Span
	Kind      AlterActionKind
	IfExists  bool  // IF NOT EXISTS of ADD COLUMN too
	Name      Ident // the column, constraint, role, schema, …
	NewName   Ident
	Def       *ColumnDef
	Type      *TypeName
	Collation *Name
	Expr      Expr // USING, DEFAULT, STATISTICS
	Add       *Constraint
	Always    bool
	Options   []*Option
	Sequence  []*SequenceOption
	Parent    *Name // of INHERIT; the partition of ATTACH and DETACH
	Bound     *PartitionBound
	Text      string
	Behavior  Behavior
}

// AlterObject is ALTER kind [IF EXISTS] name RENAME TO n | OWNER TO r | SET SCHEMA s, of what is no relation.
type AlterObject struct {
	Stmt
	Kind     ObjectKind
	IfExists bool
	Name     *Name
	Args     []*TypeName
	Action   AlterActionKind // RenameTo, OwnerTo, SetSchema
	NewName  Ident
}

// AlterDatabase is ALTER DATABASE name [WITH] option … | SET name … | RESET name
type AlterDatabase struct {
	Stmt
	Name    Ident
	Options []*Option
	Set     *Set
	Reset   *Reset
}

func (n *AlterTable) children(visit func(Node)) {
	visitOne(visit, n.Table)
	visitAll(visit, n.Actions)
}

func (n *AlterAction) children(visit func(Node)) {
	visitOne(visit, n.Def)
	visitOne(visit, n.Type)
	visitOne(visit, n.Collation)
	visitAny(visit, n.Expr)
	visitOne(visit, n.Add)
	visitAll(visit, n.Options)
	visitAll(visit, n.Sequence)
	visitOne(visit, n.Parent)
	visitOne(visit, n.Bound)
}

func (n *AlterObject) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitAll(visit, n.Args)
}

func (n *AlterDatabase) children(visit func(Node)) {
	visitAll(visit, n.Options)
	visitOne(visit, n.Set)
	visitOne(visit, n.Reset)
}
