package ast

// CallForm is how a function call was written. Whatever the form, Name and Args
// are those of the plain function.
type CallForm int

const (
	CallPlain     CallForm = iota
	CallExtract            // EXTRACT(field FROM x): extract('field', x)
	CallSubstring          // SUBSTRING(x FROM a [FOR b]): substring(x, a [, b])
	CallSimilar            // SUBSTRING(x SIMILAR p ESCAPE e): substring(x, p, e)
	CallOverlay            // OVERLAY(x PLACING y FROM a [FOR b]): overlay(x, y, a [, b])
	CallPosition           // POSITION(a IN b): position(b, a), PostgreSQL's order
	CallTrim               // TRIM([BOTH | LEADING | TRAILING] [chars FROM] x): btrim | ltrim | rtrim(x [, chars])
	CallNormalize          // NORMALIZE(x [, form]): normalize(x [, 'form'])
)

// FunctionCall is
//
//	name([ALL | DISTINCT] [VARIADIC] arg, … [ORDER BY …] [SEPARATOR 's'] [LIMIT n])
//	[WITHIN GROUP (ORDER BY …)] [FILTER (WHERE cond)] [OVER window] | name(*)
type FunctionCall struct {
	Span
	Form        CallForm
	Name        *Name
	Star        bool
	Distinct    bool
	Variadic    bool // the last argument is VARIADIC
	Args        []Expr
	OrderBy     []*OrderItem
	Separator   Expr // of MySQL's GROUP_CONCAT
	Limit       Expr // of MySQL's aggregates
	WithinGroup []*OrderItem
	Filter      Expr
	Over        *WindowSpec
}

// NamedArg is name => expr | name := expr
type NamedArg struct {
	Span
	Name  Ident
	Value Expr
}

// Coalesce is COALESCE(expr, …)
type Coalesce struct {
	Span
	Args []Expr
}

// NullIf is NULLIF(a, b)
type NullIf struct {
	Span
	Left  Expr
	Right Expr
}

// Extremum is GREATEST(expr, …) | LEAST(expr, …)
type Extremum struct {
	Span
	Least bool
	Args  []Expr
}

// Grouping is GROUPING(expr, …)
type Grouping struct {
	Span
	Args []Expr
}

func (*FunctionCall) expr() {}
func (*NamedArg) expr()     {}
func (*Coalesce) expr()     {}
func (*NullIf) expr()       {}
func (*Extremum) expr()     {}
func (*Grouping) expr()     {}

func (n *FunctionCall) children(visit func(Node)) {
	visitOne(visit, n.Name)
	visitAll(visit, n.Args)
	visitAll(visit, n.OrderBy)
	visitAny(visit, n.Separator)
	visitAny(visit, n.Limit)
	visitAll(visit, n.WithinGroup)
	visitAny(visit, n.Filter)
	visitOne(visit, n.Over)
}

func (n *NamedArg) children(visit func(Node)) {
	visitAny(visit, n.Value)
}

func (n *Coalesce) children(visit func(Node)) {
	visitAll(visit, n.Args)
}

func (n *NullIf) children(visit func(Node)) {
	visitAny(visit, n.Left)
	visitAny(visit, n.Right)
}

func (n *Extremum) children(visit func(Node)) {
	visitAll(visit, n.Args)
}

func (n *Grouping) children(visit func(Node)) {
	visitAll(visit, n.Args)
}
