package sqlfunc

import (
	"errors"

	"github.com/cockroachdb/apd/v3"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// precise calculates with more digits than results keep.
var precise = apd.BaseContext.WithPrecision(110)

// minSignificant is how many significant digits quotients and roots have at least.
const minSignificant = 16

// maxScale bounds the scale of results.
const maxScale = 1000

func dec(v value.Value) *apd.Decimal { return v.APD() }

func scaleOf(d *apd.Decimal) int { return max(int(-d.Exponent), 0) }

// numeric makes a numeric of a result. Digits beyond decimal128's are rounded
// off the fraction; a whole part that does not fit is an error.
func numeric(d *apd.Decimal) (value.Value, error) {
	if d.Form != apd.Finite {
		return value.FromAPD(d), nil
	}
	if n := d.NumDigits(); n > sqltype.MaxDigits && !wholeZeros(d) {
		keep := scaleOf(d) - int(n-sqltype.MaxDigits)
		if keep < 0 {
			return failf(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
		}
		sqltype.Rescale(d, keep)
		if d.NumDigits() > sqltype.MaxDigits {
			sqltype.Rescale(d, keep-1)
		}
	}
	if d.IsZero() {
		d.Negative = false
	}
	return value.FromAPD(d), nil
}

// wholeZeros tells whether the digits that are too many are zeros at the end of
// a whole number, which decimal128's exponent holds.
func wholeZeros(d *apd.Decimal) bool {
	c, _ := new(apd.Decimal).Reduce(d)
	return c.NumDigits() <= sqltype.MaxDigits && c.Exponent > 0
}

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
	r := new(apd.Decimal)
	_, err := precise.Add(r, x, y)
	return r, err
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
	r := new(apd.Decimal)
	_, err := precise.Mul(r, x, y)
	return r, err
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
	for i, c := range d.Coeff.String() {
		if i == n {
			return weight, first
		}
		first = first*10 + int(c-'0')
	}
	for i := len(d.Coeff.String()); i < n; i++ {
		first *= 10
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
	r := new(apd.Decimal)
	s := divScale(x, y)
	if _, err := precise.Quo(r, x, y); err != nil {
		return nil, err
	}
	sqltype.Rescale(r, s)
	return r, nil
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
	r := new(apd.Decimal)
	_, err := precise.QuoInteger(r, x, y)
	return r, err
}

func modNumeric(x, y *apd.Decimal) (*apd.Decimal, error) {
	if y.IsZero() {
		return nil, sqlerr.New(sqlerr.DivisionByZero, "division by zero")
	}
	r := new(apd.Decimal)
	if _, err := precise.Rem(r, x, y); err != nil {
		return nil, err
	}
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
	r := new(apd.Decimal)
	_, err := precise.Ceil(r, d)
	return r, err
}

func floorNumeric(d *apd.Decimal) (*apd.Decimal, error) {
	r := new(apd.Decimal)
	_, err := precise.Floor(r, d)
	return r, err
}

func roundNumeric(_ *expr.Context, a []value.Value) (value.Value, error) {
	d := dec(a[0])
	s := min(max(optional(a, 1, 0), -maxScale), maxScale)
	if d.Form == apd.Finite {
		d = new(apd.Decimal).Set(d)
		sqltype.Rescale(d, int(s))
	}
	return numeric(d)
}

func truncNumeric(_ *expr.Context, a []value.Value) (value.Value, error) {
	d := dec(a[0])
	s := int(min(max(optional(a, 1, 0), -maxScale), maxScale))
	if d.Form != apd.Finite {
		return numeric(d)
	}
	d = new(apd.Decimal).Set(d)
	if int(-d.Exponent) > s {
		var pow apd.BigInt
		pow.Exp(apd.NewBigInt(10), apd.NewBigInt(int64(-int(d.Exponent)-s)), nil)
		d.Coeff.Quo(&d.Coeff, &pow)
		d.Exponent = int32(-s)
	}
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
