package expr

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// constant is a value known when compiling.
type constant struct{ v value.Value }

func (e constant) Eval(*Context) (value.Value, error) { return e.v, nil }

type unary struct {
	a  Expr
	fn func(c *Context, a value.Value) (value.Value, error)
}

func (e *unary) Eval(c *Context) (value.Value, error) {
	a, err := e.a.Eval(c)
	if err != nil {
		return value.Value{}, err
	}
	return e.fn(c, a)
}

type binary struct {
	a, b Expr
	fn   func(c *Context, a, b value.Value) (value.Value, error)
}

func (e *binary) Eval(c *Context) (value.Value, error) {
	a, err := e.a.Eval(c)
	if err != nil {
		return value.Value{}, err
	}
	held := c.held
	if a.IsLong(maxUnheld) {
		if err := c.hold(a); err != nil {
			return value.Value{}, err
		}
	}
	b, err := e.b.Eval(c)
	c.held = held
	if err != nil {
		return value.Value{}, err
	}
	return e.fn(c, a, b)
}

// call evaluates its arguments onto the context's stack.
type call struct {
	args []Expr
	fn   func(c *Context, args []value.Value) (value.Value, error)
}

func (e *call) Eval(c *Context) (value.Value, error) {
	base, held := len(c.stack), c.held
	defer func() { c.stack, c.held = c.stack[:base], held }()
	for _, a := range e.args {
		v, err := eval(a, c)
		if err != nil {
			return value.Value{}, err
		}
		if v.IsLong(maxUnheld) {
			if err := c.hold(v); err != nil {
				return value.Value{}, err
			}
		}
		c.stack = append(c.stack, v)
	}
	return e.fn(c, c.stack[base:])
}

// eval evaluates an optional argument; nil gives the missing value.
func eval(e Expr, c *Context) (value.Value, error) {
	if e == nil {
		return value.Value{}, nil
	}
	return e.Eval(c)
}

// lazy is an operator that decides itself which operands to evaluate.
type lazy func(c *Context) (value.Value, error)

func (e lazy) Eval(c *Context) (value.Value, error) { return e(c) }

// set binds the variable of a slot.
func (c *Context) set(slot int, v value.Value) {
	if n := len(c.Vars); n <= slot {
		// The caller may share what lies behind its variables: take new room.
		c.Vars = append(c.Vars[:n:n], make([]value.Value, slot+1-n)...)
	}
	c.Vars[slot] = v
}

// objectNode is an object literal.
type objectNode struct {
	names []string
	exprs []Expr
}

func (e *objectNode) Eval(c *Context) (value.Value, error) {
	start, buf := value.BeginDocument(make([]byte, 0, 64))
	for i, x := range e.exprs {
		v, err := x.Eval(c)
		if err != nil {
			return value.Value{}, err
		}
		buf = value.AppendElement(buf, e.names[i], v)
		if len(buf) > maxMemory {
			return value.Value{}, tooMuch(len(buf), maxMemory)
		}
	}
	return value.Document(value.EndDocument(buf, start)), nil
}

func (p *compiler) object(doc bson.Raw) (Expr, error) {
	e := &objectNode{}
	seen := map[string]bool{}
	for it := value.Walk(doc); it.Next(); {
		k := it.Key()
		if err := checkFieldName(k); err != nil {
			return nil, err
		}
		if seen[k] {
			return nil, fail(16406, "duplicate field name specified in object literal: %s", value.Document(doc))
		}
		seen[k] = true
		x, err := p.expr(it.Value())
		if err != nil {
			return nil, err
		}
		e.names, e.exprs = append(e.names, k), append(e.exprs, x)
	}
	return p.fold(e, true, e.exprs...)
}

func checkFieldName(k string) error {
	switch {
	case k == "":
		return fail(15998, "FieldPath field names may not be empty strings.")
	case k[0] == '$':
		return fail(16410, "FieldPath field names may not start with '$'. Consider using $getField or $setField.")
	case strings.Contains(k, "."):
		return fail(16412, "FieldPath field names may not contain '.'. Consider using $getField or $setField.")
	}
	return nil
}

// arrayNode is an array literal.
type arrayNode struct{ items []Expr }

func (e *arrayNode) Eval(c *Context) (value.Value, error) {
	start, buf := value.BeginDocument(make([]byte, 0, 64))
	for i, x := range e.items {
		v, err := x.Eval(c)
		if err != nil {
			return value.Value{}, err
		}
		buf = value.AppendItem(buf, i, v)
		if len(buf) > maxMemory {
			return value.Value{}, tooMuch(len(buf), maxMemory)
		}
	}
	return value.Array(value.EndDocument(buf, start)), nil
}

func (p *compiler) array(arr bson.Raw) (Expr, error) {
	items, err := p.args(value.Array(arr))
	if err != nil {
		return nil, err
	}
	return p.fold(&arrayNode{items}, true, items...)
}
