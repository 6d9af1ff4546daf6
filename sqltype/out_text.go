package sqltype

import (
	"encoding/hex"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// AppendText prints a value of a type in text format. The value is not NULL;
// scalars are printed without allocation. A value of another kind than the
// type's form, as documents may hold, is printed as it would be after a cast;
// where there is none it is an error, never something else.
func AppendText(dst []byte, v value.Value, t Type, e *Env) ([]byte, error) {
	switch t.OID {
	case Text, Varchar, Name, CharByte, XML, JSON, Unknown, Inet, Cidr, ACLItem, PgNodeTree, Refcursor, JSONPath, Cstring:
		if v.Kind() == bson.TypeString {
			return append(dst, v.Str()...), nil
		}
		return appendOtherText(dst, v, t.OID, e)
	case Bpchar:
		return appendBpchar(dst, v, t, e)
	case Int4, Int8, Int2, Oid, Xid, Cid:
		i, err := integerOf(v, t.OID)
		return strconv.AppendInt(dst, i, 10), err
	case Float8, Float4:
		return appendFloatText(dst, v, t.OID, e)
	case Numeric:
		if !v.IsNumber() {
			return dst, misfit(v, t.OID)
		}
		return AppendNumeric(dst, v), nil
	case Bool:
		return appendBoolText(dst, v)
	case Timestamptz, Timestamp, Date, Time, Timetz, Interval:
		return appendTimeText(dst, v, t.OID, e)
	case JSONB:
		return AppendJSONB(dst, v), nil
	case UUID, Bytea:
		return appendBytesText(dst, v, t.OID, e)
	case Tid:
		return appendTidText(dst, v)
	case Void:
		return dst, nil
	}
	return appendComposedText(dst, v, t, e)
}

func appendComposedText(dst []byte, v value.Value, t Type, e *Env) ([]byte, error) {
	if d := t.OID.Def(); d != nil {
		switch d.Kind {
		case CompositeKind:
			return appendCompositeText(dst, v, d, e)
		case DomainKind:
			return AppendText(dst, v, d.Base, e)
		}
	}
	switch {
	case t.OID.IsReg():
		return appendRegText(dst, v, t.OID, e)
	case t.OID == Int2Vector || t.OID == OidVector:
		return appendVectorText(dst, v, t.OID)
	case t.OID.IsArray():
		return appendArrayText(dst, v, Type{t.OID.Elem(), t.Mod}, e)
	case t.OID == Record:
		return appendRecordText(dst, v, e)
	}
	return appendOtherText(dst, v, t.OID, e)
}

// appendOtherText prints values of any kind as text, by the SQL type that the
// kind has alone.
func appendOtherText(dst []byte, v value.Value, oid OID, e *Env) ([]byte, error) {
	switch v.Kind() {
	case bson.TypeInt32, bson.TypeInt64:
		return strconv.AppendInt(dst, v.AsInt64(), 10), nil
	case bson.TypeDouble:
		if oid == JSON {
			return appendJSONDouble(dst, v.AsDouble()), nil
		}
		return AppendFloat(dst, v.AsDouble(), 64, e), nil
	case bson.TypeBoolean:
		return strconv.AppendBool(dst, v.AsBool()), nil
	case bson.TypeDateTime:
		if oid == JSON {
			return AppendJSONB(dst, v), nil
		}
		return AppendTimestamptz(dst, MomentOf(v), e)
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return AppendJSONB(dst, v), nil
	}
	if oid == JSON {
		return AppendJSONB(dst, v), nil
	}
	return AppendPlain(dst, v), nil
}

func appendBpchar(dst []byte, v value.Value, t Type, e *Env) ([]byte, error) {
	start := len(dst)
	dst, err := appendOtherText(dst, v, t.OID, e)
	if t.Mod < 4 || err != nil {
		return dst, err
	}
	for n := countRunes(dst[start:]); n < int(t.Mod)-4; n++ {
		dst = append(dst, ' ')
	}
	return dst, nil
}

func countRunes(b []byte) int {
	n := 0
	for _, c := range b {
		if c&0xC0 != 0x80 {
			n++
		}
	}
	return n
}

func appendFloatText(dst []byte, v value.Value, oid OID, e *Env) ([]byte, error) {
	if !v.IsNumber() {
		return dst, misfit(v, oid)
	}
	size := 64
	if oid == Float4 {
		size = 32
	}
	return AppendFloat(dst, v.AsDouble(), size, e), nil
}

func appendBoolText(dst []byte, v value.Value) ([]byte, error) {
	if v.Kind() != bson.TypeBoolean {
		return dst, misfit(v, Bool)
	}
	if v.AsBool() {
		return append(dst, 't'), nil
	}
	return append(dst, 'f'), nil
}

// instantOf reads a date of a document: BSON dates and timestamps.
func instantOf(v value.Value, oid OID) (Moment, error) {
	switch v.Kind() {
	case bson.TypeDateTime:
		return MomentOf(v), nil
	case bson.TypeTimestamp:
		t, _ := v.AsTimestamp()
		return Moment{Ms: int64(t) * 1000}, nil
	}
	return Moment{}, misfit(v, oid)
}

func appendTimeText(dst []byte, v value.Value, oid OID, e *Env) ([]byte, error) {
	switch oid {
	case Time:
		return AppendTime(dst, v.AsInt64()), nil
	case Timetz:
		us, west := TimetzOf(v)
		return AppendOffset(AppendTime(dst, us), -int(west)), nil
	case Interval:
		return AppendInterval(dst, SpanOf(v), e), nil
	}
	m, err := instantOf(v, oid)
	switch {
	case err != nil:
		return dst, err
	case oid == Date:
		return AppendDate(dst, m.Ms, e), nil
	case oid == Timestamp:
		return AppendTimestamp(dst, m, e)
	}
	return AppendTimestamptz(dst, m, e)
}

// TimetzOf reads a timetz: microseconds since midnight, seconds west of UTC.
func TimetzOf(v value.Value) (us int64, west int32) {
	if v.Kind() != bson.TypeEmbeddedDocument {
		return v.AsInt64(), 0
	}
	return value.Lookup(v.Doc(), "t").AsInt64(), int32(value.Lookup(v.Doc(), "z").AsInt64())
}

// TimetzValue is a timetz's BSON form.
func TimetzValue(us int64, west int32) value.Value {
	start, b := value.BeginDocument(make([]byte, 0, 32))
	b = value.AppendElement(b, "t", value.Int64(us))
	b = value.AppendElement(b, "z", value.Int32(west))
	return value.Document(value.EndDocument(b, start))
}

// AppendUUID prints 16 bytes as a UUID.
func AppendUUID(dst []byte, b []byte) []byte {
	dst = append(hex.AppendEncode(dst, b[:4]), '-')
	dst = append(hex.AppendEncode(dst, b[4:6]), '-')
	dst = append(hex.AppendEncode(dst, b[6:8]), '-')
	dst = append(hex.AppendEncode(dst, b[8:10]), '-')
	return hex.AppendEncode(dst, b[10:16])
}

func appendBytesText(dst []byte, v value.Value, oid OID, e *Env) ([]byte, error) {
	if v.Kind() != bson.TypeBinary {
		if o := v.AsObjectID(); v.Kind() == bson.TypeObjectID && oid == Bytea {
			return hex.AppendEncode(append(dst, `\x`...), o[:]), nil
		}
		return dst, misfit(v, oid)
	}
	_, data := v.AsBinary()
	if oid == UUID {
		if len(data) != 16 {
			return dst, misfit(v, oid)
		}
		return AppendUUID(dst, data), nil
	}
	if e != nil && e.ByteaEscape {
		return appendByteaEscape(dst, data), nil
	}
	return hex.AppendEncode(append(dst, `\x`...), data), nil
}

func appendByteaEscape(dst, data []byte) []byte {
	for _, c := range data {
		switch {
		case c == '\\':
			dst = append(dst, `\\`...)
		case c < 0x20 || c > 0x7e:
			dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func appendRegText(dst []byte, v value.Value, oid OID, e *Env) ([]byte, error) {
	if v.Kind() == bson.TypeString {
		return append(dst, v.Str()...), nil
	}
	i, err := integerOf(v, oid)
	if err != nil {
		return dst, err
	}
	if i == 0 {
		return append(dst, '-'), nil
	}
	if oid == Regtype {
		if t := Lookup(OID(i)); t != nil {
			return append(dst, t.Display...), nil
		}
	}
	if e != nil && e.Name != nil {
		if name, ok := e.Name(oid, uint32(i)); ok {
			return append(dst, name...), nil
		}
	}
	return strconv.AppendInt(dst, i, 10), nil
}
