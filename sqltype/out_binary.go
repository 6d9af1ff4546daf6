package sqltype

import (
	"encoding/binary"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
)

// Formats of values on the wire.
const (
	TextFormat   int16 = 0
	BinaryFormat int16 = 1
)

// AppendBinary writes a value of a type in binary format, without allocation
// for scalars. What it says of other kinds at AppendText holds here too.
func AppendBinary(dst []byte, v value.Value, t Type, e *Env) ([]byte, error) {
	switch t.OID {
	case Int4, Int8, Int2, Oid, Xid, Cid:
		return appendIntegerBinary(dst, v, t.OID)
	case Float8, Float4:
		if !v.IsNumber() {
			return dst, misfit(v, t.OID)
		}
		if t.OID == Float4 {
			return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(v.AsDouble()))), nil
		}
		if v.IsNaN() { // Go's own has another bit pattern
			return binary.BigEndian.AppendUint64(dst, 0x7ff8<<48), nil
		}
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.AsDouble())), nil
	case Numeric:
		if !v.IsNumber() {
			return dst, misfit(v, t.OID)
		}
		return appendNumericBinary(dst, v), nil
	case Bool:
		if v.Kind() != bson.TypeBoolean {
			return dst, misfit(v, t.OID)
		}
		if v.AsBool() {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case Timestamptz, Timestamp, Date, Time, Timetz, Interval:
		return appendTimeBinary(dst, v, t.OID)
	case JSONB, JSONPath:
		return AppendText(append(dst, 1), v, t, e)
	case UUID, Bytea:
		return appendBytesBinary(dst, v, t.OID)
	case Bit, Varbit:
		if v.Kind() != bson.TypeString {
			return dst, misfit(v, t.OID)
		}
		return appendBitsBinary(dst, v.Str()), nil
	}
	return appendComposedBinary(dst, v, t, e)
}

func appendComposedBinary(dst []byte, v value.Value, t Type, e *Env) ([]byte, error) {
	if d := t.OID.Def(); d != nil {
		switch d.Kind {
		case CompositeKind:
			return appendCompositeBinary(dst, v, d, e)
		case DomainKind:
			return AppendBinary(dst, v, d.Base, e)
		}
	}
	switch {
	case t.OID.IsReg():
		return appendIntegerBinary(dst, v, t.OID)
	case t.OID == Int2Vector:
		return appendArrayBinary(dst, v, Of(Int2), 0, e)
	case t.OID == OidVector:
		return appendArrayBinary(dst, v, Of(Oid), 0, e)
	case t.OID.IsArray():
		return appendArrayBinary(dst, v, Type{t.OID.Elem(), t.Mod}, 1, e)
	case t.OID == Record && v.Kind() == bson.TypeArray:
		return appendRecordBinary(dst, v, e)
	case t.OID == Tid:
		return appendTidBinary(dst, v)
	}
	return AppendText(dst, v, t, e)
}

func appendIntegerBinary(dst []byte, v value.Value, oid OID) ([]byte, error) {
	i, err := integerOf(v, oid)
	switch {
	case err != nil:
		return dst, err
	case oid == Int8:
		return binary.BigEndian.AppendUint64(dst, uint64(i)), nil
	case oid == Int2:
		return binary.BigEndian.AppendUint16(dst, uint16(i)), nil
	}
	return binary.BigEndian.AppendUint32(dst, uint32(i)), nil
}

func appendTimeBinary(dst []byte, v value.Value, oid OID) ([]byte, error) {
	switch oid {
	case Time:
		return binary.BigEndian.AppendUint64(dst, uint64(v.AsInt64())), nil
	case Timetz:
		us, west := TimetzOf(v)
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, uint64(us)), uint32(west)), nil
	case Interval:
		s := SpanOf(v)
		dst = binary.BigEndian.AppendUint64(dst, uint64(s.Micros))
		dst = binary.BigEndian.AppendUint32(dst, uint32(s.Days))
		return binary.BigEndian.AppendUint32(dst, uint32(s.Months)), nil
	}
	m, err := instantOf(v, oid)
	if err != nil {
		return dst, err
	}
	if oid == Date {
		return appendDateBinary(dst, m.Ms)
	}
	if m.Infinite() {
		return binary.BigEndian.AppendUint64(dst, uint64(m.Ms)), nil
	}
	if !InTimestampRange(m.Ms) {
		return dst, sqlerr.New(sqlerr.DatetimeFieldOverflow, "timestamp out of range")
	}
	return binary.BigEndian.AppendUint64(dst, uint64((m.Ms-PgEpochMs)*1000+int64(m.Us))), nil
}

func appendDateBinary(dst []byte, ms int64) ([]byte, error) {
	days := FloorDiv(ms-PgEpochMs, MsPerDay)
	switch {
	case ms == PosInfinity:
		days = math.MaxInt32
	case ms == NegInfinity:
		days = math.MinInt32
	case int64(int32(days)) != days:
		return dst, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range")
	}
	return binary.BigEndian.AppendUint32(dst, uint32(days)), nil
}

func appendBytesBinary(dst []byte, v value.Value, oid OID) ([]byte, error) {
	if v.Kind() == bson.TypeObjectID && oid == Bytea {
		o := v.AsObjectID()
		return append(dst, o[:]...), nil
	}
	if v.Kind() != bson.TypeBinary {
		return dst, misfit(v, oid)
	}
	_, data := v.AsBinary()
	if oid == UUID && len(data) != 16 {
		return dst, misfit(v, oid)
	}
	return append(dst, data...), nil
}

func appendRecordBinary(dst []byte, v value.Value, e *Env) ([]byte, error) {
	dst = binary.BigEndian.AppendUint32(dst, uint32(value.Len(v.Doc())))
	var err error
	for it := value.Walk(v.Doc()); it.Next(); {
		v, t := RecordField(it.Value())
		dst = binary.BigEndian.AppendUint32(dst, uint32(t.OID))
		if dst, err = appendField(dst, v, t, BinaryFormat, e); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func appendTidBinary(dst []byte, v value.Value) ([]byte, error) {
	place, _, ok := TidPlace(v)
	if !ok {
		return dst, misfit(v, Tid)
	}
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(dst, uint32(place>>16)), uint16(place)), nil
}
