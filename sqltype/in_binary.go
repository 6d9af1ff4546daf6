package sqltype

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"

	"weir/engine/value"
	"weir/sqlerr"
)

// Decode reads a parameter in text or binary format.
func Decode(data []byte, t Type, format int16, e *Env) (value.Value, error) {
	switch format {
	case TextFormat:
		if err := checkText(data); err != nil {
			return value.Value{}, err
		}
		return ParseText(string(data), t, e)
	case BinaryFormat:
		return ParseBinary(data, t, e)
	}
	return value.Value{}, sqlerr.New(sqlerr.InvalidParameterValue, "unsupported format code: %d", format)
}

func checkText(data []byte) error {
	if i := invalidUTF8(data); i >= 0 {
		return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x%02x", data[i])
	}
	return nil
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 || r == 0 {
			return i
		}
		i += n
	}
	return -1
}

func badBinary(t Type) error {
	return sqlerr.New(sqlerr.InvalidBinaryRepresentation, "incorrect binary data format for type %s", t.OID)
}

// ParseBinary is the receive function of every type.
func ParseBinary(b []byte, t Type, e *Env) (value.Value, error) {
	n := 0
	switch t.OID {
	case Bool:
		n = 1
	case Int2:
		n = 2
	case Int4, Float4, Date, Oid, Xid, Cid:
		n = 4
	case Int8, Float8, Timestamp, Timestamptz, Time:
		n = 8
	case Timetz:
		n = 12
	case UUID, Interval:
		n = 16
	}
	if t.OID.IsReg() {
		n = 4
	}
	if n > 0 && len(b) != n {
		return value.Value{}, badBinary(t)
	}
	if n > 0 {
		return decodeFixed(b, t, e)
	}
	return decodeVarying(b, t, e)
}

func decodeFixed(b []byte, t Type, e *Env) (value.Value, error) {
	switch t.OID {
	case Bool:
		return value.Bool(b[0] != 0), nil
	case Int2:
		return value.Int32(int32(int16(binary.BigEndian.Uint16(b)))), nil
	case Int4:
		return value.Int32(int32(binary.BigEndian.Uint32(b))), nil
	case Int8:
		return value.Int64(int64(binary.BigEndian.Uint64(b))), nil
	case Float4:
		return value.Double(float64(math.Float32frombits(binary.BigEndian.Uint32(b)))), nil
	case Float8:
		return value.Double(math.Float64frombits(binary.BigEndian.Uint64(b))), nil
	case UUID:
		return value.Binary(4, append([]byte(nil), b...)), nil
	case Date:
		return value.Date(dateOfBinary(int32(binary.BigEndian.Uint32(b)))), nil
	case Timestamp, Timestamptz:
		return momentOfBinary(int64(binary.BigEndian.Uint64(b))).Round(t.Mod).Value(), nil
	case Time:
		return value.Int64(RoundTime(int64(binary.BigEndian.Uint64(b)), t.Mod)), nil
	case Timetz:
		return TimetzValue(int64(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[8:]))), nil
	case Interval:
		return Span{Micros: int64(binary.BigEndian.Uint64(b)), Days: int32(binary.BigEndian.Uint32(b[8:])),
			Months: int32(binary.BigEndian.Uint32(b[12:]))}.Value(), nil
	}
	return value.Int64(int64(binary.BigEndian.Uint32(b))), nil // oid and its aliases
}

func dateOfBinary(days int32) int64 {
	switch days {
	case math.MaxInt32:
		return PosInfinity
	case math.MinInt32:
		return NegInfinity
	}
	return int64(days)*MsPerDay + PgEpochMs
}

func momentOfBinary(us int64) Moment {
	if IsInfinite(us) {
		return Moment{Ms: us}
	}
	return Moment{Ms: PgEpochMs}.Add(us)
}

func decodeVarying(b []byte, t Type, e *Env) (value.Value, error) {
	switch t.OID {
	case Bytea:
		return value.Binary(0, append([]byte(nil), b...)), nil
	case Numeric:
		return decodeNumeric(b, t)
	case Bit, Varbit:
		s, err := parseBitsBinary(b, t)
		return value.String(s), err
	case JSONB, JSONPath:
		if len(b) < 1 || b[0] != 1 {
			return value.Value{}, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "unsupported %s version number", t.OID)
		}
		b = b[1:]
	case Int2Vector:
		return decodeArray(b, Of(Int2), e)
	case OidVector:
		return decodeArray(b, Of(Oid), e)
	}
	if t.OID.IsArray() {
		return decodeArray(b, Type{t.OID.Elem(), t.Mod}, e)
	}
	if err := checkText(b); err != nil {
		return value.Value{}, err
	}
	return ParseText(string(b), t, e)
}

