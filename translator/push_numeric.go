package translator

import (
	"math"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/planner"
	"weir/sqltype"
)

// Arithmetic of numerics: decimal128 holds 34 digits. A whole part of more is an
// error (22003) here, where MongoDB would round it. What the operands' types
// bound to fewer digits is not looked at.

var numericOps = map[string]string{"add_numeric": "$add", "sub_numeric": "$subtract", "mul_numeric": "$multiply"}

// numericOutOfRange begins the text that a numeric of too many digits fails to convert from.
const numericOutOfRange = "weir: numeric out of range: "

var limit34 = value.Double(1e34).AsDecimal()

func numericArithmetic(s scope, e *planner.Call) any {
	if s.slots {
		return obj{{expr.LocalPrefix + e.Func.Impl, s.values(e.Args)}} // constants are computed here, and exactly
	}
	if s.anyWide(e.Args) {
		return nil
	}
	unchecked := wholeDigits(e) <= sqltype.MaxDigits
	if !unchecked && s.f != nil && s.f.local() {
		s.c.wide = true // what comes after this meets its results
		return nil
	}
	out := s.plainNumeric(e)
	if unchecked {
		return out
	}
	return s.c.once(out, func(r any) any {
		raise := op1("$toInt", op("$concat", numericOutOfRange, op1("$type", r)))
		return cond(op("$lt", op1("$abs", r), limit34), r, cond(infinite(r), r, raise))
	})
}

// plainNumeric computes a tree of which only the root is looked at.
func (s scope) plainNumeric(e *planner.Call) any {
	args := make(list, len(e.Args))
	for i, x := range e.Args {
		if c, ok := x.(*planner.Call); ok && numericOps[c.Func.Impl] != "" && !s.slots && !s.c.constant(c) {
			args[i] = s.plainNumeric(c)
		} else {
			args[i] = s.value(x)
		}
	}
	return obj{{numericOps[e.Func.Impl], args}}
}

// wholeDigits bounds the digits before the point of an expression's values.
func wholeDigits(e planner.Expr) int {
	switch x := e.(type) {
	case *planner.Const:
		if !x.Value.IsNumber() || x.Value.IsNaN() || x.Value.IsInf() {
			return 0
		}
		return int(math.Floor(math.Log10(math.Abs(x.Value.AsDouble())+1))) + 1
	case *planner.Call:
		switch x.Func.Impl {
		case "mul_numeric":
			return wholeDigits(x.Args[0]) + wholeDigits(x.Args[1])
		case "add_numeric", "sub_numeric":
			return max(wholeDigits(x.Args[0]), wholeDigits(x.Args[1])) + 1
		}
	case *planner.Cast:
		if isInteger(x.X.Type().OID) {
			return wholeDigits(x.X)
		}
	}
	switch t := e.Type(); t.OID {
	case sqltype.Int2:
		return 5
	case sqltype.Int4:
		return 10
	case sqltype.Int8:
		return 19
	case sqltype.Numeric:
		if precision, scale, ok := sqltype.NumericModifier(t.Mod); ok {
			return precision - scale
		}
	}
	return 2 * sqltype.MaxDigits
}
