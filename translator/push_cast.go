package translator

import (
	"math"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// cast compiles a conversion.
func (s scope) cast(e *planner.Cast) any {
	from, to := e.X.Type(), e.T
	c, ok := s.c.opts.Funcs.Cast(from.OID, to.OID)
	if !ok {
		s.c.fail(sqlerr.New(sqlerr.CannotCoerce, "cannot cast type %s to %s", from.OID, to.OID).At(e.P))
		return null
	}
	given := e.Explicit
	if f, ok := e.X.(*planner.Call); ok && from.OID == sqltype.JSONB && f.Func.Extra() {
		given = false // what MySQL's functions read out of JSON casts by its text
	}
	return s.convert(e.X, c, e.T, given)
}

func (s scope) convert(x planner.Expr, c *sqlfunc.Cast, to sqltype.Type, explicit bool) any {
	v := s.value(x)
	if c.Impl == "" || c.From == c.To && to.Mod < 0 {
		return v
	}
	exact := c.From == sqltype.Numeric && (s.slots || s.mayBeWide(x))
	if to.Mod < 0 && !exact {
		if build, ok := castTable[c.Impl]; ok {
			return build(s, v)
		}
	}
	if c.TakesTypes() {
		return op(expr.LocalPrefix+c.Impl, v, int(to.Mod), explicit, int(c.From), int(c.To))
	}
	return op(expr.LocalPrefix+c.Impl, v, int(to.Mod), explicit)
}

// castTable holds the conversions that MongoDB does exactly, by their Impl.
var castTable = map[string]func(s scope, x any) any{
	"cast_int4_text":      toText,
	"cast_int8_text":      toText,
	"cast_int2_text":      toText,
	"cast_bool_text":      toText,
	"cast_int4_varchar":   toText,
	"cast_int8_varchar":   toText,
	"cast_int2_float8":    toConv("$toDouble"),
	"cast_int4_float8":    toConv("$toDouble"),
	"cast_int8_float8":    toConv("$toDouble"),
	"cast_numeric_float8": toConv("$toDouble"),
	"cast_int2_numeric":   toConv("$toDecimal"),
	"cast_int4_numeric":   toConv("$toDecimal"),
	"cast_int8_numeric":   toConv("$toDecimal"),
	"cast_int8_int4":      toConv("$toInt"),
	"cast_float8_int4":    func(_ scope, x any) any { return op1("$toInt", op1("$round", x)) },
	"cast_float8_int8":    func(_ scope, x any) any { return op1("$toLong", op1("$round", x)) },
	"cast_numeric_int4":   func(s scope, x any) any { return s.wholeNumber(x, "$toInt", "integer") },
	"cast_numeric_int8":   func(s scope, x any) any { return s.wholeNumber(x, "$toLong", "bigint") },
	"cast_int4_bool":      func(_ scope, x any) any { return op1("$toBool", x) },
	"cast_bool_int4":      func(_ scope, x any) any { return op1("$toInt", x) },
}

func toText(_ scope, x any) any { return op1("$toString", x) }

func toConv(name string) func(scope, any) any {
	return func(_ scope, x any) any { return op1(name, x) }
}

// notWhole begins the text that NaN and the infinities fail to convert from: of
// numeric that is another error than of doubles.
const notWhole = "weir: cannot convert "

// wholeNumber converts a numeric, rounded; the last arm is never a number.
func (s scope) wholeNumber(x any, conv, name string) any {
	return s.c.once(x, func(x any) any {
		what := op1("$toInt", op("$concat", notWhole, cond(infinite(x), "infinity", "NaN"), " to "+name))
		special := op("$in", x, list{value.Double(math.NaN()), value.Double(math.Inf(1)), value.Double(math.Inf(-1))})
		return op1(conv, cond(special, what, s.roundAway(x)))
	})
}

// roundAway rounds a decimal half away from zero.
func (s scope) roundAway(x any) any {
	half := decimalHalf
	return s.c.once(x, func(x any) any {
		return cond(op("$lt", x, 0), op1("$ceil", op("$subtract", x, half)), op1("$floor", op("$add", x, half)))
	})
}

var decimalHalf = value.Double(0.5).AsDecimal()
