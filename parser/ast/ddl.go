package ast

// Persistence of a relation.
type Persistence int

const (
	Permanent Persistence = iota
	Temporary
	Unlogged
)

// OnCommit is ON COMMIT PRESERVE ROWS | DELETE ROWS | DROP
type OnCommit int

const (
	OnCommitDefault OnCommit = iota
	OnCommitPreserve
	OnCommitDelete
	OnCommitDrop
)

// CreateTable is
//
//	CREATE [TEMPORARY | UNLOGGED] TABLE [IF NOT EXISTS] name (element, …) [INHERITS (table, …)]
//	CREATE … TABLE [IF NOT EXISTS] name PARTITION OF table [(element, …)] bound
//	[PARTITION BY method (elem, …)] [USING method] [WITH (option, …)] [ON COMMIT …] [TABLESPACE name]
type CreateTable struct {
	Stmt
	Persistence Persistence
	IfNotExists bool
	Name        *Name
	Elements    []TableElement
	Inherits    []*Name
	PartitionOf *Name // columns are of the parent; those in Elements have no type
	Bound       *PartitionBound
	Partition   *PartitionBy
	Method      Ident
	Options     []*Option
	OnCommit    OnCommit
	Tablespace  Ident
}

// PartitionBy is PARTITION BY method (elem, …)
type PartitionBy struct {
	Span
	Method Ident
	Elems  []*IndexElem
}

// PartitionBound is DEFAULT | FOR VALUES IN (value, …) | FOR VALUES FROM (value, …) TO (value, …) |
// FOR VALUES WITH (MODULUS n, REMAINDER n). MINVALUE and MAXVALUE are names of columns.
type PartitionBound struct {
	Span
	Default            bool
	In                 []Expr
	From, To           []Expr
	Modulus, Remainder Expr
}

// CreateTableAs is CREATE [TEMPORARY | UNLOGGED] TABLE [IF NOT EXISTS] name [(column, …)] … AS query [WITH [NO] DATA]
type CreateTableAs struct {
	Stmt
	Persistence Persistence
	IfNotExists bool
	Name        *Name
	Columns     []Ident
	Method      Ident
	Options     []*Option
	OnCommit    OnCommit
	Tablespace  Ident
	Query       Statement // a *Query or an *Execute
	NoData      bool
}

// ColumnDef is name type [STORAGE s] [COMPRESSION c] [COLLATE name] [constraint …]
type ColumnDef struct {
	Span
	Name        Ident
	Type        *TypeName // nil in typed tables and views
	Storage     Ident
	Compression Ident
	Collation   *Name
	Constraints []*Constraint
}

// LikeClause is LIKE table [INCLUDING | EXCLUDING what …]
type LikeClause struct {
	Span
	Table   *Name
	Options []*Option // Name is what; Value is a *BoolLiteral: INCLUDING
}

// ConstraintKind tells constraints apart.
type ConstraintKind int

const (
	ConstraintNotNull ConstraintKind = iota
	ConstraintNull
	ConstraintDefault
	ConstraintCheck
	ConstraintUnique
	ConstraintPrimaryKey
	ConstraintReferences // FOREIGN KEY too
	ConstraintGenerated  // GENERATED ALWAYS AS (expr) STORED
	ConstraintIdentity   // GENERATED … AS IDENTITY
	ConstraintExclude
)

// Constraint is, on a column or on the table,
//
//	[CONSTRAINT name] NOT NULL | NULL | DEFAULT expr | CHECK (expr) [NO INHERIT] | UNIQUE [NULLS NOT DISTINCT] [(column, …)]
//	| PRIMARY KEY [(column, …)] | [FOREIGN KEY (column, …)] REFERENCES … | GENERATED … [[NOT] DEFERRABLE] [INITIALLY …] [NOT VALID]
type Constraint struct {
	Span
	Name             Ident
	Kind             ConstraintKind
	Expr             Expr
	Columns          []Ident
	Include          []Ident
	NullsNotDistinct bool
	UsingIndex       Ident
	Method           Ident // of EXCLUDE
	Exclude          []*ExcludeElem
	Where            Expr
	Options          []*Option
	References       *References
	Always           bool // GENERATED ALWAYS, not BY DEFAULT
	Sequence         []*SequenceOption
	NoInherit        bool
	NotValid         bool
	Deferrable       *bool
	Initially        string // "", "DEFERRED", "IMMEDIATE"
}

