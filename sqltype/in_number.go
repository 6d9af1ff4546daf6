package sqltype

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"weir/engine/value"
	"weir/sqlerr"
)

func invalidSyntax(typ, s string) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type %s: \"%s\"", typ, s)
}

func outOfRange(typ, s string) error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "value \"%s\" is out of range for type %s", s, typ)
}

// space is what C's isspace takes.
const space = " \t\n\r\v\f"

// ParseInteger is the input function of int2, int4 and int8.
func ParseInteger(s string, oid OID) (int64, error) {
	size := map[OID]int{Int2: 16, Int4: 32, Int8: 64}[oid]
	t := strings.Trim(s, space)
	if t == "" || strings.ContainsRune(t, '_') {
		return 0, invalidSyntax(oid.String(), s)
	}
	i, err := strconv.ParseInt(t, 10, size)
	if errors.Is(err, strconv.ErrRange) {
		return 0, outOfRange(oid.String(), s)
	}
	if err != nil {
		return 0, invalidSyntax(oid.String(), s)
	}
	return i, nil
}

// ParseOid is the input function of oid, xid and cid.
func ParseOid(s, typ string) (int64, error) {
	t := strings.Trim(s, space)
	i, err := strconv.ParseInt(t, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, invalidSyntax(typ, s)
	}
	if err != nil || i > math.MaxUint32 || i < math.MinInt32 {
		return 0, outOfRange(typ, s)
	}
	return int64(uint32(i)), nil
}

// ParseFloat is the input function of float8 and float4.
func ParseFloat(s string, oid OID) (float64, error) {
	t := strings.Trim(s, space)
	size := 64
	if oid == Float4 {
		size = 32
	}
	if t == "" || strings.ContainsAny(t, "_xXpP") {
		return 0, invalidSyntax(oid.String(), s)
	}
	f, err := strconv.ParseFloat(t, size)
	if errors.Is(err, strconv.ErrRange) {
		return 0, sqlerr.New(sqlerr.NumericValueOutOfRange, "\"%s\" is out of range for type %s", t, oid)
	}
	if err != nil {
		return 0, invalidSyntax(oid.String(), s)
	}
	if f == 0 && strings.ContainsAny(mantissa(t), "123456789") {
		return 0, sqlerr.New(sqlerr.NumericValueOutOfRange, "\"%s\" is out of range for type %s", t, oid)
	}
	return f, nil
}

func mantissa(s string) string {
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		return s[:i]
	}
	return s
}

// MaxDigits is how many digits a numeric can have in BSON: decimal128's.
const MaxDigits = 34

// ParseNumeric is the input function of numeric.
func ParseNumeric(s string, mod int32) (value.Value, error) {
	d, err := ParseAPD(s)
	if err != nil {
		return value.Value{}, err
	}
	if err := RoundNumeric(d, mod); err != nil {
		return value.Value{}, err
	}
	return NumericValue(d)
}

// ParseAPD reads a numeric of any length.
func ParseAPD(s string) (*apd.Decimal, error) {
	t := strings.Trim(s, space)
	d := new(apd.Decimal)
	switch strings.ToLower(strings.TrimLeft(t, "+-")) {
	case "nan":
		if t[0] == '+' || t[0] == '-' {
			return nil, invalidSyntax("numeric", s)
		}
		d.Form = apd.NaN
		return d, nil
	case "infinity", "inf":
		d.Form, d.Negative = apd.Infinite, t[0] == '-'
		return d, nil
	}
	if !isNumericText(t) {
		return nil, invalidSyntax("numeric", s)
	}
	if err := readDigits(d, t); err != nil {
		return nil, err
	}
	if d.IsZero() {
		d.Negative, d.Exponent = false, min(d.Exponent, 0)
	}
	if d.Exponent > 0 { // 1e3 is 1000, of scale 0
		if d.NumDigits()+int64(d.Exponent) > maxWhole {
			return nil, numericTooLong()
		}
		var ten apd.BigInt
		ten.Exp(apd.NewBigInt(10), apd.NewBigInt(int64(d.Exponent)), nil)
		d.Coeff.Mul(&d.Coeff, &ten)
		d.Exponent = 0
	}
	return d, nil
}

// readDigits reads what isNumericText has found to be a number.
func readDigits(d *apd.Decimal, t string) error {
	mantissa, exponent := t, 0
	if i := strings.IndexAny(t, "eE"); i >= 0 {
		var err error
		mantissa = t[:i]
		if exponent, err = strconv.Atoi(t[i+1:]); err != nil || exponent >= math.MaxInt32/2 || exponent <= -math.MaxInt32/2 {
			return numericTooLong()
		}
	}
	d.Negative = mantissa[0] == '-'
	whole, fraction, _ := strings.Cut(strings.TrimLeft(mantissa, "+-"), ".")
	d.Coeff.SetString(whole+fraction, 10)
	d.Exponent = int32(exponent - len(fraction))
	return nil
}

