package value

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Sum adds numbers as MongoDB's $add, $sum and $avg do: ints, longs and
// doubles in double-double precision (so that integers are exact and doubles
// round once), decimals apart from them. The zero Sum is 0 of type int.
type Sum struct {
	sum, addend float64 // the double-double; sum is the rounded total
	decimals    decimal
	hasDecimal  bool
	wide        Value // the sum of the wide decimals
	kind        bson.Type
	special     float64 // infinities and NaN, which would spoil the addend
	isSpecial   bool
}

// Add adds a number; other values are not looked at.
func (s *Sum) Add(v Value) {
	switch v.kind {
	case bson.TypeInt32:
		s.addDouble(float64(int32(v.n)))
	case bson.TypeInt64, bson.TypeDateTime:
		s.addLong(int64(v.n))
	case bson.TypeDouble:
		s.addDouble(math.Float64frombits(v.n))
	case bson.TypeDecimal128:
		if v.p != nil || !s.wide.IsMissing() {
			s.addWide(v)
			break
		}
		if !s.hasDecimal {
			s.decimals, s.hasDecimal = decimalFromInt(0), true
		}
		s.decimals = decimalAdd(s.decimals, v.dec())
	default:
		return
	}
	if v.kind != bson.TypeDateTime {
		s.kind = WiderType(s.kindOrInt(), v.kind)
	}
}

func (s *Sum) addWide(v Value) {
	if !s.wide.IsMissing() {
		v = addWide(s.wide, v)
	}
	s.wide = v.Clone()
}

func (s *Sum) finiteAddend() float64 {
	if s.isSpecial {
		return 0
	}
	return s.addend
}

func (s *Sum) kindOrInt() bson.Type {
	if s.kind == 0 {
		return bson.TypeInt32
	}
	return s.kind
}

func (s *Sum) addLong(i int64) {
	// The upper part has few bits enough to be exact as a double.
	low := i % (1 << 32)
	s.addDouble(float64(low))
	s.addDouble(float64(i - low))
}

// addDouble first adds what was lost so far to x, then x to the sum, as MongoDB does.
func (s *Sum) addDouble(x float64) {
	s.special += x
	if math.IsInf(x, 0) || x != x {
		s.isSpecial = true
	}
	x, s.addend = twoSum(x, s.addend)
	s.sum, x = twoSum(s.sum, x)
	s.addend += x
}

// twoSum is Knuth's sum with its exact error, which needs no order of magnitude.
func twoSum(a, b float64) (sum, err float64) {
	sum = a + b
	bb := sum - a
	return sum, (a - (sum - bb)) + (b - bb)
}

// Kind is the type of the result.
func (s *Sum) Kind() bson.Type { return s.kindOrInt() }

// Float is the total as a double, without the decimals. Like MongoDB it does
// not round the low part of the double-double in.
func (s *Sum) Float() float64 {
	if s.isSpecial || s.sum != s.sum {
		return s.special
	}
	return s.sum
}

// RoundedLong is the total, without the decimals, as MongoDB rounds it when a
// date is the result: both parts by themselves, half away from zero.
func (s *Sum) RoundedLong() (int64, bool) {
	if s.isSpecial || s.sum > 1<<63 || s.sum < -1<<63 {
		return 0, false
	}
	if s.sum == 1<<63 {
		return AddInt64(math.MaxInt64, int64(math.Round(s.addend+1)))
	}
	whole := math.Round(s.sum)
	return AddInt64(int64(whole), int64(math.Round(s.sum-whole+s.addend)))
}

// Long is the total, without the decimals, if it is a long.
func (s *Sum) Long() (int64, bool) {
	if s.isSpecial || s.sum != math.Trunc(s.sum) || math.Abs(s.sum) > 1<<63 {
		return 0, false
	}
	hi, rest := s.sum, s.addend
	var base int64
	if hi == 1<<63 {
		if rest >= 0 {
			return 0, false
		}
		base, hi = math.MaxInt64, 0
		rest++
	} else {
		base = int64(hi)
	}
	r := int64(math.Trunc(rest))
	t := base + r
	if r > 0 && t < base || r < 0 && t > base {
		return 0, false
	}
	return t, true
}

// DecimalTotal is the whole total as a decimal.
func (s *Sum) DecimalTotal() Value {
	if !s.wide.IsMissing() {
		v := s.wide
		for _, part := range []decimal{s.decimals, decimalFromDouble(s.Float(), decimalDigits), decimalFromDouble(s.finiteAddend(), decimalDigits)} {
			if part != (decimal{}) {
				v = addWide(v, part.value())
			}
		}
		return v
	}
	d := s.decimals
	if !s.hasDecimal {
		d = decimalFromInt(0)
	}
	if s.isSpecial {
		return decimalAdd(d, decimalFromDouble(s.special, decimalDigits)).value()
	}
	d = decimalAdd(d, decimalAdd(decimalFromDouble(s.sum, decimalDigits), decimalFromDouble(s.addend, decimalDigits)))
	return d.value()
}

// Merge adds another sum.
func (s *Sum) Merge(o *Sum) {
	kind := WiderType(s.kindOrInt(), o.kindOrInt())
	if o.isSpecial {
		s.addDouble(o.special)
	} else {
		s.addDouble(o.sum)
		s.addDouble(o.addend)
	}
	if o.hasDecimal {
		s.Add(o.decimals.value())
	}
	if !o.wide.IsMissing() {
		s.addWide(o.wide)
	}
	s.kind = kind
}

// Total is the sum in the widest type that was added: ints grow to longs,
// longs that overflow become doubles.
func (s *Sum) Total() Value {
	switch s.kindOrInt() {
	case bson.TypeDecimal128:
		return s.DecimalTotal()
	case bson.TypeInt64:
		if i, ok := s.Long(); ok {
			return Int64(i)
		}
	case bson.TypeInt32:
		if i, ok := s.Long(); ok {
			return IntOrLong(i)
		}
	}
	return Double(s.Float())
}

// Average is the total divided by n: a decimal if a decimal was added, a
// double otherwise.
func (s *Sum) Average(n int64) Value {
	if s.kindOrInt() == bson.TypeDecimal128 {
		return decimalQuo(s.DecimalTotal().dec(), decimalFromInt(n)).value()
	}
	return Double(s.Float() / float64(n))
}
