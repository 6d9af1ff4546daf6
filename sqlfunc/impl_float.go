package sqlfunc

import (
	"math"
	"math/rand/v2"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
)

func floatOverflow() (value.Value, error) {
	return failf(sqlerr.NumericValueOutOfRange, "value out of range: overflow")
}

func floatUnderflow() (value.Value, error) {
	return failf(sqlerr.NumericValueOutOfRange, "value out of range: underflow")
}

// checked makes a float that came out of finite operands.
func checked(r float64, size int, zeroOK bool, in ...float64) (value.Value, error) {
	if size == 32 {
		r = float64(float32(r))
	}
	if math.IsInf(r, 0) {
		for _, x := range in {
			if math.IsInf(x, 0) {
				return double(r)
			}
		}
		return floatOverflow()
	}
	if r == 0 && !zeroOK {
		return floatUnderflow()
	}
	return double(r)
}

func float2(size int, f func(x, y float64) float64, zeroOK func(x, y float64) bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		x, y := a[0].AsDouble(), a[1].AsDouble()
		return checked(f(x, y), size, zeroOK(x, y), x, y)
	}
}

func floatDiv(size int) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		x, y := a[0].AsDouble(), a[1].AsDouble()
		if y == 0 && !math.IsNaN(x) {
			return divisionByZero()
		}
		return checked(x/y, size, x == 0 || math.IsInf(y, 0), x, y)
	}
}

func float1(f func(x float64) float64) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		x := a[0].AsDouble()
		return checked(f(x), 64, true, x)
	}
}

// within is a function of numbers in a closed range.
func within(lo, hi float64, f func(x float64) float64) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		x := a[0].AsDouble()
		if x < lo || x > hi {
			return failf(sqlerr.NumericValueOutOfRange, "input is out of range")
		}
		return double(f(x))
	}
}

// trig refuses infinities, of which there is no sine.
func trig(f func(x float64) float64) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		x := a[0].AsDouble()
		if math.IsInf(x, 0) {
			return failf(sqlerr.NumericValueOutOfRange, "input is out of range")
		}
		return double(f(x))
	}
}

func expFloat(_ *expr.Context, a []value.Value) (value.Value, error) {
	x := a[0].AsDouble()
	return checked(math.Exp(x), 64, math.IsInf(x, 0), x)
}

func powerFloat(_ *expr.Context, a []value.Value) (value.Value, error) {
	x, y := a[0].AsDouble(), a[1].AsDouble()
	switch {
	case math.IsNaN(x) && y == 0 || x == 1:
		return double(1)
	case x == 0 && y < 0:
		return failf(sqlerr.InvalidArgumentForPower, "zero raised to a negative power is undefined")
	case x < 0 && y != math.Trunc(y) && !math.IsInf(y, 0) && !math.IsNaN(y):
		return failf(sqlerr.InvalidArgumentForPower, "a negative number raised to a non-integer power yields a complex result")
	}
	return checked(math.Pow(x, y), 64, x == 0 || math.IsInf(x, 0) || math.IsInf(y, 0), x, y)
}

func sqrtFloat(_ *expr.Context, a []value.Value) (value.Value, error) {
	x := a[0].AsDouble()
	if x < 0 {
		return failf(sqlerr.InvalidArgumentForPower, "cannot take square root of a negative number")
	}
	return double(math.Sqrt(x))
}

func logFloat(f func(float64) float64) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		x := a[0].AsDouble()
		if err := logArgument(x); err != nil {
			return fail(err)
		}
		return double(f(x))
	}
}

func logArgument(x float64) error {
	switch {
	case x == 0:
		return sqlerr.New(sqlerr.InvalidArgumentForLogarithm, "cannot take logarithm of zero")
	case x < 0:
		return sqlerr.New(sqlerr.InvalidArgumentForLogarithm, "cannot take logarithm of a negative number")
	}
	return nil
}

// degreesOf makes functions of degrees exact where the result is a round one.
func degreesOf(f func(float64) float64, exact map[float64]float64) evaluator {
	return trig(func(x float64) float64 {
		m := math.Mod(x, 360)
		if m < 0 {
			m += 360
		}
		if r, ok := exact[m]; ok {
			return r
		}
		return f(m * math.Pi / 180)
	})
}

