package sqlfunc

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// conversion casts one value that is not NULL to a type.
type conversion func(c *expr.Context, v value.Value, to sqltype.Type, explicit bool) (value.Value, error)

// castEvaluator is the local operator (value, typmod, explicit) of a cast.
func castEvaluator(from, to sqltype.OID) evaluator {
	f := conversionOf(from, to)
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		if len(a) == 0 || a[0].IsNullish() {
			return null()
		}
		explicit := len(a) < 3 || a[2].AsBool()
		return f(c, a[0], sqltype.Type{OID: to, Mod: int32(optional(a, 1, -1))}, explicit)
	}
}

func conversionOf(from, to sqltype.OID) conversion {
	if d := from.Def(); d != nil && d.Kind == sqltype.CompositeKind && to == sqltype.Record {
		return func(_ *expr.Context, v value.Value, _ sqltype.Type, _ bool) (value.Value, error) {
			return recordOf(v, d), nil
		}
	}
	if fe, te := from.Elem(), to.Elem(); fe != sqltype.Invalid && te != sqltype.Invalid {
		return castArray(fe, te)
	}
	switch {
	case from == sqltype.Inet && to == sqltype.Text:
		return castInetText
	case from == sqltype.Inet && to == sqltype.Cidr:
		return castInetCidr
	case to == sqltype.JSON && from == sqltype.JSONB, to.IsString() || to == sqltype.Cstring || to == sqltype.XML && from != sqltype.Text:
		return castToString(from)
	case isText(from) && to != sqltype.Int4 || from == sqltype.Cstring || from == sqltype.Unknown:
		return castFromString
	case from == sqltype.CharByte && to == sqltype.Int4:
		return castCharInt
	case from == sqltype.Bit && to == sqltype.Int4:
		return bitsToInt(width4)
	case from == sqltype.Bit && to == sqltype.Int8:
		return bitsToInt(width8)
	case from == sqltype.JSONB && to != sqltype.JSON:
		return castFromJSONB
	}
	if f, ok := plainConversions[to]; ok {
		return func(c *expr.Context, v value.Value, t sqltype.Type, explicit bool) (value.Value, error) {
			return f(c, v, from, t, explicit)
		}
	}
	return castByText(from)
}

func isText(t sqltype.OID) bool {
	switch t {
	case sqltype.Text, sqltype.Varchar, sqltype.Bpchar, sqltype.Name:
		return true
	}
	return t == sqltype.CharByte
}

func castArray(from, to sqltype.OID) conversion {
	one := conversionOf(from, to)
	if from != to && castImpl(from, to) == "" {
		one = func(_ *expr.Context, v value.Value, _ sqltype.Type, _ bool) (value.Value, error) { return v, nil }
	}
	var all conversion
	all = func(c *expr.Context, v value.Value, t sqltype.Type, explicit bool) (value.Value, error) {
		in := items(v)
		for i, e := range in {
			var err error
			switch {
			case e.IsNullish():
			case e.IsArray() && from != sqltype.JSONB:
				in[i], err = all(c, e, t, explicit)
			default:
				in[i], err = one(c, e, sqltype.Type{OID: to, Mod: t.Mod}, explicit)
			}
			if err != nil {
				return fail(err)
			}
		}
		return value.ArrayFrom(in), nil
	}
	return all
}

// castToString prints, then fits the string to the target.
func castToString(from sqltype.OID) conversion {
	return func(c *expr.Context, v value.Value, t sqltype.Type, explicit bool) (value.Value, error) {
		var s string
		switch {
		case v.Kind() == bson.TypeString && (isText(from) || from == sqltype.Unknown || from == sqltype.JSON || from == sqltype.XML || from == sqltype.Cstring):
			s = v.Str()
		case from == sqltype.Bool && v.Kind() == bson.TypeBoolean && t.OID != sqltype.Cstring:
			s = map[bool]string{true: "true", false: "false"}[v.AsBool()]
		default:
			b, err := sqltype.AppendText(nil, v, sqltype.Of(from), envOf(c))
			if err != nil {
				return fail(err)
			}
			s = string(b)
		}
		if from == sqltype.Bpchar {
			s = strings.TrimRight(s, " ")
		}
		switch t.OID {
		case sqltype.Name:
			s = sqltype.ClipName(s)
		case sqltype.CharByte:
			_, n := utf8.DecodeRuneInString(s)
			s = s[:n]
		case sqltype.Varchar, sqltype.Bpchar:
			var err error
			if s, err = sqltype.FitString(s, t, explicit); err != nil {
				return fail(err)
			}
		}
		return str(s)
	}
}

func castFromString(c *expr.Context, v value.Value, t sqltype.Type, _ bool) (value.Value, error) {
	return sqltype.ParseText(text(v), t, envOf(c))
}

func castCharInt(_ *expr.Context, v value.Value, _ sqltype.Type, _ bool) (value.Value, error) {
	s := text(v)
	if s == "" {
		return int4(0)
	}
	return int4(int(int8OfByte(s[0])))
}

func int8OfByte(b byte) int { return int(int8bits(b)) }

