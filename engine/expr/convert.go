package expr

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

func typeOf(_ *Context, a value.Value) (value.Value, error) {
	return value.String(typeName(a)), nil
}

func isNumber(_ *Context, a value.Value) (value.Value, error) { return value.Bool(a.IsNumber()), nil }

func parseConvert(p *compiler, name string, arg value.Value) (Expr, error) {
	notObject := fail(mongoerr.FailedToParse, "$convert expects an object of named arguments but found: %s", typeName(arg))
	unknown := func(k string) error {
		return fail(mongoerr.FailedToParse, "$convert found an unknown argument: %s", k)
	}
	args, err := p.named(arg, notObject, unknown, "input", "to", "onError", "onNull")
	switch {
	case err != nil:
		return nil, err
	case args[0] == nil:
		return nil, fail(mongoerr.FailedToParse, "Missing 'input' parameter to $convert")
	case args[1] == nil:
		return nil, fail(mongoerr.FailedToParse, "Missing 'to' parameter to $convert")
	}
	return p.fold(&convertNode{input: args[0], to: args[1], onError: args[2], onNull: args[3]}, true, args...)
}

// parseTo makes $toInt and its like.
func parseTo(to bson.Type) func(*compiler, string, value.Value) (Expr, error) {
	return func(p *compiler, name string, arg value.Value) (Expr, error) {
		args, err := p.args(arg)
		if err != nil {
			return nil, err
		}
		if len(args) != 1 {
			return nil, fail(50723, "%s requires a single argument, got %d", name, len(args))
		}
		return p.fold(&convertNode{input: args[0], to: constant{value.Int32(int32(to))}}, true, args[0])
	}
}

type convertNode struct{ input, to, onError, onNull Expr }

func (e *convertNode) Eval(c *Context) (value.Value, error) {
	to, err := e.to.Eval(c)
	if err != nil {
		return to, err
	}
	in, err := e.input.Eval(c)
	if err != nil {
		return in, err
	}
	target, err := targetType(to)
	switch {
	case err != nil:
		return value.Null(), err
	case in.IsNullish() && e.onNull != nil:
		return e.onNull.Eval(c)
	case in.IsNullish() || to.IsNullish():
		return value.Null(), nil
	}
	v, err := convert(c, in, target)
	if err != nil && e.onError != nil && errors.Is(err, mongoerr.Code(mongoerr.ConversionFailure)) {
		return e.onError.Eval(c)
	}
	return v, err
}

// targetType reads "to"; null for null.
func targetType(to value.Value) (bson.Type, error) {
	switch {
	case to.IsNullish():
		return bson.TypeNull, nil
	case to.IsString():
		t, ok := value.TypeNamed(to.Str())
		if !ok && to.Str() != "missing" {
			return 0, fail(mongoerr.BadValue, "Unknown type name: %s", to.Str())
		}
		return t, nil
	case to.IsNumber():
		i, ok := to.Integral()
		if !ok {
			return 0, fail(mongoerr.FailedToParse, "In $convert, numeric 'to' argument is not an integer")
		}
		t, ok := value.TypeNumbered(i)
		if !ok && i != 0 {
			return 0, fail(mongoerr.FailedToParse, "In $convert, numeric value for 'to' does not correspond to a BSON type: %d", i)
		}
		return t, nil
	}
	return 0, fail(mongoerr.FailedToParse, "$convert's 'to' argument must be a string or number, but is %s", typeName(to))
}

func conversionFailure(format string, args ...any) error {
	return fail(mongoerr.ConversionFailure, format+" in $convert with no onError value", args...)
}

func convert(c *Context, v value.Value, to bson.Type) (value.Value, error) {
	switch to {
	case bson.TypeBoolean:
		return value.Bool(v.Truthy()), nil
	case bson.TypeInt32:
		i, err := toInteger(v, math.MinInt32, math.MaxInt32, to)
		return value.Int32(int32(i)), err
	case bson.TypeInt64:
		i, err := toInteger(v, math.MinInt64, math.MaxInt64, to)
		return value.Int64(i), err
	case bson.TypeDouble:
		return toDouble(v)
	case bson.TypeDecimal128:
		return toDecimal(v)
	case bson.TypeString:
		return toStringValue(v)
	case bson.TypeDateTime:
		return toDate(c, v)
	case bson.TypeObjectID:
		return toObjectID(v)
	}
	return v, unsupportedConversion(v, to)
}

func unsupportedConversion(v value.Value, to bson.Type) error {
	return conversionFailure("Unsupported conversion from %s to %s", typeName(v), value.TypeName(to))
}

func toInteger(v value.Value, low, high int64, to bson.Type) (int64, error) {
	switch v.Kind() {
	case bson.TypeBoolean, bson.TypeInt32, bson.TypeInt64:
		i := v.AsInt64()
		if i < low || i > high {
			return 0, conversionFailure("Conversion would overflow target type")
		}
		return i, nil
	case bson.TypeDouble, bson.TypeDecimal128:
		return cutNumber(v, low, high)
	case bson.TypeString:
		return parseInteger(v.Str(), low, high)
	case bson.TypeDateTime:
		if to == bson.TypeInt64 {
			return v.AsDate(), nil
		}
	}
	return 0, unsupportedConversion(v, to)
}

