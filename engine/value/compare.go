package value

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
	"math/bits"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Compare orders two values as MongoDB does: by class of type, then by value;
// numbers of all types by their exact value, NaN below all of them.
func Compare(a, b Value) int { return CompareCollated(a, b, nil) }

// Equal tells whether Compare finds no difference.
func Equal(a, b Value) bool {
	if a.kind == b.kind {
		switch a.kind {
		case bson.TypeString:
			return a.Str() == b.Str()
		case bson.TypeInt32, bson.TypeInt64, bson.TypeBoolean, bson.TypeTimestamp:
			return a.n == b.n
		case bson.TypeObjectID, bson.TypeDateTime:
			return a.n == b.n && a.m == b.m
		}
	}
	return CompareCollated(a, b, nil) == 0
}

// EqualCollated is Equal under a collation.
func EqualCollated(a, b Value, c *Collation) bool {
	if c == nil {
		return Equal(a, b)
	}
	return CompareCollated(a, b, c) == 0
}

// CompareCollated is Compare with strings ordered by a collation (nil: by
// bytes), also inside documents and arrays.
func CompareCollated(a, b Value, c *Collation) int {
	if a.kind != b.kind {
		if d := cmp.Compare(Class(a.kind), Class(b.kind)); d != 0 {
			return d
		}
	}
	switch a.kind {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return compareNumbers(a, b)
	case bson.TypeString, bson.TypeSymbol:
		if c != nil {
			return c.CompareStrings(a.Str(), b.Str())
		}
		return strings.Compare(a.Str(), b.Str())
	case bson.TypeBoolean, bson.TypeTimestamp:
		return cmp.Compare(a.n, b.n)
	case bson.TypeDateTime:
		if a.n != b.n {
			return cmpInt(int64(a.n), int64(b.n))
		}
		return cmp.Compare(a.m, b.m)
	case bson.TypeObjectID:
		return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.m, b.m))
	case bson.TypeEmbeddedDocument:
		return compareDocuments(a.Doc(), b.Doc(), c)
	case bson.TypeArray:
		return compareArrays(a.Doc(), b.Doc(), c)
	}
	return compareRare(a, b, c)
}

func compareRare(a, b Value, c *Collation) int {
	switch a.kind {
	case bson.TypeBinary:
		return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.m, b.m), bytes.Compare(a.bytes(), b.bytes()))
	case bson.TypeRegex:
		ap, ao := a.AsRegex()
		bp, bo := b.AsRegex()
		return cmp.Or(strings.Compare(ap, bp), strings.Compare(ao, bo))
	case bson.TypeDBPointer:
		return cmp.Or(cmp.Compare(a.n, b.n), bytes.Compare(a.bytes(), b.bytes()))
	case bson.TypeJavaScript:
		return strings.Compare(a.Str(), b.Str())
	case bson.TypeCodeWithScope:
		ac, as := a.AsCodeWithScope()
		bc, bs := b.AsCodeWithScope()
		return cmp.Or(strings.Compare(ac, bc), compareDocuments(as, bs, c))
	}
	return 0
}

func compareDocuments(a, b bson.Raw, c *Collation) int {
	x, y := Walk(a), Walk(b)
	for {
		xOK, yOK := x.Next(), y.Next()
		if !xOK || !yOK {
			return compareBools(xOK, yOK)
		}
		if x.Kind() != y.Kind() {
			if d := cmp.Compare(Class(x.Kind()), Class(y.Kind())); d != 0 {
				return d
			}
		}
		if d := strings.Compare(x.Key(), y.Key()); d != 0 {
			return d
		}
		if d := CompareCollated(x.Value(), y.Value(), c); d != 0 {
			return d
		}
	}
}

