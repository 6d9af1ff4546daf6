package sqlfunc

import (
	"slices"
	"strings"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// keyOf is an argument as an object's key.
func keyOf(v value.Value, i int) (string, error) {
	switch {
	case isJSONNull(v):
		return "", sqlerr.New(sqlerr.InvalidParameterValue, "argument %d: key must not be null", i+1)
	case jsonbRank(v) >= 4:
		return "", sqlerr.New(sqlerr.InvalidParameterValue, "key value must be scalar, not array, composite, or json")
	}
	return jsonText(v).Str(), nil
}

func evenArguments(fn string, a []value.Value) error {
	if len(a)%2 == 0 {
		return nil
	}
	return sqlerr.New(sqlerr.InvalidParameterValue, "argument list must have even number of elements").
		WithHint("The arguments of %s() must consist of alternating keys and values.", fn)
}

func buildObject(fn string) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		if err := evenArguments(fn, a); err != nil {
			return fail(err)
		}
		fields := make([]sqltype.Field, 0, len(a)/2)
		for i := 0; i < len(a); i += 2 {
			k, err := keyOf(a[i], i)
			if err != nil {
				return fail(err)
			}
			fields = append(fields, sqltype.Field{Key: k, Value: inner(a[i+1])})
		}
		return sqltype.ObjectOf(fields), nil
	}
}

func buildArray(_ *expr.Context, a []value.Value) (value.Value, error) {
	out := make([]value.Value, len(a))
	for i := range a {
		out[i] = inner(a[i])
	}
	return value.ArrayFrom(out), nil
}

// objectOf is JSON_OBJECT of MySQL, and of PostgreSQL with one or two arrays.
func objectOf(c *expr.Context, a []value.Value) (value.Value, error) {
	if len(a) == 1 && a[0].IsString() {
		v, err := sqltype.ParseArray(a[0].Str(), sqltype.Of(sqltype.Text), nil)
		if err != nil {
			return fail(err)
		}
		a = []value.Value{v}
	}
	if len(a) > 0 && len(a) <= 2 && a[0].IsArray() {
		return objectOfArrays(a)
	}
	return buildObject("json_object")(c, a)
}

// jsonObject is json_object: keys and values in turn, or an array of each. As
// in json it has all of them, in their order.
func jsonObject(_ *expr.Context, a []value.Value) (value.Value, error) {
	keys, vals, err := pairsOfArrays(a)
	if err != nil {
		return fail(err)
	}
	parts := make([]string, len(keys))
	for i, k := range keys {
		v := "null"
		if !vals[i].IsNullish() {
			v = string(sqltype.AppendJSONString(nil, text(vals[i])))
		}
		parts[i] = string(sqltype.AppendJSONString(nil, text(k))) + " : " + v
	}
	return str("{" + strings.Join(parts, ", ") + "}")
}

func objectOfArrays(a []value.Value) (value.Value, error) {
	keys, vals, err := pairsOfArrays(a)
	if err != nil {
		return fail(err)
	}
	fields := make([]sqltype.Field, len(keys))
	for i, k := range keys {
		fields[i] = sqltype.Field{Key: text(k), Value: inner(vals[i])}
	}
	return sqltype.ObjectOf(fields), nil
}

// pairsOfArrays are the keys and values of an array with both, or of one of each.
func pairsOfArrays(a []value.Value) (keys, vals []value.Value, err error) {
	wrong := func(what string) error { return sqlerr.New(sqlerr.ArraySubscriptError, "%s", what) }
	keys = items(a[0])
	for _, arg := range a {
		if depth(arg) > 3-len(a) {
			return nil, nil, wrong("wrong number of array subscripts")
		}
	}
	flat := keys
	switch {
	case len(a) == 2:
		vals = items(a[1])
		if (len(keys) == 0) != (len(vals) == 0) {
			return nil, nil, wrong("wrong number of array subscripts")
		}
		if len(vals) != len(keys) {
			return nil, nil, wrong("mismatched array dimensions")
		}
	case len(keys) > 0 && keys[0].IsArray():
		keys = nil
		for _, p := range flat {
			kv := items(p)
			if len(kv) != 2 {
				return nil, nil, wrong("array must have two columns")
			}
			keys, vals = append(keys, kv[0]), append(vals, kv[1])
		}
	default:
		if len(keys)%2 != 0 {
			return nil, nil, wrong("array must have even number of elements")
		}
		keys = nil
		for i := 0; i < len(flat); i += 2 {
			keys, vals = append(keys, flat[i]), append(vals, flat[i+1])
		}
	}
	if slices.ContainsFunc(keys, value.Value.IsNullish) {
		return nil, nil, sqlerr.New(sqlerr.NullValueNotAllowed, "null value not allowed for object key")
	}
	return keys, vals, nil
}

