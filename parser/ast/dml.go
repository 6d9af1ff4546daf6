package ast

// Overriding is OVERRIDING SYSTEM | USER VALUE
type Overriding int

const (
	OverridingNone Overriding = iota
	OverridingSystem
	OverridingUser
)

// Insert is
//
//	[WITH …] INSERT INTO table [AS alias] [(target, …)] [OVERRIDING …] query | DEFAULT VALUES
//	[ON CONFLICT …] [RETURNING …]
type Insert struct {
	Stmt
	With       *With
	Table      *Name
	Alias      Ident
	Columns    []Expr // a *ColumnRef, *Field or *Subscript each
	Overriding Overriding
	Query      *Query // nil: DEFAULT VALUES
	OnConflict *OnConflict
	Returning  []*SelectItem
}

// OnConflict is ON CONFLICT [(elem, …) [WHERE cond] | ON CONSTRAINT name] DO NOTHING | DO UPDATE SET … [WHERE cond]
type OnConflict struct {
	Span
	Target      []*IndexElem
	TargetWhere Expr
	Constraint  Ident
	Set         []*Assignment // nil: DO NOTHING
	Where       Expr
}

// Assignment is target = expr | (target, …) = row
type Assignment struct {
	Span
	Targets []Expr // a *ColumnRef (a path too), *Field, *Subscript or *Slice each
	Row     bool   // written with parentheses
	Value   Expr   // *Default too
}

// Update is [WITH …] UPDATE table [alias] SET … [FROM …] [WHERE …] [RETURNING …]
type Update struct {
	Stmt
	With      *With
	Table     *TableRef
	Set       []*Assignment
	From      []TableExpr
	Where     Expr
	Returning []*SelectItem
}

// Delete is [WITH …] DELETE FROM table [alias] [USING …] [WHERE …] [RETURNING …]
type Delete struct {
	Stmt
	With      *With
	Table     *TableRef
	Using     []TableExpr
	Where     Expr
	Returning []*SelectItem
}

// Merge is [WITH …] MERGE INTO table [alias] USING item ON cond when …
type Merge struct {
	Stmt
	With      *With
	Table     *TableRef
	Using     TableExpr
	On        Expr
	Whens     []*MergeWhen
	Returning []*SelectItem
}

// MergeMatch is which rows a WHEN clause is for.
type MergeMatch int

const (
	Matched MergeMatch = iota
	NotMatched
	NotMatchedBySource
)

// MergeAction is what a WHEN clause does.
type MergeAction int

const (
	MergeDoNothing MergeAction = iota
	MergeUpdate
	MergeDelete
	MergeInsert
)

// MergeWhen is WHEN [NOT] MATCHED [BY SOURCE] [AND cond] THEN
// UPDATE SET … | DELETE | INSERT [(column, …)] [OVERRIDING …] VALUES (…) | INSERT DEFAULT VALUES | DO NOTHING
type MergeWhen struct {
	Span
	Match      MergeMatch
	Cond       Expr
	Action     MergeAction
	Set        []*Assignment
	Columns    []Expr
	Overriding Overriding
	Values     []Expr // nil with MergeInsert: DEFAULT VALUES
}

// Truncate is TRUNCATE [TABLE] name, … [RESTART | CONTINUE IDENTITY] [CASCADE | RESTRICT]
type Truncate struct {
	Stmt
	Tables          []*TableRef
	RestartIdentity bool
	Behavior        Behavior
}

// Copy is
//
//	COPY table [(column, …)] FROM | TO 'file' | PROGRAM 'command' | STDIN | STDOUT [WITH] [(option, …)] [WHERE cond]
//	COPY (query) TO …
//
// Options of the old spelling (WITH CSV HEADER DELIMITER ',') are read into the same list.
type Copy struct {
	Stmt
	Table   *Name
	Columns []Ident
	Query   Statement // a *Query, a DML statement with RETURNING or a *Subscribe
	From    bool
	Program bool
	File    string // empty: STDIN or STDOUT
	Options []*Option
	Where   Expr
}

func (n *Insert) children(visit func(Node)) {
	visitOne(visit, n.With)
	visitOne(visit, n.Table)
	visitAll(visit, n.Columns)
	visitOne(visit, n.Query)
	visitOne(visit, n.OnConflict)
	visitAll(visit, n.Returning)
}

func (n *OnConflict) children(visit func(Node)) {
	visitAll(visit, n.Target)
	visitAny(visit, n.TargetWhere)
	visitAll(visit, n.Set)
	visitAny(visit, n.Where)
}

func (n *Assignment) children(visit func(Node)) {
	visitAll(visit, n.Targets)
	visitAny(visit, n.Value)
}

func (n *Update) children(visit func(Node)) {
	visitOne(visit, n.With)
	visitOne(visit, n.Table)
	visitAll(visit, n.Set)
	visitAll(visit, n.From)
	visitAny(visit, n.Where)
	visitAll(visit, n.Returning)
}

func (n *Delete) children(visit func(Node)) {
	visitOne(visit, n.With)
	visitOne(visit, n.Table)
	visitAll(visit, n.Using)
	visitAny(visit, n.Where)
	visitAll(visit, n.Returning)
}

func (n *Merge) children(visit func(Node)) {
	visitOne(visit, n.With)
	visitOne(visit, n.Table)
	visitAny(visit, n.Using)
	visitAny(visit, n.On)
	visitAll(visit, n.Whens)
	visitAll(visit, n.Returning)
}

func (n *MergeWhen) children(visit func(Node)) {
	visitAny(visit, n.Cond)
	visitAll(visit, n.Set)
	visitAll(visit, n.Columns)
	visitAll(visit, n.Values)
}

func (n *Truncate) children(visit func(Node)) {
	visitAll(visit, n.Tables)
}

func (n *Copy) children(visit func(Node)) {
	visitOne(visit, n.Table)
	visitAny(visit, n.Query)
	visitAll(visit, n.Options)
	visitAny(visit, n.Where)
}
