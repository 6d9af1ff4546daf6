package value

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"

	"github.com/cockroachdb/apd/v3"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// decimal is the two words of an IEEE 754-2008 decimal128 in the BID encoding.
type decimal struct{ hi, lo uint64 }

const (
	decimalBias     = 6176
	decimalMaxExp   = 6111
	decimalDigits   = 34
	decimalNaNBits  = 0x7c00000000000000
	decimalInfBits  = 0x7800000000000000
	decimalSignBit  = 1 << 63
	decimalSpecials = 0x1f << 58
)

// decimalMaxHi and decimalMaxLo are 10^34 - 1, the largest coefficient.
const (
	decimalMaxHi uint64 = 0x1ed09bead87c0
	decimalMaxLo uint64 = 0x378d8e63ffffffff
)

// DecimalContext rounds to decimal128, half to even, as MongoDB does.
var DecimalContext = apd.Context{Precision: decimalDigits, MaxExponent: 6144, MinExponent: -6143, Rounding: apd.RoundHalfEven}

func (v Value) dec() decimal { return decimal{hi: v.n, lo: v.m} }

func (d decimal) value() Value { return Value{kind: bson.TypeDecimal128, n: d.hi, m: d.lo} }

func (d decimal) isNaN() bool { return d.hi&decimalSpecials == decimalNaNBits }
func (d decimal) isInf() bool { return d.hi&decimalSpecials == decimalInfBits }
func (d decimal) isNeg() bool { return d.hi&decimalSignBit != 0 }

func (d decimal) isZero() bool {
	if d.hi&decimalInfBits == decimalInfBits {
		return false
	}
	hi, lo, _ := d.parts()
	return hi == 0 && lo == 0
}

// parts gives coefficient and exponent of a finite decimal.
func (d decimal) parts() (hi, lo uint64, exp int) {
	if d.hi>>61&3 == 3 { // a coefficient of this form exceeds 34 digits: zero
		return 0, 0, int(d.hi>>47&0x3fff) - decimalBias
	}
	hi, lo = d.hi&(1<<49-1), d.lo
	if hi > decimalMaxHi || hi == decimalMaxHi && lo > decimalMaxLo {
		hi, lo = 0, 0
	}
	return hi, lo, int(d.hi>>49&0x3fff) - decimalBias
}

// makeDecimal builds a finite decimal from parts that are in range.
func makeDecimal(neg bool, hi, lo uint64, exp int) decimal {
	d := decimal{hi: hi | uint64(exp+decimalBias)<<49, lo: lo}
	if neg {
		d.hi |= decimalSignBit
	}
	return d
}

// toAPD writes d into x.
func (d decimal) toAPD(x *apd.Decimal) *apd.Decimal {
	x.Negative, x.Exponent, x.Form = d.isNeg(), 0, apd.Finite
	switch {
	case d.isNaN():
		x.Form, x.Negative = apd.NaN, false
	case d.isInf():
		x.Form = apd.Infinite
	default:
		hi, lo, exp := d.parts()
		x.Exponent = int32(exp)
		x.Coeff.SetUint64(hi)
		if hi != 0 {
			x.Coeff.Lsh(&x.Coeff, 64)
			x.Coeff.Add(&x.Coeff, new(apd.BigInt).SetUint64(lo))
		} else {
			x.Coeff.SetUint64(lo)
		}
	}
	return x
}

// APD is a number's exact decimal value; doubles by all their digits.
func (v Value) APD() *apd.Decimal {
	if v.IsWide() {
		return v.wideAPD()
	}
	return v.asDecimal(decimalDigits).toAPD(new(apd.Decimal))
}

// FromAPD makes a decimal, rounding to 34 digits where needed; Numeric does not.
func FromAPD(x *apd.Decimal) Value { return fromAPD(x).value() }

func fromAPD(x *apd.Decimal) decimal {
	switch x.Form {
	case apd.NaN, apd.NaNSignaling:
		return decimal{hi: decimalNaNBits}
	case apd.Infinite:
		return decimalInf(x.Negative)
	}
	var r apd.Decimal
	if x.Coeff.Sign() == 0 {
		r.Set(x)
		r.Exponent = min(max(r.Exponent, -decimalBias), decimalMaxExp)
	} else if DecimalContext.Round(&r, x); r.Form == apd.Infinite {
		return decimalInf(x.Negative)
	}
	if r.Exponent > decimalMaxExp { // fold down: pad the coefficient with zeros
		pad := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(r.Exponent-decimalMaxExp)), nil)
		r.Coeff.Mul(&r.Coeff, new(apd.BigInt).SetMathBigInt(pad))
		r.Exponent = decimalMaxExp
	}
	var w apd.BigInt
	lo := w.And(&r.Coeff, new(apd.BigInt).SetUint64(math.MaxUint64)).Uint64()
	hi := w.Rsh(&r.Coeff, 64).Uint64()
	return makeDecimal(x.Negative, hi, lo, int(r.Exponent))
}

func decimalInf(neg bool) decimal {
	d := decimal{hi: decimalInfBits}
	if neg {
		d.hi |= decimalSignBit
	}
	return d
}

