package sqlfunc

import (
	"math"
	"math/bits"
	"strconv"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
)

// width is an integer type: how to check and make its values.
type width struct {
	bits int
	name string
}

var (
	width2 = width{16, "smallint"}
	width4 = width{32, "integer"}
	width8 = width{64, "bigint"}
)

func (w width) overflow() (value.Value, error) {
	return failf(sqlerr.NumericValueOutOfRange, "%s out of range", w.name)
}

func (w width) make(i int64) (value.Value, error) {
	switch {
	case w.bits == 64:
		return value.Int64(i), nil
	case i < -1<<(w.bits-1) || i > 1<<(w.bits-1)-1:
		return w.overflow()
	}
	return value.Int32(int32(i)), nil
}

func divisionByZero() (value.Value, error) { return failf(sqlerr.DivisionByZero, "division by zero") }

func (w width) add(_ *expr.Context, a []value.Value) (value.Value, error) {
	r, ok := value.AddInt64(a[0].AsInt64(), a[1].AsInt64())
	if !ok {
		return w.overflow()
	}
	return w.make(r)
}

func (w width) sub(_ *expr.Context, a []value.Value) (value.Value, error) {
	x, y := a[0].AsInt64(), a[1].AsInt64()
	r := x - y
	if (x < 0) != (y < 0) && (r < 0) != (x < 0) {
		return w.overflow()
	}
	return w.make(r)
}

func (w width) mul(_ *expr.Context, a []value.Value) (value.Value, error) {
	r, ok := value.MulInt64(a[0].AsInt64(), a[1].AsInt64())
	if !ok {
		return w.overflow()
	}
	return w.make(r)
}

func (w width) div(_ *expr.Context, a []value.Value) (value.Value, error) {
	x, y := a[0].AsInt64(), a[1].AsInt64()
	if y == 0 {
		return divisionByZero()
	}
	if x == math.MinInt64 && y == -1 {
		return w.overflow()
	}
	return w.make(x / y)
}

func (w width) mod(_ *expr.Context, a []value.Value) (value.Value, error) {
	x, y := a[0].AsInt64(), a[1].AsInt64()
	if y == 0 {
		return divisionByZero()
	}
	if y == -1 {
		return w.make(0)
	}
	return w.make(x % y)
}

func (w width) neg(_ *expr.Context, a []value.Value) (value.Value, error) {
	if x := a[0].AsInt64(); x != math.MinInt64 {
		return w.make(-x)
	}
	return w.overflow()
}

func (w width) abs(c *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].AsInt64() < 0 {
		return w.neg(c, a)
	}
	return w.make(a[0].AsInt64())
}

func (w width) two(f func(x, y int64) int64) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return w.wrap(f(a[0].AsInt64(), a[1].AsInt64()))
	}
}

// wrap keeps the low bits, as shifts do.
func (w width) wrap(i int64) (value.Value, error) {
	switch w.bits {
	case 16:
		return value.Int32(int32(int16(i))), nil
	case 32:
		return value.Int32(int32(i)), nil
	}
	return value.Int64(i), nil
}

func (w width) shift(n int64) uint { return uint(n) & uint(max(w.bits, 32)-1) }

func (w width) gcd(_ *expr.Context, a []value.Value) (value.Value, error) {
	return w.unsigned(gcd64(a[0].AsInt64(), a[1].AsInt64()))
}

func (w width) unsigned(u uint64) (value.Value, error) {
	if u > math.MaxInt64 {
		return w.overflow()
	}
	return w.make(int64(u))
}

func magnitude(i int64) uint64 {
	if i < 0 {
		return uint64(-(i + 1)) + 1
	}
	return uint64(i)
}

func gcd64(x, y int64) uint64 {
	a, b := magnitude(x), magnitude(y)
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (w width) lcm(_ *expr.Context, a []value.Value) (value.Value, error) {
	x, y := a[0].AsInt64(), a[1].AsInt64()
	if x == 0 || y == 0 {
		return w.make(0)
	}
	hi, lo := bits.Mul64(magnitude(x)/gcd64(x, y), magnitude(y))
	if hi != 0 {
		return w.overflow()
	}
	return w.unsigned(lo)
}

func same(_ *expr.Context, a []value.Value) (value.Value, error) { return a[0], nil }

var integerFuncs = func() map[string]evaluator {
	m := map[string]evaluator{}
	for suffix, w := range map[string]width{"_int2": width2, "_int4": width4, "_int8": width8} {
		m["add"+suffix], m["sub"+suffix], m["mul"+suffix] = w.add, w.sub, w.mul
		m["div"+suffix], m["mod"+suffix], m["neg"+suffix] = w.div, w.mod, w.neg
		m["pos"+suffix], m["abs"+suffix], m["gcd"+suffix], m["lcm"+suffix] = same, w.abs, w.gcd, w.lcm
		m["and"+suffix] = w.two(func(x, y int64) int64 { return x & y })
		m["or"+suffix] = w.two(func(x, y int64) int64 { return x | y })
		m["xor"+suffix] = w.two(func(x, y int64) int64 { return x ^ y })
		m["shl"+suffix] = w.two(func(x, y int64) int64 { return x << w.shift(y) })
		m["shr"+suffix] = w.two(func(x, y int64) int64 { return x >> w.shift(y) })
		m["not"+suffix] = func(_ *expr.Context, a []value.Value) (value.Value, error) { return w.wrap(^a[0].AsInt64()) }
	}
	m["to_hex_int4"] = func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return str(strconv.FormatUint(uint64(uint32(a[0].AsInt64())), 16))
	}
	m["to_hex_int8"] = func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return str(strconv.FormatUint(uint64(a[0].AsInt64()), 16))
	}
	return m
}()