// ExcludeElem is elem WITH operator
type ExcludeElem struct {
	Span
	Elem *IndexElem
	Op   *Operator
}

// References is REFERENCES table [(column, …)] [MATCH …] [ON DELETE action] [ON UPDATE action]
type References struct {
	Span
	Table    *Name
	Columns  []Ident
	Match    string // "", "FULL", "PARTIAL", "SIMPLE"
	OnDelete string // "", "NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"
	OnUpdate string
	// DeleteColumns are those that ON DELETE SET NULL or SET DEFAULT sets, nil: all.
	DeleteColumns []Ident
}

func (*ColumnDef) tableElement()  {}
func (*LikeClause) tableElement() {}
func (*Constraint) tableElement() {}

// CreateIndex is
//
//	CREATE [UNIQUE] INDEX [CONCURRENTLY] [[IF NOT EXISTS] name] ON [ONLY] table [USING method] (elem, …)
//	[INCLUDE (column, …)] [NULLS [NOT] DISTINCT] [WITH (option, …)] [TABLESPACE name] [WHERE cond]
type CreateIndex struct {
	Stmt
	Unique           bool
	Concurrently     bool
	IfNotExists      bool
	Name             Ident
	Table            *TableRef
	Method           Ident
	Elems            []*IndexElem
	Include          []*IndexElem
	NullsNotDistinct bool
	Options          []*Option
	Tablespace       Ident
	Where            Expr
}

// IndexElem is column | path | func(…) | (expr) [COLLATE name] [opclass [(option, …)]] [ASC | DESC] [NULLS FIRST | LAST]
type IndexElem struct {
	Span
	Expr      Expr
	Collation *Name
	OpClass   *Name
	OpOptions []*Option
	Direction Direction
	Nulls     Nulls
}

// CreateView is CREATE [OR REPLACE] [TEMPORARY] [RECURSIVE] VIEW name [(column, …)] [WITH (option, …)] AS query [WITH … CHECK OPTION]
type CreateView struct {
	Stmt
	OrReplace   bool
	Persistence Persistence
	Recursive   bool
	Name        *Name
	Columns     []Ident
	Options     []*Option
	Query       *Query
	CheckOption string // "", "LOCAL", "CASCADED"
}

// CreateMaterializedView is CREATE MATERIALIZED VIEW [IF NOT EXISTS] name [(column, …)] … AS query [WITH [NO] DATA]
type CreateMaterializedView struct {
	Stmt
	IfNotExists bool
	Name        *Name
	Columns     []Ident
	Method      Ident
	Options     []*Option
	Tablespace  Ident
	Query       *Query
	NoData      bool
}

// RefreshMaterializedView is REFRESH MATERIALIZED VIEW [CONCURRENTLY] name [WITH [NO] DATA]
type RefreshMaterializedView struct {
	Stmt
	Concurrently bool
	Name         *Name
	NoData       bool
}

// CreateSchema is CREATE SCHEMA [IF NOT EXISTS] name [AUTHORIZATION role] [statement …]
type CreateSchema struct {
	Stmt
	IfNotExists bool
	Name        Ident
	Owner       Ident
	Elements    []Statement
}

// CreateDatabase is CREATE DATABASE name [WITH] [option [=] value …]
type CreateDatabase struct {
	Stmt
	IfNotExists bool
	Name        Ident
	Options     []*Option
}

// CreateSequence is CREATE [TEMPORARY] SEQUENCE [IF NOT EXISTS] name [option …]
type CreateSequence struct {
	Stmt
	Persistence Persistence
	IfNotExists bool
	Name        *Name
	Options     []*SequenceOption
}

// AlterSequence is ALTER SEQUENCE [IF EXISTS] name option …
type AlterSequence struct {
	Stmt
	IfExists bool
	Name     *Name
	Options  []*SequenceOption
}

