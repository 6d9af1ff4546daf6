package translator

import (
	"weir/engine/value"
	"weir/planner"
)

// pushNumber: arithmetic. Integers leave their range with an error: MongoDB
// widens and the conversion back fails (22003).
func pushNumber() map[string]builder {
	m := map[string]builder{
		"div_float8":    floatArithmetic,
		"floor_float8":  mapped("$floor"),
		"ceil_float8":   mapped("$ceil"),
		"trunc_float8":  mapped("$trunc"),
		"round_float8":  mapped("$round"),
		"abs_float8":    mapped("$abs"),
		"abs_numeric":   mapped("$abs"),
		"floor_numeric": mapped("$floor"),
		"ceil_numeric":  mapped("$ceil"),
		"pos_int2":      identity,
		"pos_int4":      identity,
		"pos_int8":      identity,
		"pos_float8":    identity,
		"pos_numeric":   identity,
		"neg_float8":    negate,
		"div_int4":      divide(func(x any) any { return op1("$toInt", op1("$trunc", x)) }),
		"div_int8":      divideLong,
		"mod_int4":      modulo,
		"mod_int8":      modulo,
		"add_float8":    floatArithmetic,
		"sub_float8":    floatArithmetic,
		"mul_float8":    floatArithmetic,
		"add_numeric":   numericArithmetic,
		"sub_numeric":   numericArithmetic,
		"mul_numeric":   numericArithmetic,
	}
	for name, mongo := range map[string]string{"add": "$add", "sub": "$subtract", "mul": "$multiply", "abs": "$abs"} {
		m[name+"_int4"] = within("$toInt", mapped(mongo))
		m[name+"_int8"] = long(mapped(mongo))
	}
	m["neg_int4"] = within("$toInt", negate)
	m["neg_int8"] = long(negate)
	return m
}

// long is arithmetic on bigints. MongoDB turns to doubles when it leaves their
// range, rounded: the conversion back alone would let -2^63-1 pass.
func long(b builder) builder {
	return func(s scope, e *planner.Call) any {
		return s.c.once(b(s, e), func(x any) any {
			beyond := op("$or", op("$gte", x, limit63), op("$lte", x, value.Double(-limit63.AsDouble())))
			raise := op1("$toInt", op("$concat", outOfRange, op1("$type", x)))
			return cond(op("$and", op("$eq", op1("$type", x), "double"), beyond), raise, op1("$toLong", x))
		})
	}
}

var limit63 = value.Double(1 << 63)

func identity(s scope, e *planner.Call) any { return s.value(e.Args[0]) }

func negate(s scope, e *planner.Call) any { return op("$multiply", s.value(e.Args[0]), -1) }

// divide is division whose quotient a double holds exactly enough.
func divide(finish func(any) any) builder {
	return func(s scope, e *planner.Call) any {
		return s.divisor(e, func(a, b any) any { return finish(op("$divide", a, b)) })
	}
}

// divideLong divides as decimals: their 34 digits cut correctly, a double's 15 would not.
func divideLong(s scope, e *planner.Call) any {
	return s.divisor(e, func(a, b any) any {
		return op1("$toLong", op1("$trunc", op("$divide", op1("$toDecimal", a), b)))
	})
}

func modulo(s scope, e *planner.Call) any {
	return s.divisor(e, func(a, b any) any { return op("$mod", a, b) })
}

// divisor compiles a division; by zero it is NULL unless the session is strict.
func (s scope) divisor(e *planner.Call, body func(a, b any) any) any {
	a, b := s.value(e.Args[0]), s.value(e.Args[1])
	if s.c.opts.Strict || nonZero(e.Args[1]) {
		return body(a, b)
	}
	if isZero(e.Args[1]) {
		return null // servers fold constants, and refuse the division before the condition is asked
	}
	return s.c.once(b, func(b any) any { return cond(op("$eq", b, 0), null, body(a, b)) })
}

func nonZero(e planner.Expr) bool {
	switch x := e.(type) {
	case *planner.Cast:
		return nonZero(x.X)
	case *planner.Const:
		return x.Value.IsNumber() && value.Compare(x.Value, value.Int32(0)) != 0
	}
	return false
}

func isZero(e planner.Expr) bool {
	c, ok := e.(*planner.Const)
	return ok && c.Value.IsNumber() && value.Compare(c.Value, value.Int32(0)) == 0
}

// lenientDivision are the local divisions that give NULL for a zero divisor
// unless the session is strict.
var lenientDivision = map[string]bool{"div_numeric": true, "mod_numeric": true, "div_float4": true, "div_int2": true, "mod_int2": true, "div_interval": true}