func int8bits(b byte) int64 { return int64(int32(uint32(b)<<24) >> 24) }

func castByText(from sqltype.OID) conversion {
	return func(c *expr.Context, v value.Value, t sqltype.Type, _ bool) (value.Value, error) {
		b, err := sqltype.AppendText(nil, v, sqltype.Of(from), envOf(c))
		if err != nil {
			return fail(err)
		}
		return sqltype.ParseText(string(b), t, envOf(c))
	}
}

// castFromJSONB takes a jsonb scalar as a SQL value of its class. Others by
// class; what MySQL reads out of JSON casts by its text.
func castFromJSONB(c *expr.Context, v value.Value, t sqltype.Type, explicit bool) (value.Value, error) {
	name := func() string {
		if v.IsNumber() {
			return "numeric" // as PostgreSQL calls it here, and nowhere else
		}
		return jsonTypeName(v)
	}
	switch {
	case explicit && strictly(c) && (isJSONNull(v) || jsonbRank(v) == 1) && t.OID.Category() != 'D':
	case isJSONNull(v):
		return null()
	case t.OID == sqltype.Bool && v.Kind() == bson.TypeBoolean:
		return v, nil
	case v.IsNumber() && t.OID.Category() == 'N':
		return plainConversions[t.OID](c, v, sqltype.OfKind(v.Kind()), t, explicit)
	case jsonbRank(v) == 1:
		if ms := v; ms.Kind() == bson.TypeDateTime && t.OID.Category() == 'D' {
			return conversionOf(sqltype.Timestamptz, t.OID)(c, v, t, explicit)
		}
		return sqltype.ParseText(text(v), t, envOf(c))
	}
	return failf(sqlerr.InvalidParameterValue, "cannot cast jsonb %s to type %s", name(), t.OID)
}

// strictly tells whether the session has weir.strict on.
func strictly(c *expr.Context) bool {
	s, ok := c.Session.(Session)
	if !ok || s == nil {
		return false
	}
	on, _ := s.Setting("weir.strict")
	return on == "on"
}

type typedConversion func(c *expr.Context, v value.Value, from sqltype.OID, t sqltype.Type, explicit bool) (value.Value, error)

var plainConversions = map[sqltype.OID]typedConversion{
	sqltype.Int2: castInt(width2), sqltype.Int4: castInt(width4), sqltype.Int8: castInt(width8),
	sqltype.Float8: castFloat(64), sqltype.Float4: castFloat(32), sqltype.Numeric: castNumeric, sqltype.Bool: castBool,
	sqltype.Oid: castOid, sqltype.Regproc: castOid, sqltype.Regprocedure: castOid, sqltype.Regclass: castOid, sqltype.Regtype: castOid,
	sqltype.Regnamespace: castOid, sqltype.Regrole: castOid, sqltype.Regoper: castOid, sqltype.Regoperator: castOid,
	sqltype.Date: castDate, sqltype.Timestamp: castTimestamp, sqltype.Timestamptz: castTimestamptz,
	sqltype.Time: castTime, sqltype.Timetz: castTimetz, sqltype.Interval: castInterval,
	sqltype.Bit: castBits, sqltype.Varbit: castBits,
	sqltype.JSONB: func(_ *expr.Context, v value.Value, _ sqltype.OID, _ sqltype.Type, _ bool) (value.Value, error) {
		return parsed(v)
	},
}

func castInt(w width) typedConversion {
	return func(_ *expr.Context, v value.Value, from sqltype.OID, _ sqltype.Type, _ bool) (value.Value, error) {
		switch v.Kind() {
		case bson.TypeBoolean:
			if v.AsBool() {
				return w.make(1)
			}
			return w.make(0)
		case bson.TypeDouble:
			return intOfFloat(w, v.AsDouble())
		case bson.TypeDecimal128:
			return intOfNumeric(w, dec(v))
		}
		if from == sqltype.Oid || from.IsReg() {
			return w.wrap(v.AsInt64())
		}
		return w.make(v.AsInt64())
	}
}

func intOfFloat(w width, f float64) (value.Value, error) {
	r := math.RoundToEven(f)
	if math.IsNaN(r) || r < -math.Exp2(float64(w.bits-1)) || r >= math.Exp2(float64(w.bits-1)) {
		return w.overflow()
	}
	return w.make(int64(r))
}

func intOfNumeric(w width, d *apd.Decimal) (value.Value, error) {
	if d.Form != apd.Finite {
		what := "NaN"
		if d.Form == apd.Infinite {
			what = "infinity"
		}
		return failf(sqlerr.FeatureNotSupported, "cannot convert %s to %s", what, w.name)
	}
	r := new(apd.Decimal).Set(d)
	sqltype.Rescale(r, 0)
	i, err := r.Int64()
	if err != nil {
		return w.overflow()
	}
	return w.make(i)
}

