package value

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"unsafe"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/apd/v3"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// A decimal may be wide: exact, with digits or a scale that decimal128 cannot
// hold. Its n and m are the decimal128 nearest to it that is not above it, and
// p its spelling, which is binary data between stages of this process and in
// constants as that of a date with microseconds is:
//
//	length (4) · microsSubtype · wideMark (8) · m (8) · n (8) · flags (1) · exponent (4, little-endian) · coefficient (big-endian)
//
// What is stored, and what is sent to a store, has none.
const (
	wideMark     = "\xd1weir\x00\xd3n"
	wideHead     = 5 + len(wideMark)
	wideFlagsAt  = wideHead + 16
	wideExpAt    = wideFlagsAt + 1
	wideCoeffAt  = wideExpAt + 4
	wideNegative = 1
	wideInexact  = 2 // no decimal128 is equal to it
	wideMaxExp   = 1 << 20
)

// Numeric makes a decimal of the value and the scale of x: one that BSON can
// hold where decimal128 has both, else a wide one, which must not reach a store:
// see IsFine. Zeros at the end of a whole number are no digits.
func Numeric(x *apd.Decimal) Value {
	if x.Form != apd.Finite || fitsDecimal(x) {
		return FromAPD(x)
	}
	if x.Exponent >= 0 {
		if r := ExactReduce(x); fitsDecimal(r) {
			return FromAPD(r)
		}
	}
	low, exact := floorDecimal(x)
	flags := byte(0)
	if x.Negative {
		flags |= wideNegative
	}
	if !exact {
		flags |= wideInexact
	}
	coeff := x.Coeff.MathBigInt().Bytes()
	b := make([]byte, 0, wideCoeffAt+len(coeff))
	b = binary.LittleEndian.AppendUint32(b, uint32(wideCoeffAt-5+len(coeff)))
	b = append(append(b, microsSubtype), wideMark...)
	b = binary.LittleEndian.AppendUint64(b, low.lo)
	b = binary.LittleEndian.AppendUint64(b, low.hi)
	b = binary.LittleEndian.AppendUint32(append(b, flags), uint32(x.Exponent))
	b = append(b, coeff...)
	return Value{kind: bson.TypeDecimal128, n: low.hi, m: low.lo, p: unsafe.SliceData(b)}
}

// fitsDecimal tells whether a finite number is a decimal128 of the same scale.
func fitsDecimal(x *apd.Decimal) bool {
	n := x.NumDigits()
	return n <= decimalDigits && x.Exponent >= -decimalBias &&
		(x.Exponent <= decimalMaxExp || x.IsZero() || n+int64(x.Exponent-decimalMaxExp) <= decimalDigits)
}

