package value

import (
	"bytes"
	"encoding/binary"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Opaque is what SortKeyKind gives for a value that its sort key does not hold
// completely: a decimal, which may have been written with more zeros, or what
// is rare in keys. No BSON type has this number.
const Opaque = bson.Type(0x7e)

// SortKeyKind is what AppendSortKeyElement must know beside the sort key of v
// (without a collation) to give v back: its type, or Opaque.
func SortKeyKind(v Value) bson.Type {
	switch v.kind {
	case bson.TypeDateTime:
		if v.m != 0 {
			return Opaque
		}
		return v.kind
	case KindMissing, bson.TypeNull, bson.TypeBoolean, bson.TypeTimestamp, bson.TypeObjectID,
		bson.TypeInt32, bson.TypeString, bson.TypeMinKey, bson.TypeMaxKey:
		return v.kind
	case bson.TypeInt64:
		if i := int64(v.n); i <= 1<<53 && i >= -1<<53 {
			return v.kind
		}
	case bson.TypeDouble:
		f := math.Float64frombits(v.n)
		if f == f && (f != 0 || v.n == 0) {
			return v.kind
		}
	}
	return Opaque
}

// AppendSortKeyElement appends the field that a sort key at the front of key
// was made of, and gives what follows in key. A missing value appends nothing.
// ok is false when the value cannot be told from the key.
func AppendSortKeyElement(dst []byte, name string, key []byte, kind bson.Type) (out, rest []byte, ok bool) {
	if len(key) == 0 || kind == Opaque {
		return dst, key, false
	}
	body := key[1:] // behind the class
	switch kind {
	case KindMissing:
		return dst, body, true
	case bson.TypeNull, bson.TypeMinKey, bson.TypeMaxKey:
		return AppendHeader(dst, kind, name), body, true
	case bson.TypeBoolean:
		if len(body) < 1 {
			return dst, key, false
		}
		return append(AppendHeader(dst, kind, name), body[0]), body[1:], true
	case bson.TypeDateTime, bson.TypeTimestamp:
		return appendEightKey(dst, name, key, kind)
	case bson.TypeObjectID:
		if len(body) < 12 {
			return dst, key, false
		}
		return append(AppendHeader(dst, kind, name), body[:12]...), body[12:], true
	case bson.TypeString:
		return appendStringKey(dst, name, key)
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble:
		return appendNumberOfKey(dst, name, key, kind)
	}
	return dst, key, false
}

func appendEightKey(dst []byte, name string, key []byte, kind bson.Type) (out, rest []byte, ok bool) {
	if len(key) < 9 {
		return dst, key, false
	}
	n := binary.BigEndian.Uint64(key[1:])
	if kind == bson.TypeDateTime {
		n ^= 1 << 63
	}
	return binary.LittleEndian.AppendUint64(AppendHeader(dst, kind, name), n), key[9:], true
}

func appendStringKey(dst []byte, name string, key []byte) (out, rest []byte, ok bool) {
	out = AppendHeader(dst, bson.TypeString, name)
	at := len(out)
	out = append(out, 0, 0, 0, 0)
	for body := key[1:]; ; {
		i := bytes.IndexByte(body, 0)
		if i < 0 || i+1 >= len(body) {
			return dst, key, false
		}
		out = append(out, body[:i+1]...) // with a zero: of the text, or behind it
		more := body[i+1] == 0xff
		body = body[i+2:]
		if !more {
			binary.LittleEndian.PutUint32(out[at:], uint32(len(out)-at-4))
			return out, body, true
		}
	}
}

func appendNumberOfKey(dst []byte, name string, key []byte, kind bson.Type) (out, rest []byte, ok bool) {
	if len(key) < 2 {
		return dst, key, false
	}
	f, rest := 0.0, key[2:]
	if sign := key[1]; sign == keyPositive || sign == keyNegative {
		if len(rest) < 9 {
			return dst, key, false
		}
		n, exact := binary.BigEndian.Uint64(rest), rest[8]
		if sign == keyNegative {
			n, exact = ^n, ^exact
		}
		if exact != 0 {
			return dst, key, false
		}
		if f = math.Float64frombits(n); sign == keyNegative {
			f = -f
		}
		rest = rest[9:]
	} else if sign != keyZero {
		return dst, key, false
	}
	out = AppendHeader(dst, kind, name)
	switch kind {
	case bson.TypeInt32:
		return binary.LittleEndian.AppendUint32(out, uint32(int32(f))), rest, true
	case bson.TypeInt64:
		return binary.LittleEndian.AppendUint64(out, uint64(int64(f))), rest, true
	}
	return binary.LittleEndian.AppendUint64(out, math.Float64bits(f)), rest, true
}

// SortKeyLen is the length of the sort key at the front of key; 0 for the
// types whose keys do not tell.
func SortKeyLen(key []byte, desc bool) int {
	flip := byte(0)
	if desc {
		flip = 0xff
	}
	at := func(i int) byte { return key[i] ^ flip }
	n := 0
	if len(key) == 0 {
		return 0
	}
	switch at(0) {
	case Class(bson.TypeInt32):
		n = numberKeyLen(key, at)
	case Class(bson.TypeString):
		n = stringKeyLen(key, at)
	case Class(bson.TypeBoolean):
		n = 2
	case Class(bson.TypeDateTime), Class(bson.TypeTimestamp):
		if n = 9; len(key) > n && key[n] == afterMillis {
			return 0
		}
	case Class(bson.TypeObjectID):
		n = 13
	case Class(bson.TypeNull), Class(bson.TypeUndefined), Class(bson.TypeMinKey), Class(bson.TypeMaxKey):
		n = 1
	}
	if n > len(key) {
		return 0
	}
	return n
}

func numberKeyLen(key []byte, at func(int) byte) int {
	if len(key) < 2 {
		return 0
	}
	sign := at(1)
	if sign == keyNaN || sign == keyZero {
		return 2
	}
	if len(key) < 11 {
		return 0
	}
	inexact, end := at(10), byte(0)
	if sign == keyNegative {
		inexact, end = ^inexact, 0xff
	}
	if inexact == 0 {
		return 11
	}
	for i := 13; i < len(key); i++ { // behind the exponent, digits up to a zero
		if at(i) == end {
			return i + 1
		}
	}
	return 0
}

func stringKeyLen(key []byte, at func(int) byte) int {
	for i := 1; i+1 < len(key); i++ {
		if at(i) == 0 {
			if i++; at(i) == 0 {
				return i + 1
			}
		}
	}
	return 0
}