// depth is the number of an array's dimensions.
func depth(v value.Value) int {
	n := 0
	for v.IsArray() {
		n++
		in := items(v)
		if len(in) == 0 {
			break
		}
		v = in[0]
	}
	return n
}

// jsonKey is an argument of json_build_object as a quoted key.
func jsonKey(v value.Value, i int) (string, error) {
	if v.IsNullish() {
		return "", sqlerr.New(sqlerr.InvalidParameterValue, "argument %d cannot be null", i+1).
			WithHint("Object keys should be text.")
	}
	r := rawOf(v)
	switch r.kind() {
	case '"':
		return string(r), nil
	case '{', '[':
		return "", sqlerr.New(sqlerr.InvalidParameterValue, "key value must be scalar, not array, composite, or json")
	}
	return string(sqltype.AppendJSONString(nil, string(r))), nil
}

func jsonArg(v value.Value) string {
	if v.IsNullish() {
		return "null"
	}
	return string(rawOf(v))
}

func jsonBuildObject(_ *expr.Context, a []value.Value) (value.Value, error) {
	if err := evenArguments("json_build_object", a); err != nil {
		return fail(err)
	}
	var parts []string
	for i := 0; i < len(a); i += 2 {
		k, err := jsonKey(a[i], i)
		if err != nil {
			return fail(err)
		}
		parts = append(parts, k+" : "+jsonArg(a[i+1]))
	}
	return str("{" + strings.Join(parts, ", ") + "}")
}

// jsonRecord makes the json of a row: its columns' names and values in turn.
func jsonRecord(_ *expr.Context, a []value.Value) (value.Value, error) {
	b := []byte{'{'}
	for i := 0; i+1 < len(a); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(sqltype.AppendJSONString(b, a[i].Str()), ':')
		b = append(b, jsonArg(a[i+1])...)
	}
	return str(string(append(b, '}')))
}

func jsonBuildArray(_ *expr.Context, a []value.Value) (value.Value, error) {
	parts := make([]string, len(a))
	for i := range a {
		parts[i] = jsonArg(a[i])
	}
	return str("[" + strings.Join(parts, ", ") + "]")
}

func stripNulls(v value.Value) value.Value {
	switch {
	case v.IsDocument():
		var out []sqltype.Field
		for it := value.Walk(v.Doc()); it.Next(); {
			if f := it.Value(); !f.IsNullish() {
				out = append(out, sqltype.Field{Key: it.Key(), Value: stripNulls(f)})
			}
		}
		return sqltype.ObjectOf(out)
	case v.IsArray():
		in := items(v)
		for i := range in {
			in[i] = stripNulls(in[i])
		}
		return value.ArrayFrom(in)
	}
	return v
}

func pretty(b []byte, v value.Value, indent int) []byte {
	pad := func(n int) { b = append(append(b, '\n'), strings.Repeat(" ", 4*n)...) }
	switch {
	case v.IsDocument():
		b = append(b, '{')
		for i, f := range sqltype.SortedFields(nil, v.Doc()) {
			if i > 0 {
				b = append(b, ',')
			}
			pad(indent + 1)
			b = append(sqltype.AppendJSONString(b, f.Key), ": "...)
			b = pretty(b, f.Value, indent+1)
		}
		pad(indent)
		return append(b, '}')
	case v.IsArray():
		b = append(b, '[')
		for i, e := range items(v) {
			if i > 0 {
				b = append(b, ',')
			}
			pad(indent + 1)
			b = pretty(b, e, indent+1)
		}
		pad(indent)
		return append(b, ']')
	}
	return sqltype.AppendJSONB(b, v)
}

