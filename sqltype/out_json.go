package sqltype

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// AppendJSONB prints any BSON value as jsonb prints: ", " and ": " between,
// keys by length and then bytes, the last of equal keys.
//
// What JSON has no form for: ObjectIds are their 24 hex digits, dates and
// timestamps ISO 8601 strings in UTC with Z, decimals numbers with their
// scale, NaN and infinities strings, binaries base64 (UUIDs their text),
// regular expressions /pattern/options, code its text.
func AppendJSONB(dst []byte, v value.Value) []byte {
	switch v.Kind() {
	case bson.TypeEmbeddedDocument:
		return appendObject(dst, v.Doc())
	case bson.TypeArray:
		dst = append(dst, '[')
		first := true
		for it := value.Walk(v.Doc()); it.Next(); {
			if !first {
				dst = append(dst, ", "...)
			}
			first = false
			dst = AppendJSONB(dst, it.Value())
		}
		return append(dst, ']')
	}
	return appendJSONScalar(dst, v)
}

func appendJSONScalar(dst []byte, v value.Value) []byte {
	switch v.Kind() {
	case bson.TypeString, bson.TypeJavaScript:
		return AppendJSONString(dst, v.Str())
	case bson.TypeInt32, bson.TypeInt64:
		return strconv.AppendInt(dst, v.AsInt64(), 10)
	case bson.TypeDouble:
		return appendJSONDouble(dst, v.AsDouble())
	case bson.TypeDecimal128:
		if v.IsNaN() || v.IsInf() {
			return append(AppendNumeric(append(dst, '"'), v), '"')
		}
		return AppendNumeric(dst, v)
	case bson.TypeBoolean:
		return strconv.AppendBool(dst, v.AsBool())
	case bson.TypeNull, bson.TypeUndefined, value.KindMissing:
		return append(dst, "null"...)
	case bson.TypeSymbol:
		if v.Str() == "null" {
			return append(dst, "null"...)
		}
		return AppendJSONString(dst, v.Str())
	case bson.TypeBinary:
		return append(appendBinaryText(append(dst, '"'), v), '"')
	case bson.TypeRegex, bson.TypeCodeWithScope:
		var tmp [64]byte
		return AppendJSONString(dst, string(AppendPlain(tmp[:0], v)))
	}
	return append(AppendPlain(append(dst, '"'), v), '"')
}

func appendJSONDouble(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(AppendFloat(append(dst, '"'), f, 64, nil), '"')
	}
	if f == 0 {
		return append(dst, '0')
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

func appendBinaryText(dst []byte, v value.Value) []byte {
	sub, data := v.AsBinary()
	if sub == 4 && len(data) == 16 {
		return AppendUUID(dst, data)
	}
	return base64.StdEncoding.AppendEncode(dst, data)
}

// AppendPlain prints scalars that SQL has no type for as text.
func AppendPlain(dst []byte, v value.Value) []byte {
	switch v.Kind() {
	case bson.TypeObjectID:
		o := v.AsObjectID()
		return hex.AppendEncode(dst, o[:])
	case bson.TypeDateTime:
		return AppendISO(dst, MomentOf(v))
	case bson.TypeTimestamp:
		t, _ := v.AsTimestamp()
		return AppendISO(dst, Moment{Ms: int64(t) * 1000})
	case bson.TypeRegex:
		p, o := v.AsRegex()
		dst = append(append(append(dst, '/'), p...), '/')
		return append(dst, o...)
	case bson.TypeMinKey:
		return append(dst, "MinKey"...)
	case bson.TypeMaxKey:
		return append(dst, "MaxKey"...)
	case bson.TypeCodeWithScope:
		code, _ := v.AsCodeWithScope()
		return append(dst, code...)
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return append(dst, v.Str()...)
	case bson.TypeBinary:
		return appendBinaryText(dst, v)
	case bson.TypeDBPointer:
		b := v.Doc()
		return hex.AppendEncode(dst, b[len(b)-12:])
	}
	return AppendJSONB(dst, v)
}

// smallObject is how many keys are ordered without allocation.
const smallObject = 32

func appendObject(dst []byte, doc bson.Raw) []byte {
	var small [smallObject]Field
	fields := SortedFields(small[:0], doc)
	dst = append(dst, '{')
	for i := range fields {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(AppendJSONString(dst, fields[i].Key), ": "...)
		dst = AppendJSONB(dst, fields[i].Value)
	}
	return append(dst, '}')
}

// Field is a key of an object with its value.
type Field struct {
	Key   string
	Value value.Value
}

// SortedFields appends a document's fields in jsonb's order: shorter keys
// first, then by bytes; of equal keys the last.
func SortedFields(dst []Field, doc bson.Raw) []Field {
	base := len(dst)
	for it := value.Walk(doc); it.Next(); {
		f := Field{it.Key(), it.Value()}
		i := len(dst)
		for i > base && jsonbLess(f.Key, dst[i-1].Key) {
			i--
		}
		if i > base && dst[i-1].Key == f.Key {
			dst[i-1] = f
			continue
		}
		dst = append(dst, f)
		copy(dst[i+1:], dst[i:])
		dst[i] = f
	}
	return dst
}

func jsonbLess(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

const hexDigits = "0123456789abcdef"

// AppendJSONString quotes a string for JSON as PostgreSQL does: only what has
// to be escaped is.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := plainHead(s, plainJSON); i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		dst = appendEscape(dst, c)
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// plainJSON tells of eight bytes that none is to be escaped.
func plainJSON(x uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	below, quote, slash := (x-each*' ')&^x, x^each*'"', x^each*'\\'
	return (below|(quote-each)&^quote|(slash-each)&^slash)&high == 0
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
