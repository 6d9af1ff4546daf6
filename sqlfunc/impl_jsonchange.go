package sqlfunc

import (
	"strconv"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

func fieldsOf(v value.Value) []sqltype.Field {
	var out []sqltype.Field
	for it := value.Walk(v.Doc()); it.Next(); {
		out = append(out, sqltype.Field{Key: it.Key(), Value: it.Value()})
	}
	return out
}

// change is what to do at the end of a path.
type change struct {
	value    value.Value
	create   bool // add what is not there
	replace  bool // replace what is there
	insert   bool // insert into arrays rather than replace
	after    bool // insert behind
	remove   bool
	conflict bool // an existing key is an error (jsonb_insert)
}

func pathStep(path []value.Value, i int) (string, error) {
	if path[i].IsNullish() {
		return "", sqlerr.New(sqlerr.NullValueNotAllowed, "path element at position %d is null", i+1)
	}
	return text(path[i]), nil
}

// applyAt changes v at a path and gives the changed value.
func (ch change) applyAt(v value.Value, path []value.Value, i int) (value.Value, error) {
	key, err := pathStep(path, i)
	if err != nil {
		return v, err
	}
	switch {
	case v.IsDocument():
		return ch.inObject(v, key, path, i)
	case v.IsArray():
		return ch.inArray(v, key, path, i)
	}
	return v, nil
}

func (ch change) inObject(v value.Value, key string, path []value.Value, i int) (value.Value, error) {
	fields := fieldsOf(v)
	for k := range fields {
		if fields[k].Key != key {
			continue
		}
		if i+1 < len(path) {
			sub, err := ch.applyAt(fields[k].Value, path, i+1)
			fields[k].Value = sub
			return sqltype.ObjectOf(fields), err
		}
		switch {
		case ch.remove:
			fields = append(fields[:k], fields[k+1:]...)
		case ch.conflict:
			return v, sqlerr.New(sqlerr.InvalidParameterValue, "cannot replace existing key").
				WithHint("Try using the function jsonb_set to replace key value.")
		case ch.replace:
			fields[k].Value = inner(ch.value)
		}
		return sqltype.ObjectOf(fields), nil
	}
	if i+1 == len(path) && ch.create && !ch.remove {
		fields = append(fields, sqltype.Field{Key: key, Value: inner(ch.value)})
		return sqltype.ObjectOf(fields), nil
	}
	return v, nil
}

func (ch change) inArray(v value.Value, key string, path []value.Value, i int) (value.Value, error) {
	in := items(v)
	n, err := strconv.Atoi(key)
	if err != nil {
		return v, sqlerr.New(sqlerr.InvalidTextRepresentation, "path element at position %d is not an integer: \"%s\"", i+1, key)
	}
	if n < 0 {
		n += len(in)
	}
	if n >= 0 && n < len(in) {
		if i+1 < len(path) {
			in[n], err = ch.applyAt(in[n], path, i+1)
			return value.ArrayFrom(in), err
		}
		return ch.atIndex(in, n), nil
	}
	if i+1 < len(path) || !ch.create && !ch.insert || ch.remove {
		return v, nil
	}
	if n < 0 {
		return value.ArrayFrom(append([]value.Value{inner(ch.value)}, in...)), nil
	}
	return value.ArrayFrom(append(in, inner(ch.value))), nil
}

func (ch change) atIndex(in []value.Value, n int) value.Value {
	switch {
	case ch.remove:
		return value.ArrayFrom(append(in[:n:n], in[n+1:]...))
	case ch.insert:
		if ch.after {
			n++
		}
		return value.ArrayFrom(append(append(in[:n:n], inner(ch.value)), in[n:]...))
	case ch.replace:
		in[n] = inner(ch.value)
	}
	return value.ArrayFrom(in)
}

func scalarPathError(what string) (value.Value, error) {
	return failf(sqlerr.InvalidParameterValue, "cannot %s", what)
}

func isScalar(v value.Value) bool { return !v.IsDocument() && !v.IsArray() }

func jsonbSet(_ *expr.Context, a []value.Value) (value.Value, error) {
	if isScalar(a[0]) {
		return scalarPathError("set path in scalar")
	}
	path := items(a[1])
	create := len(a) < 4 || a[3].AsBool()
	if len(path) == 0 || !create && value.Len(a[0].Doc()) == 0 {
		return a[0], nil
	}
	if !create && a[0].IsArray() && value.Len(a[0].Doc()) == 0 {
		return a[0], nil // without a look at the path
	}
	return change{value: a[2], create: create, replace: true}.applyAt(a[0], path, 0)
}

func jsonbSetLax(c *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() || a[1].IsNullish() || len(a) > 3 && a[3].IsNullish() {
		return null()
	}
	if !a[2].IsNullish() {
		return jsonbSet(c, a[:min(len(a), 4)])
	}
	mode := optionalText(a, 4, "use_json_null")
	if len(a) > 4 && a[4].IsNullish() {
		mode = ""
	}
	switch mode {
	case "raise_exception":
		return failf(sqlerr.NullValueNotAllowed, "JSON value must not be null")
	case "use_json_null":
		b := append([]value.Value(nil), a[:min(len(a), 4)]...)
		b[2] = sqltype.JSONNull()
		return jsonbSet(c, b)
	case "delete_key":
		return jsonbDeletePath(c, a[:2])
	case "return_target":
		return a[0], nil
	}
	return fail(sqlerr.New(sqlerr.InvalidParameterValue, "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\""))
}

func jsonbInsert(_ *expr.Context, a []value.Value) (value.Value, error) {
	if isScalar(a[0]) {
		return scalarPathError("set path in scalar")
	}
	path := items(a[1])
	if len(path) == 0 {
		return a[0], nil
	}
	return change{value: a[2], create: true, insert: true, conflict: true, after: len(a) > 3 && a[3].AsBool()}.applyAt(a[0], path, 0)
}

func jsonbDeletePath(_ *expr.Context, a []value.Value) (value.Value, error) {
	if isScalar(a[0]) {
		return scalarPathError("delete path in scalar")
	}
	path := items(a[1])
	if len(path) == 0 {
		return a[0], nil
	}
	if a[0].IsArray() && value.Len(a[0].Doc()) == 0 {
		return a[0], nil // without a look at the path
	}
	return change{remove: true}.applyAt(a[0], path, 0)
}

// jsonbDelete is jsonb - key, - keys, - index.
func jsonbDelete(_ *expr.Context, a []value.Value) (value.Value, error) {
	if isScalar(a[0]) {
		return scalarPathError("delete from scalar")
	}
	if a[1].IsNumber() {
		if a[0].IsDocument() {
			return failf(sqlerr.InvalidParameterValue, "cannot delete from object using integer index")
		}
		in, n := items(a[0]), int(a[1].AsInt64())
		if n < 0 {
			n += len(in)
		}
		if n < 0 || n >= len(in) {
			return a[0], nil
		}
		return value.ArrayFrom(append(in[:n:n], in[n+1:]...)), nil
	}
	drop := map[string]bool{}
	if a[1].IsArray() {
		for _, k := range items(a[1]) {
			drop[text(k)] = true
		}
	} else {
		drop[text(a[1])] = true
	}
	return without(a[0], drop), nil
}

func without(v value.Value, drop map[string]bool) value.Value {
	if v.IsDocument() {
		var out []sqltype.Field
		for _, f := range fieldsOf(v) {
			if !drop[f.Key] {
				out = append(out, f)
			}
		}
		return sqltype.ObjectOf(out)
	}
	var out []value.Value
	for _, e := range items(v) {
		if jsonbRank(e) != 1 || !drop[text(e)] {
			out = append(out, e)
		}
	}
	return value.ArrayFrom(out)
}

func concatJSONB(_ *expr.Context, a []value.Value) (value.Value, error) {
	x, y := a[0], a[1]
	if x.IsDocument() && y.IsDocument() {
		return sqltype.ObjectOf(append(fieldsOf(x), fieldsOf(y)...)), nil
	}
	return value.ArrayFrom(append(asList(x), asList(y)...)), nil
}

func asList(v value.Value) []value.Value {
	if v.IsArray() {
		return items(v)
	}
	return []value.Value{inner(v)}
}

var jsonChangeFuncs = map[string]evaluator{
	"jsonb_set": jsonbSet, "jsonb_set_lax": jsonbSetLax, "jsonb_insert": jsonbInsert,
	"jsonb_delete_path": jsonbDeletePath, "jsonb_delete": jsonbDelete, "concat_jsonb": concatJSONB,
	"jsonb_assign": jsonbAssign,
}
