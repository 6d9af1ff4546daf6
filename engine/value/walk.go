package value

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unsafe"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// payloadSize tells how many bytes of b are the payload of a value of type t.
func payloadSize(t bson.Type, b []byte) (int, bool) {
	n := 0
	switch t {
	case bson.TypeInt32:
		n = 4
	case bson.TypeDouble, bson.TypeInt64, bson.TypeDateTime, bson.TypeTimestamp:
		n = 8
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		if len(b) < 5 {
			return 0, false
		}
		l := int32(binary.LittleEndian.Uint32(b))
		if l < 1 {
			return 0, false
		}
		n = 4 + int(l)
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		if len(b) < 5 {
			return 0, false
		}
		if n = int(int32(binary.LittleEndian.Uint32(b))); n < 5 {
			return 0, false
		}
	case bson.TypeBoolean:
		n = 1
	case bson.TypeNull, bson.TypeUndefined, bson.TypeMinKey, bson.TypeMaxKey:
		return 0, true
	case bson.TypeObjectID:
		n = 12
	case bson.TypeDecimal128:
		n = 16
	default:
		return rarePayloadSize(t, b)
	}
	return n, n <= len(b)
}

func rarePayloadSize(t bson.Type, b []byte) (int, bool) {
	n := 0
	switch t {
	case bson.TypeBinary:
		if len(b) < 5 {
			return 0, false
		}
		l := int32(binary.LittleEndian.Uint32(b))
		if l < 0 {
			return 0, false
		}
		n = 5 + int(l)
	case bson.TypeRegex:
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return 0, false
		}
		j := bytes.IndexByte(b[i+1:], 0)
		if j < 0 {
			return 0, false
		}
		n = i + j + 2
	case bson.TypeDBPointer:
		if len(b) < 17 {
			return 0, false
		}
		l := int32(binary.LittleEndian.Uint32(b))
		if l < 1 {
			return 0, false
		}
		n = 16 + int(l)
	case bson.TypeCodeWithScope:
		return codeWithScopeSize(b)
	default:
		return 0, false
	}
	return n, n <= len(b)
}