// SequenceOption is AS type | INCREMENT [BY] n | [NO] MINVALUE [n] | [NO] MAXVALUE [n] | START [WITH] n | RESTART [WITH] n | CACHE n | [NO] CYCLE | OWNED BY name
type SequenceOption struct {
	Span
	Name  string // lower case: "as", "increment", "minvalue", "maxvalue", "start", "restart", "cache", "cycle", "owned by", "sequence name", "logged", "unlogged"
	No    bool
	Value Expr
	Type  *TypeName
	Owner *Name // of OWNED BY; nil: NONE
}

// Drop is DROP kind [CONCURRENTLY] [IF EXISTS] name [(argument type, …)], … [ON table] [CASCADE | RESTRICT]
type Drop struct {
	Stmt
	Kind         ObjectKind
	Concurrently bool
	IfExists     bool
	Names        []*Name
	Args         [][]*TypeName // of functions, one list for each name, nil where not written
	On           *Name         // of triggers, rules and policies
	Force        bool          // of databases
	Behavior     Behavior
}

// Comment is COMMENT ON kind name IS 'text' | NULL
type Comment struct {
	Stmt
	Kind ObjectKind
	Name *Name
	Args []*TypeName
	On   *Name // of constraints and the like
	Text *StringLiteral
}

func (n *CreateTable) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitAll(visit, n.Elements)
	visitAll(visit, n.Inherits)
	visitOne(visit, n.PartitionOf)
	visitOne(visit, n.Bound)
	visitOne(visit, n.Partition)
	visitAll(visit, n.Options)
}

func (n *PartitionBy) children(visit func(Node)) {
	visitAll(visit, n.Elems)
}

func (n *PartitionBound) children(visit func(Node)) {
	visitAll(visit, n.In)
	visitAll(visit, n.From)
	visitAll(visit, n.To)
	visitAny(visit, n.Modulus)
	visitAny(visit, n.Remainder)
}

func (n *CreateTableAs) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitAll(visit, n.Options)
	visitAny(visit, n.Query)
}

func (n *ColumnDef) children(visit func(Node)) {
	visitOne(visit, n.Type)
	visitOne(visit, n.Collation)
	visitAll(visit, n.Constraints)
}

func (n *LikeClause) children(visit func(Node)) {
	visitOne(visit, n.Table)
	visitAll(visit, n.Options)
}

func (n *Constraint) children(visit func(Node)) {
	visitAny(visit, n.Expr)
	visitAll(visit, n.Exclude)
	visitAny(visit, n.Where)
	visitAll(visit, n.Options)
	visitOne(visit, n.References)
	visitAll(visit, n.Sequence)
}

func (n *ExcludeElem) children(visit func(Node)) {
	visitOne(visit, n.Elem)
	visitOne(visit, n.Op)
}

func (n *References) children(visit func(Node)) {
	visitOne(visit, n.Table)
}

func (n *CreateIndex) children(visit func(Node)) {
	visitOne(visit, n.Table)
	visitAll(visit, n.Elems)
	visitAll(visit, n.Include)
	visitAll(visit, n.Options)
	visitAny(visit, n.Where)
}

func (n *IndexElem) children(visit func(Node)) {
	visitAny(visit, n.Expr)
	visitOne(visit, n.Collation)
	visitOne(visit, n.OpClass)
	visitAll(visit, n.OpOptions)
}

func (n *CreateView) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitAll(visit, n.Options)
	visitOne(visit, n.Query)
}

func (n *CreateMaterializedView) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitAll(visit, n.Options)
	visitOne(visit, n.Query)
}

func (n *RefreshMaterializedView) children(visit func(Node)) {
	visitOne(visit, n.Name)
}

func (n *CreateSchema) children(visit func(Node)) {
	visitAll(visit, n.Elements)
}

func (n *CreateDatabase) children(visit func(Node)) {
	visitAll(visit, n.Options)
}

func (n *CreateSequence) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitAll(visit, n.Options)
}

func (n *AlterSequence) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitAll(visit, n.Options)
}

func (n *SequenceOption) children(visit func(Node)) {
	visitAny(visit, n.Value)
	visitOne(visit, n.Type)
	visitOne(visit, n.Owner)
}

func (n *Drop) children(visit func(Node)) {
	visitAll(visit, n.Names)
	for _, l := range n.Args {
		visitAll(visit, l)
	}
	visitOne(visit, n.On)
}

func (n *Comment) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitAll(visit, n.Args)
	visitOne(visit, n.On)
	visitOne(visit, n.Text)
}