// What a numeric can have at most, as in PostgreSQL: digits before the point
// and behind it.
const (
	maxWhole    = 131072
	maxFraction = 16383
)

func numericTooLong() error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
}

// isNumericText checks [+-] digits [. digits] [e [+-] digits].
func isNumericText(t string) bool {
	t = strings.TrimLeft(t[:min(1, len(t))], "+-") + t[min(1, len(t)):]
	digits, i := 0, 0
	for ; i < len(t) && (t[i] >= '0' && t[i] <= '9' || t[i] == '.'); i++ {
		if t[i] == '.' && strings.IndexByte(t[:i], '.') >= 0 {
			return false
		}
		if t[i] != '.' {
			digits++
		}
	}
	if digits == 0 || i == len(t) {
		return digits > 0
	}
	if t[i] != 'e' && t[i] != 'E' {
		return false
	}
	_, err := strconv.Atoi(t[i+1:])
	return err == nil || errors.Is(err, strconv.ErrRange)
}

// RoundNumeric applies numeric(p,s) to d: rounds half away from zero to the
// scale and checks the precision.
func RoundNumeric(d *apd.Decimal, mod int32) error {
	p, s, ok := NumericModifier(mod)
	if !ok || d.Form == apd.NaN {
		return nil
	}
	if d.Form == apd.Infinite {
		return numericOverflow(p, s, "an infinite value")
	}
	Rescale(d, s)
	if d.NumDigits()+int64(d.Exponent) > int64(p-s) && !d.IsZero() {
		bound := "10^" + strconv.Itoa(p-s)
		if p == s {
			bound = "1"
		}
		return sqlerr.New(sqlerr.NumericValueOutOfRange, "numeric field overflow").
			WithDetail("A field with precision %d, scale %d must round to an absolute value less than %s.", p, s, bound)
	}
	return nil
}

func numericOverflow(p, s int, what string) error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "numeric field overflow").
		WithDetail("A field with precision %d, scale %d cannot hold %s.", p, s, what)
}

// Rescale rounds d half away from zero to a scale, or adds zeros up to it.
func Rescale(d *apd.Decimal, scale int) {
	if d.Form != apd.Finite {
		return
	}
	want := int32(-scale)
	var pow, rem apd.BigInt
	switch {
	case d.Exponent > want:
		pow.Exp(apd.NewBigInt(10), apd.NewBigInt(int64(d.Exponent-want)), nil)
		d.Coeff.Mul(&d.Coeff, &pow)
	case d.Exponent < want && int64(want)-int64(d.Exponent) > d.NumDigits():
		d.Coeff.SetInt64(0) // less than a tenth of the unit
	case d.Exponent < want:
		pow.Exp(apd.NewBigInt(10), apd.NewBigInt(int64(want-d.Exponent)), nil)
		d.Coeff.QuoRem(&d.Coeff, &pow, &rem)
		rem.Mul(&rem, apd.NewBigInt(2))
		if rem.Cmp(&pow) >= 0 {
			d.Coeff.Add(&d.Coeff, apd.NewBigInt(1))
		}
	}
	d.Exponent = want
	if want > 0 { // a negative scale rounds to tens, and prints them
		pow.Exp(apd.NewBigInt(10), apd.NewBigInt(int64(want)), nil)
		d.Coeff.Mul(&d.Coeff, &pow)
		d.Exponent = 0
	}
	if d.IsZero() {
		d.Negative = false
	}
}

// NumericValue is a numeric's value, wide where decimal128 cannot hold it. Too
// many digits are an error (22003).
func NumericValue(d *apd.Decimal) (value.Value, error) {
	if d.Form == apd.Finite {
		if -d.Exponent > maxFraction || !d.IsZero() && d.NumDigits()+int64(d.Exponent) > maxWhole {
			return value.Value{}, numericTooLong()
		}
		if d.IsZero() {
			d.Negative = false
		}
	}
	return value.Numeric(d), nil
}

// ParseBool is the input function of bool: unique prefixes count.
func ParseBool(s string) (bool, error) {
	t := strings.ToLower(strings.Trim(s, space))
	switch t {
	case "t", "tr", "tru", "true", "y", "ye", "yes", "on", "1":
		return true, nil
	case "f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0":
		return false, nil
	}
	return false, invalidSyntax("boolean", s)
}
