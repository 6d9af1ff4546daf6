package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// named compiles an operator's argument object: the expressions of the fields
// it knows, nil for those that are not given.
func (p *compiler) named(arg value.Value, notObject error, unknown func(key string) error, keys ...string) ([]Expr, error) {
	if !arg.IsDocument() {
		return nil, notObject
	}
	out := make([]Expr, len(keys))
	for it := value.Walk(arg.Doc()); it.Next(); {
		i := indexOf(keys, it.Key())
		if i < 0 {
			return nil, unknown(it.Key())
		}
		e, err := p.expr(it.Value())
		if err != nil {
			return nil, err
		}
		out[i] = e
	}
	return out, nil
}

func indexOf(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}

// unknownArgument makes the error for a field that an operator does not know.
func unknownArgument(code int32, name string) func(string) error {
	return func(key string) error { return fail(code, "%s found an unknown argument: %s", name, key) }
}

// required checks that the fields that an operator needs are given.
func required(name string, args []Expr, keys []string, codes ...int32) error {
	for i, code := range codes {
		if code != 0 && args[i] == nil {
			return fail(code, "Missing '%s' parameter to %s", keys[i], name)
		}
	}
	return nil
}

func parseCond(p *compiler, name string, arg value.Value) (Expr, error) {
	var args []Expr
	var err error
	if arg.IsDocument() {
		keys := []string{"if", "then", "else"}
		unknown := func(k string) error { return fail(17083, "Unrecognized parameter to $cond: %s", k) }
		if args, err = p.named(arg, nil, unknown, keys...); err == nil {
			err = required(name, args, keys, 17080, 17081, 17082)
		}
	} else if args, err = p.args(arg); err == nil {
		err = checkArity(name, 3, 3, len(args))
	}
	if err != nil {
		return nil, err
	}
	test, then, other := args[0], args[1], args[2]
	if k, ok := test.(constant); ok {
		if k.v.Truthy() {
			return then, nil
		}
		return other, nil
	}
	return lazy(func(c *Context) (value.Value, error) {
		v, err := test.Eval(c)
		if err != nil {
			return v, err
		}
		if v.Truthy() {
			return then.Eval(c)
		}
		return other.Eval(c)
	}), nil
}

func parseIfNull(p *compiler, _ string, arg value.Value) (Expr, error) {
	args, err := p.args(arg)
	if err != nil {
		return nil, err
	}
	if len(args) < 2 {
		return nil, fail(1257300, "$ifNull needs at least two arguments, had: %d", len(args))
	}
	e := lazy(func(c *Context) (v value.Value, err error) {
		for _, a := range args {
			if v, err = a.Eval(c); err != nil || !v.IsNullish() {
				return v, err
			}
		}
		return v, nil
	})
	return p.fold(e, true, args...)
}

func parseSwitch(p *compiler, _ string, arg value.Value) (Expr, error) {
	if !arg.IsDocument() {
		return nil, fail(40060, "$switch requires an object as an argument, found: %s", typeName(arg))
	}
	var cases []branch
	var other Expr
	for it := value.Walk(arg.Doc()); it.Next(); {
		var err error
		switch it.Key() {
		case "branches":
			cases, err = p.branches(it.Value())
		case "default":
			other, err = p.expr(it.Value())
		default:
			err = fail(40067, "$switch found an unknown argument: %s", it.Key())
		}
		if err != nil {
			return nil, err
		}
	}
	if len(cases) == 0 {
		return nil, fail(40068, "$switch requires at least one branch.")
	}
	parts := []Expr{other}
	for _, b := range cases {
		parts = append(parts, b.test, b.then)
	}
	return p.fold(&switchNode{cases, other}, true, parts...)
}

type branch struct{ test, then Expr }

type switchNode struct {
	cases []branch
	other Expr
}

func (e *switchNode) Eval(c *Context) (value.Value, error) {
	for _, b := range e.cases {
		v, err := b.test.Eval(c)
		if err != nil {
			return v, err
		}
		if v.Truthy() {
			return b.then.Eval(c)
		}
	}
	if e.other == nil {
		return value.Value{}, fail(40066, "$switch could not find a matching branch for an input, and no default was specified.")
	}
	return e.other.Eval(c)
}

func (p *compiler) branches(v value.Value) ([]branch, error) {
	if !v.IsArray() {
		return nil, fail(40061, "$switch expected an array for 'branches', found: %s", typeName(v))
	}
	var out []branch
	for it := value.Walk(v.Doc()); it.Next(); {
		notObject := fail(40062, "$switch expected each branch to be an object, found: %s", value.TypeName(it.Kind()))
		unknown := func(k string) error { return fail(40063, "$switch found an unknown argument to a branch: %s", k) }
		args, err := p.named(it.Value(), notObject, unknown, "case", "then")
		switch {
		case err != nil:
			return nil, err
		case args[0] == nil:
			return nil, fail(40064, "$switch requires each branch have a 'case' expression")
		case args[1] == nil:
			return nil, fail(40065, "$switch requires each branch have a 'then' expression.")
		}
		out = append(out, branch{args[0], args[1]})
	}
	return out, nil
}

func parseLet(p *compiler, _ string, arg value.Value) (Expr, error) {
	if !arg.IsDocument() {
		return nil, fail(16874, "$let only supports an object as its argument")
	}
	var vars, in value.Value
	for it := value.Walk(arg.Doc()); it.Next(); {
		switch it.Key() {
		case "vars":
			vars = it.Value()
		case "in":
			in = it.Value()
		default:
			return nil, fail(16875, "Unrecognized parameter to $let: %s", it.Key())
		}
	}
	switch {
	case vars.IsMissing():
		return nil, fail(16876, "Missing 'vars' parameter to $let")
	case in.IsMissing():
		return nil, fail(16877, "Missing 'in' parameter to $let")
	case !vars.IsDocument():
		return nil, fail(10065, "invalid parameter: expected an object (vars)")
	}
	return p.let(vars.Doc(), in)
}

// let compiles the values in the outer scope and the body in the inner one.
func (p *compiler) let(vars bson.Raw, in value.Value) (Expr, error) {
	var names []string
	var values []Expr
	for it := value.Walk(vars); it.Next(); {
		if err := CheckUserVariable(it.Key()); err != nil {
			return nil, err
		}
		e, err := p.expr(it.Value())
		if err != nil {
			return nil, err
		}
		names, values = append(names, it.Key()), append(values, e)
	}
	var body Expr
	first := len(p.scope)
	err := p.scoped(func() (err error) {
		for _, n := range names {
			p.bind(n)
		}
		body, err = p.expr(in)
		return err
	})
	if err != nil {
		return nil, err
	}
	if k, ok := body.(constant); ok && allConstant(values) {
		return k, nil
	}
	return &letNode{first, values, body}, nil
}

func allConstant(list []Expr) bool {
	for _, e := range list {
		if _, ok := e.(constant); !ok {
			return false
		}
	}
	return true
}

type letNode struct {
	first  int // slot of the first variable
	values []Expr
	body   Expr
}

func (e *letNode) Eval(c *Context) (value.Value, error) {
	base, held := len(c.stack), c.held
	defer func() { c.stack, c.held = c.stack[:base], held }()
	for _, x := range e.values {
		v, err := x.Eval(c)
		if err == nil {
			err = c.hold(v)
		}
		if err != nil {
			return v, err
		}
		c.stack = append(c.stack, v)
	}
	for i, v := range c.stack[base:] {
		c.set(e.first+i, v)
	}
	return e.body.Eval(c)
}
