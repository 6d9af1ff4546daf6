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

// MaxDigits is how many digits a numeric can have here: decimal128's.
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
	return NumericValue(d, s)
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
	if _, _, err := d.SetString(strings.TrimPrefix(t, "+")); err != nil {
		return nil, sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
	}
	if d.Exponent > 0 { // 1e3 is 1000, of scale 0
		if d.Exponent > 6200 {
			return nil, sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format")
		}
		var ten apd.BigInt
		ten.Exp(apd.NewBigInt(10), apd.NewBigInt(int64(d.Exponent)), nil)
		d.Coeff.Mul(&d.Coeff, &ten)
		d.Exponent = 0
	}
	if d.IsZero() {
		d.Negative = false
	}
	return d, nil
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

// NumericValue is a numeric's BSON form. More digits than decimal128 has are
// an error: the number would be another one. text is what was read.
func NumericValue(d *apd.Decimal, text string) (value.Value, error) {
	if d.Form == apd.Finite && d.NumDigits() > MaxDigits && !dropZeros(d) {
		return value.Value{}, sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format").
			WithDetail("\"%s\" has more than %d significant digits.", clip(text), MaxDigits)
	}
	return value.FromAPD(d), nil
}

// dropZeros removes zeros at the end of the fraction until the digits fit.
func dropZeros(d *apd.Decimal) bool {
	for d.NumDigits() > MaxDigits && d.Exponent < 0 {
		var q, r apd.BigInt
		q.QuoRem(&d.Coeff, apd.NewBigInt(10), &r)
		if r.Sign() != 0 {
			return false
		}
		d.Coeff.Set(&q)
		d.Exponent++
	}
	if d.NumDigits() <= MaxDigits {
		return true
	}
	// Zeros of the whole part can live in decimal128's exponent.
	c := new(apd.Decimal).Set(d)
	c.Reduce(c)
	return c.NumDigits() <= MaxDigits && c.Exponent > 0
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
