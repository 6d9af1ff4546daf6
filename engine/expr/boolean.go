package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

func parseAnd(p *compiler, _ string, arg value.Value) (Expr, error) {
	return p.logic(arg, true)
}

func parseOr(p *compiler, _ string, arg value.Value) (Expr, error) {
	return p.logic(arg, false)
}

// logic compiles $and (all: every operand must be true) and $or; a constant
// that decides spares the operands behind it.
func (p *compiler) logic(arg value.Value, all bool) (Expr, error) {
	args, err := p.args(arg)
	if err != nil {
		return nil, err
	}
	var open []Expr
	for _, a := range args {
		if k, ok := a.(constant); ok {
			if k.v.Truthy() != all {
				return constant{value.Bool(!all)}, nil
			}
			continue
		}
		open = append(open, a)
	}
	if len(open) == 0 {
		return constant{value.Bool(all)}, nil
	}
	return lazy(func(c *Context) (value.Value, error) {
		for _, a := range open {
			v, err := a.Eval(c)
			if err != nil {
				return v, err
			}
			if v.Truthy() != all {
				return value.Bool(!all), nil
			}
		}
		return value.Bool(all), nil
	}), nil
}

func not(_ *Context, a value.Value) (value.Value, error) { return value.Bool(!a.Truthy()), nil }

// parseComparison compiles $eq, $ne, $gt, $gte, $lt, $lte and $cmp.
func parseComparison(p *compiler, name string, arg value.Value) (Expr, error) {
	args, err := p.args(arg)
	if err != nil {
		return nil, err
	}
	if err := checkArity(name, 2, 2, len(args)); err != nil {
		return nil, err
	}
	e := &comparison{a: args[0], b: args[1], collation: p.opts.Collation, holds: comparisons[name]}
	return p.fold(e, true, args...)
}

// comparisons is the results by sign for each operator; nil for $cmp.
var comparisons = map[string]*[3]bool{
	"$eq":  {false, true, false},
	"$ne":  {true, false, true},
	"$gt":  {false, false, true},
	"$gte": {false, true, true},
	"$lt":  {true, false, false},
	"$lte": {true, true, false},
	"$cmp": nil,
}

type comparison struct {
	a, b      Expr
	collation *value.Collation
	holds     *[3]bool
}

func (e *comparison) Eval(c *Context) (value.Value, error) {
	a, err := e.a.Eval(c)
	if err != nil {
		return a, err
	}
	b, err := e.b.Eval(c)
	if err != nil {
		return b, err
	}
	d := compareOperands(a, b, e.collation)
	if e.holds == nil {
		return value.Int32(int32(d)), nil
	}
	return value.Bool(e.holds[d+1]), nil
}

// compareOperands is Compare, but missing is below undefined here.
func compareOperands(a, b value.Value, c *value.Collation) int {
	d := value.CompareCollated(a, b, c)
	if d == 0 && a.Kind() != b.Kind() {
		switch {
		case a.IsMissing() && b.Kind() == bson.TypeUndefined:
			return -1
		case b.IsMissing() && a.Kind() == bson.TypeUndefined:
			return 1
		}
	}
	return d
}