func codeWithScopeSize(b []byte) (int, bool) {
	if len(b) < 14 {
		return 0, false
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	code := int(int32(binary.LittleEndian.Uint32(b[4:])))
	if n < 14 || n > len(b) || code < 1 || code > n-13 {
		return 0, false
	}
	if scope := int(int32(binary.LittleEndian.Uint32(b[8+code:]))); scope != n-8-code {
		return 0, false
	}
	return n, true
}

// Iter walks the fields of a document or the items of an array:
//
//	for it := value.Walk(doc); it.Next(); { it.Key(); it.Value() }
//
// A malformed document ends the walk.
type Iter struct {
	doc          []byte // its elements, without length and end
	at, key, end int    // the current element is doc[at:end], its name ends at key
}

// Walk begins a walk. It does not allocate.
func Walk(doc bson.Raw) Iter {
	if len(doc) < 5 {
		return Iter{}
	}
	n := int(int32(binary.LittleEndian.Uint32(doc)))
	if n < 5 || n > len(doc) {
		return Iter{}
	}
	return Iter{doc: doc[4 : n-1]}
}

// nameEnd finds the zero behind the name of an element, len(elem): there is none.
// Eight bytes are looked at together, which is most names.
func nameEnd(elem []byte) int {
	if len(elem) > 8 {
		if zero := zeros(binary.LittleEndian.Uint64(elem[1:])); zero != 0 {
			return 1 + bits.TrailingZeros64(zero)>>3
		}
	}
	return longNameEnd(elem)
}

// zeros has the high bit of the first byte that is zero, and maybe of some behind it.
func zeros(x uint64) uint64 {
	const each, high = 0x0101010101010101, 0x8080808080808080
	return (x - each) &^ x & high
}

func longNameEnd(elem []byte) int {
	k := 1
	for ; k+8 <= len(elem); k += 8 {
		if zero := zeros(binary.LittleEndian.Uint64(elem[k:])); zero != 0 {
			return k + bits.TrailingZeros64(zero)>>3
		}
	}
	for k < len(elem) && elem[k] != 0 {
		k++
	}
	return k
}

// Next goes to the next field; false at the end.
func (it *Iter) Next() bool {
	doc, at := it.doc, it.end
	if at+1 >= len(doc) {
		return false
	}
	key := at + 1
	for ; key+8 <= len(doc); key += 8 {
		if zero := zeros(binary.LittleEndian.Uint64(doc[key:])); zero != 0 {
			return it.found(at, key+bits.TrailingZeros64(zero)>>3)
		}
	}
	for key < len(doc) && doc[key] != 0 {
		key++
	}
	return key < len(doc) && it.found(at, key)
}

// NextIs goes to the next field if its name is the one that is expected, which is
// found sooner than by Next; else it stays where it is.
func (it *Iter) NextIs(name string) bool {
	doc, at := it.doc, it.end
	key := at + 1 + len(name)
	return key < len(doc) && doc[key] == 0 && string(doc[at+1:key]) == name && it.found(at, key)
}

// AtEnd tells whether nothing follows the current field.
func (it *Iter) AtEnd() bool { return it.end == len(it.doc) }

// found goes to the field that begins at at and whose name ends at key.
func (it *Iter) found(at, key int) bool {
	doc := it.doc
	end := key + int(fixedSizes[doc[at]])
	if end == key {
		n, ok := payloadSize(bson.Type(doc[at]), doc[key+1:])
		if !ok {
			it.doc, it.end = nil, 0
			return false
		}
		end += 1 + n
	}
	if end > len(doc) {
		it.doc, it.end = nil, 0
		return false
	}
	it.at, it.key, it.end = at, key, end
	return true
}

// Key is the name of the current field; it shares the document's bytes.
func (it *Iter) Key() string { return unsafe.String(&it.doc[it.at+1], it.key-it.at-1) }

// Kind is the type of the current field.
func (it *Iter) Kind() bson.Type {
	if t := bson.Type(it.doc[it.at]); t != bson.TypeBinary {
		return t
	}
	return it.Value().kind
}

// Value is the current value.
func (it *Iter) Value() Value {
	return decode(bson.Type(it.doc[it.at]), it.doc[it.key+1:it.end:it.end])
}

// Element is the bytes of the current field: type, key, payload.
func (it *Iter) Element() []byte { return it.doc[it.at:it.end:it.end] }

// Lookup finds one field by its exact name; the missing value if there is none.
func Lookup(doc bson.Raw, key string) Value {
	if len(doc) < 5 {
		return Value{}
	}
	n := int(int32(binary.LittleEndian.Uint32(doc)))
	if n < 5 || n > len(doc) {
		return Value{}
	}
	rest := doc[4 : n-1]
	for len(rest) > 1 {
		t, k := bson.Type(rest[0]), nameEnd(rest)
		if k == len(rest) {
			break
		}
		body := rest[k+1:]
		size, ok := quickSize(t, body)
		if !ok {
			break
		}
		if k-1 == len(key) && string(rest[1:k]) == key {
			return decode(t, body[:size:size])
		}
		rest = body[size:]
	}
	return Value{}
}

// fixedSizes is the payload size of the types that have one, plus one.
var fixedSizes = [256]uint8{
	bson.TypeInt32: 5, bson.TypeInt64: 9, bson.TypeDouble: 9, bson.TypeDateTime: 9, bson.TypeTimestamp: 9,
	bson.TypeBoolean: 2, bson.TypeObjectID: 13, bson.TypeDecimal128: 17, bson.TypeNull: 1, bson.TypeUndefined: 1,
	bson.TypeMinKey: 1, bson.TypeMaxKey: 1,
}

// quickSize is payloadSize, short enough to be inlined for most types.
func quickSize(t bson.Type, b []byte) (int, bool) {
	if n := int(fixedSizes[t]) - 1; n >= 0 {
		return n, n <= len(b)
	}
	return payloadSize(t, b)
}

// Index is the i-th item of an array; the missing value if there is none.
func Index(arr bson.Raw, i int) Value {
	if i < 0 {
		return Value{}
	}
	for it := Walk(arr); it.Next(); i-- {
		if i == 0 {
			return it.Value()
		}
	}
	return Value{}
}

// Len counts the fields of a document or the items of an array.
func Len(doc bson.Raw) int {
	n := 0
	for it := Walk(doc); it.Next(); {
		n++
	}
	return n
}

// Items appends the items of an array (the values of a document) to dst.
func Items(dst []Value, arr bson.Raw) []Value {
	for it := Walk(arr); it.Next(); {
		dst = append(dst, it.Value())
	}
	return dst
}
