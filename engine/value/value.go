package value

import (
	"encoding/binary"
	"math"
	"unsafe"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// KindMissing is the kind of the zero Value: no value at all.
const KindMissing bson.Type = 0

// Value is one BSON value or nothing. It is copied freely and must not be
// compared with ==; use Equal or Compare.
type Value struct {
	// p and n are the bytes of strings, documents, binaries, regular
	// expressions and the rare types; for other kinds n is the scalar itself
	// and p is nil. m is the second word of decimals and ObjectIDs, the
	// subtype of binaries, and what a date has beyond its millisecond. Of wide
	// decimals p is the exact value, of others nil.
	p    *byte
	n, m uint64
	kind bson.Type
}

func bytesValue(t bson.Type, b []byte) Value {
	return Value{p: unsafe.SliceData(b), n: uint64(len(b)), kind: t}
}

func (v Value) bytes() []byte { return unsafe.Slice(v.p, int(v.n)) }

// Size is about how many bytes the value takes where it is written.
func (v Value) Size() int {
	if v.p != nil && v.kind != bson.TypeDecimal128 {
		return int(v.n)
	}
	switch v.kind {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDateTime, bson.TypeTimestamp:
		return 8
	case bson.TypeDecimal128, bson.TypeObjectID:
		return 16
	}
	return 0
}

// IsLong tells whether the value takes more than n bytes, 16 at least.
func (v Value) IsLong(n int) bool {
	return v.p != nil && v.n > uint64(n) && v.kind != bson.TypeDecimal128
}

// Kind is the BSON type; KindMissing for the zero Value.
func (v Value) Kind() bson.Type { return v.kind }

// Of makes a value of a type and its payload as it stands in a document. A
// payload that is too short for the type gives the missing value.
func Of(t bson.Type, payload []byte) Value {
	n, ok := payloadSize(t, payload)
	if !ok {
		return Value{}
	}
	return decode(t, payload[:n])
}

// decode reads a payload of exactly the right size.
func decode(t bson.Type, b []byte) Value {
	switch t {
	case bson.TypeInt32:
		return Int32(int32(binary.LittleEndian.Uint32(b)))
	case bson.TypeDouble, bson.TypeInt64, bson.TypeDateTime, bson.TypeTimestamp:
		return Value{kind: t, n: binary.LittleEndian.Uint64(b)}
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return bytesValue(t, b[4:len(b)-1])
	case bson.TypeBoolean:
		return Bool(b[0] != 0)
	case bson.TypeObjectID:
		return Value{kind: t, n: binary.BigEndian.Uint64(b), m: uint64(binary.BigEndian.Uint32(b[8:]))}
	case bson.TypeDecimal128:
		return Value{kind: t, m: binary.LittleEndian.Uint64(b), n: binary.LittleEndian.Uint64(b[8:])}
	case bson.TypeBinary:
		return binaryOf(b)
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
		return Value{kind: t}
	}
	return bytesValue(t, b)
}

// FromRaw makes a Value of the driver's raw value.
func FromRaw(r bson.RawValue) Value { return Of(r.Type, r.Value) }

// RawValue makes the driver's raw value; it copies scalars and strings.
func (v Value) RawValue() bson.RawValue {
	return bson.RawValue{Type: v.wireType(), Value: v.AppendPayload(nil)}
}

// Int32 makes an int.
func Int32(i int32) Value { return Value{kind: bson.TypeInt32, n: uint64(int64(i))} }

// Int64 makes a long.
func Int64(i int64) Value { return Value{kind: bson.TypeInt64, n: uint64(i)} }

// Double makes a double.
func Double(f float64) Value { return Value{kind: bson.TypeDouble, n: math.Float64bits(f)} }

// Bool makes a boolean.
func Bool(b bool) Value {
	if b {
		return Value{kind: bson.TypeBoolean, n: 1}
	}
	return Value{kind: bson.TypeBoolean}
}

// String makes a string; it shares the bytes of s.
func String(s string) Value { return stringKind(bson.TypeString, s) }

// StringBytes makes a string that shares b.
func StringBytes(b []byte) Value { return bytesValue(bson.TypeString, b) }

// Symbol makes a symbol.
func Symbol(s string) Value { return stringKind(bson.TypeSymbol, s) }

// JavaScript makes code without scope.
func JavaScript(s string) Value { return stringKind(bson.TypeJavaScript, s) }

func stringKind(t bson.Type, s string) Value {
	return Value{p: unsafe.StringData(s), n: uint64(len(s)), kind: t}
}

// Date makes a date of milliseconds since 1970.
func Date(ms int64) Value { return Value{kind: bson.TypeDateTime, n: uint64(ms)} }

// Null makes null.
func Null() Value { return Value{kind: bson.TypeNull} }

// Undefined makes the deprecated undefined.
func Undefined() Value { return Value{kind: bson.TypeUndefined} }

// MinKey makes the value below all others.
func MinKey() Value { return Value{kind: bson.TypeMinKey} }

// MaxKey makes the value above all others.
func MaxKey() Value { return Value{kind: bson.TypeMaxKey} }

// Document makes an embedded document of well-formed bytes.
func Document(d bson.Raw) Value { return bytesValue(bson.TypeEmbeddedDocument, d) }

// Array makes an array of a well-formed document with the keys "0", "1" ….
func Array(d bson.Raw) Value { return bytesValue(bson.TypeArray, d) }

// Decimal makes a decimal.
func Decimal(d bson.Decimal128) Value {
	h, l := d.GetBytes()
	return Value{kind: bson.TypeDecimal128, n: h, m: l}
}

// ObjectID makes an ObjectID.
func ObjectID(o bson.ObjectID) Value { return decode(bson.TypeObjectID, o[:]) }

// Timestamp makes a timestamp of seconds and ordinal.
func Timestamp(t, i uint32) Value {
	return Value{kind: bson.TypeTimestamp, n: uint64(t)<<32 | uint64(i)}
}

// Binary makes binary data.
func Binary(subtype byte, data []byte) Value {
	v := bytesValue(bson.TypeBinary, data)
	v.m = uint64(subtype)
	return v
}

// Regex makes a regular expression.
func Regex(pattern, options string) Value {
	b := make([]byte, 0, len(pattern)+len(options)+2)
	b = append(append(b, pattern...), 0)
	b = append(append(b, options...), 0)
	return bytesValue(bson.TypeRegex, b)
}

// IsMissing tells whether there is no value.
func (v Value) IsMissing() bool { return v.kind == KindMissing }

// IsNullish tells whether v is null, undefined or missing.
func (v Value) IsNullish() bool {
	return v.kind == KindMissing || v.kind == bson.TypeNull || v.kind == bson.TypeUndefined
}

// IsNumber tells whether v is an int, long, double or decimal.
func (v Value) IsNumber() bool {
	switch v.kind {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return true
	}
	return false
}

// IsArray tells whether v is an array.
func (v Value) IsArray() bool { return v.kind == bson.TypeArray }

// IsDocument tells whether v is an embedded document.
func (v Value) IsDocument() bool { return v.kind == bson.TypeEmbeddedDocument }

// IsString tells whether v is a string.
func (v Value) IsString() bool { return v.kind == bson.TypeString }

// AsBool is the value of a boolean.
func (v Value) AsBool() bool { return v.kind == bson.TypeBoolean && v.n != 0 }

// AsDate is a date's milliseconds since 1970, rounded down; Micros is the rest.
func (v Value) AsDate() int64 { return int64(v.n) }

// AsTimestamp is a timestamp's seconds and ordinal.
func (v Value) AsTimestamp() (t, i uint32) { return uint32(v.n >> 32), uint32(v.n) }

// AsObjectID is the value of an ObjectID.
func (v Value) AsObjectID() (o bson.ObjectID) {
	binary.BigEndian.PutUint64(o[:], v.n)
	binary.BigEndian.PutUint32(o[8:], uint32(v.m))
	return o
}

// AsBinary is the subtype and data of binary data.
func (v Value) AsBinary() (subtype byte, data []byte) { return byte(v.m), v.bytes() }

// AsRegex is the pattern and options of a regular expression.
func (v Value) AsRegex() (pattern, options string) {
	s := v.Str()
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			return s[:i], s[i+1 : len(s)-1]
		}
	}
	return s, ""
}

