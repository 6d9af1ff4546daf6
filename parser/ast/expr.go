package ast

// ColumnRef is ident [. ident …]: a column, a qualified column or a path into a
// document; the planner decides which.
type ColumnRef struct {
	Span
	Parts []Ident
}

// Star is * | q.*
type Star struct {
	Span
	Qualifier []Ident
}

// Field is expr.name, where expr is not a plain name: (x).f, items[0].sku
type Field struct {
	Span
	Of   Expr
	Name Ident
}

// FieldStar is (expr).*
type FieldStar struct {
	Span
	Of Expr
}

// Subscript is expr[index]
type Subscript struct {
	Span
	Of    Expr
	Index Expr
	// Apart tells that Of is subscripted too, but stands in parentheses.
	Apart bool
}

// Slice is expr[[low]:[high]]
type Slice struct {
	Span
	Of    Expr
	Low   Expr
	High  Expr
	Apart bool // as in Subscript
}

// Operator is op | OPERATOR(schema.op)
type Operator struct {
	Span
	Schema []Ident
	Symbol string // != is read as <>; DIV and MOD are symbols too
}

// UnaryExpr is op expr
type UnaryExpr struct {
	Span
	Op      *Operator
	Operand Expr
}

// BinaryExpr is left op right. Op.Pos is where PostgreSQL reports errors.
type BinaryExpr struct {
	Span
	Op    *Operator
	Left  Expr
	Right Expr
}

// AndExpr is a AND b [AND c …]
type AndExpr struct {
	Span
	Operands []Expr
}

// OrExpr is a OR b [OR c …]
type OrExpr struct {
	Span
	Operands []Expr
}

// NotExpr is NOT expr
type NotExpr struct {
	Span
	Operand Expr
}

// CastExpr is expr::type | CAST(expr AS type)
type CastExpr struct {
	Span
	Operand Expr
	Type    *TypeName
}

// CollateExpr is expr COLLATE name
type CollateExpr struct {
	Span
	Operand   Expr
	Collation *Name
}

// AtTimeZone is expr AT TIME ZONE zone
type AtTimeZone struct {
	Span
	Operand Expr
	Zone    Expr
}

// Test is what IS tests.
type Test int

const (
	TestNull Test = iota
	TestTrue
	TestFalse
	TestUnknown
	TestNormalized
	TestDocument
)

// IsExpr is expr IS [NOT] NULL | TRUE | FALSE | UNKNOWN | [form] NORMALIZED | DOCUMENT
type IsExpr struct {
	Span
	Operand Expr
	Not     bool
	Test    Test
	Form    string // of NORMALIZED: "", "NFC", "NFD", "NFKC", "NFKD"
}

// IsDistinctFrom is left IS [NOT] DISTINCT FROM right; MySQL's a <=> b is the one with NOT.
type IsDistinctFrom struct {
	Span
	Not   bool
	Left  Expr
	Right Expr
}

// BetweenExpr is expr [NOT] BETWEEN [SYMMETRIC] low AND high
type BetweenExpr struct {
	Span
	Not       bool
	Symmetric bool
	Operand   Expr
	Low       Expr
	High      Expr
}

// InExpr is expr [NOT] IN (expr, … | query)
type InExpr struct {
	Span
	Not     bool
	Operand Expr
	List    []Expr
	Query   *Query
}

// LikeKind is the kind of a pattern match.
type LikeKind int

const (
	Like LikeKind = iota
	ILike
	SimilarTo
	Regexp // MySQL's REGEXP and RLIKE
)

// LikeExpr is expr [NOT] LIKE | ILIKE | SIMILAR TO | REGEXP pattern [ESCAPE expr]
type LikeExpr struct {
	Span
	Kind    LikeKind
	Not     bool
	Operand Expr
	Pattern Expr
	Escape  Expr
}

// QuantifiedExpr is left op ANY | SOME | ALL (query | array). LIKE ANY has the
// operator ~~, NOT LIKE !~~, ILIKE ~~*, NOT ILIKE !~~*.
type QuantifiedExpr struct {
	Span
	Left  Expr
	Op    *Operator
	All   bool
	Query *Query
	Array Expr
}

// OverlapsExpr is (a, b) OVERLAPS (c, d)
type OverlapsExpr struct {
	Span
	Left  *RowExpr
	Right *RowExpr
}

// CaseExpr is CASE [operand] WHEN cond THEN value … [ELSE value] END
type CaseExpr struct {
	Span
	Operand Expr
	Whens   []*When
	Else    Expr
}

// When is WHEN cond THEN value
type When struct {
	Span
	Cond Expr
	Then Expr
}

// RowExpr is ROW(expr, …) | (expr, expr, …)
type RowExpr struct {
	Span
	Explicit bool
	Items    []Expr
}

// ArrayExpr is ARRAY[expr, …]; nested brackets are *ArrayExpr with Nested.
type ArrayExpr struct {
	Span
	Nested bool
	Items  []Expr
}

// ArraySubquery is ARRAY(query)
type ArraySubquery struct {
	Span
	Query *Query
}

