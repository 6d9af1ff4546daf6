package expr

import (
	"math"

	"github.com/cockroachdb/apd/v3"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// trig makes an operator of a function of doubles with a domain; decimals go
// through the same function in 50 digits where trigDecimal knows it.
func trig(name string, fn func(float64) float64, low, high float64, open bool) func(*Context, value.Value) (value.Value, error) {
	return numeric(name, func(a value.Value) (value.Value, error) {
		f := a.AsDouble()
		if out := f < low || f > high || open && (f == low || f == high); out && !a.IsNaN() {
			return a, fail(50989, "cannot apply %s to %s, value must be in %s", name, a, interval(low, high, open))
		}
		if a.Kind() == bson.TypeDecimal128 {
			return trigDecimal(name, a, fn), nil
		}
		return value.Double(fn(f)), nil
	})
}

func interval(low, high float64, open bool) string {
	s := value.FormatDouble(low) + "," + value.FormatDouble(high)
	if open {
		return "(" + s + ")"
	}
	return "[" + s + "]"
}

func atan2(_ *Context, a, b value.Value) (value.Value, error) {
	for i, v := range []value.Value{a, b} {
		if v.IsNullish() {
			return value.Null(), nil
		}
		if !v.IsNumber() {
			return v, fail(51044+int32(i), "$atan2 only supports numeric types, not %s", typeName(v))
		}
	}
	if value.WiderType(a.Kind(), b.Kind()) == bson.TypeDecimal128 {
		return decimalAtan2(a.AsDecimal(), b.AsDecimal()), nil
	}
	return value.Double(math.Atan2(a.AsDouble(), b.AsDouble())), nil
}

// scaleAngle converts between degrees and radians.
func scaleAngle(toRadians bool) func(a value.Value) (value.Value, error) {
	return func(a value.Value) (value.Value, error) {
		if a.Kind() == bson.TypeDecimal128 {
			k := quo(newDec("180"), decPi)
			if toRadians {
				k = quo(decPi, newDec("180"))
			}
			return value.Multiply(a, value.FromAPD(k)), nil
		}
		if toRadians {
			return value.Double(a.AsDouble() * (math.Pi / 180)), nil
		}
		return value.Double(a.AsDouble() * (180 / math.Pi)), nil
	}
}

// trigDecimal calculates in trigContext and rounds the result.
func trigDecimal(name string, a value.Value, double func(float64) float64) value.Value {
	fn, ok := decimalTrig[name]
	if !ok || a.IsNaN() || a.IsInf() || a.Sign() == 0 {
		return value.Double(double(a.AsDouble())).AsDecimal34()
	}
	return value.FromAPD(fn(a.APD()))
}

var trigContext = apd.Context{Precision: 60, MaxExponent: 20000, MinExponent: -20000, Rounding: apd.RoundHalfEven}

func newDec(s string) *apd.Decimal {
	d, _, _ := apd.NewFromString(s)
	return d
}

// decPi is π to 80 places.
var decPi = newDec("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")

func plus(a, b *apd.Decimal) *apd.Decimal  { return decDo(trigContext.Add, a, b) }
func minus(a, b *apd.Decimal) *apd.Decimal { return decDo(trigContext.Sub, a, b) }
func times(a, b *apd.Decimal) *apd.Decimal { return decDo(trigContext.Mul, a, b) }
func quo(a, b *apd.Decimal) *apd.Decimal   { return decDo(trigContext.Quo, a, b) }

func decDo(op func(d, x, y *apd.Decimal) (apd.Condition, error), a, b *apd.Decimal) *apd.Decimal {
	var r apd.Decimal
	op(&r, a, b)
	return &r
}

func decFn(op func(d, x *apd.Decimal) (apd.Condition, error), a *apd.Decimal) *apd.Decimal {
	var r apd.Decimal
	op(&r, a)
	return &r
}

var (
	decOne = apd.New(1, 0)
	decTwo = apd.New(2, 0)
)

// decimalTrig is the functions for decimals, by the operator's name.
var decimalTrig = map[string]func(*apd.Decimal) *apd.Decimal{
	"$sin":   decSin,
	"$cos":   decCos,
	"$tan":   decTan,
	"$asin":  decAsin,
	"$acos":  func(x *apd.Decimal) *apd.Decimal { return minus(quo(decPi, decTwo), decAsin(x)) },
	"$atan":  decAtan,
	"$sinh":  func(x *apd.Decimal) *apd.Decimal { return quo(minus(decExp(x), decExp(negated(x))), decTwo) },
	"$cosh":  func(x *apd.Decimal) *apd.Decimal { return quo(plus(decExp(x), decExp(negated(x))), decTwo) },
	"$tanh":  decTanh,
	"$asinh": decAsinh,
	"$acosh": func(x *apd.Decimal) *apd.Decimal {
		return decLn(plus(x, decFn(trigContext.Sqrt, minus(times(x, x), decOne))))
	},
	"$atanh": func(x *apd.Decimal) *apd.Decimal {
		return quo(decLn(quo(plus(decOne, x), minus(decOne, x))), decTwo)
	},
}

func negated(x *apd.Decimal) *apd.Decimal { return new(apd.Decimal).Neg(x) }
func decExp(x *apd.Decimal) *apd.Decimal  { return decFn(trigContext.Exp, x) }
func decLn(x *apd.Decimal) *apd.Decimal   { return decFn(trigContext.Ln, x) }

func decSin(x *apd.Decimal) *apd.Decimal { return sinTaylor(reduceAngle(x)) }

func decCos(x *apd.Decimal) *apd.Decimal {
	return sinTaylor(reduceAngle(plus(x, quo(decPi, decTwo))))
}

func decTan(x *apd.Decimal) *apd.Decimal {
	return quo(decSin(x), decCos(x))
}

func decTanh(x *apd.Decimal) *apd.Decimal {
	if d := new(apd.Decimal).Abs(x); d.Cmp(newDec("100")) > 0 {
		return &apd.Decimal{Negative: x.Negative, Coeff: decOne.Coeff}
	}
	e := decExp(times(decTwo, x))
	return quo(minus(e, decOne), plus(e, decOne))
}

func decAsinh(x *apd.Decimal) *apd.Decimal {
	a := new(apd.Decimal).Abs(x)
	r := decLn(plus(a, decFn(trigContext.Sqrt, plus(times(a, a), decOne))))
	r.Negative = x.Negative
	return r
}

// reduceAngle brings x into [-π, π]; beyond 10^20 the digits of π would not
// do, and the nearest double is good enough a place to stop.
func reduceAngle(x *apd.Decimal) *apd.Decimal {
	turn := times(decTwo, decPi)
	n := decFn(trigContext.RoundToIntegralValue, quo(x, turn))
	return minus(x, times(n, turn))
}

// sinTaylor sums the series of the sine.
func sinTaylor(x *apd.Decimal) *apd.Decimal {
	sum, term, sq := x, x, times(x, x)
	for k := int64(2); k < 400; k += 2 {
		term = negated(quo(times(term, sq), apd.New(k*(k+1), 0)))
		next := plus(sum, term)
		if next.Cmp(sum) == 0 {
			break
		}
		sum = next
	}
	return sum
}

// decAtan halves the angle until the series converges quickly.
func decAtan(x *apd.Decimal) *apd.Decimal {
	halvings := int64(1)
	for new(apd.Decimal).Abs(x).Cmp(newDec("0.1")) > 0 {
		x = quo(x, plus(decOne, decFn(trigContext.Sqrt, plus(decOne, times(x, x)))))
		halvings *= 2
	}
	sum, power, sq := x, x, times(x, x)
	for k := int64(3); k < 400; k += 2 {
		power = negated(times(power, sq))
		next := plus(sum, quo(power, apd.New(k, 0)))
		if next.Cmp(sum) == 0 {
			break
		}
		sum = next
	}
	return times(sum, apd.New(halvings, 0))
}

func decAsin(x *apd.Decimal) *apd.Decimal {
	rest := minus(decOne, times(x, x))
	if rest.Sign() <= 0 {
		r := quo(decPi, decTwo)
		r.Negative = x.Negative
		return r
	}
	return decAtan(quo(x, decFn(trigContext.Sqrt, rest)))
}

func decimalAtan2(a, b value.Value) value.Value {
	f := math.Atan2(a.AsDouble(), b.AsDouble())
	if a.IsNaN() || b.IsNaN() || a.IsInf() || b.IsInf() || a.Sign() == 0 || b.Sign() == 0 {
		return exactAngle(f)
	}
	r := decAtan(quo(a.APD(), b.APD()))
	if b.Sign() < 0 {
		if a.Sign() >= 0 {
			r = plus(r, decPi)
		} else {
			r = minus(r, decPi)
		}
	}
	return value.FromAPD(r)
}

// exactAngle gives multiples of π/4 in full.
func exactAngle(f float64) value.Value {
	n := math.Round(f / (math.Pi / 4))
	if f != f || f == 0 {
		return value.Double(f).AsDecimal34()
	}
	return value.FromAPD(quo(times(decPi, apd.New(int64(n), 0)), apd.New(4, 0)))
}
