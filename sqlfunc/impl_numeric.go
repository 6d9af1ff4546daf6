package sqlfunc

import (
	"errors"

	"github.com/cockroachdb/apd/v3"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// precise calculates with enough digits for a result of so many behind the
// point, given how many are before it.
func precise(whole, scale int) *apd.Context {
	return apd.BaseContext.WithPrecision(uint32(max(max(whole, 0)+scale+20, 110)))
}

// minSignificant is how many significant digits quotients and roots have at least.
const minSignificant = 16

// maxScale bounds the scale of results, maxRound that of what is rounded and
// maxFraction that of products.
const (
	maxScale    = 1000
	maxRound    = 2000
	maxFraction = 16383
)

// dec reads a numeric. Zeros at the end of a whole number may stand in
// decimal128's exponent; as a numeric it has the scale 0.
func dec(v value.Value) *apd.Decimal {
	d := v.APD()
	if d.Exponent > 0 {
		sqltype.Rescale(d, 0)
	}
	return d
}

func scaleOf(d *apd.Decimal) int { return max(int(-d.Exponent), 0) }

// numeric makes a numeric of a result.
func numeric(d *apd.Decimal) (value.Value, error) { return sqltype.NumericValue(d) }

// numericError gives what the decimal library refuses PostgreSQL's words.
func numericError(err error) error {
	var e *sqlerr.Error
	if errors.As(err, &e) {
		return err
	}
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format").Because(err)
}

func nan() *apd.Decimal { return &apd.Decimal{Form: apd.NaN} }

func infinity(negative bool) *apd.Decimal {
	return &apd.Decimal{Form: apd.Infinite, Negative: negative}
}

func isNaN(d *apd.Decimal) bool { return d.Form == apd.NaN || d.Form == apd.NaNSignaling }

// numericBinary is an operation on finite numbers, with special numbers apart.
func numericBinary(finite func(x, y *apd.Decimal) (*apd.Decimal, error), special func(x, y *apd.Decimal) (*apd.Decimal, error)) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		x, y := dec(a[0]), dec(a[1])
		r, err := numericOp(x, y, finite, special)
		if err != nil {
			return fail(numericError(err))
		}
		return numeric(r)
	}
}

func numericOp(x, y *apd.Decimal, finite, special func(x, y *apd.Decimal) (*apd.Decimal, error)) (*apd.Decimal, error) {
	switch {
	case isNaN(x) || isNaN(y):
		return nan(), nil
	case x.Form != apd.Finite || y.Form != apd.Finite:
		return special(x, y)
	}
	return finite(x, y)
}

func addNumeric(x, y *apd.Decimal) (*apd.Decimal, error) {
	return value.ExactAdd(x, y), nil
}

func addInfinite(x, y *apd.Decimal) (*apd.Decimal, error) {
	switch {
	case x.Form == y.Form && x.Negative != y.Negative:
		return nan(), nil
	case x.Form == apd.Infinite:
		return x, nil
	}
	return y, nil
}

func negated(d *apd.Decimal) *apd.Decimal {
	r := new(apd.Decimal).Set(d)
	if !isNaN(d) && !(d.Form == apd.Finite && d.IsZero()) {
		r.Negative = !d.Negative
	}
	return r
}

func mulNumeric(x, y *apd.Decimal) (*apd.Decimal, error) {
	r := value.ExactMul(x, y)
	if scaleOf(r) > maxFraction {
		sqltype.Rescale(r, maxFraction)
	}
	return r, nil
}

func mulInfinite(x, y *apd.Decimal) (*apd.Decimal, error) {
	if x.Form == apd.Finite && x.IsZero() || y.Form == apd.Finite && y.IsZero() {
		return nan(), nil
	}
	return infinity(x.Negative != y.Negative), nil
}

// weightOf is the place of the first of PostgreSQL's base-10000 digits, and that digit.
func weightOf(d *apd.Decimal) (weight, first int) {
	if d.IsZero() {
		return 0, 0
	}
	top := int(d.NumDigits()) + int(d.Exponent) - 1
	weight = int(sqltype.FloorDiv(int64(top), 4))
	// The digits from the top down to the place of the group's last one.
	n := top - weight*4 + 1
	digits := d.Coeff.Append(nil, 10)
	for i := range n {
		first *= 10
		if i < len(digits) {
			first += int(digits[i] - '0')
		}
	}
	return weight, first
}

