package ast

// Query is [WITH …] body [ORDER BY …] [LIMIT …] [OFFSET …] [FETCH …] [FOR …]
type Query struct {
	Stmt
	With     *With
	Body     QueryExpr // a *Query when it stood in parentheses with clauses of its own
	OrderBy  []*OrderItem
	Limit    Expr // nil also for LIMIT ALL
	Offset   Expr
	WithTies bool
	Locks    []*Lock
}

// Select is
//
//	SELECT [ALL | DISTINCT [ON (expr, …)]] [item, …] [INTO table] [FROM item, …] [WHERE cond]
//	[GROUP BY …] [HAVING cond] [WINDOW name AS (…), …]
type Select struct {
	Span
	Distinct      bool
	DistinctOn    []Expr
	Items         []*SelectItem
	Into          *Into
	From          []TableExpr
	Where         Expr
	GroupBy       []Expr // expressions and *GroupingSet
	GroupDistinct bool   // GROUP BY DISTINCT
	Having        Expr
	Windows       []*WindowDef
}

// SelectItem is expr [[AS] alias] | * | q.*
type SelectItem struct {
	Span
	Expr  Expr
	Alias Ident
}

// Into is INTO [TEMPORARY | UNLOGGED] [TABLE] name
type Into struct {
	Span
	Persistence Persistence
	Table       *Name
}

// SetOp is UNION, INTERSECT or EXCEPT.
type SetOp int

const (
	Union SetOp = iota
	Intersect
	Except
)

// SetOperation is left UNION | INTERSECT | EXCEPT [ALL | DISTINCT] right
type SetOperation struct {
	Span
	Op    SetOp
	All   bool
	Left  QueryExpr
	Right QueryExpr
}

// Values is VALUES (expr, …), …
type Values struct {
	Span
	Rows [][]Expr
}

// TableCommand is TABLE [ONLY] name
type TableCommand struct {
	Span
	Table *TableRef
}

func (*Query) queryExpr()        {}
func (*Select) queryExpr()       {}
func (*SetOperation) queryExpr() {}
func (*Values) queryExpr()       {}
func (*TableCommand) queryExpr() {}

// With is WITH [RECURSIVE] cte, …
type With struct {
	Span
	Recursive bool
	CTEs      []*CTE
}

// Materialized tells what was said of a CTE.
type Materialized int

const (
	MaterializedDefault Materialized = iota
	MaterializedAlways
	MaterializedNever
)

// CTE is name [(column, …)] AS [[NOT] MATERIALIZED] (statement) [SEARCH …] [CYCLE …]
type CTE struct {
	Span
	Name         Ident
	Columns      []Ident
	Materialized Materialized
	Statement    Statement // *Query, *Insert, *Update, *Delete or *Merge
	Search       *Search
	Cycle        *Cycle
}

// Search is SEARCH BREADTH | DEPTH FIRST BY column, … SET column
type Search struct {
	Span
	Breadth bool
	By      []Ident
	Set     Ident
}

// Cycle is CYCLE column, … SET mark [TO value DEFAULT value] USING path
type Cycle struct {
	Span
	Columns []Ident
	Mark    Ident
	To      Expr
	Default Expr
	Path    Ident
}

// Direction of an ORDER BY item.
type Direction int

const (
	DirectionDefault Direction = iota
	Ascending
	Descending
	DirectionUsing
)

// Nulls tells where NULLs sort.
type Nulls int

const (
	NullsDefault Nulls = iota
	NullsFirst
	NullsLast
)

// OrderItem is expr [ASC | DESC | USING op] [NULLS FIRST | LAST]
type OrderItem struct {
	Span
	Expr      Expr
	Direction Direction
	Using     *Operator
	Nulls     Nulls
}

// LockStrength is the strength of a locking clause.
type LockStrength int

const (
	ForUpdate LockStrength = iota
	ForNoKeyUpdate
	ForShare
	ForKeyShare
)

// LockWait says what to do when a row is locked.
type LockWait int

const (
	WaitDefault LockWait = iota
	NoWait
	SkipLocked
)

// Lock is FOR UPDATE | NO KEY UPDATE | SHARE | KEY SHARE [OF table, …] [NOWAIT | SKIP LOCKED]
type Lock struct {
	Span
	Strength LockStrength
	Of       []*Name
	Wait     LockWait
}

// GroupingKind tells grouping sets apart.
type GroupingKind int

const (
	GroupingSets GroupingKind = iota
	GroupingRollup
	GroupingCube
	GroupingEmpty // ()
)

// GroupingSet is ROLLUP (…) | CUBE (…) | GROUPING SETS (…) | ()
type GroupingSet struct {
	Span
	Kind  GroupingKind
	Items []Expr
}

func (*GroupingSet) expr() {}

func (n *Query) children(visit func(Node)) {
	visitOne(visit, n.With)
	visitAny(visit, n.Body)
	visitAll(visit, n.OrderBy)
	visitAny(visit, n.Limit)
	visitAny(visit, n.Offset)
	visitAll(visit, n.Locks)
}

func (n *Select) children(visit func(Node)) {
	visitAll(visit, n.DistinctOn)
	visitAll(visit, n.Items)
	visitOne(visit, n.Into)
	visitAll(visit, n.From)
	visitAny(visit, n.Where)
	visitAll(visit, n.GroupBy)
	visitAny(visit, n.Having)
	visitAll(visit, n.Windows)
}

func (n *SelectItem) children(visit func(Node)) {
	visitAny(visit, n.Expr)
}

func (n *Into) children(visit func(Node)) {
	visitOne(visit, n.Table)
}

func (n *SetOperation) children(visit func(Node)) {
	visitAny(visit, n.Left)
	visitAny(visit, n.Right)
}

func (n *Values) children(visit func(Node)) {
	for _, l := range n.Rows {
		visitAll(visit, l)
	}
}

func (n *TableCommand) children(visit func(Node)) {
	visitOne(visit, n.Table)
}

func (n *With) children(visit func(Node)) {
	visitAll(visit, n.CTEs)
}

func (n *CTE) children(visit func(Node)) {
	visitAny(visit, n.Statement)
	visitOne(visit, n.Search)
	visitOne(visit, n.Cycle)
}

func (n *Cycle) children(visit func(Node)) {
	visitAny(visit, n.To)
	visitAny(visit, n.Default)
}

func (n *OrderItem) children(visit func(Node)) {
	visitAny(visit, n.Expr)
	visitOne(visit, n.Using)
}

func (n *Lock) children(visit func(Node)) {
	visitAll(visit, n.Of)
}

func (n *GroupingSet) children(visit func(Node)) {
	visitAll(visit, n.Items)
}