func decimalFromInt(i int64) decimal {
	if i < 0 {
		return makeDecimal(true, 0, uint64(-i), 0)
	}
	return makeDecimal(false, 0, uint64(i), 0)
}

// decimalFromDouble keeps the given number of significant digits; 34 drops
// trailing zeros as the exact conversion does, 15 keeps them as MongoDB's
// implicit conversion does.
func decimalFromDouble(f float64, digits int) decimal {
	switch {
	case math.IsNaN(f):
		return decimal{hi: decimalNaNBits}
	case math.IsInf(f, 0):
		return decimalInf(f < 0)
	case f == 0:
		return makeDecimal(math.Signbit(f), 0, 0, 0)
	}
	if digits == decimalDigits {
		return exactDecimalFromDouble(f)
	}
	s := strconv.FormatFloat(math.Abs(f), 'e', digits-1, 64)
	coeff, exp := parseScientific(s)
	return makeDecimal(f < 0, 0, coeff, exp)
}

func exactDecimalFromDouble(f float64) decimal {
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return decimalFromInt(int64(f))
	}
	var x apd.Decimal
	x.SetString(strconv.FormatFloat(f, 'e', decimalDigits-1, 64))
	limit := int32(0)
	if math.Abs(f) >= 1<<63 {
		limit = decimalMaxExp
	}
	return trimZeros(&x, limit)
}

// trimZeros drops trailing zeros of the coefficient while the exponent stays
// at or below limit.
func trimZeros(x *apd.Decimal, limit int32) decimal {
	ten, q, r := apd.NewBigInt(10), new(apd.BigInt), new(apd.BigInt)
	for x.Exponent < limit {
		if q.QuoRem(&x.Coeff, ten, r); r.Sign() != 0 {
			break
		}
		x.Coeff.Set(q)
		x.Exponent++
	}
	return fromAPD(x)
}

// parseScientific reads "d.ddde±xx" with at most 19 digits.
func parseScientific(s string) (coeff uint64, exp int) {
	digits := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '.':
		case 'e':
			exp, _ = strconv.Atoi(s[i+1:])
			return coeff, exp - (digits - 1)
		default:
			coeff = coeff*10 + uint64(c-'0')
			digits++
		}
	}
	return coeff, exp
}

// toDouble is the double nearest to d.
func (d decimal) toDouble() float64 {
	switch {
	case d.isNaN():
		return math.NaN()
	case d.isInf() && d.isNeg():
		return math.Inf(-1)
	case d.isInf():
		return math.Inf(1)
	}
	hi, lo, exp := d.parts()
	if hi == 0 && lo < 1<<53 && exp >= -22 && exp <= 22 {
		f := float64(lo)
		if exp < 0 {
			f /= math.Pow10(-exp)
		} else {
			f *= math.Pow10(exp)
		}
		return applySign(f, d.isNeg())
	}
	b := append(appendUint128(make([]byte, 0, 48), hi, lo), 'e')
	f, _ := strconv.ParseFloat(string(strconv.AppendInt(b, int64(exp), 10)), 64)
	return applySign(f, d.isNeg())
}

func applySign(f float64, neg bool) float64 {
	if neg {
		return -f
	}
	return f
}

// appendUint128 appends the decimal digits of hi:lo, which is below 10^34.
func appendUint128(dst []byte, hi, lo uint64) []byte {
	if hi == 0 {
		return strconv.AppendUint(dst, lo, 10)
	}
	const e17 = 100000000000000000
	q1, r1 := hi/e17, hi%e17
	q0, r0 := bits.Div64(r1, lo, e17)
	_ = q1 // zero: the quotient is below 10^17
	dst = strconv.AppendUint(dst, q0, 10)
	low := strconv.FormatUint(r0, 10)
	for i := len(low); i < 17; i++ {
		dst = append(dst, '0')
	}
	return append(dst, low...)
}

// toInt64 is d as a long when it is integral and in range.
func (d decimal) toInt64() (int64, bool) {
	if d.hi&decimalInfBits == decimalInfBits {
		return 0, false
	}
	hi, lo, exp := d.parts()
	for ; exp < 0; exp++ {
		if hi == 0 && lo == 0 {
			return 0, true
		}
		var r uint64
		if hi, lo, r = divTen(hi, lo); r != 0 {
			return 0, false
		}
	}
	if hi == 0 && lo == 0 {
		return 0, true
	}
	for ; exp > 0 && hi == 0; exp-- {
		hi, lo = bits.Mul64(lo, 10)
	}
	switch {
	case hi != 0:
		return 0, false
	case d.isNeg() && lo <= 1<<63:
		return -int64(lo), true
	}
	return int64(lo), lo < 1<<63
}

func divTen(hi, lo uint64) (qhi, qlo, r uint64) {
	qhi, r = hi/10, hi%10
	qlo, r = bits.Div64(r, lo, 10)
	return qhi, qlo, r
}

// ParseDecimal reads a decimal string; false if it is none or out of range.
func ParseDecimal(s string) (Value, bool) {
	d, err := bson.ParseDecimal128(s)
	return Decimal(d), err == nil
}
