package sqlfunc

import (
	"math"
	"math/big"
	"strconv"

	"github.com/cockroachdb/apd/v3"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

func sqrtNumeric(d *apd.Decimal) (*apd.Decimal, error) {
	switch {
	case isNaN(d):
		return d, nil
	case d.Negative && !d.IsZero():
		return nil, sqlerr.New(sqlerr.InvalidArgumentForPower, "cannot take square root of a negative number")
	case d.Form == apd.Infinite:
		return d, nil
	}
	w, _ := weightOf(d)
	sweight := (w+1)*4/2 - 1
	return sqrtScaled(d, min(max(minSignificant-sweight, scaleOf(d), 0), maxScale)), nil
}

// sqrtScaled is the root rounded to a scale, half away from zero.
func sqrtScaled(d *apd.Decimal, scale int) *apd.Decimal {
	square := new(apd.Decimal).Set(d)
	square.Exponent += 2 * int32(scale+1)
	square = value.ExactRound(square, 0, apd.RoundDown)
	sqltype.Rescale(square, 0)
	r := &apd.Decimal{Exponent: int32(-scale) - 1} // one digit more than the result has
	r.Coeff.SetMathBigInt(new(big.Int).Sqrt(square.Coeff.MathBigInt()))
	sqltype.Rescale(r, scale)
	return r
}

func expNumeric(d *apd.Decimal) (*apd.Decimal, error) {
	switch {
	case isNaN(d):
		return d, nil
	case d.Form == apd.Infinite && d.Negative:
		return new(apd.Decimal), nil
	case d.Form == apd.Infinite:
		return d, nil
	}
	f, _ := d.Float64()
	weight := min(max(f*0.434294481903252, -2000), 2000)
	s := min(max(minSignificant-int(weight), scaleOf(d), 0), maxScale)
	r := new(apd.Decimal)
	switch {
	case f >= 6000:
		return nil, sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
	case f > -6000:
		whole := int(f*0.434294481903252) + 1
		if _, err := precise(whole, s).Exp(r, d); err != nil {
			return nil, err
		}
	}
	sqltype.Rescale(r, s)
	return r, nil
}

// lnWeight estimates the decimal weight of ln(d).
func lnWeight(d *apd.Decimal) int {
	f, _ := d.Float64()
	l := math.Abs(math.Log(f))
	if f == 0 || math.IsInf(f, 0) {
		l = math.Abs(float64(d.NumDigits()+int64(d.Exponent))) * math.Ln10
	}
	if l == 0 {
		return 0
	}
	return int(math.Log10(l))
}

func checkLog(d *apd.Decimal) error {
	if d.Form == apd.Finite && d.IsZero() {
		return sqlerr.New(sqlerr.InvalidArgumentForLogarithm, "cannot take logarithm of zero")
	}
	if d.Negative {
		return sqlerr.New(sqlerr.InvalidArgumentForLogarithm, "cannot take logarithm of a negative number")
	}
	return nil
}

func lnNumeric(d *apd.Decimal) (*apd.Decimal, error) {
	if isNaN(d) {
		return d, nil
	}
	if err := checkLog(d); err != nil || d.Form == apd.Infinite {
		return d, err
	}
	r := new(apd.Decimal)
	s := min(max(minSignificant-lnWeight(d), scaleOf(d), 0), maxScale)
	if _, err := precise(6, s).Ln(r, d); err != nil {
		return nil, err
	}
	sqltype.Rescale(r, s)
	return r, nil
}

func logNumeric(_ *expr.Context, a []value.Value) (value.Value, error) {
	base, x := apd.New(10, 0), dec(a[len(a)-1])
	if len(a) == 2 {
		base = dec(a[0])
	}
	if isNaN(base) || isNaN(x) {
		return numeric(nan())
	}
	for _, d := range []*apd.Decimal{base, x} {
		if err := checkLog(d); err != nil {
			return fail(err)
		}
	}
	switch {
	case base.Form == apd.Infinite && x.Form == apd.Infinite:
		return numeric(nan())
	case base.Form == apd.Infinite:
		return numeric(new(apd.Decimal))
	case x.Form == apd.Infinite:
		return numeric(x)
	}
	s := min(max(minSignificant-(lnWeight(x)-lnWeight(base)), scaleOf(base), scaleOf(x), 0), maxScale)
	digits := precise(20, s)
	lb, lx, r := new(apd.Decimal), new(apd.Decimal), new(apd.Decimal)
	if _, err := digits.Ln(lb, base); err != nil {
		return fail(err)
	}
	if _, err := digits.Ln(lx, x); err != nil {
		return fail(err)
	}
	if lb.IsZero() {
		return divisionByZero()
	}
	if _, err := digits.Quo(r, lx, lb); err != nil {
		return fail(err)
	}
	sqltype.Rescale(r, s)
	return numeric(r)
}

func powerNumeric(x, y *apd.Decimal) (*apd.Decimal, error) {
	isInt := value.ExactRound(y, 0, apd.RoundDown).Cmp(y) == 0
	switch {
	case x.IsZero() && y.Negative && !y.IsZero():
		return nil, sqlerr.New(sqlerr.InvalidArgumentForPower, "zero raised to a negative power is undefined")
	case x.Negative && !isInt:
		return nil, sqlerr.New(sqlerr.InvalidArgumentForPower, "a negative number raised to a non-integer power yields a complex result")
	}
	r := new(apd.Decimal)
	fy, _ := y.Float64()
	estimate := 0.0
	if !x.IsZero() {
		estimate = fy * log10(x)
	}
	if estimate > 131068 {
		return nil, sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
	}
	s := minSignificant
	if !isInt {
		s -= int(estimate)
	}
	s = min(max(s, scaleOf(x), scaleOf(y), 0), maxScale)
	switch {
	case y.IsZero():
		r = apd.New(1, 0)
	case x.IsZero() || estimate < -1000:
	default:
		var err error
		if r, err = raise(x, y, isInt, estimate, s); err != nil {
			return nil, err
		}
	}
	sqltype.Rescale(r, s)
	return r, nil
}

// log10 is about the logarithm of the magnitude of a number that is not zero.
func log10(x *apd.Decimal) float64 {
	digits := x.Coeff.Append(nil, 10)
	f, _ := strconv.ParseFloat(string(digits[:min(len(digits), 17)]), 64)
	return math.Log10(f) + float64(len(digits)-min(len(digits), 17)) + float64(x.Exponent)
}

// maxPowerDigits is up to how many digits whole powers are computed exactly.
const maxPowerDigits = 300000

func raise(x, y *apd.Decimal, whole bool, estimate float64, scale int) (*apd.Decimal, error) {
	n, err := value.ExactRound(y, 0, apd.RoundDown).Int64()
	if whole && err == nil && max(n, -n) <= maxPowerDigits && max(n, -n)*x.NumDigits() <= maxPowerDigits {
		r := &apd.Decimal{Exponent: x.Exponent * int32(max(n, -n)), Negative: x.Negative && n%2 != 0}
		r.Coeff.Exp(&x.Coeff, apd.NewBigInt(max(n, -n)), nil)
		if n < 0 {
			r = divScaled(apd.New(1, 0), r, scale)
		}
		return r, nil
	}
	r := new(apd.Decimal)
	_, err = precise(int(estimate)+1, scale).Pow(r, x, y)
	return r, err
}

// powerOfAny is power: 1 to the power of anything and anything to the power of 0
// are 1, of NaN too.
func powerOfAny(c *expr.Context, a []value.Value) (value.Value, error) {
	x, y := dec(a[0]), dec(a[1])
	if one := apd.New(1, 0); isNaN(y) && x.Form == apd.Finite && x.Cmp(one) == 0 || isNaN(x) && y.IsZero() {
		return numeric(one)
	}
	return numericBinary(powerNumeric, powerInfinite)(c, a)
}

func powerInfinite(x, y *apd.Decimal) (*apd.Decimal, error) {
	one := apd.New(1, 0)
	ax, _ := absNumeric(x)
	switch {
	case x.IsZero() && y.Negative:
		return nil, sqlerr.New(sqlerr.InvalidArgumentForPower, "zero raised to a negative power is undefined")
	case x.Form == apd.Infinite && x.Negative && y.Form == apd.Finite && value.ExactRound(y, 0, apd.RoundDown).Cmp(y) != 0:
		return nil, sqlerr.New(sqlerr.InvalidArgumentForPower, "a negative number raised to a non-integer power yields a complex result")
	case y.Form == apd.Infinite && x.Form == apd.Finite && ax.Cmp(one) == 0:
		return one, nil
	case y.Form == apd.Infinite && (x.Form == apd.Infinite || ax.Cmp(one) > 0) != y.Negative:
		return infinity(false), nil
	case y.Form == apd.Infinite, y.Negative:
		return new(apd.Decimal), nil
	case y.IsZero():
		return one, nil
	}
	odd := value.ExactRem(y, apd.New(2, 0))
	return infinity(x.Negative && !odd.IsZero()), nil
}

func factorial(_ *expr.Context, a []value.Value) (value.Value, error) {
	n := a[0].AsInt64()
	if n < 0 {
		return failf(sqlerr.NumericValueOutOfRange, "factorial of a negative number is undefined")
	}
	if n > 32177 { // the first whose factorial has too many digits
		return failf(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
	}
	r := new(apd.Decimal)
	r.Coeff.SetMathBigInt(new(big.Int).MulRange(1, n))
	return numeric(r)
}

func gcdNumeric(x, y *apd.Decimal) (*apd.Decimal, error) {
	s := max(scaleOf(x), scaleOf(y))
	a, b := new(apd.Decimal).Set(x), new(apd.Decimal).Set(y)
	sqltype.Rescale(a, s)
	sqltype.Rescale(b, s)
	r := new(apd.Decimal)
	a.Coeff.Abs(&a.Coeff)
	b.Coeff.Abs(&b.Coeff)
	r.Coeff.GCD(nil, nil, &a.Coeff, &b.Coeff)
	r.Exponent = int32(-s)
	return r, nil
}

func lcmNumeric(x, y *apd.Decimal) (*apd.Decimal, error) {
	s := max(scaleOf(x), scaleOf(y))
	r := new(apd.Decimal)
	if !x.IsZero() && !y.IsZero() {
		g, _ := gcdNumeric(x, y)
		r = value.ExactMul(value.ExactQuo(x, g), y)
		r.Negative = false
	}
	sqltype.Rescale(r, s)
	return r, nil
}

func nanOf(x, y *apd.Decimal) (*apd.Decimal, error) { return nan(), nil }

func trimScale(d *apd.Decimal) (*apd.Decimal, error) {
	r := new(apd.Decimal).Set(d)
	sqltype.Rescale(r, minScale(d))
	return r, nil
}

func minScale(d *apd.Decimal) int {
	return scaleOf(value.ExactReduce(d))
}

func scaleFunc(f func(d *apd.Decimal) int) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		d := dec(a[0])
		if d.Form != apd.Finite {
			return null()
		}
		return int4(f(d))
	}
}