// AsCodeWithScope is the code and scope of code with scope.
func (v Value) AsCodeWithScope() (code string, scope bson.Raw) {
	b := v.bytes()
	n := int(binary.LittleEndian.Uint32(b[4:]))
	return unsafe.String(&b[8], n-1), bson.Raw(b[8+n:])
}

// Str is the text of a string, symbol or code; it shares the value's bytes.
func (v Value) Str() string { return unsafe.String(v.p, int(v.n)) }

// Doc is the bytes of an embedded document or array.
func (v Value) Doc() bson.Raw { return bson.Raw(v.bytes()) }

// AppendPayload appends the value as it stands in a document after the key; what
// is fine (see IsFine) as binary data, so that RawValue and AppendElement, which
// know the type that goes with it, are the way to write fields.
func (v Value) AppendPayload(dst []byte) []byte {
	switch v.kind {
	case bson.TypeInt32:
		return binary.LittleEndian.AppendUint32(dst, uint32(v.n))
	case bson.TypeDouble, bson.TypeInt64, bson.TypeTimestamp:
		return binary.LittleEndian.AppendUint64(dst, v.n)
	case bson.TypeDateTime:
		if v.m != 0 {
			return appendMicros(dst, v)
		}
		return binary.LittleEndian.AppendUint64(dst, v.n)
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v.n)+1)
		return append(append(dst, v.bytes()...), 0)
	case bson.TypeBoolean:
		return append(dst, byte(v.n))
	case bson.TypeObjectID:
		dst = binary.BigEndian.AppendUint64(dst, v.n)
		return binary.BigEndian.AppendUint32(dst, uint32(v.m))
	case bson.TypeDecimal128:
		if v.p != nil {
			return append(dst, v.wideBytes()...)
		}
		dst = binary.LittleEndian.AppendUint64(dst, v.m)
		return binary.LittleEndian.AppendUint64(dst, v.n)
	case bson.TypeBinary:
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v.n))
		return append(append(dst, byte(v.m)), v.bytes()...)
	}
	return append(dst, v.bytesOrNil()...)
}

func (v Value) bytesOrNil() []byte {
	if v.p == nil {
		return nil
	}
	return v.bytes()
}

// Clone is v with bytes of its own, so that it outlives its document.
func (v Value) Clone() Value {
	if v.p == nil {
		return v
	}
	b := v.bytes
	if v.kind == bson.TypeDecimal128 {
		b = v.wideBytes
	}
	own := append([]byte(nil), b()...)
	v.p = unsafe.SliceData(own)
	return v
}

// Truthy is MongoDB's conversion to a boolean: false, null, undefined,
// missing and zero are false, all else is true.
func (v Value) Truthy() bool {
	switch v.kind {
	case KindMissing, bson.TypeNull, bson.TypeUndefined:
		return false
	case bson.TypeBoolean, bson.TypeInt32, bson.TypeInt64:
		return v.n != 0
	case bson.TypeDouble:
		return math.Float64frombits(v.n) != 0
	case bson.TypeDecimal128:
		return v.IsNaN() || v.Sign() != 0
	}
	return true
}
