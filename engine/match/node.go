package match

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// Node is one node of a filter. The set of nodes is sealed; all fields are
// for reading only.
//
//	And Or Nor                      logic over other nodes
//	Not                             true where the predicate is not
//	Compare In Exists Type Size
//	Mod Regex Bits                  predicates on the values of one path
//	ElemMatch ElemMatchValue        predicates on the items of an array
//	Expr Schema Always Sample       predicates on the whole document
//
// $ne and $nin are Not of Compare and In, $all is an And, $exists: false is a
// Not of Exists. A predicate holds when it holds for any value that its path
// leads to: the value itself and, if it is an array, each of its items.
type Node interface {
	matches(c *expr.Context, doc bson.Raw) (bool, error)
	// test applies the predicate to one value, whatever its path.
	test(c *expr.Context, v value.Value) bool
}

// And holds when all hold; with nothing in it, always.
type And struct{ Of []Node }

// Or holds when one holds.
type Or struct{ Of []Node }

// Nor holds when none holds.
type Nor struct{ Of []Node }

// Not holds when its predicate (or And of predicates) does not.
type Not struct{ Of Node }

// Op is an operator of Compare.
type Op uint8

// The comparisons.
const (
	Eq Op = iota
	Lt
	Lte
	Gt
	Gte
)

func (o Op) String() string { return [...]string{"$eq", "$lt", "$lte", "$gt", "$gte"}[o] }

// Path is a dotted path; Parts are its names.
type Path struct {
	Text  string
	Parts []string
}

// Compare holds for values of the class of Value that are in this relation to
// it. Eq null holds for missing fields too.
type Compare struct {
	Path      Path
	Op        Op
	Value     value.Value
	Collation *value.Collation
	class     byte
}

// In holds for values that equal one of Values or match one of Patterns.
type In struct {
	Path      Path
	Values    []value.Value
	Patterns  []*Regex
	Collation *value.Collation
	set       map[uint64][]value.Value // by hash, for long lists
	hasNull   bool
}

// Exists holds when there is a value.
type Exists struct{ Path Path }

// Type holds for values of one of these types.
type Type struct {
	Path   Path
	Types  []bson.Type
	Number bool // any of the number types
}

// Size holds for arrays of this length.
type Size struct {
	Path Path
	N    int64
}

// Mod holds for numbers with this remainder.
type Mod struct {
	Path               Path
	Divisor, Remainder int64
}

// Regex holds for strings that match, and for the same regular expression.
type Regex struct {
	Path             Path
	Pattern, Options string
	compiled         *expr.Pattern
}

// BitsOp is an operator of Bits.
type BitsOp uint8

// The bit tests.
const (
	AllSet BitsOp = iota
	AllClear
	AnySet
	AnyClear
)

// Bits holds for integers and binary data with these bits.
type Bits struct {
	Path      Path
	Op        BitsOp
	Positions []uint32
}

// ElemMatch holds for arrays of which one item, as a document, matches Of.
type ElemMatch struct {
	Path Path
	Of   Node
}

// ElemMatchValue holds for arrays of which one item satisfies every predicate.
type ElemMatchValue struct {
	Path Path
	Of   []Node
}

// Expr holds when the expression is true for the document.
type Expr struct{ Of expr.Expr }

// Schema is $jsonSchema.
type Schema struct{ root *schema }

// Always holds for every document or for none.
type Always struct{ Value bool }

// Sample holds at random, with this probability.
type Sample struct{ Rate float64 }
