// Package planner turns an AST and the catalog into a typed logical plan.
//
// It binds names, types every expression by PostgreSQL's rules of operator and
// function resolution, and applies rewrite rules, one a file. It knows no
// pipelines (translator) and reads no data. Start with Build, then the nodes of
// this file: they are the whole language between planner and translator.
package planner

import (
	"weir/catalog"
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// ColID identifies a column of a relation within one plan. Each node that makes
// columns makes new ones; 0 is no column.
type ColID int

// Col is an output column of a node.
type Col struct {
	ID   ColID
	Name string // as shown to the client; stored spelling for document fields
	Type sqltype.Type
	// Table and Attr name the plain table column behind it, or 0.
	Table uint32
	Attr  int16
}

// Plan is a bound statement.
type Plan struct {
	Root    Node
	Params  []sqltype.Type // by $n - 1
	Cols    []Col          // result columns in order; nil: the statement returns no rows
	Notices []*sqlerr.Error
	// Deps are the catalog objects that the plan relies on, with their versions.
	Deps []catalog.Dep
	// Locking is the word of FOR UPDATE/SHARE that was asked for; RowLocks are the
	// tables that it names, whose keys stand in the last of Cols (see RowLock).
	Locking  string
	RowLocks []RowLock
	// Strict is the mode that it was planned in: whether a division by zero is an
	// error or NULL.
	Strict bool
	// Timed tells that a literal such as 'now' or 'today' was read when it was
	// planned: the plan means another time with each planning.
	Timed bool
	// ReadOnly is false when a node writes or calls a function that does.
	ReadOnly bool
}

// Node is a relational operator. The set is sealed.
type Node interface {
	Cols() []Col
	node()
}

// NamedExpr is an expression and the column it makes.
type NamedExpr struct {
	Col  Col
	Expr Expr
}

type (
	// Scan reads a collection, a virtual table or a table function's rows. A
	// column's place in the documents is Fields[i].
	Scan struct {
		Table  *catalog.Table
		Alias  string
		Args   []Expr // arguments of a table function that is a catalog.Table
		Out    []Col
		Fields []Field
	}
	// Values is VALUES, and the one empty row of a SELECT without FROM.
	Values struct {
		Out  []Col
		Rows [][]Expr
	}
	// FuncScan is a set-returning function in FROM: ROWS FROM (f(…), …) [WITH ORDINALITY].
	// Arguments may refer to outer columns (LATERAL).
	FuncScan struct {
		Out        []Col // the functions' columns in order, then ordinality
		Calls      []FuncCall
		Ordinality bool
	}
	// Filter keeps the rows for which Cond is true.
	Filter struct {
		Input Node
		Cond  Expr
	}
	// Project computes its columns; SetReturning marks select-list SRFs that
	// multiply rows (PostgreSQL's ProjectSet, in lockstep, padded with NULL): each
	// of its expressions is such a call, or a column of Input passed on under
	// its own ID.
	Project struct {
		Input        Node
		Exprs        []NamedExpr
		SetReturning bool
	}
	// Join combines two inputs. Right may refer to Left's columns when Lateral.
	// Semi and Anti yield Left's columns only; AntiNull is NOT IN's anti-join,
	// which yields nothing where the comparison is NULL.
	Join struct {
		Kind        JoinKind
		Left, Right Node
		On          Expr // nil: true
		Lateral     bool
	}
	// Aggregate groups. Sets holds indexes into Groups for each grouping set,
	// nil: all of them as one set. Without Groups and Sets it yields one row.
	Aggregate struct {
		Input  Node
		Groups []NamedExpr
		Sets   [][]int
		Aggs   []AggCall
		// Grouping maps a column to the Groups that a GROUPING(…) call is over.
		Grouping []GroupingCall
	}
	// Window adds the columns of its calls to those of Input.
	Window struct {
		Input Node
		Calls []WindowCall
	}
	// Sort orders by Keys.
	Sort struct {
		Input Node
		Keys  []SortKey
	}
	// Limit cuts; nil expressions stand for ALL and 0.
	Limit struct {
		Input    Node
		Count    Expr
		Offset   Expr
		WithTies []SortKey // FETCH … WITH TIES: the sort keys that tie; nil: none
	}
	// Distinct removes duplicates; On nil means all columns, else the first row
	// in Input's order for each value of On.
	Distinct struct {
		Input Node
		On    []Expr
	}
	// SetOp is UNION, INTERSECT, EXCEPT by position. Out[i] takes Left's and
	// Right's i-th column, both already cast to its type.
	SetOp struct {
		Kind        SetKind
		All         bool
		Left, Right Node
		Out         []Col
	}
	// With computes CTEs that must run once (writing, volatile, recursive, or
	// MATERIALIZED) before Body; others are inlined by the planner.
	With struct {
		CTEs []CTE
		Body Node
	}
	// CTEScan reads a CTE of an enclosing With by its ID. Inside of a recursive
	// term it reads the working table.
	CTEScan struct {
		ID   int
		Name string
		Out  []Col
		From []ColID // the CTE's column behind each of Out
	}
	// Insert writes Input's rows as documents. Targets[i] receives Input's i-th
	// column. Target's columns are of the row as it is written (in Conflict's Set
	// and Where: as it was before).
	Insert struct {
		Table     *catalog.Table
		Input     Node
		Targets   []Field
		Defaults  []FieldExpr // columns not named that have a default
		Document  bool        // INSERT of whole documents: Input's one jsonb column is the document
		Conflict  *OnConflict
		Target    Scan        // columns of the written row, for RETURNING, Conflict and Checks
		Returning []NamedExpr // nil: none
		Checks    []CheckExpr
		Foreign   []ForeignKey
	}
	// Update changes the rows that Input yields: it reads them as they were, with
	// their _id as Key, and Set is over its columns. Target is the row as it is
	// written, with columns of its own, which Returning and Checks read beside
	// Input's.
	Update struct {
		Table     *catalog.Table
		Input     Node
		Target    Scan
		Key       ColID
		Set       []FieldExpr
		Returning []NamedExpr
		Checks    []CheckExpr
		Foreign   []ForeignKey
	}
	// Delete removes the rows that Input yields; Target and Returning are over
	// Input's columns.
	Delete struct {
		Table     *catalog.Table
		Input     Node
		Target    Scan
		Key       ColID
		Returning []NamedExpr
		Foreign   []ForeignKey
	}
)

// Field is a path in a document.
type Field struct {
	Path []string // names from the top; nil: the whole document
	// Kinds says which BSON types the catalog has seen there (catalog.Kinds).
	Kinds catalog.Kinds
	// Type is the type of the catalog's column or the declared one.
	Type sqltype.Type
	// Narrow reads values of other kinds than Type's as NULL.
	Narrow bool
	// Domain is the domain, or array of one, that the column was declared as.
	Domain sqltype.OID
	// Elems marks the names that are indexes of array items, the first at bit 0.
	Elems uint64
	// Fine tells that documents may have parts of a scan's column in catalog.FineField.
	Fine bool
}

// FieldExpr assigns an expression to a path.
type FieldExpr struct {
	Field Field
	Expr  Expr

	subscripts bool // Expr changes the old value at subscripts
}

// CheckExpr is a CHECK or NOT NULL constraint over Target's columns as they are
// after the write: a row for which it is false is refused.
type CheckExpr struct {
	Name   string // of the constraint or view; "" for NOT NULL
	View   bool   // a view's WITH CHECK OPTION
	Column string // of NOT NULL
	// Partition tells that the constraint is that of the partition Relation: its
	// bounds (View), a NOT NULL or CHECK, or else that there is one for the row.
	Partition bool
	Relation  string
	Expr      Expr
}

// FuncCall is one function of a FuncScan; Cols of them are its columns.
type FuncCall struct {
	Func *sqlfunc.Func
	Args []Expr
	Cols int
	// Composite tells that a row is a value of a composite type, and the columns
	// are its attributes.
	Composite bool
	Pos       int
}

// OnConflict is ON CONFLICT. Without Set it does nothing.
type OnConflict struct {
	Target   []Field // nil: any unique index
	Set      []FieldExpr
	Excluded []Col // columns of "excluded", in order of Insert.Targets, its Defaults and the others
	Where    Expr
	Foreign  []ForeignKey

	late error // that there is no such index, which other errors come before
}

// JoinKind is a kind of join.
type JoinKind uint8

// The kinds of joins; a right join is a left join with swapped inputs.
const (
	Inner JoinKind = iota
	Left
	Full
	Semi
	Anti
	AntiNull
)

// SetKind is a kind of set operation.
type SetKind uint8

// The kinds of set operations.
const (
	Union SetKind = iota
	Intersect
	Except
)

// CTE is one query of a With.
type CTE struct {
	ID        int
	Name      string
	Plan      Node
	Recursive *Recursive // nil: Plan alone
}

// Recursive is the recursive term of a CTE; Plan is the other one.
type Recursive struct {
	Term Node
	All  bool // UNION ALL
	Out  []Col
}

// SortKey orders by an expression.
type SortKey struct {
	Expr       Expr
	Desc       bool
	NullsFirst bool
}

// AggCall is an aggregate over the rows of a group.
type AggCall struct {
	Col      Col
	Func     *sqlfunc.Func
	Args     []Expr // for ordered-set aggregates: the direct arguments
	Distinct bool
	OrderBy  []SortKey // of the arguments, or WITHIN GROUP
	Filter   Expr
	// Limit bounds the values taken after ordering (JSON_ARRAYAGG … LIMIT n), nil: all.
	Limit Expr
	Pos   int
	// AnyValue marks a lenient ungrouped column: any value of the group.
	AnyValue bool
}

// GroupingCall is a GROUPING(…) over indexes into Groups.
type GroupingCall struct {
	Col  Col
	Args []int
}

// WindowCall is a window function or an aggregate over a window.
type WindowCall struct {
	Col         Col
	Func        *sqlfunc.Func
	Args        []Expr
	Filter      Expr
	PartitionBy []Expr
	OrderBy     []SortKey
	Frame       Frame
	Pos         int
}

// Frame is a window frame; the zero value is RANGE UNBOUNDED PRECEDING to CURRENT ROW.
type Frame struct {
	Mode       ast.FrameUnit
	Start, End Bound
	Exclude    ast.FrameExclude
}

// Bound is one end of a frame.
type Bound struct {
	Kind   ast.BoundKind
	Offset Expr // for PRECEDING and FOLLOWING with a value
}

// Expr is a typed expression. The set is sealed.
type Expr interface {
	Type() sqltype.Type
	Pos() int
	expr()
}

type (
	// Const is a constant in its type's BSON form; null for NULL.
	Const struct {
		T     sqltype.Type
		Value value.Value
		P     int
		// Missing marks the NULL of a column that no source offers.
		Missing bool
	}
	// ColRef reads a column of the input, or of an outer query (LATERAL,
	// correlated subqueries: the ID is then not among the input's).
	ColRef struct {
		ID   ColID
		Name string
		T    sqltype.Type
		P    int
		// Bound: what a Let around it binds, no column of a relation.
		Bound bool
	}
	// Param is $N.
	Param struct {
		N int
		T sqltype.Type
		P int
	}
	// Call is a scalar function or operator.
	Call struct {
		Func *sqlfunc.Func
		Args []Expr
		T    sqltype.Type
		P    int
		// Spread marks a call with VARIADIC: the last argument is the array of
		// the variadic ones.
		Spread bool
	}
	// Cast converts. Explicit is false for implicit and assignment casts.
	Cast struct {
		X        Expr
		T        sqltype.Type
		Explicit bool
		P        int
	}
	// Logic is AND or OR of two and more, or NOT of one.
	Logic struct {
		Op   LogicOp
		Args []Expr
		P    int
	}
	// Test is IS [NOT] NULL/TRUE/FALSE/UNKNOWN.
	Test struct {
		X  Expr
		Is TestKind
		P  int
	}
	// DistinctFrom is IS [NOT] DISTINCT FROM (also MySQL's <=>, which is Not).
	DistinctFrom struct {
		L, R Expr
		Eq   *sqlfunc.Func // the equality of the two types
		Not  bool
		P    int
	}
	// Case is a searched CASE; the simple form is rewritten to it.
	Case struct {
		Whens []When
		Else  Expr // nil: NULL
		T     sqltype.Type
		P     int
	}
	// Variadic is COALESCE, GREATEST, LEAST, NULLIF over one type.
	Variadic struct {
		Kind VariadicKind
		Args []Expr
		Eq   *sqlfunc.Func // NULLIF's equality
		T    sqltype.Type
		P    int
	}
	// InList is X [NOT] IN (list): X = any of List with Eq.
	InList struct {
		X    Expr
		List []Expr
		Eq   *sqlfunc.Func
		Not  bool
		P    int
	}
	// AnyAll is X op ANY|ALL (array).
	AnyAll struct {
		X     Expr
		Op    *sqlfunc.Func
		Array Expr
		All   bool
		P     int
	}
	// Subquery is a subquery in an expression. Its plan may refer to outer columns.
	Subquery struct {
		Kind SubqueryKind
		Plan Node
		// X and Op belong to In, Any and All: X op (each row). Rows compare field by field.
		X  []Expr
		Op []*sqlfunc.Func
		T  sqltype.Type
		P  int
	}
	// Array is ARRAY[…] of elements cast to one type.
	Array struct {
		Elems []Expr
		T     sqltype.Type
		P     int
	}
	// Row is ROW(…).
	Row struct {
		Fields []Expr
		Names  []string // of a table's whole row; nil: f1, f2 …
		Bare   bool     // an array of plain values that never leaves the statement
		// Composite is the type that the row is a value of, a document of its
		// fields by their Names; 0: a row of no type.
		Composite sqltype.OID
		P         int
	}
	// Checked is a value of a domain: X, if the rules over Col, which stands for
	// it, are not false; with Each, Col stands for every item of the array X.
	Checked struct {
		X     Expr
		Col   Col
		Rules []DomainRule
		Each  bool
		// Domain is the domain of the value; 0 where only attributes of it are of domains.
		Domain sqltype.OID
		P      int
	}
	// Let is In, where Col stands for X, which is computed once.
	Let struct {
		Col Col
		X   Expr
		In  Expr
		P   int
	}
	// Path goes down from a document value by field names (jsonb; dialect.md section 1).
	Path struct {
		X     Expr
		Names []string
		T     sqltype.Type
		P     int
	}
	// Subscript is X[i] or X[lo:hi] on arrays (1-based) and jsonb (0-based or by
	// key), and the fields of a record (0-based).
	Subscript struct {
		X      Expr
		Lo, Hi Expr // Hi only for slices; nil bounds are open
		Slice  bool
		T      sqltype.Type
		P      int
	}
)

// DomainRule is what a domain asks of its values; Constraint "" is NOT NULL.
type DomainRule struct {
	Domain     string
	Constraint string
	Cond       Expr
}

// LogicOp is AND, OR, NOT.
type LogicOp uint8

// The logical operators.
const (
	And LogicOp = iota
	Or
	Not
)

// TestKind is what IS tests.
type TestKind uint8

// The tests.
const (
	IsNull TestKind = iota
	IsNotNull
	IsTrue
	IsNotTrue
	IsFalse
	IsNotFalse
	IsUnknown
	IsNotUnknown
)

// VariadicKind is one of the constructs that look like functions.
type VariadicKind uint8

// The constructs.
const (
	Coalesce VariadicKind = iota
	Greatest
	Least
	NullIf
)

// SubqueryKind is how a subquery is used.
type SubqueryKind uint8

// The uses.
const (
	Scalar SubqueryKind = iota
	Exists
	NotExists
	In    // X = ANY
	NotIn // NOT (X = ANY)
	AnyOf
	AllOf
	ArrayOf
)

// When is a branch of CASE.
type When struct{ Cond, Then Expr }
