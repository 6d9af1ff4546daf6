package expr

import (
	"math"

	"github.com/cockroachdb/apd/v3"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

func typeName(v value.Value) string { return value.TypeName(v.Kind()) }

// add is $add: numbers, and at most one date among them.
func add(_ *Context, args []value.Value) (value.Value, error) {
	if len(args) == 2 && args[0].IsNumber() && args[1].IsNumber() {
		return value.Add(args[0], args[1]), nil
	}
	var sum value.Sum
	date := false
	for _, a := range args {
		switch {
		case a.IsNumber():
		case a.Kind() == bson.TypeDateTime:
			if date {
				return a, fail(16612, "only one date allowed in an $add expression")
			}
			date = true
		case a.IsNullish():
			return value.Null(), nil
		default:
			return a, fail(16554, "$add only supports numeric or date types, not %s", typeName(a))
		}
		sum.Add(a)
	}
	if !date {
		return sum.Total(), nil
	}
	return dateFromSum(&sum)
}

func dateFromSum(sum *value.Sum) (value.Value, error) {
	if sum.Kind() == bson.TypeDecimal128 {
		return value.Date(decimalToLong(sum.DecimalTotal())), nil
	}
	ms, ok := sum.RoundedLong()
	if !ok {
		return value.Value{}, fail(mongoerr.Overflow, "date overflow in $add")
	}
	return value.Date(ms), nil
}

// decimalToLong rounds a decimal half to even; what is no long becomes the
// least long, as in the library that MongoDB uses.
func decimalToLong(v value.Value) int64 {
	if r, ok := quantize(v, 0, apd.RoundHalfEven); ok {
		if i, ok := r.Integral(); ok {
			return i
		}
	}
	return math.MinInt64
}

func subtract(_ *Context, a, b value.Value) (value.Value, error) {
	switch {
	case a.IsNumber() && b.IsNumber():
		return value.Subtract(a, b), nil
	case a.IsNullish() || b.IsNullish():
		return value.Null(), nil
	case a.Kind() != bson.TypeDateTime:
		return a, fail(16556, "can't $subtract %s from %s", typeName(b), typeName(a))
	case b.Kind() == bson.TypeDateTime:
		return value.Int64(a.AsDate() - b.AsDate()), nil
	case !b.IsNumber():
		return a, fail(16613, "can't $subtract %s from Date", typeName(b))
	}
	return subtractFromDate(a, b)
}

func subtractFromDate(a, b value.Value) (value.Value, error) {
	ms, err := coerceToLong(b)
	if err != nil {
		return a, err
	}
	if ms == math.MinInt64 {
		return a, fail(159, "Cannot negate the minimum duration")
	}
	r, ok := value.AddInt64(a.AsDate(), -ms)
	if !ok {
		return a, fail(159, "Overflow subtracting durations")
	}
	return value.Date(r), nil
}

// coerceToLong cuts a number; what is out of range is an error.
func coerceToLong(v value.Value) (int64, error) {
	switch v.Kind() {
	case bson.TypeInt32, bson.TypeInt64:
		return v.AsInt64(), nil
	case bson.TypeDouble:
		if f := v.AsDouble(); f != f || f >= 1<<63 || f < -1<<63 {
			return 0, fail(31109, "Can't coerce out of range value %s to long", v)
		}
		return v.AsInt64(), nil
	case bson.TypeDecimal128:
		return decimalToLong(v), nil
	}
	return 0, fail(16004, "can't convert from BSON type %s to long", typeName(v))
}

func multiply(_ *Context, args []value.Value) (value.Value, error) {
	product := value.Int32(1)
	for _, a := range args {
		if a.IsNullish() {
			return value.Null(), nil
		}
		if !a.IsNumber() {
			return a, fail(16555, "$multiply only supports numeric types, not %s", typeName(a))
		}
		product = value.Multiply(product, a)
	}
	return product, nil
}

func divide(_ *Context, a, b value.Value) (value.Value, error) {
	switch {
	case a.IsNumber() && b.IsNumber():
		return value.Divide(a, b)
	case a.IsNullish() || b.IsNullish():
		return value.Null(), nil
	}
	return a, fail(16609, "$divide only supports numeric types, not %s and %s", typeName(a), typeName(b))
}

func mod(_ *Context, a, b value.Value) (value.Value, error) {
	switch {
	case a.IsNumber() && b.IsNumber():
		return value.Mod(a, b)
	case a.IsNullish() || b.IsNullish():
		return value.Null(), nil
	}
	return a, fail(16611, "$mod only supports numeric types, not %s and %s", typeName(a), typeName(b))
}

// numeric makes an operator of one number of a function: null for nothing,
// an error for what is no number.
func numeric(name string, fn func(a value.Value) (value.Value, error)) func(*Context, value.Value) (value.Value, error) {
	return func(_ *Context, a value.Value) (value.Value, error) {
		switch {
		case a.IsNumber():
			return fn(a)
		case a.IsNullish():
			return value.Null(), nil
		}
		return a, fail(28765, "%s only supports numeric types, not %s", name, typeName(a))
	}
}

func abs(a value.Value) (value.Value, error) {
	switch a.Kind() {
	case bson.TypeInt32, bson.TypeInt64:
		i := a.AsInt64()
		if i == math.MinInt64 {
			return a, fail(28680, "can't take $abs of long long min")
		}
		i = max(i, -i)
		if a.Kind() == bson.TypeInt64 {
			return value.Int64(i), nil
		}
		return value.IntOrLong(i), nil
	case bson.TypeDouble:
		return value.Double(math.Abs(a.AsDouble())), nil
	}
	x := a.APD()
	x.Negative = false
	return value.Numeric(x), nil
}

func ceil(a value.Value) (value.Value, error) { return rounded(a, math.Ceil, apd.RoundCeiling), nil }

func floor(a value.Value) (value.Value, error) { return rounded(a, math.Floor, apd.RoundFloor), nil }

func rounded(a value.Value, double func(float64) float64, decimal apd.Rounder) value.Value {
	switch a.Kind() {
	case bson.TypeDouble:
		return value.Double(double(a.AsDouble()))
	case bson.TypeDecimal128:
		if r, ok := quantize(a, 0, decimal); ok {
			return r
		}
		return value.FromAPD(&apd.Decimal{Form: apd.NaN})
	}
	return a
}

// quantize rounds a number to a number of decimal places; false where that
// takes more than 34 digits (of a number that has not more), and for NaN and infinities.
func quantize(a value.Value, places int32, how apd.Rounder) (value.Value, bool) {
	x := a.AsDecimal34().APD()
	if x.Form != apd.Finite {
		return value.Value{}, false
	}
	if a.IsWide() {
		return value.Numeric(value.ExactRound(x, int(places), how)), true
	}
	if x.Coeff.Sign() != 0 && x.NumDigits()+int64(x.Exponent)+int64(places) > 34 {
		return value.Value{}, false
	}
	ctx := value.DecimalContext
	ctx.Rounding, ctx.Precision = how, 100
	if x.Coeff.Sign() != 0 && x.NumDigits()+int64(x.Exponent) < int64(-places) {
		// Quantize takes less than a tenth of the unit for nothing, whatever the rounding.
		x.Coeff.SetInt64(1)
		x.Exponent = -places - 1
	}
	var r apd.Decimal
	ctx.Quantize(&r, x, -places)
	return value.FromAPD(&r), true
}

// padded gives a number all the places that 34 digits allow.
func padded(a value.Value) value.Value {
	x := a.AsDecimal34().APD()
	if r, ok := quantize(a, int32(34-x.NumDigits())-x.Exponent, apd.RoundHalfEven); ok {
		return r
	}
	return a
}

// round is $round, truncate $trunc: a number and the places to keep.
func round(c *Context, args []value.Value) (value.Value, error) {
	return roundTo("$round", args, apd.RoundHalfEven, math.RoundToEven)
}

func truncate(c *Context, args []value.Value) (value.Value, error) {
	return roundTo("$trunc", args, apd.RoundDown, math.Trunc)
}

func roundTo(name string, args []value.Value, how apd.Rounder, double func(float64) float64) (value.Value, error) {
	a := args[0]
	if a.IsNullish() {
		return value.Null(), nil
	}
	places := int64(0)
	if !a.IsNumber() {
		return a, fail(51081, "%s only supports numeric types, not %s", name, typeName(a))
	}
	if len(args) > 1 {
		if args[1].IsNullish() {
			return value.Null(), nil
		}
		var err error
		if places, err = placesOf(name, args[1]); err != nil {
			return a, err
		}
	}
	switch {
	case a.IsInf() || a.IsNaN():
		return a, nil
	case a.Kind() == bson.TypeDouble:
		if places == 0 {
			return value.Double(double(a.AsDouble())), nil
		}
		if r, ok := quantize(a, int32(places), how); ok {
			return value.Double(r.AsDouble()), nil
		}
		return a, nil
	case a.Kind() == bson.TypeDecimal128:
		if r, ok := quantize(a, int32(places), how); ok {
			return r, nil
		}
		return padded(a), nil
	}
	return roundInteger(name, a, places, how)
}

func placesOf(name string, v value.Value) (int64, error) {
	if !v.IsNumber() {
		return 0, fail(16004, "can't convert from BSON type %s to long", typeName(v))
	}
	p, ok := v.Integral()
	if !ok {
		return 0, fail(51082, "precision argument to  %s must be a integral value", name)
	}
	if p < -20 || p > 100 {
		return 0, fail(51083, "cannot apply %s with precision value %d value must be in [-20, 100]", name, p)
	}
	return p, nil
}

func roundInteger(name string, a value.Value, places int64, how apd.Rounder) (value.Value, error) {
	if places >= 0 {
		return a, nil
	}
	d, _ := quantize(a, int32(places), how)
	r, ok := d.Integral()
	if !ok {
		return a, fail(51080, "invalid conversion from Decimal128 result in %s resulting from arguments: [%s, %d]", name, a, places)
	}
	// MongoDB only looks at the upper bound: below the least int it wraps.
	if a.Kind() == bson.TypeInt64 || r > math.MaxInt32 {
		return value.Int64(r), nil
	}
	return value.Int32(int32(r)), nil
}

func sqrt(a value.Value) (value.Value, error) {
	if a.Sign() < 0 {
		return a, fail(28714, "$sqrt's argument must be greater than or equal to 0")
	}
	if a.Kind() == bson.TypeDecimal128 {
		return decimalFunc(a, value.DecimalContext.Sqrt), nil
	}
	return value.Double(math.Sqrt(a.AsDouble())), nil
}

func exp(a value.Value) (value.Value, error) {
	if a.Kind() == bson.TypeDecimal128 {
		return decimalFunc(a, value.DecimalContext.Exp), nil
	}
	return value.Double(math.Exp(a.AsDouble())), nil
}

func decimalFunc(a value.Value, fn func(d, x *apd.Decimal) (apd.Condition, error)) value.Value {
	var r apd.Decimal
	if cond, _ := fn(&r, a.APD()); cond.InvalidOperation() {
		r.Form = apd.NaN
	}
	return value.FromAPD(&r)
}

func naturalLog(a value.Value) (value.Value, error) {
	if a.Sign() <= 0 && !a.IsNaN() {
		return a, fail(28766, "$ln's argument must be a positive number, but is %s", a)
	}
	return lnOf(a), nil
}

func lnOf(a value.Value) value.Value {
	if a.Kind() == bson.TypeDecimal128 {
		return decimalFunc(a, value.DecimalContext.Ln)
	}
	return value.Double(scaledLog(a.AsDouble(), math.Log))
}

// scaledLog takes a logarithm; numbers too small for full precision are
// brought up first.
func scaledLog(f float64, log func(float64) float64) float64 {
	if f > 0 && f < 0x1p-1022 {
		return log(f*0x1p64) - log(0x1p64)
	}
	return log(f)
}

func log10(a value.Value) (value.Value, error) {
	if a.Sign() <= 0 && !a.IsNaN() {
		return a, fail(28761, "$log10's argument must be a positive number, but is %s", a)
	}
	if a.Kind() == bson.TypeDecimal128 && !a.IsNaN() {
		return decimalFunc(a, value.DecimalContext.Log10), nil
	}
	return value.Double(scaledLog(a.AsDouble(), math.Log10)), nil
}

func logarithm(_ *Context, a, b value.Value) (value.Value, error) {
	switch {
	case a.IsNullish() || b.IsNullish():
		return value.Null(), nil
	case !a.IsNumber():
		return a, fail(28756, "$log's argument must be numeric, not %s", typeName(a))
	case !b.IsNumber():
		return a, fail(28757, "$log's base must be numeric, not %s", typeName(b))
	case a.Sign() <= 0 && !a.IsNaN():
		return a, fail(28758, "$log's argument must be a positive number, but is %s", a)
	case b.Sign() <= 0 && !b.IsNaN() || value.Equal(b, value.Int32(1)):
		return a, fail(28759, "$log's base must be a positive number not equal to 1, but is %s", b)
	}
	if a.Kind() == bson.TypeDecimal128 || b.Kind() == bson.TypeDecimal128 {
		r, _ := value.Divide(lnOf(a.AsDecimal()), lnOf(b.AsDecimal()))
		return r, nil
	}
	return value.Double(math.Log(a.AsDouble()) / math.Log(b.AsDouble())), nil
}

// Pow raises to a power: an integer where the result is exact as one.
func pow(_ *Context, a, b value.Value) (value.Value, error) {
	switch {
	case a.IsNullish() || b.IsNullish():
		return value.Null(), nil
	case !a.IsNumber():
		return a, fail(28762, "$pow's base must be numeric, not %s", typeName(a))
	case !b.IsNumber():
		return a, fail(28763, "$pow's exponent must be numeric, not %s", typeName(b))
	case a.Sign() == 0 && !a.IsNaN() && b.Sign() < 0:
		return a, fail(28764, "$pow cannot take a base of 0 and a negative exponent")
	}
	switch value.WiderType(a.Kind(), b.Kind()) {
	case bson.TypeDecimal128:
		var r apd.Decimal
		if cond, _ := value.DecimalContext.Pow(&r, a.AsDecimal().APD(), b.AsDecimal().APD()); cond.InvalidOperation() {
			r.Form = apd.NaN
		}
		return value.FromAPD(&r), nil
	case bson.TypeDouble:
		return value.Double(math.Pow(a.AsDouble(), b.AsDouble())), nil
	}
	r, ok := intPow(a.AsInt64(), b.AsInt64())
	switch {
	case !ok:
		return value.Double(math.Pow(a.AsDouble(), b.AsDouble())), nil
	case a.Kind() == bson.TypeInt32 && b.Kind() == bson.TypeInt32:
		return value.IntOrLong(r), nil
	}
	return value.Int64(r), nil
}

func intPow(base, exp int64) (int64, bool) {
	switch {
	case base == 1 || exp == 0:
		return 1, true
	case base == -1:
		return 1 - 2*(exp&1), true
	case base == 0:
		return 0, exp > 0
	case exp < 0:
		return 0, false
	}
	r := int64(1)
	for ; exp > 0; exp-- {
		var ok bool
		if r, ok = value.MulInt64(r, base); !ok {
			return 0, false
		}
	}
	return r, true
}
