// Package sqlfunc is the table of SQL's functions, operators and casts: their
// signatures for the planner and pg_proc, and the local implementations that
// the engine runs as `$weir.NAME` operators where MongoDB has none.
//
// It does not say how a function is pushed down; that is the translator's.
//
//	signatures          func_*.go, op_*.go, cast_table.go: literal rows, one file a family
//	look-up             table.go, cast.go (Table)
//	implementations     impl_*.go by family, aggregate*.go; library.go puts them together
//	regular expressions regex*.go; jsonpath: jsonpath*.go
//	the session         session.go: what functions ask of it
//
// A signature's Impl names its meaning; signatures that mean the same share it.
// Names are the function's own, or verb_type where types differ in meaning:
// eq ne lt le gt ge where MongoDB's order of the BSON forms is SQL's (but for
// NaN, which is greatest in SQL), eq_interval and so on elsewhere; add_int4
// overflows, add_numeric keeps scales. Casts are cast_FROM_TO with arguments
// (value, typmod, explicit), conversions of Func.AnyAs to_json_T, to_jsonb_T.
//
// To add a function: a row in the table of its family, an evaluator under its
// Impl in the family's impl file, a line in testdata. A test says so when an
// evaluator is missing.
package sqlfunc

import (
	"weir/engine/expr"
	"weir/sqltype"
)

// Kind tells how a function is called.
type Kind uint8

// The kinds of functions.
const (
	Scalar Kind = iota
	Aggregate
	OrderedSet // aggregate with WITHIN GROUP
	Window
	SetReturning
)

// Volatility is PostgreSQL's: what a planner may assume of repeated calls.
type Volatility uint8

// The volatilities.
const (
	Immutable Volatility = iota
	Stable
	Volatile
)

// Func is one signature. Two signatures of one name are two Funcs.
type Func struct {
	OID      uint32
	Name     string // lower case
	Schema   string // "": pg_catalog
	Kind     Kind
	Args     []sqltype.OID // declared types, polymorphic ones too
	ArgNames []string      // for named notation, nil: none
	Variadic bool          // the last argument repeats (its type is the element's)
	Optional int           // how many trailing arguments may be left out
	Ret      sqltype.OID
	// Columns are the result columns of set-returning functions with several
	// (OUT parameters, RETURNS TABLE); nil: one column of type Ret.
	Columns []Column
	Volatility
	// NotStrict functions are called with NULL arguments; others answer NULL.
	NotStrict bool
	// Impl names the meaning, shared by signatures that mean the same: the
	// translator's push-down table and the local operator `$weir.Impl` go by it.
	Impl string
	// AnyAs is what arguments declared any, anyelement or anyarray are converted
	// to before the call (Table.Convert gives the conversion), because a value
	// alone does not tell its type: text as printed, json and jsonb as to_jsonb
	// does; 0: the value goes in as it is.
	AnyAs sqltype.OID
	// ReturnType computes the type (typmod, record …) where Ret is not enough.
	ReturnType func(args []sqltype.Type) sqltype.Type
}

// Column is a result column of a set-returning function.
type Column struct {
	Name string
	Type sqltype.OID
}

// Operator is an operator of a name and operand types; Left is 0 for prefix operators.
type Operator struct {
	OID         uint32
	Name        string
	Left, Right sqltype.OID
	Func        *Func
	Commutator  string
	Negator     string
}

// CastContext says where a cast applies by itself.
type CastContext uint8

// The contexts, as pg_cast's castcontext.
const (
	Explicit CastContext = iota
	Assignment
	Implicit
)

// Cast is a row of pg_cast, or an I/O conversion from or to text.
type Cast struct {
	From, To sqltype.OID
	Context  CastContext
	// Impl is the local operator `$weir.Impl` with arguments (value, typmod,
	// explicit); "" when the BSON form stays the same.
	Impl string
}

// Library gives the local operators for the engine.
type Library = expr.Library
