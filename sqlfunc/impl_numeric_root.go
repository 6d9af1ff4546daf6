package sqlfunc

import (
	"math"

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
	r := new(apd.Decimal)
	if _, err := precise.Sqrt(r, d); err != nil {
		return nil, err
	}
	sqltype.Rescale(r, min(max(minSignificant-sweight, scaleOf(d), 0), maxScale))
	return r, nil
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
	if f > 14000 {
		return nil, sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
	}
	r := new(apd.Decimal)
	if _, err := precise.Exp(r, d); err != nil {
		return nil, err
	}
	sqltype.Rescale(r, min(max(minSignificant-int(f*0.434294481903252), scaleOf(d), 0), maxScale))
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
	if _, err := precise.Ln(r, d); err != nil {
		return nil, err
	}
	sqltype.Rescale(r, min(max(minSignificant-lnWeight(d), scaleOf(d), 0), maxScale))
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
		if d.Form == apd.Infinite {
			return numeric(d)
		}
	}
	lb, lx, r := new(apd.Decimal), new(apd.Decimal), new(apd.Decimal)
	if _, err := precise.Ln(lb, base); err != nil {
		return fail(err)
	}
	if _, err := precise.Ln(lx, x); err != nil {
		return fail(err)
	}
	if lb.IsZero() {
		return divisionByZero()
	}
	if _, err := precise.Quo(r, lx, lb); err != nil {
		return fail(err)
	}
	s := minSignificant - (lnWeight(x) - lnWeight(base))
	sqltype.Rescale(r, min(max(s, scaleOf(base), scaleOf(x), 0), maxScale))
	return numeric(r)
}

func powerNumeric(x, y *apd.Decimal) (*apd.Decimal, error) {
	yi, _ := new(apd.Decimal).Set(y), 0
	var whole apd.Decimal
	if _, err := precise.RoundToIntegralValue(&whole, y); err != nil {
		return nil, err
	}
	isInt := whole.Cmp(yi) == 0
	switch {
	case x.IsZero() && y.Negative && !y.IsZero():
		return nil, sqlerr.New(sqlerr.InvalidArgumentForPower, "zero raised to a negative power is undefined")
	case x.Negative && !isInt:
		return nil, sqlerr.New(sqlerr.InvalidArgumentForPower, "a negative number raised to a non-integer power yields a complex result")
	}
	r := new(apd.Decimal)
	fx, _ := x.Float64()
	fy, _ := y.Float64()
	estimate := 0.0
	if fx != 0 {
		estimate = fy * math.Log10(math.Abs(fx))
	}
	if estimate > 6000 {
		return nil, sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
	}
	if x.IsZero() || estimate < -1000 {
		if y.IsZero() {
			r = apd.New(1, 0)
		}
	} else if _, err := precise.Pow(r, x, y); err != nil {
		return nil, err
	}
	s := minSignificant
	if !isInt {
		s -= int(estimate)
	}
	sqltype.Rescale(r, min(max(s, scaleOf(x), scaleOf(y), 0), maxScale))
	return r, nil
}

func powerInfinite(x, y *apd.Decimal) (*apd.Decimal, error) {
	one := apd.New(1, 0)
	ax, _ := absNumeric(x)
	switch {
	case y.Form == apd.Infinite && x.Form == apd.Finite && ax.Cmp(one) == 0:
		return one, nil
	case y.Form == apd.Infinite && (x.Form == apd.Infinite || ax.Cmp(one) > 0) != y.Negative:
		return infinity(false), nil
	case y.Form == apd.Infinite, y.Negative:
		return new(apd.Decimal), nil
	case y.IsZero():
		return one, nil
	}
	odd := new(apd.Decimal)
	_, _ = precise.Rem(odd, y, apd.New(2, 0))
	return infinity(x.Negative && !odd.IsZero()), nil
}

func factorial(_ *expr.Context, a []value.Value) (value.Value, error) {
	n := a[0].AsInt64()
	if n < 0 {
		return failf(sqlerr.NumericValueOutOfRange, "factorial of a negative number is undefined")
	}
	r := apd.New(1, 0)
	for i := int64(2); i <= n; i++ {
		r.Coeff.Mul(&r.Coeff, apd.NewBigInt(i))
		if r.NumDigits() > 2*sqltype.MaxDigits {
			return failf(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
		}
	}
	v, err := sqltype.NumericValue(r, "factorial")
	return v, err
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
		q := new(apd.Decimal)
		if _, err := precise.QuoInteger(q, x, g); err != nil {
			return nil, err
		}
		if _, err := precise.Mul(r, q, y); err != nil {
			return nil, err
		}
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
	r := new(apd.Decimal)
	r.Reduce(d)
	return scaleOf(r)
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
	var part, whole, r apd.Decimal
	_, _ = precise.Sub(&part, x, lo)
	_, _ = precise.Sub(&whole, hi, lo)
	_, _ = precise.Mul(&part, &part, apd.New(n, 0))
	_, _ = precise.QuoInteger(&r, &part, &whole)
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
	"power_numeric": numericBinary(powerNumeric, powerInfinite),
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
	r := new(apd.Decimal)
	_, err := precise.Sub(r, x, y)
	return r, err
}
