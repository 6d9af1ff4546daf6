package expr

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Expr is a compiled expression. It may be evaluated from many goroutines,
// each with a Context of its own.
type Expr interface {
	Eval(c *Context) (value.Value, error)
}

// Context is what an expression sees while it is evaluated. One Context is
// used by one goroutine at a time and reused for many documents.
type Context struct {
	// Root is the document: $$ROOT, and $$CURRENT unless it is bound anew.
	Root bson.Raw
	// Vars holds the variables of CompileOptions.Vars, in that order; Eval
	// keeps the variables that it binds itself behind them.
	Vars        []value.Value
	Now         int64       // $$NOW, milliseconds since 1970
	ClusterTime value.Value // $$CLUSTER_TIME; missing when there is none
	Session     any         // opaque, for the functions of a Library
	Watch       *Watch      // nil: nothing ends evaluations

	failed error
	held   int           // bytes of operands of operators under way
	stack  []value.Value // arguments of calls in progress
	zones  map[string]*time.Location
}

// Library is the set of operators that only local execution knows.
type Library struct {
	Functions    map[string]Function
	Accumulators map[string]func() Accumulator
}

// Function is one local operator, written {"$weir.NAME": [args…]}.
type Function struct {
	MinArgs, MaxArgs int // MaxArgs < 0: any number
	Eval             func(c *Context, args []value.Value) (value.Value, error)
}

// Accumulator is one running aggregate of a local operator in $group.
type Accumulator interface {
	Add(args []value.Value) error
	Result() (value.Value, error)
}

// LocalPrefix begins the names of local operators.
const LocalPrefix = "$weir."

// CompileOptions is the surroundings of an expression; nil means none.
type CompileOptions struct {
	Library   *Library
	Collation *value.Collation
	// Vars names the variables set from outside (let of a command or of
	// $lookup). A later name hides an equal earlier one. CURRENT among them
	// is what field paths begin at, and makes the variables of $redact known.
	Vars []string
	// Known holds the values of the first of Vars, those that are the same for
	// all documents.
	Known []value.Value
	// SortKey gives the sort key of the documents, where they are sorted.
	SortKey Expr
	// SourceMeta tells that the documents bring their record id and index key.
	SourceMeta bool
	// Deps, when not nil, collects what the expression reads.
	Deps *Deps
}

// Deps is what expressions read of their document.
type Deps struct {
	Fields []string // dotted paths
	Whole  bool     // the whole document
}

// Compile compiles any BSON value as an expression.
func Compile(raw bson.RawValue, opts *CompileOptions) (Expr, error) {
	return CompileValue(value.FromRaw(raw), opts)
}

// CompileValue is Compile for a Value. The value's bytes must stay unchanged
// while the expression is in use.
func CompileValue(v value.Value, opts *CompileOptions) (Expr, error) {
	p := newCompiler(opts)
	return p.expr(v)
}

// CompileObject compiles a document as an object literal, even when its field
// names begin with "$"; arguments of stages are written so.
func CompileObject(doc bson.Raw, opts *CompileOptions) (Expr, error) {
	return newCompiler(opts).object(doc)
}

// Constant gives the value of an expression that reads nothing.
func Constant(e Expr) (value.Value, bool) {
	k, ok := e.(constant)
	return k.v, ok
}

// FieldPath gives the path of an expression that only reads a field of the
// document.
func FieldPath(e Expr) ([]string, bool) {
	f, ok := e.(*fieldPath)
	if !ok {
		return nil, false
	}
	return f.path, true
}

// IsOperator tells whether name (with its "$") is an expression operator.
func IsOperator(name string) bool {
	_, ok := operators[name]
	return ok
}
