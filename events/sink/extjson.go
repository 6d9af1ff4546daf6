package sink

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// appendJSON appends a value in relaxed Extended JSON, as bson.MarshalExtJSON
// writes it, without building anything in between: there is one body per event.
// Rare types are left to the driver.
func appendJSON(dst []byte, v value.Value) ([]byte, error) {
	switch v.Kind() {
	case bson.TypeEmbeddedDocument:
		return appendMembers(dst, v, '{', '}')
	case bson.TypeArray:
		return appendMembers(dst, v, '[', ']')
	case bson.TypeString:
		return appendText(dst, v.Str()), nil
	case bson.TypeInt32, bson.TypeInt64:
		return strconv.AppendInt(dst, v.AsInt64(), 10), nil
	case bson.TypeBoolean:
		return strconv.AppendBool(dst, v.AsBool()), nil
	case bson.TypeNull:
		return append(dst, "null"...), nil
	case bson.TypeObjectID:
		id := v.AsObjectID()
		return append(append(append(dst, `{"$oid":"`...), id.Hex()...), `"}`...), nil
	case bson.TypeDateTime:
		if at := time.UnixMilli(v.AsDate()).UTC(); at.Year() >= 1970 && at.Year() <= 9999 {
			dst = at.AppendFormat(append(dst, `{"$date":"`...), "2006-01-02T15:04:05.999Z07:00")
			return append(dst, `"}`...), nil
		}
	case bson.TypeDouble:
		if f := v.AsDouble(); !math.IsInf(f, 0) && !math.IsNaN(f) {
			return appendDouble(dst, f), nil
		}
	}
	return appendRare(dst, v)
}

func appendMembers(dst []byte, v value.Value, open, end byte) (_ []byte, err error) {
	dst = append(dst, open)
	first := true
	for it := value.Walk(v.Doc()); it.Next(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		if open == '{' {
			dst = append(appendText(dst, it.Key()), ':')
		}
		if dst, err = appendJSON(dst, it.Value()); err != nil {
			return dst, err
		}
	}
	return append(dst, end), nil
}

// appendDouble writes a number that reads as a double: whole ones with ".0".
func appendDouble(dst []byte, f float64) []byte {
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'G', -1, 64)
	if !bytes.ContainsAny(dst[from:], "E.") {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendText appends a JSON string.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x80 {
			quoted, _ := json.Marshal(s)
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// appendRare has the driver write a value, as the only field of a document.
func appendRare(dst []byte, v value.Value) ([]byte, error) {
	text, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: v.RawValue()}}, false, false)
	if err != nil {
		return dst, err
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(string(text), `{"v":`), "}")
	return append(dst, inner...), nil
}
