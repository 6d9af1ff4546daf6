package value

import (
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A date may carry 0 to 999 microseconds beyond its millisecond: m of a Value
// of kind DateTime. BSON has no such date. Between stages of this process and
// in constants it is spelled as binary data of a subtype of its own:
//
//	microsMark (8 bytes) · milliseconds since 1970, floored (8, little-endian) · microseconds (2, little-endian)
//
// Every reader of this package gives it back as a date and every writer writes
// it; a date of whole milliseconds is never spelled so. What is stored, and
// what is sent to a store, has none: there FloorMillis or a rounding comes
// before.
const (
	microsSubtype = 0xb7
	microsMark    = "\xd1weir\x00\xb5s"
	microsSize    = len(microsMark) + 8 + 2
)

// DateMicros makes a date of milliseconds since 1970, rounded down, and 0 to
// 999 microseconds beyond them; DateMicros(ms, 0) is Date(ms). It must not
// reach a store: see IsMicros.
func DateMicros(ms int64, us int) Value {
	return Value{kind: bson.TypeDateTime, n: uint64(ms), m: uint64(us)}
}

// DateOfMicros makes a date of microseconds since 1970.
func DateOfMicros(us int64) Value {
	ms, rest := us/1000, us%1000
	if rest < 0 {
		ms, rest = ms-1, rest+1000
	}
	return DateMicros(ms, int(rest))
}

// Micros is what a date carries beyond AsDate, its milliseconds rounded down:
// 0 to 999 microseconds. It is 0 for other kinds.
func (v Value) Micros() int {
	if v.kind != bson.TypeDateTime {
		return 0
	}
	return int(v.m)
}

// AsDateMicros is a date's microseconds since 1970. Dates beyond the years
// -290308 to 294246 do not fit.
func (v Value) AsDateMicros() int64 { return int64(v.n)*1000 + int64(v.m) }

// IsMicros tells whether v is a date that BSON cannot hold, one with
// microseconds; what is stored or sent to a store must not be one.
func (v Value) IsMicros() bool { return v.m != 0 && v.kind == bson.TypeDateTime }

// HoldsMicros tells whether v is a date with microseconds or holds one in a
// document or array.
func (v Value) HoldsMicros() bool {
	switch v.kind {
	case bson.TypeDateTime:
		return v.m != 0
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		for it := Walk(v.Doc()); it.Next(); {
			switch bson.Type(it.Element()[0]) {
			case bson.TypeBinary, bson.TypeEmbeddedDocument, bson.TypeArray:
				if it.Value().HoldsMicros() {
					return true
				}
			}
		}
	}
	return false
}

// FloorMillis is v with the microseconds of a date cut off.
func (v Value) FloorMillis() Value {
	if v.kind == bson.TypeDateTime {
		v.m = 0
	}
	return v
}

// RoundMillis is v with a date's microseconds rounded to the nearest
// millisecond, as PostgreSQL rounds: half away from zero of 2000-01-01.
func (v Value) RoundMillis() Value {
	if !v.IsMicros() {
		return v
	}
	ms := int64(v.n)
	if v.m > 500 || v.m == 500 && ms >= millis2000 {
		ms++
	}
	return Date(ms)
}

// millis2000 is 2000-01-01, where PostgreSQL's timestamps are zero.
const millis2000 = 946684800000

func appendMicros(dst []byte, v Value) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(microsSize))
	dst = append(append(dst, microsSubtype), microsMark...)
	dst = binary.LittleEndian.AppendUint64(dst, v.n)
	return binary.LittleEndian.AppendUint16(dst, uint16(v.m))
}

// afterMillis is the first byte of what a date with microseconds has in a sort
// key behind its milliseconds: above all that may follow them, so upward the
// key is that of the millisecond, this byte and the microseconds.
const afterMillis = 0xff

// appendMicrosDown appends the descending key, which may be the last. The bare
// key of the same millisecond must come behind it, so it begins as that of the
// next one, which as its beginning comes before.
func appendMicrosDown(dst []byte, v Value) []byte {
	start := len(dst)
	dst = append(dst, Class(bson.TypeDateTime))
	dst = binary.BigEndian.AppendUint64(dst, v.n^1<<63+1)
	invert(dst[start:])
	return binary.BigEndian.AppendUint16(append(dst, afterMillis), uint16(1000-v.m))
}
