package translator

import (
	"math"

	"weir/engine/value"
	"weir/planner"
)

// Arithmetic of doubles. What leaves their range is an error (22003) in SQL and
// an infinity or zero in MongoDB. A sum or product that is finite shows that its
// parts were: the whole is looked at once, and computed again with every step
// checked only where it is no ordinary number.

var floatOps = map[string]string{"add_float8": "$add", "sub_float8": "$subtract", "mul_float8": "$multiply", "div_float8": "$divide"}

// floatOutOfRange begins the text that a double out of range fails to convert from.
const floatOutOfRange = "weir: float out of range: "

func floatArithmetic(s scope, e *planner.Call) any {
	return s.bindParts(e, func(s scope, e *planner.Call) any { return s.floatArithmetic(e) })
}

// bindParts binds the heavy operands of a tree of arithmetic, which is computed
// once as a whole and once with every step checked.
func (s scope) bindParts(e *planner.Call, body func(s scope, e *planner.Call) any) any {
	part := func(s scope, x planner.Expr, body func(s scope, x planner.Expr) any) any {
		if c := s.floatCall(x); c != nil {
			return s.bindParts(c, func(s scope, c *planner.Call) any { return body(s, c) })
		}
		return s.bind(x, body)
	}
	return part(s, e.Args[0], func(s scope, l planner.Expr) any {
		return part(s, e.Args[1], func(s scope, r planner.Expr) any {
			bound := *e
			bound.Args = []planner.Expr{l, r}
			return body(s, &bound)
		})
	})
}

func (s scope) floatArithmetic(e *planner.Call) any {
	ok := finite
	if impl := e.Func.Impl; impl == "div_float8" || impl == "mul_float8" && !growing(e) {
		ok = func(r any) any { return op("$and", op("$ne", r, 0), finite(r)) }
	}
	return s.c.once(s.uncheckedFloat(e), func(r any) any { return cond(ok(r), r, s.checkedFloat(e)) })
}

// uncheckedFloat computes a tree whose root is checked; what the root would not
// show is checked where it is.
func (s scope) uncheckedFloat(e *planner.Call) any {
	part := func(x planner.Expr, seen bool) any {
		c := s.floatCall(x)
		switch {
		case c == nil:
			return s.value(x)
		case !seen, c.Func.Impl == "div_float8", c.Func.Impl == "mul_float8" && !growing(c):
			return s.checkedFloat(c)
		}
		return s.uncheckedFloat(c)
	}
	return s.floatOp(e, part(e.Args[0], true), part(e.Args[1], e.Func.Impl != "div_float8"))
}

// floatCall is an operand that is arithmetic itself, nil if it is not.
func (s scope) floatCall(e planner.Expr) *planner.Call {
	if c, ok := e.(*planner.Call); ok && floatOps[c.Func.Impl] != "" && !s.c.constant(e) && !s.slots {
		return c
	}
	return nil
}

// growing tells of a product with a constant that no underflow comes from.
func growing(e *planner.Call) bool {
	for _, a := range e.Args {
		if k, ok := a.(*planner.Const); ok && k.Value.IsNumber() && math.Abs(k.Value.AsDouble()) >= 1 {
			return true
		}
	}
	return false
}

func (s scope) floatOp(e *planner.Call, a, b any) any {
	if e.Func.Impl != "div_float8" || nonZero(e.Args[1]) {
		return op(floatOps[e.Func.Impl], a, b)
	}
	return s.c.onceEach([]any{a, b}, func(xs []any) any {
		byZero, nan := any(op("$divide", xs[0], xs[1])), value.Double(math.NaN())
		if !s.c.opts.Strict {
			byZero = null
		}
		if !s.c.opts.Strict && isZero(e.Args[1]) {
			return cond(isNaN(xs[0]), nan, null) // servers fold constants, and refuse the division before the condition is asked
		}
		return cond(op("$eq", xs[1], 0), cond(isNaN(xs[0]), nan, byZero), op("$divide", xs[0], xs[1]))
	})
}

// checkedFloat computes with every step checked.
func (s scope) checkedFloat(e *planner.Call) any {
	args := make([]any, 2)
	for i, x := range e.Args {
		if c := s.floatCall(x); c != nil {
			args[i] = s.checkedFloat(c)
		} else {
			args[i] = s.value(x)
		}
	}
	return s.c.onceEach(args, func(xs []any) any {
		return s.c.once(s.floatOp(e, xs[0], xs[1]), func(r any) any {
			return cond(lost(e.Func.Impl, r, xs[0], xs[1]), outsideFloat(r), r)
		})
	})
}

// outsideFloat raises the error of a result that left the range upwards or down to zero.
func outsideFloat(r any) any {
	return op1("$toInt", op("$concat", floatOutOfRange, cond(op("$eq", r, 0), "underflow", "overflow")))
}

// lost tells whether r = a op b has left the range of doubles.
func lost(impl string, r, a, b any) any {
	finiteB, nonZeroB := op("$not", infinite(b)), op("$ne", b, 0)
	over, under := op("$and", infinite(r), op("$not", infinite(a)), finiteB), op("$and", op("$eq", r, 0), op("$ne", a, 0), nonZeroB)
	switch impl {
	case "add_float8", "sub_float8":
		return over
	case "div_float8":
		over, under = op("$and", infinite(r), op("$not", infinite(a))), op("$and", op("$eq", r, 0), op("$ne", a, 0), finiteB)
	}
	return op("$or", over, under)
}

func infinite(x any) any {
	return op("$in", x, list{value.Double(math.Inf(1)), value.Double(math.Inf(-1))})
}

func finite(x any) any { return op("$eq", op("$subtract", x, x), 0) }
