package ast

// StringLiteral is '…' | E'…' | U&'…' | $tag$…$tag$
type StringLiteral struct {
	Span
	Value string
}

// NumberLiteral is 1 | 1.5 | 1e3 | .5, without a sign. Integer says that it
// has neither point nor exponent (it may still not fit int8).
type NumberLiteral struct {
	Span
	Text    string
	Integer bool
}

// BoolLiteral is TRUE | FALSE
type BoolLiteral struct {
	Span
	Value bool
}

// NullLiteral is NULL
type NullLiteral struct{ Span }

// BitLiteral is B'0101' | X'1FF'
type BitLiteral struct {
	Span
	Hex    bool
	Digits string
}

// Parameter is $1
type Parameter struct {
	Span
	Number int
}

// TypedLiteral is type 'text', as in DATE '2020-01-01' or INTERVAL '1' DAY
type TypedLiteral struct {
	Span
	Type  *TypeName
	Value string
}

// Interval is MySQL's INTERVAL expr unit, as in INTERVAL 24 HOUR.
type Interval struct {
	Span
	Value Expr
	Unit  string // lower case, singular: "hour", "day_second"
}

// IntervalUnit is the unit as first argument of TIMESTAMPDIFF and TIMESTAMPADD.
type IntervalUnit struct {
	Span
	Unit string // lower case, singular
}

// Default is DEFAULT, in VALUES and SET.
type Default struct{ Span }

// ValueKeyword is CURRENT_DATE | CURRENT_TIME [(p)] | CURRENT_TIMESTAMP [(p)] | LOCALTIME [(p)] | LOCALTIMESTAMP [(p)]
// | CURRENT_USER | CURRENT_ROLE | SESSION_USER | USER | CURRENT_CATALOG | CURRENT_SCHEMA
type ValueKeyword struct {
	Span
	Keyword   string // lower case
	Precision int    // -1 where none is written
}

func (*StringLiteral) expr() {}
func (*NumberLiteral) expr() {}
func (*BoolLiteral) expr()   {}
func (*NullLiteral) expr()   {}
func (*BitLiteral) expr()    {}
func (*Parameter) expr()     {}
func (*TypedLiteral) expr()  {}
func (*Interval) expr()      {}
func (*IntervalUnit) expr()  {}
func (*Default) expr()       {}
func (*ValueKeyword) expr()  {}

func (n *TypedLiteral) children(visit func(Node)) {
	visitOne(visit, n.Type)
}

func (n *Interval) children(visit func(Node)) {
	visitAny(visit, n.Value)
}
