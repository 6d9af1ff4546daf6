package sqlfunc

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

func text(v value.Value) string {
	switch v.Kind() {
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return v.Str()
	}
	return string(sqltype.AppendPlain(nil, v))
}

func str(s string) (value.Value, error)     { return value.String(s), nil }
func boolean(b bool) (value.Value, error)   { return value.Bool(b), nil }
func int4(i int) (value.Value, error)       { return value.Int32(int32(i)), nil }
func int8(i int64) (value.Value, error)     { return value.Int64(i), nil }
func null() (value.Value, error)            { return value.Null(), nil }
func binary(b []byte) (value.Value, error)  { return value.Binary(0, b), nil }
func double(f float64) (value.Value, error) { return value.Double(f), nil }
func instant(ms int64) (value.Value, error) { return value.Date(ms), nil }
func fail(err error) (value.Value, error)   { return value.Value{}, err }

func failf(code, format string, args ...any) (value.Value, error) {
	return value.Value{}, sqlerr.New(code, format, args...)
}

func bytesOf(v value.Value) []byte {
	if v.Kind() == bson.TypeBinary {
		_, b := v.AsBinary()
		return b
	}
	if v.Kind() == bson.TypeObjectID {
		o := v.AsObjectID()
		return o[:]
	}
	return []byte(text(v))
}

// optional gives argument i or the default.
func optional(a []value.Value, i int, def int64) int64 {
	if i < len(a) && !a[i].IsNullish() {
		return a[i].AsInt64()
	}
	return def
}

func optionalText(a []value.Value, i int, def string) string {
	if i < len(a) && !a[i].IsNullish() {
		return text(a[i])
	}
	return def
}

func items(v value.Value) []value.Value {
	if v.Kind() != bson.TypeArray {
		return nil
	}
	return value.Items(nil, v.Doc())
}

func textArray(ss []string) (value.Value, error) {
	vs := make([]value.Value, len(ss))
	for i, s := range ss {
		vs[i] = value.String(s)
	}
	return value.ArrayFrom(vs), nil
}

// row is a row of several columns of a set-returning function.
func row(vs ...value.Value) value.Value { return value.ArrayFrom(vs) }
