package value

import (
	"bytes"

	"github.com/cockroachdb/apd/v3"
)

// Arithmetic of finite decimals of any length, without rounding. apd's own
// bounds exponents to 100000, where PostgreSQL has 131072 digits.

// ExactAdd adds finite numbers; the scale is the larger one.
func ExactAdd(x, y *apd.Decimal) *apd.Decimal {
	if x.Exponent < y.Exponent {
		x, y = y, x
	}
	var a, b apd.BigInt // x's is brought to y's exponent
	a.Set(&x.Coeff)
	if x.Exponent > y.Exponent {
		a.Mul(&a, apdPow10(int(x.Exponent-y.Exponent)))
	}
	b.Set(&y.Coeff)
	if x.Negative {
		a.Neg(&a)
	}
	if y.Negative {
		b.Neg(&b)
	}
	a.Add(&a, &b)
	r := &apd.Decimal{Exponent: y.Exponent, Negative: a.Sign() < 0}
	r.Coeff.Abs(&a)
	return r
}

// ExactMul multiplies finite numbers; the scales add up.
func ExactMul(x, y *apd.Decimal) *apd.Decimal {
	r := &apd.Decimal{Exponent: x.Exponent + y.Exponent}
	r.Coeff.Mul(&x.Coeff, &y.Coeff)
	r.Negative = x.Negative != y.Negative && r.Coeff.Sign() != 0
	return r
}

// ExactQuo is the whole part of the quotient of finite numbers; y is not zero.
func ExactQuo(x, y *apd.Decimal) *apd.Decimal {
	q, _ := quoRem(x, y)
	r := &apd.Decimal{Negative: x.Negative != y.Negative && q.Sign() != 0}
	r.Coeff.Set(q)
	return r
}

// ExactRem is what ExactQuo leaves, with the sign of x and the larger scale.
func ExactRem(x, y *apd.Decimal) *apd.Decimal {
	_, rem := quoRem(x, y)
	r := &apd.Decimal{Exponent: min(x.Exponent, y.Exponent), Negative: x.Negative && rem.Sign() != 0}
	r.Coeff.Set(rem)
	return r
}

func quoRem(x, y *apd.Decimal) (q, r *apd.BigInt) {
	low := min(x.Exponent, y.Exponent)
	a := new(apd.BigInt).Mul(&x.Coeff, apdPow10(int(x.Exponent-low)))
	b := new(apd.BigInt).Mul(&y.Coeff, apdPow10(int(y.Exponent-low)))
	return new(apd.BigInt).QuoRem(a, b, new(apd.BigInt))
}

func apdPow10(n int) *apd.BigInt {
	if n < len(pow10) {
		return new(apd.BigInt).SetUint64(pow10[n])
	}
	return new(apd.BigInt).SetMathBigInt(bigPow10(n))
}

// ExactRound rounds a finite number to decimal places, which may be negative;
// one that has no more is x itself.
func ExactRound(x *apd.Decimal, places int, how apd.Rounder) *apd.Decimal {
	drop := -places - int(x.Exponent)
	if drop <= 0 {
		return x
	}
	r := &apd.Decimal{Exponent: int32(-places), Negative: x.Negative}
	if int64(drop) > x.NumDigits()+1 { // less than a tenth of the unit, whatever it is
		drop = int(x.NumDigits()) + 1
	}
	var rest apd.BigInt
	pow := apdPow10(drop)
	r.Coeff.QuoRem(&x.Coeff, pow, &rest)
	if rest.Sign() != 0 {
		rest.Add(&rest, &rest)
		if how.ShouldAddOne(&r.Coeff, x.Negative, rest.Cmp(pow)) {
			r.Coeff.Add(&r.Coeff, apdPow10(0))
		}
	}
	r.Negative = r.Negative && r.Coeff.Sign() != 0
	return r
}

// ExactReduce takes the zeros off the end of a finite number's digits.
func ExactReduce(x *apd.Decimal) *apd.Decimal {
	digits := x.Coeff.Append(nil, 10)
	zeros := len(digits) - len(bytes.TrimRight(digits, "0"))
	r := &apd.Decimal{Negative: x.Negative}
	if zeros < len(digits) {
		r.Coeff.Quo(&x.Coeff, apdPow10(zeros))
		r.Exponent = x.Exponent + int32(zeros)
	}
	return r
}