// rowToJSON takes a row, or the json that it was converted to already.
func rowToJSON(c *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsString() {
		return lineFeeds(c, a)
	}
	b, err := appendJSON(nil, c, a[0], sqltype.Record)
	if err != nil {
		return value.Value{}, err
	}
	return lineFeeds(c, append([]value.Value{value.String(string(b))}, a[1:]...))
}

// lineFeeds gives JSON text with its outermost items in lines of their own, if
// the second argument says so.
func lineFeeds(_ *expr.Context, a []value.Value) (value.Value, error) {
	if len(a) < 2 || !a[0].IsString() || !a[1].AsBool() {
		return a[0], nil
	}
	var b strings.Builder
	s, depth, quoted := a[0].Str(), 0, false
	for i := 0; i < len(s); i++ {
		b.WriteByte(s[i])
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
			b.WriteByte(s[i])
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ',' && depth == 1:
			b.WriteString("\n ")
		}
	}
	return value.String(b.String()), nil
}

var jsonFuncs = map[string]evaluator{
	"jsonb_object_field": accessor(getField, false), "jsonb_object_field_text": accessor(getField, true),
	"jsonb_array_element": accessor(getElement, false), "jsonb_array_element_text": accessor(getElement, true),
	"jsonb_extract_path": accessor(getPath, false), "jsonb_extract_path_text": accessor(getPath, true),
	"json_object_field":      onJSON(func(a []value.Value) (rawJSON, bool) { return rawOf(a[0]).field(text(a[1])) }, false),
	"json_object_field_text": onJSON(func(a []value.Value) (rawJSON, bool) { return rawOf(a[0]).field(text(a[1])) }, true),
	"json_array_element":     onJSON(func(a []value.Value) (rawJSON, bool) { return rawOf(a[0]).element(int(a[1].AsInt64())) }, false),
	"json_array_element_text": onJSON(func(a []value.Value) (rawJSON, bool) {
		return rawOf(a[0]).element(int(a[1].AsInt64()))
	}, true),
	"json_extract_path": onJSON(rawPath, false), "json_extract_path_text": onJSON(rawPath, true),
	"jsonb_contains": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return boolean(contains(a[0], a[1], true))
	},
	"jsonb_contained": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return boolean(contains(a[1], a[0], true))
	},
	"jsonb_exists":     func(_ *expr.Context, a []value.Value) (value.Value, error) { return boolean(exists(a[0], text(a[1]))) },
	"jsonb_exists_any": existsEach(false), "jsonb_exists_all": existsEach(true),
	"jsonb_array_length": arrayLength, "json_array_length": ofJSON(arrayLength),
	"jsonb_typeof":       func(_ *expr.Context, a []value.Value) (value.Value, error) { return str(jsonTypeName(a[0])) },
	"json_typeof":        ofJSON(func(_ *expr.Context, a []value.Value) (value.Value, error) { return str(jsonTypeName(a[0])) }),
	"jsonb_build_object": buildObject("jsonb_build_object"),
	"jsonb_build_array":  buildArray,
	"json_array":         buildArray,
	"json_object":        objectOf,
	"jsonb_object":       func(_ *expr.Context, a []value.Value) (value.Value, error) { return objectOfArrays(a) },
	"json_object_array":  jsonObject,
	"json_object_arrays": jsonObject,
	"json_build_object":  jsonBuildObject,
	"json_build_array":   jsonBuildArray,
	"jsonb_strip_nulls":  func(_ *expr.Context, a []value.Value) (value.Value, error) { return stripNulls(a[0]), nil },
	"json_strip_nulls":   jsonStripNulls,
	"jsonb_pretty":       func(_ *expr.Context, a []value.Value) (value.Value, error) { return str(string(pretty(nil, a[0], 0))) },
	"to_json":            same,
	"to_jsonb":           same,
	"array_to_json":      lineFeeds,
	"row_to_json":        rowToJSON,
	"json_record":        jsonRecord, // the row of a table by names
}

func jsonStripNulls(_ *expr.Context, a []value.Value) (value.Value, error) {
	return str(string(rawOf(a[0]).stripNulls()))
}
