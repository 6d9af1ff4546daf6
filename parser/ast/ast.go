// Package ast holds the tree of a SQL statement as the parser reads it: names
// are not resolved, nothing is typed, no default is filled in.
//
// Every node knows its place in the text. Node, Statement, Expr, TableExpr and
// QueryExpr are sealed: only this package adds to them. A file holds one
// statement family; the grammar line is each node's comment, with optional
// parts in brackets. Walk visits, Print writes SQL that parses to an equal
// tree, Equal compares trees without their positions.
//
// Start reading at Query (select.go), then expr.go.
package ast

// Node is anything in the tree that has a place in the text.
type Node interface {
	// Pos is the 1-based offset in characters of the node's first token in the
	// text that was parsed; 0 for a node that was made up.
	Pos() int
	// End is the offset just after the node's last token, or 0 if unknown.
	End() int
	// children calls visit with each child that is there, in the order of the fields.
	children(visit func(Node))
}

// Statement is a whole SQL command.
type Statement interface {
	Node
	// Bytes are the byte offsets of the statement in the text that was parsed,
	// without its semicolon.
	Bytes() (from, to int)
	// Place sets what Bytes returns.
	Place(from, to int)
	statement()
}

// Expr is a value expression.
type Expr interface {
	Node
	expr()
}

// TableExpr is an item of FROM.
type TableExpr interface {
	Node
	tableExpr()
}

// QueryExpr is what can stand on one side of UNION.
type QueryExpr interface {
	Node
	queryExpr()
}

// TableElement is an entry in the parentheses of CREATE TABLE.
type TableElement interface {
	Node
	tableElement()
}

// Span is a node's place, in characters, from 1; Stop is exclusive.
type Span struct {
	Start, Stop int
}

func (s Span) Pos() int { return s.Start }
func (s Span) End() int { return s.Stop }

// A node without children need not say so.
func (s Span) children(func(Node)) {}

// Stmt is the part that all statements share.
type Stmt struct {
	Span
	From, To int // byte offsets
}

func (s *Stmt) Bytes() (from, to int) { return s.From, s.To }
func (s *Stmt) Place(from, to int)    { s.From, s.To = from, to }
func (s *Stmt) statement()            {}

// Ident is one name. The zero Ident stands for an absent name.
type Ident struct {
	Span
	Name   string // folded to lower case unless quoted: what is compared
	Text   string // as it was written, without quotes: what is stored and shown
	Quoted bool
}

// IsZero reports whether there is no name.
func (i Ident) IsZero() bool { return i.Name == "" }

// MakeIdent makes a name that needs no quotes to be found again.
func MakeIdent(name string) Ident { return Ident{Name: name, Text: name, Quoted: true} }

// Name is a possibly qualified name: ident [. ident …].
type Name struct {
	Span
	Parts []Ident
}

// Last is the unqualified part.
func (n *Name) Last() Ident { return n.Parts[len(n.Parts)-1] }

// Qualifier is the part before the last dot, or the zero Ident.
func (n *Name) Qualifier() Ident {
	if len(n.Parts) < 2 {
		return Ident{}
	}
	return n.Parts[len(n.Parts)-2]
}

// TypeName is [SETOF] name [(mod, …)] [fields of INTERVAL] [ [] … ].
//
// SQL spellings are resolved: INTEGER is int4, DOUBLE PRECISION float8, CHAR(n)
// bpchar, TIMESTAMP WITH TIME ZONE timestamptz; Builtin then says that the
// search path has no part in it.
type TypeName struct {
	Span
	Schema  Ident
	Name    Ident
	Builtin bool
	SetOf   bool
	Mods    []Expr
	Fields  string // of INTERVAL, lower case: "day", "day to second"
	Dims    []int  // array bounds, -1 where none is written
	Like    *Name  // name%TYPE; then Name is empty
}

// Option is name [=] [value] in a list of options.
type Option struct {
	Span
	Name   Ident
	Prefix Ident // of prefix.name, in WITH (…) of tables
	Value  Expr  // nil when only the name is written
}

// Behavior is RESTRICT or CASCADE.
type Behavior int

const (
	BehaviorDefault Behavior = iota
	Restrict
	Cascade
)

// ObjectKind is what a DDL statement is about.
type ObjectKind string

const (
	KindTable             ObjectKind = "TABLE"
	KindView              ObjectKind = "VIEW"
	KindMaterializedView  ObjectKind = "MATERIALIZED VIEW"
	KindIndex             ObjectKind = "INDEX"
	KindSequence          ObjectKind = "SEQUENCE"
	KindSchema            ObjectKind = "SCHEMA"
	KindDatabase          ObjectKind = "DATABASE"
	KindRole              ObjectKind = "ROLE"
	KindColumn            ObjectKind = "COLUMN"
	KindConstraint        ObjectKind = "CONSTRAINT"
	KindFunction          ObjectKind = "FUNCTION"
	KindProcedure         ObjectKind = "PROCEDURE"
	KindRoutine           ObjectKind = "ROUTINE"
	KindAggregate         ObjectKind = "AGGREGATE"
	KindType              ObjectKind = "TYPE"
	KindDomain            ObjectKind = "DOMAIN"
	KindTrigger           ObjectKind = "TRIGGER"
	KindRule              ObjectKind = "RULE"
	KindPolicy            ObjectKind = "POLICY"
	KindExtension         ObjectKind = "EXTENSION"
	KindLanguage          ObjectKind = "LANGUAGE"
	KindTablespace        ObjectKind = "TABLESPACE"
	KindForeignTable      ObjectKind = "FOREIGN TABLE"
	KindStatistics        ObjectKind = "STATISTICS"
	KindCollation         ObjectKind = "COLLATION"
	KindConversion        ObjectKind = "CONVERSION"
	KindEventSubscription ObjectKind = "EVENT_SUBSCRIPTION"
	KindConnection        ObjectKind = "CONNECTION"
)

func (n *TypeName) children(visit func(Node)) {
	visitAll(visit, n.Mods)
	visitOne(visit, n.Like)
}

func (n *Option) children(visit func(Node)) {
	visitAny(visit, n.Value)
}