func compareArrays(a, b bson.Raw, c *Collation) int {
	x, y := Walk(a), Walk(b)
	for {
		xOK, yOK := x.Next(), y.Next()
		if !xOK || !yOK {
			return compareBools(xOK, yOK)
		}
		if d := CompareCollated(x.Value(), y.Value(), c); d != 0 {
			return d
		}
	}
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func cmpInt(a, b int64) int { return cmp.Compare(a, b) }

func compareNumbers(a, b Value) int {
	x, y := a.kind, b.kind
	xi, yi := x == bson.TypeInt32 || x == bson.TypeInt64, y == bson.TypeInt32 || y == bson.TypeInt64
	switch {
	case xi && yi:
		return cmpInt(int64(a.n), int64(b.n))
	case x == bson.TypeDouble && y == bson.TypeDouble:
		return cmp.Compare(math.Float64frombits(a.n), math.Float64frombits(b.n))
	case xi && y == bson.TypeDouble:
		return -compareDoubleInt(math.Float64frombits(b.n), int64(a.n))
	case x == bson.TypeDouble && yi:
		return compareDoubleInt(math.Float64frombits(a.n), int64(b.n))
	}
	return compareWithDecimal(a, b)
}

func compareDoubleInt(f float64, i int64) int {
	switch {
	case f != f:
		return -1
	case f >= 1<<63:
		return 1
	case f < -1<<63:
		return -1
	}
	t := int64(f)
	return cmp.Or(cmpInt(t, i), cmp.Compare(f-math.Trunc(f), 0))
}

// compareWithDecimal compares numbers one of which is a decimal: first by
// their nearest doubles, which are in order wherever they differ.
func compareWithDecimal(a, b Value) int {
	if a.p != nil || b.p != nil {
		return compareWide(a, b)
	}
	f, g := a.AsDouble(), b.AsDouble()
	if f != f || g != g || f != g {
		return cmp.Compare(f, g)
	}
	if math.IsInf(f, 0) && (a.IsInf() || b.IsInf()) {
		return compareToInf(a, b, f)
	}
	switch {
	case a.kind == b.kind:
		return compareDecimals(a.dec(), b.dec())
	case a.kind == bson.TypeDouble:
		return compareDoubleDecimal(f, b.dec())
	case b.kind == bson.TypeDouble:
		return -compareDoubleDecimal(g, a.dec())
	case a.kind == bson.TypeDecimal128:
		return compareDecimals(a.dec(), decimalFromInt(int64(b.n)))
	}
	return compareDecimals(decimalFromInt(int64(a.n)), b.dec())
}

// compareDoubleDecimal compares a double with a decimal that it lies near to.
func compareDoubleDecimal(f float64, d decimal) int {
	hi, lo, exp := d.parts()
	if hi != 0 || lo >= 1<<53 || exp < -22 || exp > 22 || math.Abs(f) > 1e200 {
		return exactRat(Double(f)).Cmp(exactRat(d.value()))
	}
	// Coefficient and power are exact doubles, so the fused operation rounds
	// once and its sign is right.
	c := applySign(float64(lo), d.isNeg())
	if exp < 0 {
		return cmp.Compare(math.FMA(f, math.Pow10(-exp), -c), 0)
	}
	return cmp.Compare(math.FMA(-c, math.Pow10(exp), f), 0)
}

// compareToInf orders an infinity against a decimal too large for a double.
func compareToInf(a, b Value, f float64) int {
	d := compareBools(a.IsInf(), b.IsInf())
	if f < 0 {
		return -d
	}
	return d
}

func compareDecimals(x, y decimal) int {
	xh, xl, xe := x.parts()
	yh, yl, ye := y.parts()
	if xe == ye && x.isNeg() == y.isNeg() {
		d := cmp.Or(cmp.Compare(xh, yh), cmp.Compare(xl, yl))
		if x.isNeg() {
			return -d
		}
		return d
	}
	if s := xe - ye; xh == 0 && yh == 0 && s >= -18 && s <= 18 && x.isNeg() == y.isNeg() {
		xh, xl = bits.Mul64(xl, pow10[max(s, 0)])
		yh, yl = bits.Mul64(yl, pow10[max(-s, 0)])
		d := cmp.Or(cmp.Compare(xh, yh), cmp.Compare(xl, yl))
		if x.isNeg() {
			return -d
		}
		return d
	}
	return exactRat(x.value()).Cmp(exactRat(y.value()))
}

var pow10 = [19]uint64{1, 10, 100, 1000, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// exactRat is the exact value of a finite number that is not wide.
func exactRat(v Value) *big.Rat {
	switch v.kind {
	case bson.TypeInt32, bson.TypeInt64:
		return new(big.Rat).SetInt64(int64(v.n))
	case bson.TypeDouble:
		return new(big.Rat).SetFloat64(math.Float64frombits(v.n))
	}
	d := v.dec()
	hi, lo, exp := d.parts()
	c := new(big.Int).SetUint64(hi)
	c.Or(c.Lsh(c, 64), new(big.Int).SetUint64(lo))
	if d.isNeg() {
		c.Neg(c)
	}
	if c.Sign() == 0 {
		return new(big.Rat)
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
	if exp < 0 {
		return new(big.Rat).SetFrac(c, scale)
	}
	return new(big.Rat).SetInt(c.Mul(c, scale))
}

// Identical tells whether two values have the same type and the same bytes; of
// numbers that are equal an int and a double are not.
func Identical(a, b Value) bool {
	if a.kind != b.kind || a.n != b.n || a.m != b.m {
		return false
	}
	if a.kind == bson.TypeDecimal128 {
		return a.p == b.p || a.p != nil && b.p != nil && string(a.wideBytes()) == string(b.wideBytes())
	}
	return a.p == b.p || a.n == 0 || a.p != nil && b.p != nil && string(a.bytes()) == string(b.bytes())
}