func decodeNumeric(b []byte, t Type) (value.Value, error) {
	if len(b) < 8 {
		return value.Value{}, badBinary(t)
	}
	n := int(binary.BigEndian.Uint16(b))
	weight := int(int16(binary.BigEndian.Uint16(b[2:])))
	sign := binary.BigEndian.Uint16(b[4:])
	scale := int(binary.BigEndian.Uint16(b[6:]) & 0x3fff)
	d := new(apd.Decimal)
	switch sign {
	case 0xC000:
		d.Form = apd.NaN
		return value.FromAPD(d), nil
	case 0xD000, 0xF000:
		d.Form, d.Negative = apd.Infinite, sign == 0xF000
		return value.FromAPD(d), nil
	case 0, 0x4000:
	default:
		return value.Value{}, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "invalid sign in external \"numeric\" value")
	}
	if len(b) != 8+2*n {
		return value.Value{}, badBinary(t)
	}
	var text strings.Builder
	for i := range n {
		g := binary.BigEndian.Uint16(b[8+2*i:])
		if g > 9999 {
			return value.Value{}, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "invalid digit in external \"numeric\" value")
		}
		text.Write([]byte{byte('0' + g/1000), byte('0' + g/100%10), byte('0' + g/10%10), byte('0' + g%10)})
	}
	if n > 0 {
		d.Coeff.SetString(text.String(), 10)
		d.Exponent = int32(4 * (weight - n + 1))
	}
	d.Negative = sign == 0x4000
	Rescale(d, scale)
	if err := RoundNumeric(d, t.Mod); err != nil {
		return value.Value{}, err
	}
	return NumericValue(d)
}

func decodeArray(b []byte, elem Type, e *Env) (value.Value, error) {
	if len(b) < 12 {
		return value.Value{}, badBinary(elem)
	}
	ndim := int(int32(binary.BigEndian.Uint32(b)))
	if ndim < 0 || ndim > maxArrayDims || len(b) < 12+8*ndim {
		return value.Value{}, badBinary(elem)
	}
	if got := OID(binary.BigEndian.Uint32(b[8:])); got != elem.OID && !(got == Text && elem.OID.IsString() || got == Varchar && elem.OID == Text) {
		return value.Value{}, sqlerr.New(sqlerr.DatatypeMismatch, "wrong element type")
	}
	dims := make([]int, ndim)
	for i := range dims {
		dims[i] = int(int32(binary.BigEndian.Uint32(b[12+8*i:])))
		if dims[i] < 0 || dims[i] > len(b) {
			return value.Value{}, badBinary(elem)
		}
	}
	r := arrayReader{b: b[12+8*ndim:], elem: elem, env: e}
	if ndim == 0 {
		return value.ArrayFrom(nil), nil
	}
	v, err := r.read(dims)
	if err == nil && len(r.b) > 0 {
		err = badBinary(elem)
	}
	return v, err
}

type arrayReader struct {
	b    []byte
	elem Type
	env  *Env
}

func (r *arrayReader) read(dims []int) (value.Value, error) {
	var out value.Builder
	for range dims[0] {
		v, err := value.Value{}, error(nil)
		if len(dims) > 1 {
			v, err = r.read(dims[1:])
		} else {
			v, err = r.item()
		}
		if err != nil {
			return v, err
		}
		out.Item(v)
	}
	return out.ArrayOf(), nil
}

func (r *arrayReader) item() (value.Value, error) {
	if len(r.b) < 4 {
		return value.Value{}, badBinary(r.elem)
	}
	n := int(int32(binary.BigEndian.Uint32(r.b)))
	r.b = r.b[4:]
	if n == -1 {
		return value.Null(), nil
	}
	if n < 0 || n > len(r.b) {
		return value.Value{}, badBinary(r.elem)
	}
	item := r.b[:n]
	r.b = r.b[n:]
	return ParseBinary(item, r.elem, r.env)
}
