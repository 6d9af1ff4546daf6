package agg

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// extractor reads all plain field paths that a stage needs in one walk over
// the document, however many there are.
type extractor struct {
	names []string
	vals  []value.Value
}

// slot gives the place of a top-level field in vals.
func (e *extractor) slot(name string) int {
	for i, n := range e.names {
		if n == name {
			return i
		}
	}
	e.names = append(e.names, name)
	e.vals = append(e.vals, value.Value{})
	return len(e.names) - 1
}

func (e *extractor) read(doc bson.Raw) {
	if len(e.names) == 0 {
		return
	}
	clear(e.vals)
	left := len(e.names)
	for it := value.Walk(doc); it.Next(); {
		key := it.Key()
		for i, n := range e.names {
			if n == key {
				if e.vals[i].IsMissing() {
					e.vals[i] = it.Value()
					left--
				}
				break
			}
		}
		if left == 0 {
			return
		}
	}
}

// input is an expression that is read from an extractor where it is a plain
// path, and evaluated otherwise.
type input struct {
	slot int // -1: evaluate
	rest []string
	expr expr.Expr
}

func (e *extractor) input(c *compiler, raw bson.RawValue) (input, error) {
	x, err := c.expr(raw)
	if err != nil {
		return input{}, err
	}
	if path, ok := expr.FieldPath(x); ok {
		return input{slot: e.slot(path[0]), rest: path[1:], expr: x}, nil
	}
	return input{slot: -1, expr: x}, nil
}

func (in *input) eval(x *expr.Context, e *extractor) (value.Value, error) {
	if in.slot < 0 {
		return in.expr.Eval(x)
	}
	if len(in.rest) == 0 {
		return e.vals[in.slot], nil
	}
	return value.GetPathIn(e.vals[in.slot], in.rest), nil
}