func widthBucketNumeric(_ *expr.Context, a []value.Value) (value.Value, error) {
	x, lo, hi, n := dec(a[0]), dec(a[1]), dec(a[2]), a[3].AsInt64()
	switch {
	case n <= 0:
		return failf("2201G", "count must be greater than zero")
	case isNaN(x) || isNaN(lo) || isNaN(hi):
		return failf("2201G", "operand, lower bound, and upper bound cannot be NaN")
	case lo.Form == apd.Infinite || hi.Form == apd.Infinite:
		return failf("2201G", "lower and upper bounds must be finite")
	case lo.Cmp(hi) == 0:
		return failf("2201G", "lower bound cannot equal upper bound")
	}
	if lo.Cmp(hi) > 0 {
		x, lo, hi = negated(x), negated(lo), negated(hi)
	}
	switch {
	case x.Cmp(lo) < 0:
		return int4(0)
	case x.Cmp(hi) >= 0:
		return int4(int(n) + 1)
	}
	part := value.ExactMul(value.ExactAdd(x, negated(lo)), apd.New(n, 0))
	r := value.ExactQuo(part, value.ExactAdd(hi, negated(lo)))
	i, err := r.Int64()
	if err != nil {
		return fail(err)
	}
	return int4(int(i) + 1)
}

