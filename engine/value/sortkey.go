package value

import (
	"encoding/binary"
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// AppendSortKey appends bytes whose order is the order of Compare; equal
// values give equal bytes, and no key is the beginning of another, so keys can
// be put one after the other. desc inverts the order.
//
// The first byte is the class of the type. A number is one byte of sign, its
// magnitude as a double cut toward zero, and, where that is not exact, the
// decimal digits. Strings end in 00 00 and write 00 as 00 ff. A date with
// microseconds is micros.go's.
func AppendSortKey(dst []byte, v Value, desc bool) []byte {
	return AppendSortKeyCollated(dst, v, desc, nil)
}

// AppendSortKeyCollated is AppendSortKey in the order of CompareCollated.
func AppendSortKeyCollated(dst []byte, v Value, desc bool, c *Collation) []byte {
	start := len(dst)
	dst = appendKeyBody(append(dst, Class(v.kind)), v, c)
	if desc {
		if v.IsMicros() {
			return appendMicrosDown(dst[:start], v)
		}
		invert(dst[start:])
	}
	return dst
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

func appendKeyBody(dst []byte, v Value, c *Collation) []byte {
	switch v.kind {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return appendNumberKey(dst, v)
	case bson.TypeString, bson.TypeSymbol:
		if c != nil {
			return appendEscaped(dst, c.Key(v.Str()))
		}
		return appendEscaped(dst, v.Str())
	case bson.TypeBoolean:
		return append(dst, byte(v.n))
	case bson.TypeDateTime:
		dst = binary.BigEndian.AppendUint64(dst, v.n^1<<63)
		if v.m != 0 {
			dst = append(dst, afterMillis, byte(v.m>>8), byte(v.m))
		}
		return dst
	case bson.TypeTimestamp:
		return binary.BigEndian.AppendUint64(dst, v.n)
	case bson.TypeObjectID:
		dst = binary.BigEndian.AppendUint64(dst, v.n)
		return binary.BigEndian.AppendUint32(dst, uint32(v.m))
	case bson.TypeEmbeddedDocument:
		return appendDocumentKey(dst, v.Doc(), c)
	case bson.TypeArray:
		for it := Walk(v.Doc()); it.Next(); {
			dst = appendKeyBody(append(dst, Class(it.Kind())), it.Value(), c)
		}
		return append(dst, 0)
	}
	return appendRareKey(dst, v, c)
}

func appendRareKey(dst []byte, v Value, c *Collation) []byte {
	switch v.kind {
	case bson.TypeBinary:
		dst = binary.BigEndian.AppendUint32(dst, uint32(v.n))
		return append(append(dst, byte(v.m)), v.bytes()...)
	case bson.TypeRegex:
		return append(dst, v.bytes()...)
	case bson.TypeDBPointer:
		dst = binary.BigEndian.AppendUint32(dst, uint32(v.n))
		return append(dst, v.bytes()...)
	case bson.TypeJavaScript:
		return appendEscaped(dst, v.Str())
	case bson.TypeCodeWithScope:
		code, scope := v.AsCodeWithScope()
		return appendDocumentKey(appendEscaped(dst, code), scope, c)
	}
	return dst
}

func appendDocumentKey(dst []byte, d bson.Raw, c *Collation) []byte {
	for it := Walk(d); it.Next(); {
		dst = append(dst, Class(it.Kind()))
		dst = append(append(dst, it.Key()...), 0)
		dst = appendKeyBody(dst, it.Value(), c)
	}
	return append(dst, 0)
}

func appendEscaped(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			break
		}
		dst = append(append(dst, s[:i]...), 0, 0xff)
		s = s[i+1:]
	}
	return append(append(dst, s...), 0, 0)
}

// Signs of number keys, in their order.
const (
	keyNaN byte = iota + 1
	keyNegative
	keyZero
	keyPositive
)

func appendNumberKey(dst []byte, v Value) []byte {
	sign := v.Sign()
	switch {
	case v.IsNaN():
		return append(dst, keyNaN)
	case sign == 0:
		return append(dst, keyZero)
	case sign > 0:
		return appendMagnitude(append(dst, keyPositive), v)
	}
	dst = append(dst, keyNegative)
	start := len(dst)
	dst = appendMagnitude(dst, v)
	invert(dst[start:])
	return dst
}

func appendMagnitude(dst []byte, v Value) []byte {
	switch v.kind {
	case bson.TypeDouble:
		f := math.Abs(math.Float64frombits(v.n))
		return append(binary.BigEndian.AppendUint64(dst, math.Float64bits(f)), 0)
	case bson.TypeInt32, bson.TypeInt64:
		i := int64(v.n)
		if u := uint64(max(i, -i)); u <= 1<<53 {
			return append(binary.BigEndian.AppendUint64(dst, math.Float64bits(float64(u))), 0)
		}
		return appendInexact(dst, decimalFromInt(i))
	}
	if v.p != nil {
		return appendWide(dst, v)
	}
	return appendInexact(dst, v.dec())
}

// appendInexact writes a number that may have no double of its value.
func appendInexact(dst []byte, d decimal) []byte {
	d.hi &^= decimalSignBit
	f := d.toDouble()
	if math.IsInf(f, 1) {
		if d.isInf() {
			return append(binary.BigEndian.AppendUint64(dst, math.Float64bits(f)), 0)
		}
		f = math.MaxFloat64
	}
	c := compareDoubleDecimal(f, d)
	if c > 0 {
		f = math.Nextafter(f, 0)
	}
	dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(f))
	if c == 0 {
		return append(dst, 0)
	}
	return appendDigits(append(dst, 1), d)
}

// appendDigits writes the adjusted exponent and the significant digits.
func appendDigits(dst []byte, d decimal) []byte {
	hi, lo, exp := d.parts()
	digits := appendUint128(make([]byte, 0, 40), hi, lo)
	dst = binary.BigEndian.AppendUint16(dst, uint16(exp+len(digits)+20000))
	end := len(digits)
	for end > 1 && digits[end-1] == '0' {
		end--
	}
	return append(append(dst, digits[:end]...), 0)
}