func cutNumber(v value.Value, low, high int64) (int64, error) {
	switch {
	case v.IsNaN():
		return 0, conversionFailure("Attempt to convert NaN value to integer type")
	case v.IsInf():
		return 0, conversionFailure("Attempt to convert infinity value to integer type")
	}
	t := rounded(v, math.Trunc, apd.RoundDown)
	i, ok := t.Integral()
	if !ok || value.Compare(v, value.Int64(low)) < 0 || value.Compare(v, value.Int64(high)) > 0 {
		return 0, conversionFailure("Conversion would overflow target type")
	}
	return i, nil
}

func parseInteger(s string, low, high int64) (int64, error) {
	digits := strings.TrimPrefix(s, "-")
	if digits == s {
		digits = strings.TrimPrefix(s, "+")
	}
	if len(digits) > 1 && digits[0] == '0' && digits[1]|0x20 == 'x' {
		return 0, conversionFailure("Illegal hexadecimal input")
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, conversionFailure("Failed to parse number '%s'", s)
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil || i < low || i > high {
		return 0, conversionFailure("Failed to parse number '%s': Overflow", s)
	}
	return i, nil
}

func toDouble(v value.Value) (value.Value, error) {
	switch v.Kind() {
	case bson.TypeDouble:
		return v, nil
	case bson.TypeBoolean, bson.TypeInt32, bson.TypeInt64, bson.TypeDateTime:
		return value.Double(float64(v.AsInt64())), nil
	case bson.TypeDecimal128:
		f := v.AsDouble()
		if math.IsInf(f, 0) && !v.IsInf() || f == 0 && v.Sign() != 0 {
			return v, conversionFailure("Conversion would overflow target type")
		}
		return value.Double(f), nil
	case bson.TypeString:
		return parseDouble(v.Str())
	}
	return v, unsupportedConversion(v, bson.TypeDouble)
}

func parseDouble(s string) (value.Value, error) {
	body := strings.TrimLeft(s, "+-")
	if len(body) > 1 && body[0] == '0' && body[1]|0x20 == 'x' {
		return value.Value{}, conversionFailure("Illegal hexadecimal input")
	}
	if strings.ContainsRune(s, '_') {
		return value.Value{}, conversionFailure("Failed to parse number '%s'", s)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return value.Value{}, conversionFailure("Failed to parse number '%s'", s)
	}
	return value.Double(f), nil
}

func toDecimal(v value.Value) (value.Value, error) {
	switch v.Kind() {
	case bson.TypeBoolean:
		return value.Int64(v.AsInt64()).AsDecimal(), nil
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128, bson.TypeDateTime:
		return v.AsDecimal(), nil
	case bson.TypeString:
		s := v.Str()
		if body := strings.TrimLeft(s, "+-"); len(body) > 1 && body[0] == '0' && body[1]|0x20 == 'x' {
			return v, conversionFailure("Illegal hexadecimal input")
		}
		d, ok := value.ParseDecimal(s)
		if !ok {
			return v, conversionFailure("Failed to parse number '%s'", s)
		}
		return d, nil
	}
	return v, unsupportedConversion(v, bson.TypeDecimal128)
}

func toStringValue(v value.Value) (value.Value, error) {
	switch v.Kind() {
	case bson.TypeString:
		return v, nil
	case bson.TypeInt32, bson.TypeInt64, bson.TypeBoolean, bson.TypeDecimal128:
		return value.String(v.String()), nil
	case bson.TypeDouble:
		if v.IsNaN() || v.IsInf() {
			return value.String(v.String()), nil
		}
		return value.String(coercedDouble(v)), nil
	case bson.TypeObjectID:
		return value.String(v.AsObjectID().Hex()), nil
	case bson.TypeDateTime:
		s, err := formatISO(v.AsDate())
		return value.String(s), err
	}
	return v, unsupportedConversion(v, bson.TypeString)
}

// coercedDouble prints a double with C's %g.
func coercedDouble(v value.Value) string {
	f := v.AsDouble()
	switch {
	case f != f:
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	s := strconv.FormatFloat(f, 'e', 5, 64)
	mantissa, exponent, _ := strings.Cut(s, "e")
	x, _ := strconv.Atoi(exponent)
	if x < -4 || x >= 6 {
		return strings.TrimRight(strings.TrimRight(mantissa, "0"), ".") + "e" + exponent
	}
	s = strconv.FormatFloat(f, 'f', max(0, 5-x), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func timestampString(v value.Value) string {
	t, i := v.AsTimestamp()
	return time.Unix(int64(t), 0).UTC().Format("Jan _2 15:04:05:") + strconv.FormatUint(uint64(i), 10)
}

func toDate(c *Context, v value.Value) (value.Value, error) {
	switch v.Kind() {
	case bson.TypeDateTime:
		return v, nil
	case bson.TypeInt64:
		return value.Date(v.AsInt64()), nil
	case bson.TypeDouble, bson.TypeDecimal128:
		ms, err := cutNumber(v, math.MinInt64, math.MaxInt64)
		return value.Date(ms), err
	case bson.TypeObjectID, bson.TypeTimestamp:
		ms, _ := dateOf(v)
		return value.Date(ms), nil
	case bson.TypeString:
		ms, err := parseDate(c, v.Str(), nil)
		return value.Date(ms), err
	}
	return v, unsupportedConversion(v, bson.TypeDateTime)
}

func toObjectID(v value.Value) (value.Value, error) {
	switch v.Kind() {
	case bson.TypeObjectID:
		return v, nil
	case bson.TypeString:
		id, err := bson.ObjectIDFromHex(v.Str())
		if err != nil {
			return v, conversionFailure("Failed to parse objectId '%s'", v.Str())
		}
		return value.ObjectID(id), nil
	}
	return v, unsupportedConversion(v, bson.TypeObjectID)
}
