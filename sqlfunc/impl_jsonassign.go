package sqlfunc

import (
	"strconv"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// maxJSONGap bounds the nulls that an assignment behind an array's end makes.
const maxJSONGap = 1 << 20

// jsonbAssign is col[…] = v: jsonb_set that makes what is missing on the way,
// keeps the positions of items and refuses to go below a scalar. Its arguments
// are the value, the path, the new value, and whether the first step is a
// number, which tells what a NULL becomes.
func jsonbAssign(_ *expr.Context, a []value.Value) (value.Value, error) {
	path, v := items(a[1]), a[2]
	for _, p := range path {
		if p.IsNullish() {
			return failf(sqlerr.NullValueNotAllowed, "jsonb subscript in assignment must not be null")
		}
	}
	at := a[0]
	if at.IsNullish() {
		if at = sqltype.ObjectOf(nil); a[3].AsBool() {
			at = value.ArrayFrom(nil)
		}
	}
	return assignAt(at, path, 0, inner(v))
}

func assignAt(v value.Value, path []value.Value, i int, to value.Value) (value.Value, error) {
	if i == len(path) {
		return to, nil
	}
	switch {
	case v.IsDocument():
		return assignKey(v, path, i, to)
	case v.IsArray():
		return assignItem(v, path, i, to)
	}
	return v, sqlerr.New(sqlerr.InvalidParameterValue, "cannot replace existing key").
		WithDetail("The path assumes key is a composite object, but it is a scalar value.")
}

func assignKey(v value.Value, path []value.Value, i int, to value.Value) (value.Value, error) {
	key, fields := text(path[i]), fieldsOf(v)
	for k := range fields {
		if fields[k].Key == key {
			sub, err := assignAt(fields[k].Value, path, i+1, to)
			fields[k].Value = sub
			return sqltype.ObjectOf(fields), err
		}
	}
	sub, err := assignNew(path, i+1, to)
	return sqltype.ObjectOf(append(fields, sqltype.Field{Key: key, Value: sub})), err
}

func assignItem(v value.Value, path []value.Value, i int, to value.Value) (value.Value, error) {
	in := items(v)
	n, err := strconv.ParseInt(text(path[i]), 10, 32)
	if err != nil {
		return v, sqlerr.New(sqlerr.InvalidTextRepresentation, "path element at position %d is not an integer: \"%s\"", i+1, text(path[i]))
	}
	at := int(n)
	if at < 0 {
		if at += len(in); at < 0 {
			return v, sqlerr.New(sqlerr.InvalidParameterValue, "path element at position %d is out of range: %d", i+1, n)
		}
	}
	if at < len(in) {
		in[at], err = assignAt(in[at], path, i+1, to)
		return value.ArrayFrom(in), err
	}
	sub, err := assignNew(path, i+1, to)
	if err != nil {
		return v, err
	}
	return fillTo(in, at, sub)
}

// fillTo puts v at a position behind the end, with nulls before it.
func fillTo(in []value.Value, at int, v value.Value) (value.Value, error) {
	if at-len(in) > maxJSONGap {
		return failf(sqlerr.ProgramLimitExceeded, "total size of jsonb array elements exceeds the maximum of %d", maxJSONGap)
	}
	out := append([]value.Value(nil), in...)
	for len(out) < at {
		out = append(out, value.Null())
	}
	return value.ArrayFrom(append(out, v)), nil
}

// assignNew makes what a path leads through: a number means an array.
func assignNew(path []value.Value, i int, to value.Value) (value.Value, error) {
	if i == len(path) {
		return to, nil
	}
	sub, err := assignNew(path, i+1, to)
	if err != nil {
		return sub, err
	}
	n, err := strconv.ParseInt(text(path[i]), 10, 32)
	if err != nil {
		return sqltype.ObjectOf([]sqltype.Field{{Key: text(path[i]), Value: sub}}), nil
	}
	return fillTo(nil, max(int(n), 0), sub)
}
