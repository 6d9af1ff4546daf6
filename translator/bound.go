package translator

import (
	"weir/planner"
	"weir/sqlerr"
)

// However an expression is translated, a statement can be found of which the
// pipeline grows by more than its length. Before it takes the memory of all
// other statements such a one fails: by the expressions that it compiles, and by
// what a stage or value of it takes when it is written.

const (
	// maxSpent is how many expressions are compiled for a statement.
	maxSpent = 4_000_000
	// maxWritten is how many bytes a stage may take: MongoDB's longest message.
	maxWritten = 48_000_000
	// stopWriting is a length that nothing reaches that traits does not find too
	// long: what is encoded to be compared only is cut there.
	stopWriting = 4 * maxWritten
)

func tooComplex() *sqlerr.Error {
	return sqlerr.New(sqlerr.StatementTooComplex, "statement is too complex").
		WithHint("Compute its nested expressions step by step, in WITH queries AS MATERIALIZED or temporary tables.")
}

// spend counts an expression that is compiled and tells whether there is no
// point in it: the translation has failed, or fails by being too long.
func (c *compiler) spend(e planner.Expr) bool {
	if c.spent++; c.spent > maxSpent {
		c.fail(tooComplex().At(e.Pos()))
	}
	return c.err != nil
}

// elementSize is what an element takes beside its name and value, at least.
const elementSize = 8

func (t *traits) tooLong() bool { return t.size > maxWritten }

// overlong stands in the place of a tree that is too long to be written.
type overlong struct{}
