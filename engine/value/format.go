package value

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// String prints a value for error messages, as MongoDB does there.
func (v Value) String() string {
	switch v.kind {
	case KindMissing:
		return "missing"
	case bson.TypeInt32, bson.TypeInt64:
		return strconv.FormatInt(int64(v.n), 10)
	case bson.TypeDouble:
		return FormatDouble(v.AsDouble())
	case bson.TypeDecimal128:
		if v.p != nil {
			return v.wideAPD().Text('G')
		}
		return v.AsDecimal128().String()
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return strconv.Quote(v.Str())
	case bson.TypeBoolean:
		return strconv.FormatBool(v.n != 0)
	case bson.TypeNull:
		return "null"
	case bson.TypeUndefined:
		return "undefined"
	case bson.TypeDateTime:
		if v.m != 0 {
			return time.UnixMilli(v.AsDate()).Add(time.Duration(v.m) * time.Microsecond).UTC().Format("2006-01-02T15:04:05.000000Z")
		}
		return time.UnixMilli(v.AsDate()).UTC().Format("2006-01-02T15:04:05.000Z")
	case bson.TypeObjectID:
		return fmt.Sprintf("ObjectId('%s')", v.AsObjectID().Hex())
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return v.stringOfFields()
	}
	return v.stringOfRare()
}

func (v Value) stringOfFields() string {
	var b strings.Builder
	brackets := "[]"
	if v.kind == bson.TypeEmbeddedDocument {
		brackets = "{}"
	}
	b.WriteByte(brackets[0])
	sep := " "
	for it := Walk(v.Doc()); it.Next(); sep = ", " {
		b.WriteString(sep)
		if v.kind == bson.TypeEmbeddedDocument {
			b.WriteString(it.Key() + ": ")
		}
		b.WriteString(it.Value().String())
	}
	if sep != " " {
		b.WriteByte(' ')
	}
	b.WriteByte(brackets[1])
	return b.String()
}

func (v Value) stringOfRare() string {
	switch v.kind {
	case bson.TypeTimestamp:
		t, i := v.AsTimestamp()
		return fmt.Sprintf("Timestamp(%d, %d)", t, i)
	case bson.TypeBinary:
		sub, b := v.AsBinary()
		return fmt.Sprintf("BinData(%d, %s)", sub, base64.StdEncoding.EncodeToString(b))
	case bson.TypeRegex:
		p, o := v.AsRegex()
		return "/" + p + "/" + o
	case bson.TypeMinKey:
		return "MinKey"
	case bson.TypeMaxKey:
		return "MaxKey"
	}
	return TypeName(v.kind)
}

// FormatDouble prints a double as $toString does.
func FormatDouble(f float64) string {
	switch {
	case f != f:
		return "NaN"
	case f > 1.7976931348623157e308:
		return "Infinity"
	case f < -1.7976931348623157e308:
		return "-Infinity"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	e := strings.IndexByte(s, 'e')
	if e < 0 {
		return s
	}
	if a := max(f, -f); a >= 1e-4 && a < 1e21 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return s
}
