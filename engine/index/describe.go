package index

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Describe writes key values as MongoDB shows them in error texts:
// { a: 1, b: "x" }.
func (d *Definition) Describe(values []value.Value) string {
	var sb strings.Builder
	sb.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			sb.WriteByte(',')
		}
		sb.WriteByte(' ')
		sb.WriteString(d.Fields[i].Name)
		sb.WriteString(": ")
		sb.WriteString(Text(v))
	}
	sb.WriteString(" }")
	return sb.String()
}

// KeyValue is the document {field: value} of key values.
func (d *Definition) KeyValue(values []value.Value) bson.Raw {
	start, dst := value.BeginDocument(nil)
	for i, v := range values {
		dst = value.AppendElement(dst, d.Fields[i].Name, v)
	}
	return value.EndDocument(dst, start)
}

// Text writes a value as the server's error texts do.
func Text(v value.Value) string {
	switch v.Kind() {
	case value.KindMissing:
		return "null"
	case bson.TypeString, bson.TypeSymbol:
		return strconv.Quote(v.Str())
	case bson.TypeEmbeddedDocument:
		return documentText(v.Doc())
	case bson.TypeArray:
		return arrayText(v.Doc())
	case bson.TypeObjectID:
		return "ObjectId('" + v.AsObjectID().Hex() + "')"
	case bson.TypeDateTime:
		return "new Date(" + strconv.FormatInt(v.AsDate(), 10) + ")"
	case bson.TypeTimestamp:
		t, i := v.AsTimestamp()
		return fmt.Sprintf("Timestamp(%d, %d)", t, i)
	case bson.TypeBinary:
		sub, b := v.AsBinary()
		if sub == 4 && len(b) == 16 {
			return fmt.Sprintf("UUID(\"%x-%x-%x-%x-%x\")", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
		}
		return fmt.Sprintf("BinData(%d, %s)", sub, strings.ToUpper(hex.EncodeToString(b)))
	case bson.TypeRegex:
		p, o := v.AsRegex()
		return "/" + p + "/" + o
	}
	return simpleText(v)
}

func simpleText(v value.Value) string {
	switch v.Kind() {
	case bson.TypeNull:
		return "null"
	case bson.TypeUndefined:
		return "undefined"
	case bson.TypeMinKey:
		return "MinKey"
	case bson.TypeMaxKey:
		return "MaxKey"
	case bson.TypeBoolean:
		return strconv.FormatBool(v.AsBool())
	case bson.TypeDouble:
		return doubleText(v.RawValue().Double())
	case bson.TypeDecimal128:
		return v.RawValue().Decimal128().String()
	}
	return plainNumber(v)
}

func doubleText(f float64) string {
	s := strconv.FormatFloat(f, 'g', 16, 64)
	if !strings.ContainsAny(s, ".eEnN") {
		s += ".0"
	}
	return s
}

// plainNumber writes a number of a key pattern: 1, -1, 1.5.
func plainNumber(v value.Value) string {
	r := v.RawValue()
	switch r.Type {
	case bson.TypeInt32:
		return strconv.FormatInt(int64(r.Int32()), 10)
	case bson.TypeInt64:
		return strconv.FormatInt(r.Int64(), 10)
	case bson.TypeDouble:
		return strconv.FormatFloat(r.Double(), 'g', -1, 64)
	case bson.TypeDecimal128:
		return r.Decimal128().String()
	}
	return r.String()
}

func documentText(doc bson.Raw) string {
	var sb strings.Builder
	sb.WriteByte('{')
	for it := value.Walk(doc); it.Next(); {
		if sb.Len() > 1 {
			sb.WriteByte(',')
		}
		sb.WriteString(" " + it.Key() + ": " + Text(it.Value()))
	}
	return sb.String() + " }"
}

func arrayText(doc bson.Raw) string {
	var sb strings.Builder
	sb.WriteByte('[')
	for it := value.Walk(doc); it.Next(); {
		if sb.Len() > 1 {
			sb.WriteByte(',')
		}
		sb.WriteString(" " + Text(it.Value()))
	}
	return sb.String() + " ]"
}
