package sqlfunc

import (
	"math/bits"
	"strconv"
	"strings"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// bitwise combines two bit strings of one length bit by bit.
func bitwise(word string, f func(a, b byte) byte) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		x, y := text(a[0]), text(a[1])
		if len(x) != len(y) {
			return failf(sqlerr.StringDataLengthMismatch, "cannot %s bit strings of different sizes", word)
		}
		return str(combineBits(x, y, f))
	}
}

func combineBits(x, y string, f func(a, b byte) byte) string {
	out := make([]byte, len(x))
	for i := range out {
		out[i] = '0' + f(x[i]-'0', y[i]-'0')
	}
	return string(out)
}

func notBits(_ *expr.Context, a []value.Value) (value.Value, error) {
	s := text(a[0])
	return str(combineBits(s, s, func(a, _ byte) byte { return a ^ 1 }))
}

// shiftBits moves bits to the left, or to the right; zeros come in.
func shiftBits(left bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		s, n := text(a[0]), a[1].AsInt64()
		if !left {
			n = -n
		}
		size := int64(len(s))
		switch {
		case n >= size || -n >= size:
			return str(strings.Repeat("0", len(s)))
		case n >= 0:
			return str(s[n:] + strings.Repeat("0", int(n)))
		}
		return str(strings.Repeat("0", int(-n)) + s[:size+n])
	}
}

// subBits is substring: from the i-th bit, n of them.
func subBits(_ *expr.Context, a []value.Value) (value.Value, error) {
	s := text(a[0])
	from := a[1].AsInt64()
	end := int64(len(s)) + 1
	if len(a) > 2 {
		if a[2].AsInt64() < 0 {
			return failf(sqlerr.SubstringError, "negative substring length not allowed")
		}
		end = min(from+a[2].AsInt64(), end)
	}
	from = max(from, 1)
	if from >= end {
		return str("")
	}
	return str(s[from-1 : end-1])
}

func overlayBits(_ *expr.Context, a []value.Value) (value.Value, error) {
	s, in, from := text(a[0]), text(a[1]), a[2].AsInt64()
	n := optional(a, 3, int64(len(in)))
	if from <= 0 {
		return failf(sqlerr.SubstringError, "negative substring length not allowed")
	}
	head := s[:min(from-1, int64(len(s)))]
	tail := min(max(from-1+n, 0), int64(len(s)))
	return str(head + in + s[tail:])
}

func getBitOf(_ *expr.Context, a []value.Value) (value.Value, error) {
	s, i := text(a[0]), a[1].AsInt64()
	if i < 0 || i >= int64(len(s)) {
		return badBitIndex(s, i)
	}
	return int4(int(s[i] - '0'))
}

func setBitOf(_ *expr.Context, a []value.Value) (value.Value, error) {
	s, i, v := text(a[0]), a[1].AsInt64(), a[2].AsInt64()
	switch {
	case i < 0 || i >= int64(len(s)):
		return badBitIndex(s, i)
	case v != 0 && v != 1:
		return failf(sqlerr.InvalidParameterValue, "new bit must be 0 or 1")
	}
	return str(s[:i] + strconv.FormatInt(v, 10) + s[i+1:])
}

func badBitIndex(s string, i int64) (value.Value, error) {
	return failf(sqlerr.ArraySubscriptError, "bit index %d out of valid range (0..%d)", i, len(s)-1)
}

// castBits converts to bit and varbit.
func castBits(_ *expr.Context, v value.Value, from sqltype.OID, t sqltype.Type, explicit bool) (value.Value, error) {
	if !v.IsNumber() {
		s, err := sqltype.FitBits(text(v), t, explicit)
		return value.String(s), err
	}
	width := 32
	if from == sqltype.Int8 {
		width = 64
	}
	n, out := max(int(t.Mod), 1), make([]byte, max(int(t.Mod), 1))
	for i := range out {
		out[n-1-i] = '0' + byte(v.AsInt64()>>min(i, width-1)&1)
	}
	return value.String(string(out)), nil
}

// bitsToInt reads a bit string as a two's complement number of a width.
func bitsToInt(w width) conversion {
	return func(_ *expr.Context, v value.Value, _ sqltype.Type, _ bool) (value.Value, error) {
		s := text(v)
		if len(s) > w.bits {
			return w.overflow()
		}
		u, err := strconv.ParseUint("0"+s, 2, 64)
		if err != nil {
			return w.overflow()
		}
		if w.bits == 32 {
			return value.Int32(int32(uint32(u))), nil
		}
		return value.Int64(int64(u)), nil
	}
}

var bitFuncs = map[string]evaluator{
	"and_bit": bitwise("AND", func(a, b byte) byte { return a & b }),
	"or_bit":  bitwise("OR", func(a, b byte) byte { return a | b }),
	"xor_bit": bitwise("XOR", func(a, b byte) byte { return a ^ b }),
	"not_bit": notBits, "shl_bit": shiftBits(true), "shr_bit": shiftBits(false),
	"concat_bit": func(_ *expr.Context, a []value.Value) (value.Value, error) { return str(text(a[0]) + text(a[1])) },
	"length_bit": func(_ *expr.Context, a []value.Value) (value.Value, error) { return int4(len(text(a[0]))) },
	"octet_length_bit": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return int4((len(text(a[0])) + 7) / 8)
	},
	"bit_count_bit": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		n := 0
		for _, b := range sqltype.PackBits(text(a[0])) {
			n += bits.OnesCount8(b)
		}
		return int8(int64(n))
	},
	"position_bit": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return int4(strings.Index(text(a[0]), text(a[1])) + 1)
	},
	"substring_bit": subBits, "overlay_bit": overlayBits, "get_bit_bit": getBitOf, "set_bit_bit": setBitOf,
}

// bitsAggregate folds bit strings of one length.
func bitsAggregate(f evaluator) func() expr.Accumulator {
	return func() expr.Accumulator {
		r := value.Null()
		return fold(func(v value.Value) (err error) {
			if r.IsNullish() {
				r = v.Clone()
				return nil
			}
			r, err = f(nil, []value.Value{r, v})
			return err
		}, func() (value.Value, error) { return r, nil })
	}
}