var numericFuncs = map[string]evaluator{
	"add_numeric": numericBinary(addNumeric, addInfinite),
	"sub_numeric": numericBinary(func(x, y *apd.Decimal) (*apd.Decimal, error) { return subNumeric(x, y) },
		func(x, y *apd.Decimal) (*apd.Decimal, error) { return addInfinite(x, negated(y)) }),
	"mul_numeric":   numericBinary(mulNumeric, mulInfinite),
	"div_numeric":   numericBinary(divNumeric, divInfinite),
	"quo_numeric":   numericBinary(quotient, divInfinite),
	"mod_numeric":   numericBinary(modNumeric, modInfinite),
	"power_numeric": powerOfAny,
	"gcd_numeric":   numericBinary(gcdNumeric, nanOf),
	"lcm_numeric":   numericBinary(lcmNumeric, nanOf),
	"neg_numeric":   numericUnary(func(d *apd.Decimal) (*apd.Decimal, error) { return negated(d), nil }),
	"pos_numeric":   same,
	"abs_numeric":   numericUnary(absNumeric), "ceil_numeric": numericUnary(finiteOnly(ceilNumeric)),
	"floor_numeric": numericUnary(finiteOnly(floorNumeric)), "sign_numeric": numericUnary(signNumeric),
	"round_numeric": roundNumeric, "trunc_numeric": truncNumeric,
	"sqrt_numeric": numericUnary(sqrtNumeric), "exp_numeric": numericUnary(expNumeric),
	"ln_numeric": numericUnary(lnNumeric), "log_numeric": logNumeric,
	"factorial": factorial, "trim_scale": numericUnary(finiteOnly(trimScale)),
	"scale": scaleFunc(scaleOf), "min_scale": scaleFunc(minScale),
	"width_bucket_numeric": widthBucketNumeric,
}

func subNumeric(x, y *apd.Decimal) (*apd.Decimal, error) {
	return value.ExactAdd(x, negated(y)), nil
}
