package value

import (
	"math"
	"math/bits"

	"github.com/cockroachdb/apd/v3"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
)

// Add adds two numbers: ints grow to longs, longs that overflow to doubles.
func Add(a, b Value) Value {
	switch WiderType(a.kind, b.kind) {
	case bson.TypeInt32:
		return IntOrLong(int64(a.n) + int64(b.n))
	case bson.TypeInt64:
		if r, ok := AddInt64(int64(a.n), int64(b.n)); ok {
			return Int64(r)
		}
	case bson.TypeDouble:
		if a.kind == b.kind {
			return Double(math.Float64frombits(a.n) + math.Float64frombits(b.n))
		}
	}
	var s Sum
	s.Add(a)
	s.Add(b)
	return s.Total()
}

// Subtract subtracts b from a.
func Subtract(a, b Value) Value {
	switch WiderType(a.kind, b.kind) {
	case bson.TypeInt32:
		return IntOrLong(int64(a.n) - int64(b.n))
	case bson.TypeInt64:
		x, y := int64(a.n), int64(b.n)
		r := x - y
		if (x < 0) != (y < 0) && (r < 0) != (x < 0) {
			return Double(float64(x) - float64(y))
		}
		return Int64(r)
	case bson.TypeDecimal128:
		if a.IsWide() || b.IsWide() {
			return addWide(a, negateWide(b))
		}
		d := b.asDecimal(15)
		d.hi ^= decimalSignBit
		return decimalAdd(a.asDecimal(15), d).value()
	}
	return Double(a.AsDouble() - b.AsDouble())
}

// Multiply multiplies two numbers.
func Multiply(a, b Value) Value {
	switch WiderType(a.kind, b.kind) {
	case bson.TypeInt32:
		return IntOrLong(int64(a.n) * int64(b.n))
	case bson.TypeInt64:
		if r, ok := MulInt64(int64(a.n), int64(b.n)); ok {
			return Int64(r)
		}
		return Double(float64(int64(a.n)) * float64(int64(b.n)))
	case bson.TypeDecimal128:
		if a.IsWide() || b.IsWide() {
			return mulWide(a, b)
		}
		return decimalMul(a.asDecimal(15), b.asDecimal(15)).value()
	}
	return Double(a.AsDouble() * b.AsDouble())
}

// Divide divides: a decimal if one of them is, a double otherwise.
func Divide(a, b Value) (Value, error) {
	if b.Sign() == 0 && !b.IsNaN() {
		return Value{}, mongoerr.New(16608, "can't $divide by zero")
	}
	if WiderType(a.kind, b.kind) == bson.TypeDecimal128 {
		return decimalQuo(a.asDecimal(15), b.asDecimal(15)).value(), nil
	}
	return Double(a.AsDouble() / b.AsDouble()), nil
}

// Mod is the remainder with the sign of a.
func Mod(a, b Value) (Value, error) {
	if b.Sign() == 0 && !b.IsNaN() {
		return Value{}, mongoerr.New(16610, "can't $mod by zero")
	}
	switch WiderType(a.kind, b.kind) {
	case bson.TypeDecimal128:
		if a.IsWide() || b.IsWide() {
			return modWide(a, b), nil
		}
		return decimalRem(a.asDecimal(15), b.asDecimal(15)).value(), nil
	case bson.TypeDouble:
		return Double(math.Mod(a.AsDouble(), b.AsDouble())), nil
	}
	r := int64(0)
	if y := int64(b.n); y != -1 {
		r = int64(a.n) % y
	}
	if WiderType(a.kind, b.kind) == bson.TypeInt32 {
		return Int32(int32(r)), nil
	}
	return Int64(r), nil
}

// AddInt64 adds; false on overflow.
func AddInt64(a, b int64) (int64, bool) {
	r := a + b
	return r, (a < 0) != (b < 0) || (r < 0) == (a < 0)
}

// MulInt64 multiplies; false on overflow.
func MulInt64(a, b int64) (int64, bool) {
	neg := (a < 0) != (b < 0)
	hi, lo := bits.Mul64(absUint64(a), absUint64(b))
	switch {
	case hi != 0:
		return 0, false
	case neg:
		return -int64(lo), lo <= 1<<63
	}
	return int64(lo), lo < 1<<63
}

func absUint64(i int64) uint64 {
	if i < 0 {
		return -uint64(i)
	}
	return uint64(i)
}

func decimalAdd(a, b decimal) decimal {
	if r, ok := addSmall(a, b); ok {
		return r
	}
	return decimalOp(DecimalContext.Add, a, b)
}

// addSmall adds finite decimals of one exponent, or brings a small difference
// of exponents together, while all fits in one word.
func addSmall(a, b decimal) (decimal, bool) {
	if a.hi&decimalInfBits == decimalInfBits || b.hi&decimalInfBits == decimalInfBits {
		return decimal{}, false
	}
	ah, al, ae := a.parts()
	bh, bl, be := b.parts()
	const limit = 1 << 62
	if ah != 0 || bh != 0 || al >= limit || bl >= limit {
		return decimal{}, false
	}
	for ae > be && al < limit/10 {
		al, ae = al*10, ae-1
	}
	for be > ae && bl < limit/10 {
		bl, be = bl*10, be-1
	}
	if ae != be {
		return decimal{}, false
	}
	x, y := int64(al), int64(bl)
	if a.isNeg() {
		x = -x
	}
	if b.isNeg() {
		y = -y
	}
	s := x + y
	return makeDecimal(s < 0 || s == 0 && a.isNeg() && b.isNeg(), 0, absUint64(s), ae), true
}

func decimalMul(a, b decimal) decimal {
	if a.hi&decimalInfBits != decimalInfBits && b.hi&decimalInfBits != decimalInfBits {
		ah, al, ae := a.parts()
		bh, bl, be := b.parts()
		hi, lo := bits.Mul64(al, bl)
		if e := ae + be; ah == 0 && bh == 0 && hi < decimalMaxHi && e >= -decimalBias && e <= decimalMaxExp {
			return makeDecimal(a.isNeg() != b.isNeg(), hi, lo, e)
		}
	}
	return decimalOp(DecimalContext.Mul, a, b)
}

func decimalQuo(a, b decimal) decimal {
	if b.isZero() || b.isInf() || a.isInf() || a.isNaN() || b.isNaN() || a.isZero() {
		return decimalOp(DecimalContext.Quo, a, b)
	}
	_, _, ae := a.parts()
	_, _, be := b.parts()
	var x, y, z apd.Decimal
	cond, _ := DecimalContext.Quo(&z, a.toAPD(&x), b.toAPD(&y))
	if z.Form != apd.Finite || cond.Inexact() {
		return fromAPD(&z)
	}
	return trimZeros(&z, int32(ae-be))
}

func decimalRem(a, b decimal) decimal {
	if b.isInf() && !a.isInf() && !a.isNaN() {
		return a
	}
	wide := DecimalContext
	wide.Precision = 13000 // the integer quotient may be that long
	var x, y, z apd.Decimal
	wide.Rem(&z, a.toAPD(&x), b.toAPD(&y))
	return fromAPD(&z)
}

func decimalOp(op func(d, x, y *apd.Decimal) (apd.Condition, error), a, b decimal) decimal {
	var x, y, z apd.Decimal
	op(&z, a.toAPD(&x), b.toAPD(&y))
	return fromAPD(&z)
}