func castFloat(size int) typedConversion {
	return func(_ *expr.Context, v value.Value, _ sqltype.OID, _ sqltype.Type, _ bool) (value.Value, error) {
		f := v.AsDouble()
		if v.Kind() == bson.TypeDecimal128 && dec(v).Form == apd.Finite && (math.IsInf(f, 0) || f == 0 && dec(v).Sign() != 0) {
			return failf(sqlerr.NumericValueOutOfRange, "\"%s\" is out of range for type double precision", dec(v).Text('f'))
		}
		if size == 32 {
			return checked(f, 32, f == 0, f)
		}
		return double(f)
	}
}

func castNumeric(_ *expr.Context, v value.Value, from sqltype.OID, t sqltype.Type, _ bool) (value.Value, error) {
	var d *apd.Decimal
	if v.Kind() == bson.TypeDouble {
		d = numericOfFloat(v.AsDouble(), from)
	} else {
		d = dec(v)
	}
	if t.Mod >= 0 {
		d = new(apd.Decimal).Set(d)
		if err := sqltype.RoundNumeric(d, t.Mod); err != nil {
			return fail(err)
		}
	}
	return numeric(d)
}

// numericOfFloat keeps 15 digits of a double, 6 of a float4.
func numericOfFloat(f float64, from sqltype.OID) *apd.Decimal {
	switch {
	case math.IsNaN(f):
		return nan()
	case math.IsInf(f, 0):
		return infinity(f < 0)
	}
	digits := 15
	if from == sqltype.Float4 {
		digits = 6
	}
	d, err := sqltype.ParseAPD(formatG(f, digits))
	if err != nil {
		return nan()
	}
	return d
}

func castBool(_ *expr.Context, v value.Value, _ sqltype.OID, _ sqltype.Type, _ bool) (value.Value, error) {
	if v.Kind() == bson.TypeBoolean {
		return v, nil
	}
	return boolean(v.AsInt64() != 0)
}

func castOid(_ *expr.Context, v value.Value, from sqltype.OID, t sqltype.Type, _ bool) (value.Value, error) {
	i := v.AsInt64()
	if from == sqltype.Int4 || from == sqltype.Int2 {
		return int8(int64(uint32(i)))
	}
	if i < 0 || i > math.MaxUint32 {
		return failf(sqlerr.NumericValueOutOfRange, "OID out of range")
	}
	return int8(i)
}

func castDate(c *expr.Context, v value.Value, from sqltype.OID, _ sqltype.Type, _ bool) (value.Value, error) {
	ms := v.AsDate()
	if sqltype.IsInfinite(ms) {
		return v, nil
	}
	if from == sqltype.Timestamptz {
		ms = sqltype.ToLocal(ms, zoneOf(c))
	}
	return instant(midnight(ms))
}

func castTimestamp(c *expr.Context, v value.Value, from sqltype.OID, t sqltype.Type, _ bool) (value.Value, error) {
	m := momentOf(v)
	if from == sqltype.Timestamptz {
		m = toLocal(m, zoneOf(c))
	}
	return timestampRange(m.Round(t.Mod))
}

func castTimestamptz(c *expr.Context, v value.Value, from sqltype.OID, t sqltype.Type, _ bool) (value.Value, error) {
	m := momentOf(v)
	if from == sqltype.Timestamp || from == sqltype.Date {
		m = toUTC(m, zoneOf(c))
	}
	return timestampRange(m.Round(t.Mod))
}

func castTime(c *expr.Context, v value.Value, from sqltype.OID, t sqltype.Type, _ bool) (value.Value, error) {
	var us int64
	switch from {
	case sqltype.Timestamptz:
		us = toLocal(momentOf(v), zoneOf(c)).OfDay()
	case sqltype.Timestamp:
		us = momentOf(v).OfDay()
	case sqltype.Timetz:
		us, _ = sqltype.TimetzOf(v)
	case sqltype.Interval:
		us = sqltype.FloorMod(span(v).Micros, microsPerDay)
	default:
		us = v.AsInt64()
	}
	return int8(sqltype.RoundTime(us, t.Mod))
}

func castTimetz(c *expr.Context, v value.Value, from sqltype.OID, t sqltype.Type, _ bool) (value.Value, error) {
	switch from {
	case sqltype.Timetz:
		us, west := sqltype.TimetzOf(v)
		return sqltype.TimetzValue(sqltype.RoundTime(us, t.Mod), west), nil
	case sqltype.Timestamptz:
		off, _ := sqltype.Offset(v.AsDate(), zoneOf(c))
		return sqltype.TimetzValue(sqltype.RoundTime(toLocal(momentOf(v), zoneOf(c)).OfDay(), t.Mod), int32(-off)), nil
	}
	off, _ := sqltype.Offset(transactionMs(c), zoneOf(c))
	return sqltype.TimetzValue(sqltype.RoundTime(v.AsInt64(), t.Mod), int32(-off)), nil
}

func castInterval(_ *expr.Context, v value.Value, from sqltype.OID, t sqltype.Type, _ bool) (value.Value, error) {
	if from == sqltype.Time {
		return interval(sqltype.Span{Micros: v.AsInt64()}.Restrict(t.Mod))
	}
	return interval(span(v).Restrict(t.Mod))
}
