package ast

// Set is SET [SESSION | LOCAL] name TO | = value, … | DEFAULT; SET TIME ZONE …; SET SCHEMA '…'; SET NAMES '…'; SET ROLE …; SET SESSION AUTHORIZATION …
//
// All forms come out as a parameter: timezone, search_path, client_encoding, role, session_authorization.
type Set struct {
	Stmt
	Local   bool
	Session bool // the word SESSION was there
	Name    string
	Values  []Expr // literals, *ColumnRef for bare words; nil: DEFAULT
	Current bool   // FROM CURRENT
}

// Show is SHOW name | ALL
type Show struct {
	Stmt
	Name string // lower case; "all" for SHOW ALL
}

// Reset is RESET name | ALL
type Reset struct {
	Stmt
	Name string // "all" for RESET ALL
}

// Discard is DISCARD ALL | PLANS | SEQUENCES | TEMP
type Discard struct {
	Stmt
	What string // upper case
}

// Prepare is PREPARE name [(type, …)] AS statement
type Prepare struct {
	Stmt
	Name      Ident
	Types     []*TypeName
	Statement Statement
}

// Execute is EXECUTE name [(expr, …)]
type Execute struct {
	Stmt
	Name Ident
	Args []Expr
}

// Deallocate is DEALLOCATE [PREPARE] name | ALL
type Deallocate struct {
	Stmt
	All  bool
	Name Ident
}

// DeclareCursor is DECLARE name [BINARY] [INSENSITIVE | ASENSITIVE] [[NO] SCROLL] CURSOR [WITH | WITHOUT HOLD] FOR query | SUBSCRIBE …
type DeclareCursor struct {
	Stmt
	Name        Ident
	Binary      bool
	Insensitive bool
	Scroll      *bool
	Hold        bool
	Query       Statement // a *Query or a *Subscribe
}

// FetchDirection is where a cursor goes.
type FetchDirection int

const (
	FetchForward FetchDirection = iota
	FetchBackward
	FetchAbsolute
	FetchRelative
)

// Fetch is FETCH | MOVE [NEXT | PRIOR | FIRST | LAST | ABSOLUTE n | RELATIVE n | n | ALL | FORWARD [n | ALL] | BACKWARD [n | ALL]] [FROM | IN] cursor [WITH (option, …)]
//
// NEXT is forward 1, PRIOR backward 1, FIRST absolute 1, LAST absolute -1.
type Fetch struct {
	Stmt
	Move      bool
	Direction FetchDirection
	All       bool
	Count     int64
	Cursor    Ident
	Options   []*Option
}

// CloseCursor is CLOSE name | ALL
type CloseCursor struct {
	Stmt
	All  bool
	Name Ident
}

// Listen is LISTEN channel
type Listen struct {
	Stmt
	Channel Ident
}

// Unlisten is UNLISTEN channel | *
type Unlisten struct {
	Stmt
	All     bool
	Channel Ident
}

// Notify is NOTIFY channel [, 'payload']
type Notify struct {
	Stmt
	Channel Ident
	Payload string
}

// Explain is EXPLAIN [ANALYZE] [VERBOSE] [(option [value], …)] statement
type Explain struct {
	Stmt
	Options   []*Option // ANALYZE and VERBOSE without parentheses are in it too
	Statement Statement
}

// Analyze is ANALYZE [VERBOSE] [(option, …)] [table [(column, …)], …]
type Analyze struct {
	Stmt
	Options []*Option
	Tables  []*AnalyzeTable
}

// AnalyzeTable is table [(column, …)]
type AnalyzeTable struct {
	Span
	Name    *Name
	Columns []Ident
}

// Vacuum is VACUUM [FULL] [FREEZE] [VERBOSE] [ANALYZE] [(option, …)] [table [(column, …)], …]
type Vacuum struct {
	Stmt
	Options []*Option
	Tables  []*AnalyzeTable
}

// Do is DO [LANGUAGE name] 'code'
type Do struct {
	Stmt
	Language Ident
	Code     string
}

// Call is CALL procedure(…)
type Call struct {
	Stmt
	Call *FunctionCall
}

// Checkpoint is CHECKPOINT
type Checkpoint struct{ Stmt }

// ShowObjects is MySQL's SHOW TABLES | COLLECTIONS | DATABASES | SCHEMAS | COLUMNS FROM t | INDEXES FROM t [FROM db] [LIKE 'p']; DESCRIBE t
type ShowObjects struct {
	Stmt
	What string // upper case: "TABLES", "COLLECTIONS", "DATABASES", "COLUMNS", "INDEXES"
	Full bool
	Of   *Name // the table of COLUMNS and INDEXES, the database of TABLES
	Like *StringLiteral
}

// Use is MySQL's USE db
type Use struct {
	Stmt
	Database Ident
}

// Unsupported is a statement of PostgreSQL that is known by its first words but has no
// meaning here; the rest of it is not read.
type Unsupported struct {
	Stmt
	Command string // upper case: "CREATE FUNCTION"
}

func (n *Set) children(visit func(Node)) {
	visitAll(visit, n.Values)
}

func (n *Prepare) children(visit func(Node)) {
	visitAll(visit, n.Types)
	visitAny(visit, n.Statement)
}

func (n *Execute) children(visit func(Node)) {
	visitAll(visit, n.Args)
}

func (n *DeclareCursor) children(visit func(Node)) {
	visitAny(visit, n.Query)
}

func (n *Fetch) children(visit func(Node)) {
	visitAll(visit, n.Options)
}

func (n *Explain) children(visit func(Node)) {
	visitAll(visit, n.Options)
	visitAny(visit, n.Statement)
}

func (n *Analyze) children(visit func(Node)) {
	visitAll(visit, n.Options)
	visitAll(visit, n.Tables)
}

func (n *AnalyzeTable) children(visit func(Node)) {
	visitOne(visit, n.Name)
}

func (n *Vacuum) children(visit func(Node)) {
	visitAll(visit, n.Options)
	visitAll(visit, n.Tables)
}

func (n *Call) children(visit func(Node)) {
	visitOne(visit, n.Call)
}

func (n *ShowObjects) children(visit func(Node)) {
	visitOne(visit, n.Of)
	visitOne(visit, n.Like)
}