// SubqueryExpr is (query) used as a value
type SubqueryExpr struct {
	Span
	Query *Query
}

// ExistsExpr is EXISTS (query)
type ExistsExpr struct {
	Span
	Query *Query
}

// CurrentOf is CURRENT OF cursor, in WHERE of UPDATE and DELETE.
type CurrentOf struct {
	Span
	Cursor Ident
}

func (*ColumnRef) expr()      {}
func (*Star) expr()           {}
func (*Field) expr()          {}
func (*FieldStar) expr()      {}
func (*Subscript) expr()      {}
func (*Slice) expr()          {}
func (*UnaryExpr) expr()      {}
func (*BinaryExpr) expr()     {}
func (*AndExpr) expr()        {}
func (*OrExpr) expr()         {}
func (*NotExpr) expr()        {}
func (*CastExpr) expr()       {}
func (*CollateExpr) expr()    {}
func (*AtTimeZone) expr()     {}
func (*IsExpr) expr()         {}
func (*IsDistinctFrom) expr() {}
func (*BetweenExpr) expr()    {}
func (*InExpr) expr()         {}
func (*LikeExpr) expr()       {}
func (*QuantifiedExpr) expr() {}
func (*OverlapsExpr) expr()   {}
func (*CaseExpr) expr()       {}
func (*RowExpr) expr()        {}
func (*ArrayExpr) expr()      {}
func (*ArraySubquery) expr()  {}
func (*SubqueryExpr) expr()   {}
func (*ExistsExpr) expr()     {}
func (*CurrentOf) expr()      {}

func (n *Field) children(visit func(Node)) {
	visitAny(visit, n.Of)
}

func (n *FieldStar) children(visit func(Node)) {
	visitAny(visit, n.Of)
}

func (n *Subscript) children(visit func(Node)) {
	visitAny(visit, n.Of)
	visitAny(visit, n.Index)
}

func (n *Slice) children(visit func(Node)) {
	visitAny(visit, n.Of)
	visitAny(visit, n.Low)
	visitAny(visit, n.High)
}

func (n *UnaryExpr) children(visit func(Node)) {
	visitOne(visit, n.Op)
	visitAny(visit, n.Operand)
}

func (n *BinaryExpr) children(visit func(Node)) {
	visitOne(visit, n.Op)
	visitAny(visit, n.Left)
	visitAny(visit, n.Right)
}

func (n *AndExpr) children(visit func(Node)) {
	visitAll(visit, n.Operands)
}

func (n *OrExpr) children(visit func(Node)) {
	visitAll(visit, n.Operands)
}

func (n *NotExpr) children(visit func(Node)) {
	visitAny(visit, n.Operand)
}

func (n *CastExpr) children(visit func(Node)) {
	visitAny(visit, n.Operand)
	visitOne(visit, n.Type)
}

func (n *CollateExpr) children(visit func(Node)) {
	visitAny(visit, n.Operand)
	visitOne(visit, n.Collation)
}

func (n *AtTimeZone) children(visit func(Node)) {
	visitAny(visit, n.Operand)
	visitAny(visit, n.Zone)
}

func (n *IsExpr) children(visit func(Node)) {
	visitAny(visit, n.Operand)
}

func (n *IsDistinctFrom) children(visit func(Node)) {
	visitAny(visit, n.Left)
	visitAny(visit, n.Right)
}

func (n *BetweenExpr) children(visit func(Node)) {
	visitAny(visit, n.Operand)
	visitAny(visit, n.Low)
	visitAny(visit, n.High)
}

func (n *InExpr) children(visit func(Node)) {
	visitAny(visit, n.Operand)
	visitAll(visit, n.List)
	visitOne(visit, n.Query)
}

func (n *LikeExpr) children(visit func(Node)) {
	visitAny(visit, n.Operand)
	visitAny(visit, n.Pattern)
	visitAny(visit, n.Escape)
}

func (n *QuantifiedExpr) children(visit func(Node)) {
	visitAny(visit, n.Left)
	visitOne(visit, n.Op)
	visitOne(visit, n.Query)
	visitAny(visit, n.Array)
}

func (n *OverlapsExpr) children(visit func(Node)) {
	visitOne(visit, n.Left)
	visitOne(visit, n.Right)
}

func (n *CaseExpr) children(visit func(Node)) {
	visitAny(visit, n.Operand)
	visitAll(visit, n.Whens)
	visitAny(visit, n.Else)
}

func (n *When) children(visit func(Node)) {
	visitAny(visit, n.Cond)
	visitAny(visit, n.Then)
}

func (n *RowExpr) children(visit func(Node)) {
	visitAll(visit, n.Items)
}

func (n *ArrayExpr) children(visit func(Node)) {
	visitAll(visit, n.Items)
}

func (n *ArraySubquery) children(visit func(Node)) {
	visitOne(visit, n.Query)
}

func (n *SubqueryExpr) children(visit func(Node)) {
	visitOne(visit, n.Query)
}

func (n *ExistsExpr) children(visit func(Node)) {
	visitOne(visit, n.Query)
}