func inDegrees(f func(float64) float64) func(float64) float64 {
	return func(x float64) float64 {
		d := f(x) * 180 / math.Pi
		if r := math.Round(d); math.Abs(d-r) < 1e-12 {
			return r
		}
		return d
	}
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

func widthBucketFloat(_ *expr.Context, a []value.Value) (value.Value, error) {
	x, lo, hi, n := a[0].AsDouble(), a[1].AsDouble(), a[2].AsDouble(), a[3].AsInt64()
	switch {
	case n <= 0:
		return failf("2201G", "count must be greater than zero")
	case math.IsNaN(x) || math.IsNaN(lo) || math.IsNaN(hi):
		return failf("2201G", "operand, lower bound, and upper bound cannot be NaN")
	case math.IsInf(lo, 0) || math.IsInf(hi, 0):
		return failf("2201G", "lower and upper bounds must be finite")
	case lo == hi:
		return failf("2201G", "lower bound cannot equal upper bound")
	}
	if lo > hi {
		x, lo, hi = -x, -lo, -hi
	}
	switch {
	case x < lo:
		return int4(0)
	case x >= hi:
		return int4(int(n) + 1)
	}
	return int4(int((x-lo)/(hi-lo)*float64(n)) + 1)
}

var floatFuncs = map[string]evaluator{
	"add_float8": float2(64, func(x, y float64) float64 { return x + y }, func(_, _ float64) bool { return true }),
	"sub_float8": float2(64, func(x, y float64) float64 { return x - y }, func(_, _ float64) bool { return true }),
	"mul_float8": float2(64, func(x, y float64) float64 { return x * y }, func(x, y float64) bool { return x == 0 || y == 0 }),
	"div_float8": floatDiv(64),
	"add_float4": float2(32, func(x, y float64) float64 { return x + y }, func(_, _ float64) bool { return true }),
	"sub_float4": float2(32, func(x, y float64) float64 { return x - y }, func(_, _ float64) bool { return true }),
	"mul_float4": float2(32, func(x, y float64) float64 { return x * y }, func(x, y float64) bool { return x == 0 || y == 0 }),
	"div_float4": floatDiv(32),
	"neg_float8": float1(func(x float64) float64 { return -x }), "neg_float4": float1(func(x float64) float64 { return -x }),
	"pos_float8": same, "pos_float4": same,
	"abs_float8": float1(math.Abs), "abs_float4": float1(math.Abs),
	"ceil_float8": float1(math.Ceil), "floor_float8": float1(math.Floor),
	"round_float8": float1(math.RoundToEven), "trunc_float8": float1(math.Trunc), "sign_float8": float1(sign),
	"power_float8": powerFloat, "sqrt_float8": sqrtFloat, "cbrt": float1(math.Cbrt), "exp_float8": expFloat,
	"ln_float8": logFloat(math.Log), "log_float8": logFloat(math.Log10), "log2": logFloat(math.Log2),
	"degrees": float1(func(x float64) float64 { return x * (180 / math.Pi) }),
	"radians": float1(func(x float64) float64 { return x * (math.Pi / 180) }),
	"pi":      func(*expr.Context, []value.Value) (value.Value, error) { return double(math.Pi) },
	"random":  func(*expr.Context, []value.Value) (value.Value, error) { return double(rand.Float64()) },
	"sin":     trig(math.Sin), "cos": trig(math.Cos), "tan": trig(math.Tan),
	"cot":  trig(func(x float64) float64 { return 1 / math.Tan(x) }),
	"asin": within(-1, 1, math.Asin), "acos": within(-1, 1, math.Acos), "atan": float1(math.Atan),
	"atan2": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return double(math.Atan2(a[0].AsDouble(), a[1].AsDouble()))
	},
	"sinh": float1(math.Sinh), "cosh": float1(math.Cosh), "tanh": float1(math.Tanh), "asinh": float1(math.Asinh),
	"acosh": within(1, math.Inf(1), math.Acosh), "atanh": within(-1, 1, math.Atanh),
	"sind":  degreesOf(math.Sin, map[float64]float64{0: 0, 30: 0.5, 90: 1, 150: 0.5, 180: 0, 210: -0.5, 270: -1, 330: -0.5}),
	"cosd":  degreesOf(math.Cos, map[float64]float64{0: 1, 60: 0.5, 90: 0, 120: -0.5, 180: -1, 240: -0.5, 270: 0, 300: 0.5}),
	"tand":  degreesOf(math.Tan, map[float64]float64{0: 0, 45: 1, 90: math.Inf(1), 135: -1, 180: 0, 225: 1, 270: math.Inf(-1), 315: -1}),
	"cotd":  degreesOf(func(x float64) float64 { return 1 / math.Tan(x) }, map[float64]float64{0: math.Inf(1), 45: 1, 90: 0, 135: -1, 180: math.Inf(-1), 225: 1, 270: 0, 315: -1}),
	"asind": within(-1, 1, inDegrees(math.Asin)), "acosd": within(-1, 1, inDegrees(math.Acos)), "atand": float1(inDegrees(math.Atan)),
	"atan2d": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		y := a[0].AsDouble()
		return double(inDegrees(func(x float64) float64 { return math.Atan2(y, x) })(a[1].AsDouble()))
	},
	"width_bucket_float8": widthBucketFloat,
}
