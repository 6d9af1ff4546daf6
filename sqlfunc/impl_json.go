package sqlfunc

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// outer makes a value inside of a document a jsonb value of its own: the null
// becomes the JSON null. inner is the reverse; SQL's NULL becomes null too.
func outer(v value.Value) value.Value {
	if v.IsNullish() {
		return sqltype.JSONNull()
	}
	return v
}

func inner(v value.Value) value.Value {
	if v.Kind() == bson.TypeSymbol || v.IsNullish() {
		return value.Null()
	}
	return v
}

func isJSONNull(v value.Value) bool { return v.IsNullish() || v.Kind() == bson.TypeSymbol }

// jsonText is what ->> gives: strings without quotes, NULL for null.
func jsonText(v value.Value) value.Value {
	switch {
	case isJSONNull(v):
		return value.Null()
	case jsonbRank(v) == 1:
		return value.String(text(v))
	}
	return value.String(string(sqltype.AppendJSONB(nil, v)))
}

func field1(v value.Value, key string) (value.Value, bool) {
	if !v.IsDocument() {
		return value.Value{}, false
	}
	f := value.Value{}
	for it := value.Walk(v.Doc()); it.Next(); {
		if it.Key() == key {
			f = it.Value()
		}
	}
	return f, !f.IsMissing()
}

func element(v value.Value, i int64) (value.Value, bool) {
	if !v.IsArray() {
		return value.Value{}, false
	}
	if i < 0 {
		i += int64(value.Len(v.Doc()))
	}
	e := value.Index(v.Doc(), int(i))
	return e, !e.IsMissing()
}

// step goes down one part of a path: a key of objects, a number of arrays.
func step(v value.Value, key string) (value.Value, bool) {
	if v.IsArray() {
		i, err := strconv.ParseInt(key, 10, 32)
		if err != nil {
			return value.Value{}, false
		}
		return element(v, i)
	}
	return field1(v, key)
}

func descend(v value.Value, keys []value.Value) (value.Value, bool) {
	for _, k := range keys {
		if k.IsNullish() {
			return value.Value{}, false
		}
		var ok bool
		if v, ok = step(v, text(k)); !ok {
			return v, false
		}
	}
	return v, true
}

// accessor is an operator that goes down into jsonb.
func accessor(get func(a []value.Value) (value.Value, bool), asText bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		v, ok := get(a)
		switch {
		case !ok:
			return null()
		case asText:
			return jsonText(v), nil
		}
		return outer(v), nil
	}
}

func getField(a []value.Value) (value.Value, bool)   { return field1(a[0], text(a[1])) }
func getElement(a []value.Value) (value.Value, bool) { return element(a[0], a[1].AsInt64()) }
func getPath(a []value.Value) (value.Value, bool)    { return descend(a[0], pathArgs(a)) }

// pathArgs is a path given as an array or as separate arguments.
func pathArgs(a []value.Value) []value.Value {
	if len(a) == 2 && a[1].IsArray() {
		return items(a[1])
	}
	return a[1:]
}

// onJSON runs a function of jsonb on a json text; the result is printed again.
func onJSON(get func(a []value.Value) (rawJSON, bool), asText bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		raw, ok := get(a)
		if !ok {
			return null()
		}
		if !asText {
			return str(string(raw))
		}
		v, err := sqltype.ParseJSONB(string(raw))
		if err != nil {
			return fail(err)
		}
		if v.IsString() {
			return v, nil
		}
		if isJSONNull(v) {
			return null()
		}
		return str(string(raw))
	}
}

func rawOf(v value.Value) rawJSON {
	if v.IsString() {
		return rawJSON(v.Str())
	}
	return rawJSON(sqltype.AppendJSONB(nil, v))
}

func rawStep(r rawJSON, key string) (rawJSON, bool) {
	if r.kind() == '[' {
		i, err := strconv.Atoi(key)
		if err != nil {
			return "", false
		}
		return r.element(i)
	}
	return r.field(key)
}

func rawPath(a []value.Value) (rawJSON, bool) {
	r := rawOf(a[0])
	for _, k := range pathArgs(a) {
		if k.IsNullish() {
			return "", false
		}
		var ok bool
		if r, ok = rawStep(r, text(k)); !ok {
			return "", false
		}
	}
	return r, true
}

func jsonTypeName(v value.Value) string {
	switch jsonbRank(v) {
	case 0:
		return "null"
	case 2:
		return "number"
	case 3:
		return "boolean"
	case 4:
		return "array"
	case 5:
		return "object"
	}
	return "string"
}

