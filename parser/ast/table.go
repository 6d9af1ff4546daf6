package ast

// Alias is [AS] name [(column, …)]
type Alias struct {
	Span
	Name    Ident
	Columns []Ident
}

// TableRef is [ONLY] name [*] [alias] [TABLESAMPLE …]
type TableRef struct {
	Span
	Only   bool
	Name   *Name
	Alias  *Alias
	Sample *TableSample
}

// TableSample is TABLESAMPLE method (expr, …) [REPEATABLE (expr)]
type TableSample struct {
	Span
	Method     *Name
	Args       []Expr
	Repeatable Expr
}

// DerivedTable is [LATERAL] (query) [alias]
type DerivedTable struct {
	Span
	Lateral bool
	Query   *Query
	Alias   *Alias
}

// TableFunction is [LATERAL] call | ROWS FROM (call [AS (column type, …)], …) [WITH ORDINALITY] [alias | [AS] [name] (column type, …)]
//
// FROM CHANGE_STREAM ON c is read as CHANGE_STREAM('c').
type TableFunction struct {
	Span
	Lateral    bool
	RowsFrom   bool
	Items      []*TableFunctionItem // one unless RowsFrom
	Ordinality bool
	Alias      *Alias
}

// TableFunctionItem is call [AS (column type, …)]
type TableFunctionItem struct {
	Span
	Call    Expr // a *FunctionCall, or a keyword that is called like CURRENT_DATE
	Columns []*ColumnDef
}

// JoinKind is the kind of a join.
type JoinKind int

const (
	InnerJoin JoinKind = iota
	LeftJoin
	RightJoin
	FullJoin
	CrossJoin
)

// Join is left [NATURAL] [INNER | LEFT | RIGHT | FULL | CROSS] JOIN right [ON cond | USING (column, …) [AS alias]]
// or (join) alias.
type Join struct {
	Span
	Kind       JoinKind
	Natural    bool
	Left       TableExpr
	Right      TableExpr
	On         Expr
	Using      []Ident
	UsingAlias Ident
	Alias      *Alias
}

func (*TableRef) tableExpr()      {}
func (*DerivedTable) tableExpr()  {}
func (*TableFunction) tableExpr() {}
func (*Join) tableExpr()          {}

func (n *TableRef) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitOne(visit, n.Alias)
	visitOne(visit, n.Sample)
}

func (n *TableSample) children(visit func(Node)) {
	visitOne(visit, n.Method)
	visitAll(visit, n.Args)
	visitAny(visit, n.Repeatable)
}

func (n *DerivedTable) children(visit func(Node)) {
	visitOne(visit, n.Query)
	visitOne(visit, n.Alias)
}

func (n *TableFunction) children(visit func(Node)) {
	visitAll(visit, n.Items)
	visitOne(visit, n.Alias)
}

func (n *TableFunctionItem) children(visit func(Node)) {
	visitAny(visit, n.Call)
	visitAll(visit, n.Columns)
}

func (n *Join) children(visit func(Node)) {
	visitAny(visit, n.Left)
	visitAny(visit, n.Right)
	visitAny(visit, n.On)
	visitOne(visit, n.Alias)
}
