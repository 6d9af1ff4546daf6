package value

import (
	"math"

	"github.com/cockroachdb/apd/v3"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// AsInt32 is the value of an int.
func (v Value) AsInt32() int32 { return int32(v.n) }

// AsInt64 is a number as a long: fractions are cut, what is out of range is
// brought to the nearest long, NaN becomes 0.
func (v Value) AsInt64() int64 {
	switch v.kind {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDateTime, bson.TypeBoolean:
		return int64(v.n)
	case bson.TypeDouble:
		return clampInt64(math.Float64frombits(v.n))
	case bson.TypeDecimal128:
		d := v.dec()
		if v.p != nil {
			return truncateWide(v)
		}
		if i, ok := d.toInt64(); ok {
			return i
		}
		return truncateDecimal(d)
	}
	return 0
}

func truncateWide(v Value) int64 {
	if i, ok := v.wideIntegral(); ok {
		return i
	}
	x := v.wideAPD()
	if i, err := ExactQuo(x, apd.New(1, 0)).Int64(); err == nil && x.Exponent > -20000 {
		return i
	}
	return clampInt64(v.wideDouble())
}

func clampInt64(f float64) int64 {
	switch {
	case f != f:
		return 0
	case f >= 1<<63:
		return math.MaxInt64
	case f < -1<<63:
		return math.MinInt64
	}
	return int64(f)
}

func truncateDecimal(d decimal) int64 {
	if d.hi&decimalInfBits != decimalInfBits {
		hi, lo, exp := d.parts()
		for ; exp < 0 && (hi != 0 || lo != 0); exp++ {
			hi, lo, _ = divTen(hi, lo)
		}
		if exp > 0 && (hi != 0 || lo != 0) {
			return clampInt64(d.toDouble())
		}
		if i, ok := makeDecimal(d.isNeg(), hi, lo, 0).toInt64(); ok {
			return i
		}
	}
	return clampInt64(d.toDouble())
}

// AsDouble is a number as a double.
func (v Value) AsDouble() float64 {
	switch v.kind {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDateTime:
		return float64(int64(v.n))
	case bson.TypeDouble:
		return math.Float64frombits(v.n)
	case bson.TypeDecimal128:
		if v.p != nil {
			return v.wideDouble()
		}
		return v.dec().toDouble()
	}
	return 0
}

// AsDecimal is a number as a decimal; a double keeps 15 digits, as in
// MongoDB's implicit conversion.
func (v Value) AsDecimal() Value {
	if v.IsWide() {
		return v
	}
	return v.asDecimal(15).value()
}

// AsDecimal34 is AsDecimal that keeps up to 34 digits of a double.
func (v Value) AsDecimal34() Value {
	if v.IsWide() {
		return v
	}
	return v.asDecimal(decimalDigits).value()
}

func (v Value) asDecimal(digits int) decimal {
	switch v.kind {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDateTime:
		return decimalFromInt(int64(v.n))
	case bson.TypeDouble:
		return decimalFromDouble(math.Float64frombits(v.n), digits)
	}
	return v.dec()
}

// AsDecimal128 is the driver's form of a decimal; of a wide one FloorWide's.
func (v Value) AsDecimal128() bson.Decimal128 { return bson.NewDecimal128(v.n, v.m) }

// Integral is a number as a long if that loses nothing.
func (v Value) Integral() (int64, bool) {
	switch v.kind {
	case bson.TypeInt32, bson.TypeInt64:
		return int64(v.n), true
	case bson.TypeDouble:
		f := math.Float64frombits(v.n)
		if f >= -1<<63 && f < 1<<63 && f == math.Trunc(f) {
			return int64(f), true
		}
	case bson.TypeDecimal128:
		if v.p != nil {
			return v.wideIntegral()
		}
		return v.dec().toInt64()
	}
	return 0, false
}

// Integral32 is a number as an int if that loses nothing.
func (v Value) Integral32() (int32, bool) {
	i, ok := v.Integral()
	return int32(i), ok && i == int64(int32(i))
}

// IsNaN tells whether v is a double or decimal NaN.
func (v Value) IsNaN() bool {
	switch v.kind {
	case bson.TypeDouble:
		f := math.Float64frombits(v.n)
		return f != f
	case bson.TypeDecimal128:
		return v.dec().isNaN()
	}
	return false
}

// IsInf tells whether v is an infinity of either sign.
func (v Value) IsInf() bool {
	switch v.kind {
	case bson.TypeDouble:
		return math.IsInf(math.Float64frombits(v.n), 0)
	case bson.TypeDecimal128:
		return v.p == nil && v.dec().isInf()
	}
	return false
}

// Sign is -1, 0 or 1; 0 for NaN.
func (v Value) Sign() int {
	switch v.kind {
	case bson.TypeInt32, bson.TypeInt64:
		return cmpInt(int64(v.n), 0)
	case bson.TypeDouble:
		switch f := math.Float64frombits(v.n); {
		case f < 0:
			return -1
		case f > 0:
			return 1
		}
	case bson.TypeDecimal128:
		if v.p != nil {
			return v.wideSign()
		}
		switch d := v.dec(); {
		case d.isNaN() || d.isZero():
		case d.isNeg():
			return -1
		default:
			return 1
		}
	}
	return 0
}

// IntOrLong makes an int where i fits, a long otherwise.
func IntOrLong(i int64) Value {
	if i == int64(int32(i)) {
		return Int32(int32(i))
	}
	return Int64(i)
}

// WiderType is the type that arithmetic over two number types gives.
func WiderType(a, b bson.Type) bson.Type {
	if numberRank(b) > numberRank(a) {
		return b
	}
	return a
}

func numberRank(t bson.Type) int {
	switch t {
	case bson.TypeInt32:
		return 1
	case bson.TypeInt64:
		return 2
	case bson.TypeDouble:
		return 3
	case bson.TypeDecimal128:
		return 4
	}
	return 0
}