// floorDecimal is the largest decimal128 that is not above x.
func floorDecimal(x *apd.Decimal) (d decimal, exact bool) {
	exp := int(x.Exponent)
	c := new(big.Int).Set(x.Coeff.MathBigInt())
	exact = true
	if drop := max(int(x.NumDigits())-decimalDigits, -decimalBias-exp); drop > 0 {
		rest := new(big.Int)
		c.QuoRem(c, bigPow10(drop), rest)
		exp, exact = exp+drop, rest.Sign() == 0
		if !exact && x.Negative {
			c.Add(c, big.NewInt(1))
		}
	}
	if c.Cmp(bigPow10(decimalDigits)) == 0 {
		c, exp = bigPow10(decimalDigits-1), exp+1
	}
	if c.Sign() != 0 && exp > decimalMaxExp {
		if x.Negative {
			return decimalInf(true), false
		}
		return makeDecimal(false, decimalMaxHi, decimalMaxLo, decimalMaxExp), false
	}
	lo := new(big.Int).And(c, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	return makeDecimal(x.Negative && c.Sign() != 0, c.Rsh(c, 64).Uint64(), lo, min(exp, decimalMaxExp)), exact
}

func bigPow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// wideOf reads the payload of a wide decimal, ok is false for other binary data.
func wideOf(b []byte) (v Value, ok bool) {
	if len(b) < wideCoeffAt || string(b[5:wideHead]) != wideMark {
		return Value{}, false
	}
	at := b[wideHead:]
	if exp := int32(binary.LittleEndian.Uint32(b[wideExpAt:])); exp < -wideMaxExp || exp > wideMaxExp {
		return Value{}, false // not of ours: calculating with it could take all memory
	}
	return Value{kind: bson.TypeDecimal128, p: unsafe.SliceData(b),
		m: binary.LittleEndian.Uint64(at), n: binary.LittleEndian.Uint64(at[8:])}, true
}

// IsWide tells whether v is a decimal that decimal128 cannot hold.
func (v Value) IsWide() bool { return v.p != nil && v.kind == bson.TypeDecimal128 }

// wideBytes is the spelling of a wide decimal.
func (v Value) wideBytes() []byte {
	n := binary.LittleEndian.Uint32(unsafe.Slice(v.p, 4))
	return unsafe.Slice(v.p, int(n)+5)
}

func (v Value) wideFlags() byte { return v.wideBytes()[wideFlagsAt] }

// wideAPD is the exact value of a wide decimal.
func (v Value) wideAPD() *apd.Decimal {
	b := v.wideBytes()
	x := &apd.Decimal{Negative: b[wideFlagsAt]&wideNegative != 0, Exponent: int32(binary.LittleEndian.Uint32(b[wideExpAt:]))}
	x.Coeff.SetMathBigInt(new(big.Int).SetBytes(b[wideCoeffAt:]))
	return x
}

// FloorWide is the decimal that BSON can hold nearest to v that is not above
// it; other values are what they are.
func (v Value) FloorWide() Value {
	if v.kind == bson.TypeDecimal128 {
		v.p = nil
	}
	return v
}

// PlainEqual is the value of BSON's that is equal to v; ok is false if there is
// none. Of what is fine, only wide decimals that have nothing but a longer scale
// have one.
func (v Value) PlainEqual() (plain Value, ok bool) {
	if !v.IsWide() {
		return v, !v.IsFine()
	}
	return v.FloorWide(), v.wideFlags()&wideInexact == 0
}

func (v Value) wideSign() int {
	switch b := v.wideBytes(); {
	case len(b) == wideCoeffAt:
		return 0
	case b[wideFlagsAt]&wideNegative != 0:
		return -1
	}
	return 1
}

func (v Value) wideDouble() float64 {
	f, _ := strconv.ParseFloat(v.wideAPD().Text('E'), 64)
	return f
}

func (v Value) wideIntegral() (int64, bool) {
	p, ok := v.PlainEqual()
	if !ok {
		return 0, false
	}
	return p.dec().toInt64()
}

// exactAPD is the exact value of a number, of a double too.
func exactAPD(v Value) *apd.Decimal {
	if v.kind != bson.TypeDouble || v.IsNaN() || v.IsInf() {
		return v.APD()
	}
	x := new(apd.Decimal)
	x.SetString(strconv.FormatFloat(v.AsDouble(), 'e', 800, 64))
	return x
}

// compareWide compares numbers of which at least one is wide.
func compareWide(a, b Value) int {
	switch {
	case a.IsNaN():
		return -1
	case b.IsNaN():
		return 1
	case a.IsInf():
		return a.Sign()
	case b.IsInf():
		return -b.Sign()
	}
	if s, t := a.Sign(), b.Sign(); s != t {
		return cmpInt(int64(s), int64(t))
	}
	return exactAPD(a).Cmp(exactAPD(b))
}

func hashWide(seed uint64, v Value) uint64 {
	if p, ok := v.PlainEqual(); ok {
		return hashNumber(seed, p)
	}
	f := v.AsDouble()
	if !math.IsInf(f, 0) && compareWide(v, Double(f)) == 0 {
		return mix(seed ^ math.Float64bits(f))
	}
	return mix(seed ^ xxhash.Sum64(appendNumberKey(nil, v)))
}

// appendWide is appendInexact of a wide decimal's magnitude.
func appendWide(dst []byte, v Value) []byte {
	if p, ok := v.PlainEqual(); ok {
		return appendInexact(dst, p.dec())
	}
	x := v.wideAPD()
	x.Negative = false
	f := min(math.Abs(v.AsDouble()), math.MaxFloat64)
	c := exactAPD(Double(f)).Cmp(x)
	if c > 0 {
		f = math.Nextafter(f, 0)
	}
	dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(f))
	if c == 0 {
		return append(dst, 0)
	}
	digits := x.Coeff.Append(nil, 10)
	dst = append(dst, 1)
	if e := int(x.Exponent) + len(digits) + 20000; e < math.MaxUint16 {
		dst = binary.BigEndian.AppendUint16(dst, uint16(e))
	} else { // beyond all of decimal128's
		dst = append(dst, 0xff, 0xff)
		dst = append(dst, strconv.Itoa(1000000+e)...)
	}
	end := len(digits)
	for end > 1 && digits[end-1] == '0' {
		end--
	}
	return append(append(dst, digits[:end]...), 0)
}

// addWide, and the operations below, are exact where an operand is wide.
func addWide(a, b Value) Value {
	x, y := a.APD(), b.APD()
	if x.Form != apd.Finite || y.Form != apd.Finite {
		return decimalAdd(a.wideless(), b.wideless()).value()
	}
	return Numeric(ExactAdd(x, y))
}

// wideless is an operand beside an infinity or NaN, which decide alone.
func (v Value) wideless() decimal {
	if v.IsWide() {
		return decimalFromInt(int64(v.Sign()))
	}
	return v.asDecimal(15)
}

func mulWide(a, b Value) Value {
	x, y := a.APD(), b.APD()
	if x.Form != apd.Finite || y.Form != apd.Finite {
		return decimalMul(a.wideless(), b.wideless()).value()
	}
	for _, d := range []*apd.Decimal{x, y} {
		if d.Exponent > 0 { // zeros of a whole number, which has the scale 0
			d.Coeff.Mul(&d.Coeff, apdPow10(int(d.Exponent)))
			d.Exponent = 0
		}
	}
	return Numeric(ExactMul(x, y))
}

func negateWide(v Value) Value {
	x := v.APD()
	x.Negative = !x.Negative && !x.IsZero()
	return Numeric(x)
}

func modWide(a, b Value) Value {
	x, y := a.APD(), b.APD()
	if x.Form != apd.Finite || y.Form != apd.Finite {
		if x.Form == apd.Finite && y.Form == apd.Infinite {
			return a
		}
		return decimal{hi: decimalNaNBits}.value()
	}
	return Numeric(ExactRem(x, y))
}
