package value

import (
	"encoding/binary"
	"unsafe"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// IsFine tells whether v is finer than what BSON can hold: a date with
// microseconds or a wide decimal. What is stored or sent to a store must not be.
func (v Value) IsFine() bool {
	switch v.kind {
	case bson.TypeDateTime:
		return v.m != 0
	case bson.TypeDecimal128:
		return v.p != nil
	}
	return false
}

// HoldsFine tells whether v is fine or holds what is in a document or array.
func (v Value) HoldsFine() bool {
	switch v.kind {
	case bson.TypeDateTime, bson.TypeDecimal128:
		return v.IsFine()
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		for it := Walk(v.Doc()); it.Next(); {
			switch bson.Type(it.Element()[0]) {
			case bson.TypeBinary, bson.TypeEmbeddedDocument, bson.TypeArray:
				if it.Value().HoldsFine() {
					return true
				}
			}
		}
	}
	return false
}

// Floor is the value of BSON's nearest to a fine one that is not above it.
func (v Value) Floor() Value { return v.FloorMillis().FloorWide() }

// MapFine is v with f's value in place of every fine one in it, at any depth. It
// ends at f's first error.
func (v Value) MapFine(f func(Value) (Value, error)) (Value, error) {
	switch {
	case v.IsFine():
		return f(v)
	case !v.HoldsFine():
		return v, nil
	case v.IsArray():
		items := Items(nil, v.Doc())
		for i := range items {
			var err error
			if items[i], err = items[i].MapFine(f); err != nil {
				return v, err
			}
		}
		return ArrayFrom(items), nil
	}
	var b Builder
	for it := Walk(v.Doc()); it.Next(); {
		x, err := it.Value().MapFine(f)
		if err != nil {
			return v, err
		}
		b.Add(it.Key(), x)
	}
	return b.DocumentOf(), nil
}

// EachFine is MapFine for an f that knows no error.
func (v Value) EachFine(f func(Value) Value) Value {
	v, _ = v.MapFine(func(x Value) (Value, error) { return f(x), nil })
	return v
}

// wireType is the type that a value is spelled as in a document.
func (v Value) wireType() bson.Type {
	if v.IsFine() {
		return bson.TypeBinary
	}
	return v.kind
}

// binaryOf reads the payload of binary data, or of what is fine.
func binaryOf(b []byte) Value {
	if b[4] == microsSubtype {
		if v, ok := fineOf(b); ok {
			return v
		}
	}
	return Value{p: unsafe.SliceData(b[5:]), n: uint64(len(b) - 5), m: uint64(b[4]), kind: bson.TypeBinary}
}

func fineOf(b []byte) (Value, bool) {
	if len(b) == 5+microsSize && string(b[5:5+len(microsMark)]) == microsMark {
		at := b[5+len(microsMark):]
		if us := binary.LittleEndian.Uint16(at[8:]); us > 0 && us < 1000 {
			return DateMicros(int64(binary.LittleEndian.Uint64(at)), int(us)), true
		}
	}
	return wideOf(b)
}