func parsed(v value.Value) (value.Value, error) {
	if v.IsString() {
		return sqltype.ParseJSONB(v.Str())
	}
	return v, nil
}

// ofJSON runs a function of jsonb on the parsed json text.
func ofJSON(f evaluator) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		v, err := parsed(a[0])
		if err != nil {
			return fail(err)
		}
		return f(c, append([]value.Value{v}, a[1:]...))
	}
}

func arrayLength(_ *expr.Context, a []value.Value) (value.Value, error) {
	switch {
	case a[0].IsArray():
		return int4(value.Len(a[0].Doc()))
	case a[0].IsDocument():
		return failf(sqlerr.InvalidParameterValue, "cannot get array length of a non-array")
	}
	return failf(sqlerr.InvalidParameterValue, "cannot get array length of a scalar")
}

// contains is @>: a holds b.
func contains(a, b value.Value, top bool) bool {
	switch ra, rb := jsonbRank(a), jsonbRank(b); {
	case ra == 5 && rb == 5:
		for it := value.Walk(b.Doc()); it.Next(); {
			f, ok := field1(a, it.Key())
			if !ok || !contains(f, it.Value(), false) {
				return false
			}
		}
		return true
	case ra == 4 && rb == 4:
		for _, want := range items(b) {
			if !holds(items(a), want) {
				return false
			}
		}
		return true
	case ra == 4 && rb < 4 && top: // an array holds a scalar, at the top only
		return holds(items(a), b)
	case ra != rb || ra >= 4:
		return false
	}
	return compareJSONB(a, b) == 0
}

func holds(in []value.Value, want value.Value) bool {
	for _, v := range in {
		if contains(v, want, false) {
			return true
		}
	}
	return false
}

// exists is ?: a key of an object, a string of an array, or the string itself.
func exists(v value.Value, key string) bool {
	switch {
	case v.IsDocument():
		_, ok := field1(v, key)
		return ok
	case v.IsArray():
		for _, e := range items(v) {
			if jsonbRank(e) == 1 && text(e) == key {
				return true
			}
		}
		return false
	}
	return jsonbRank(v) == 1 && text(v) == key
}

func existsEach(all bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		for _, k := range items(a[1]) {
			if k.IsNullish() {
				continue
			}
			if ok := exists(a[0], text(k)); ok != all {
				return boolean(ok)
			}
		}
		return boolean(all)
	}
}

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

func objectOfArrays(a []value.Value) (value.Value, error) {
	keys := items(a[0])
	var vals []value.Value
	switch {
	case len(a) == 2:
		if vals = items(a[1]); len(vals) != len(keys) {
			return failf(sqlerr.ArraySubscriptError, "mismatched array dimensions")
		}
	case len(keys) > 0 && keys[0].IsArray():
		flat := keys
		keys = nil
		for _, p := range flat {
			kv := items(p)
			if len(kv) != 2 {
				return failf(sqlerr.ArraySubscriptError, "array must have two columns")
			}
			keys, vals = append(keys, kv[0]), append(vals, kv[1])
		}
	default:
		if len(keys)%2 != 0 {
			return failf(sqlerr.ArraySubscriptError, "array must have even number of elements")
		}
		flat := keys
		keys = nil
		for i := 0; i < len(flat); i += 2 {
			keys, vals = append(keys, flat[i]), append(vals, flat[i+1])
		}
	}
	var fields []sqltype.Field
	for i, k := range keys {
		if k.IsNullish() {
			return failf(sqlerr.NullValueNotAllowed, "null value not allowed for object key")
		}
		fields = append(fields, sqltype.Field{Key: text(k), Value: inner(vals[i])})
	}
	return sqltype.ObjectOf(fields), nil
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

func rowToJSON(_ *expr.Context, a []value.Value) (value.Value, error) { return a[0], nil }

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
	"json_build_object":  jsonBuildObject,
	"json_build_array":   jsonBuildArray,
	"jsonb_strip_nulls":  func(_ *expr.Context, a []value.Value) (value.Value, error) { return stripNulls(a[0]), nil },
	"json_strip_nulls":   jsonStripNulls,
	"jsonb_pretty":       func(_ *expr.Context, a []value.Value) (value.Value, error) { return str(string(pretty(nil, a[0], 0))) },
	"to_json":            same,
	"to_jsonb":           same,
	"array_to_json":      rowToJSON,
	"row_to_json":        rowToJSON,
}

func jsonStripNulls(_ *expr.Context, a []value.Value) (value.Value, error) {
	return str(string(rawOf(a[0]).stripNulls()))
}
