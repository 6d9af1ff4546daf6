package value

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
)

// MaxDepth is how deep documents may be nested.
const MaxDepth = 200

// Validate checks that doc is one well-formed BSON document, nested at most
// MaxDepth deep. Like MongoDB it does not ask for valid UTF-8.
func Validate(doc []byte) error { return validate(doc, 1) }

// ValidateConformance asks for more than Validate: text that is UTF-8 and
// binary data of the old subtype 2 whose two lengths agree.
func ValidateConformance(doc []byte) error {
	if err := Validate(doc); err != nil {
		return err
	}
	return conforms(doc)
}

func conforms(doc []byte) error {
	for it := Walk(doc); it.Next(); {
		if !utf8.ValidString(it.Key()) {
			return invalid("a field name is no valid UTF-8")
		}
		payload := it.Value().AppendPayload(nil)
		switch t := it.Kind(); t {
		case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript, bson.TypeRegex, bson.TypeDBPointer, bson.TypeCodeWithScope:
			if !validText(t, payload) {
				return invalid("a value of type %s is no valid UTF-8", TypeName(t))
			}
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			if err := conforms(payload); err != nil {
				return err
			}
		case bson.TypeBinary:
			if n := len(payload) - 5; payload[4] == 2 && (n < 4 || int(int32(binary.LittleEndian.Uint32(payload[5:]))) != n-4) {
				return invalid("binary data of subtype 2 has two lengths that do not agree")
			}
		}
	}
	return nil
}

// validText looks at the text of a payload that is more than text.
func validText(t bson.Type, b []byte) bool {
	switch t {
	case bson.TypeRegex:
		return utf8.Valid(b)
	case bson.TypeDBPointer:
		return utf8.Valid(b[4 : len(b)-13])
	case bson.TypeCodeWithScope:
		n := int(binary.LittleEndian.Uint32(b[4:]))
		return utf8.Valid(b[8:7+n]) && conforms(b[8+n:]) == nil
	}
	return utf8.Valid(b[4 : len(b)-1])
}

func validate(doc []byte, depth int) error {
	if depth > MaxDepth {
		return mongoerr.New(mongoerr.Overflow, "cannot have more than %d nested documents", MaxDepth)
	}
	if len(doc) < 5 || int(int32(binary.LittleEndian.Uint32(doc))) != len(doc) || doc[len(doc)-1] != 0 {
		return invalid("incorrect BSON length")
	}
	rest := doc[4 : len(doc)-1]
	for len(rest) > 0 {
		k := bytes.IndexByte(rest, 0)
		if k < 1 {
			return invalid("not null terminated string in element")
		}
		t, body := bson.Type(rest[0]), rest[k+1:]
		n, ok := payloadSize(t, body)
		if !ok {
			return invalid("invalid element of type %d", byte(t))
		}
		if err := validatePayload(t, body[:n], depth); err != nil {
			return err
		}
		rest = body[n:]
	}
	return nil
}

func validatePayload(t bson.Type, b []byte, depth int) error {
	switch t {
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		if b[len(b)-1] != 0 {
			return invalid("not null terminated string")
		}
	case bson.TypeBoolean:
		if b[0] > 1 {
			return invalid("boolean is neither 0 nor 1")
		}
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return validate(b, depth+1)
	case bson.TypeDBPointer:
		if b[len(b)-13] != 0 {
			return invalid("not null terminated string")
		}
	case bson.TypeCodeWithScope:
		n := int(binary.LittleEndian.Uint32(b[4:]))
		if b[7+n] != 0 {
			return invalid("not null terminated string")
		}
		return validate(b[8+n:], depth+1)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return mongoerr.New(mongoerr.InvalidBSON, format, args...)
}
