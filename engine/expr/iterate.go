package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

func parseMap(p *compiler, _ string, arg value.Value) (Expr, error) {
	if !arg.IsDocument() {
		return nil, fail(16878, "$map only supports an object as its argument")
	}
	f := fields(arg.Doc())
	if k := f.unknown("input", "as", "in"); k != "" {
		return nil, fail(16879, "Unrecognized parameter to $map: %s", k)
	}
	if f["input"].IsMissing() {
		return nil, fail(16880, "Missing 'input' parameter to $map")
	}
	if f["in"].IsMissing() {
		return nil, fail(16882, "Missing 'in' parameter to $map")
	}
	input, err := p.expr(f["input"])
	if err != nil {
		return nil, err
	}
	slot, body, err := p.loop(f["as"], f["in"])
	if err != nil {
		return nil, err
	}
	return lazy(func(c *Context) (value.Value, error) {
		arr, err := input.Eval(c)
		switch {
		case err != nil:
			return arr, err
		case arr.IsNullish():
			return value.Null(), nil
		case !arr.IsArray():
			return arr, fail(16883, "input to $map must be an array not %s", typeName(arr))
		}
		held := c.held
		defer func() { c.held = held }()
		if err := c.hold(arr); err != nil {
			return arr, err
		}
		out := collector{c: c}
		for it := value.Walk(arr.Doc()); it.Next(); {
			c.set(slot, it.Value())
			v, err := body.Eval(c)
			if err == nil {
				err = out.item(v)
			}
			if err != nil {
				return v, err
			}
		}
		return out.b.ArrayOf(), nil
	}), nil
}

// namedValues is the fields of an argument object.
type namedValues map[string]value.Value

func fields(doc bson.Raw) namedValues {
	out := namedValues{}
	for it := value.Walk(doc); it.Next(); {
		out[it.Key()] = it.Value()
	}
	return out
}

// unknown gives a field that is none of the keys.
func (f namedValues) unknown(keys ...string) string {
	for k := range f {
		if indexOf(keys, k) < 0 {
			return k
		}
	}
	return ""
}

// loop compiles the body of $map and $filter with the variable "as".
func (p *compiler) loop(as, in value.Value) (slot int, body Expr, err error) {
	name := "this"
	if !as.IsMissing() {
		if !as.IsString() {
			return 0, nil, fail(9, "'as' must be a string")
		}
		name = as.Str()
		if err := CheckUserVariable(name); err != nil {
			return 0, nil, err
		}
	}
	err = p.scoped(func() (err error) {
		slot = p.bind(name)
		body, err = p.expr(in)
		return err
	})
	return slot, body, err
}

func parseFilter(p *compiler, _ string, arg value.Value) (Expr, error) {
	if !arg.IsDocument() {
		return nil, fail(28646, "$filter only supports an object as its argument")
	}
	f := fields(arg.Doc())
	if k := f.unknown("input", "as", "cond", "limit"); k != "" {
		return nil, fail(28647, "Unrecognized parameter to $filter: %s", k)
	}
	if f["input"].IsMissing() {
		return nil, fail(28648, "Missing 'input' parameter to $filter")
	}
	if f["cond"].IsMissing() {
		return nil, fail(28650, "Missing 'cond' parameter to $filter")
	}
	e := &filterNode{}
	var err error
	if e.input, err = p.expr(f["input"]); err != nil {
		return nil, err
	}
	if v, ok := f["limit"]; ok {
		if e.limit, err = p.expr(v); err != nil {
			return nil, err
		}
	}
	e.slot, e.cond, err = p.loop(f["as"], f["cond"])
	return e, err
}

type filterNode struct {
	input, cond, limit Expr
	slot               int
}

func (e *filterNode) Eval(c *Context) (value.Value, error) {
	arr, err := e.input.Eval(c)
	switch {
	case err != nil:
		return arr, err
	case arr.IsNullish():
		return value.Null(), nil
	case !arr.IsArray():
		return arr, fail(28651, "input to $filter must be an array not %s", typeName(arr))
	}
	left, err := e.limitOf(c)
	if err != nil {
		return arr, err
	}
	held := c.held
	defer func() { c.held = held }()
	if err := c.hold(arr); err != nil {
		return arr, err
	}
	var b value.Builder
	for it := value.Walk(arr.Doc()); left != 0 && it.Next(); {
		x := it.Value()
		c.set(e.slot, x)
		v, err := e.cond.Eval(c)
		if err == nil {
			err = c.Step()
		}
		if err != nil {
			return v, err
		}
		if v.Truthy() {
			b.Item(x)
			left--
		}
	}
	return b.ArrayOf(), nil
}

// limitOf is how many items may pass; negative for all.
func (e *filterNode) limitOf(c *Context) (int, error) {
	v, err := eval(e.limit, c)
	if err != nil || v.IsNullish() {
		return -1, err
	}
	n, ok := v.Integral32()
	if !ok {
		return 0, fail(327391, "$filter: limit must be represented as a 32-bit integral value: %s", v)
	}
	if n <= 0 {
		return 0, fail(327392, "$filter: limit must be greater than 0: %d", n)
	}
	return int(n), nil
}

func parseReduce(p *compiler, _ string, arg value.Value) (Expr, error) {
	if !arg.IsDocument() {
		return nil, fail(40075, "$reduce requires an object as an argument, found: %s", typeName(arg))
	}
	f := fields(arg.Doc())
	if k := f.unknown("input", "initialValue", "in"); k != "" {
		return nil, fail(40076, "$reduce found an unknown argument: %s", k)
	}
	for i, k := range []string{"input", "initialValue", "in"} {
		if f[k].IsMissing() {
			return nil, fail(40077+int32(i), "$reduce requires '%s' to be specified", k)
		}
	}
	e := &reduceNode{}
	var err error
	if e.input, err = p.expr(f["input"]); err != nil {
		return nil, err
	}
	if e.initial, err = p.expr(f["initialValue"]); err != nil {
		return nil, err
	}
	err = p.scoped(func() (err error) {
		e.slot = p.bind("this")
		p.bind("value")
		e.in, err = p.expr(f["in"])
		return err
	})
	return e, err
}

type reduceNode struct {
	input, initial, in Expr
	slot               int // of $$this; $$value is behind it
}

func (e *reduceNode) Eval(c *Context) (value.Value, error) {
	arr, err := e.input.Eval(c)
	switch {
	case err != nil:
		return arr, err
	case arr.IsNullish():
		return value.Null(), nil
	case !arr.IsArray():
		return arr, fail(40080, "$reduce requires that 'input' be an array, found: %s", arr)
	}
	held := c.held
	defer func() { c.held = held }()
	if err := c.hold(arr); err != nil {
		return arr, err
	}
	acc, err := e.initial.Eval(c)
	for it := value.Walk(arr.Doc()); err == nil && it.Next(); {
		c.set(e.slot, it.Value())
		c.set(e.slot+1, acc)
		// What is carried on grows: copying it is work too.
		if err = c.Steps(1 + acc.Size()/stepBytes); err == nil {
			acc, err = e.in.Eval(c)
		}
	}
	return acc, err
}
