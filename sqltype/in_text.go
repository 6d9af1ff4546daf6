package sqltype

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"weir/engine/value"
	"weir/sqlerr"
)

// ParseText is the input function of every type: text to the type's BSON form,
// with the type's modifier applied as for a literal (too long a string is an
// error, not cut).
func ParseText(s string, t Type, e *Env) (value.Value, error) {
	if e == nil {
		e = &Env{}
	}
	switch t.OID {
	case Text, Unknown, XML, Cstring, Refcursor, PgNodeTree, ACLItem:
		return value.String(s), nil
	case Varchar, Bpchar, Name, CharByte:
		return parseString(s, t)
	case Int2, Int4:
		i, err := ParseInteger(s, t.OID)
		return value.Int32(int32(i)), err
	case Int8:
		i, err := ParseInteger(s, t.OID)
		return value.Int64(i), err
	case Oid, Xid, Cid:
		i, err := ParseOid(s, t.OID.String())
		return value.Int64(i), err
	case Float4, Float8:
		f, err := ParseFloat(s, t.OID)
		return value.Double(f), err
	case Numeric:
		return ParseNumeric(s, t.Mod)
	case Bool:
		b, err := ParseBool(s)
		return value.Bool(b), err
	case Date, Timestamp, Timestamptz, Time, Timetz, Interval:
		return parseTemporal(s, t, e)
	case JSON:
		return value.String(s), CheckJSON(s)
	case JSONB:
		return ParseJSONB(s)
	case Bit, Varbit:
		bits, err := ParseBits(s)
		if err == nil {
			bits, err = FitBits(bits, t, false)
		}
		return value.String(bits), err
	case UUID:
		b, err := ParseUUID(s)
		return value.Binary(4, b), err
	case Bytea:
		b, err := ParseBytea(s)
		return value.Binary(0, b), err
	}
	return parseComposed(s, t, e)
}

func parseComposed(s string, t Type, e *Env) (value.Value, error) {
	if d := t.OID.Def(); d != nil {
		return parseDefined(s, d, e)
	}
	switch {
	case t.OID.IsReg():
		return parseReg(s, t.OID, e)
	case t.OID == Int2Vector || t.OID == OidVector:
		return parseVector(s, t.OID)
	case t.OID.IsArray():
		return ParseArray(s, Type{t.OID.Elem(), t.Mod}, e)
	case t.OID == Tid:
		block, offset, ok := parseTid(s)
		if !ok {
			return value.Value{}, invalidSyntax("tid", s)
		}
		return value.String(fmt.Sprintf("(%d,%d)", block, offset)), nil
	case t.OID == Inet || t.OID == Cidr:
		return parseInet(s, t.OID)
	case t.OID == JSONPath:
		return value.String(strings.Trim(s, space)), nil
	case t.OID == Void:
		return value.String(""), nil
	case t.OID == Record:
		return value.Value{}, sqlerr.New(sqlerr.FeatureNotSupported, "input of anonymous composite types is not implemented")
	}
	return value.Value{}, sqlerr.New(sqlerr.FeatureNotSupported, "type %s is not supported", t.OID).
		WithHint("Use text instead.")
}

func parseString(s string, t Type) (value.Value, error) {
	switch t.OID {
	case Name:
		return value.String(ClipName(s)), nil
	case CharByte:
		if s != "" {
			_, n := utf8.DecodeRuneInString(s)
			s = s[:n]
		}
		return value.String(s), nil
	case Bpchar:
		if t.Mod < 4 {
			return value.String(s), nil
		}
	}
	out, err := FitString(s, t, false)
	return value.String(out), err
}

// ClipName cuts a name to 63 bytes at a character.
func ClipName(s string) string {
	if len(s) <= 63 {
		return s
	}
	n := 63
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// FitString applies varchar(n) and character(n). In explicit casts a string
// that is too long is cut, else it is an error unless only spaces are lost.
// character values lose their trailing spaces; output pads them again.
func FitString(s string, t Type, explicit bool) (string, error) {
	if t.Mod < 4 {
		return s, nil
	}
	limit := int(t.Mod) - 4
	if len(s) > limit && utf8.RuneCountInString(s) > limit {
		end := 0
		for range limit {
			_, n := utf8.DecodeRuneInString(s[end:])
			end += n
		}
		if !explicit && strings.TrimRight(s[end:], " ") != "" {
			return "", sqlerr.New(sqlerr.StringDataRightTruncation, "value too long for type %s", t)
		}
		s = s[:end]
	}
	if t.OID == Bpchar {
		s = strings.TrimRight(s, " ")
	}
	return s, nil
}

func parseTemporal(s string, t Type, e *Env) (value.Value, error) {
	switch t.OID {
	case Date:
		ms, err := ParseDate(s, e)
		return value.Date(ms), err
	case Timestamp:
		m, err := ParseTimestamp(s, e)
		return m.Round(t.Mod).Value(), err
	case Timestamptz:
		m, err := ParseTimestamptz(s, e)
		return m.Round(t.Mod).Value(), err
	case Time:
		us, err := ParseTime(s, e)
		return value.Int64(RoundTime(us, t.Mod)), err
	case Timetz:
		us, west, err := ParseTimetz(s, e)
		return TimetzValue(RoundTime(us, t.Mod), west), err
	}
	sp, err := ParseInterval(s, t.Mod)
	return sp.Value(), err
}

// RoundTime applies time(p).
func RoundTime(us int64, mod int32) int64 {
	if mod < 0 || mod >= 6 {
		return us
	}
	return RoundMicros(us, mod)
}

func parseReg(s string, oid OID, e *Env) (value.Value, error) {
	t := strings.Trim(s, space)
	if t == "-" {
		return value.Int64(0), nil
	}
	if t != "" && isDigit(t[0]) {
		i, err := ParseOid(t, "oid")
		return value.Int64(i), err
	}
	if oid == Regtype {
		typ, err := ParseName(s)
		if err == nil {
			return value.Int64(int64(typ.OID)), nil
		}
		if e.ObjectID == nil {
			return value.Value{}, err
		}
	}
	if e.ObjectID == nil {
		return value.Value{}, sqlerr.New(sqlerr.FeatureNotSupported, "names of type %s cannot be looked up here", oid).
			WithHint("Write the object's OID.")
	}
	id, err := e.ObjectID(oid, s)
	return value.Int64(int64(id)), err
}

func parseVector(s string, oid OID) (value.Value, error) {
	var b value.Builder
	for _, f := range strings.Fields(s) {
		if oid == Int2Vector {
			i, err := ParseInteger(f, Int2)
			if err != nil {
				return value.Value{}, err
			}
			b.Item(value.Int32(int32(i)))
			continue
		}
		i, err := ParseOid(f, "oid")
		if err != nil {
			return value.Value{}, err
		}
		b.Item(value.Int64(i))
	}
	return b.ArrayOf(), nil
}