// divScale is the scale that PostgreSQL gives a quotient.
func divScale(x, y *apd.Decimal) int {
	w1, f1 := weightOf(x)
	w2, f2 := weightOf(y)
	qw := w1 - w2
	if f1 <= f2 {
		qw--
	}
	s := max(minSignificant-qw*4, scaleOf(x), scaleOf(y), 0)
	return min(s, maxScale)
}

func divNumeric(x, y *apd.Decimal) (*apd.Decimal, error) {
	if y.IsZero() {
		return nil, sqlerr.New(sqlerr.DivisionByZero, "division by zero")
	}
	return divScaled(x, y, divScale(x, y)), nil
}

// divScaled is the quotient rounded to a scale, half away from zero.
func divScaled(x, y *apd.Decimal, scale int) *apd.Decimal {
	num := &apd.Decimal{Coeff: x.Coeff, Negative: x.Negative, Exponent: x.Exponent + int32(scale) + 1}
	r := value.ExactQuo(num, y) // one digit more than the result has
	r.Exponent = int32(-scale) - 1
	sqltype.Rescale(r, scale)
	return r
}

func divInfinite(x, y *apd.Decimal) (*apd.Decimal, error) {
	switch {
	case x.Form == apd.Infinite && y.Form == apd.Infinite:
		return nan(), nil
	case x.Form == apd.Infinite && y.IsZero():
		return nil, sqlerr.New(sqlerr.DivisionByZero, "division by zero")
	case x.Form == apd.Infinite:
		return infinity(x.Negative != y.Negative), nil
	}
	return new(apd.Decimal), nil
}

func quotient(x, y *apd.Decimal) (*apd.Decimal, error) {
	if y.IsZero() {
		return nil, sqlerr.New(sqlerr.DivisionByZero, "division by zero")
	}
	return value.ExactQuo(x, y), nil
}

func modNumeric(x, y *apd.Decimal) (*apd.Decimal, error) {
	if y.IsZero() {
		return nil, sqlerr.New(sqlerr.DivisionByZero, "division by zero")
	}
	r := value.ExactRem(x, y)
	sqltype.Rescale(r, max(scaleOf(x), scaleOf(y)))
	return r, nil
}

func modInfinite(x, y *apd.Decimal) (*apd.Decimal, error) {
	switch {
	case x.Form == apd.Infinite && y.Form == apd.Finite && y.IsZero():
		return nil, sqlerr.New(sqlerr.DivisionByZero, "division by zero")
	case x.Form == apd.Infinite:
		return nan(), nil
	}
	return x, nil
}

// numericUnary is a function of one number; special numbers go through f too.
func numericUnary(f func(d *apd.Decimal) (*apd.Decimal, error)) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		r, err := f(dec(a[0]))
		if err != nil {
			return fail(numericError(err))
		}
		return numeric(r)
	}
}

func finiteOnly(f func(d *apd.Decimal) (*apd.Decimal, error)) func(d *apd.Decimal) (*apd.Decimal, error) {
	return func(d *apd.Decimal) (*apd.Decimal, error) {
		if d.Form != apd.Finite {
			return d, nil
		}
		return f(d)
	}
}

func absNumeric(d *apd.Decimal) (*apd.Decimal, error) {
	r := new(apd.Decimal).Set(d)
	r.Negative = false
	return r, nil
}

func ceilNumeric(d *apd.Decimal) (*apd.Decimal, error) {
	return value.ExactRound(d, 0, apd.RoundCeiling), nil
}

func floorNumeric(d *apd.Decimal) (*apd.Decimal, error) {
	return value.ExactRound(d, 0, apd.RoundFloor), nil
}

func roundNumeric(_ *expr.Context, a []value.Value) (value.Value, error) {
	d := dec(a[0])
	s := min(max(optional(a, 1, 0), -maxRound), maxRound)
	if d.Form == apd.Finite {
		d = new(apd.Decimal).Set(d)
		sqltype.Rescale(d, int(s))
	}
	return numeric(d)
}

func truncNumeric(_ *expr.Context, a []value.Value) (value.Value, error) {
	d := dec(a[0])
	s := int(min(max(optional(a, 1, 0), -maxRound), maxRound))
	if d.Form != apd.Finite {
		return numeric(d)
	}
	d = new(apd.Decimal).Set(d)
	d = value.ExactRound(d, s, apd.RoundDown)
	sqltype.Rescale(d, s)
	return numeric(d)
}

func signNumeric(d *apd.Decimal) (*apd.Decimal, error) {
	switch {
	case isNaN(d):
		return d, nil
	case d.Form == apd.Finite && d.IsZero():
		return new(apd.Decimal), nil
	}
	r := apd.New(1, 0)
	r.Negative = d.Negative
	return r, nil
}
