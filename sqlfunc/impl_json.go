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

// jsonText is what ->> gives: strings without quotes, NULL for null. NaN and the
// infinities, which JSON has as strings, are without quotes too.
func jsonText(v value.Value) value.Value {
	switch {
	case isJSONNull(v):
		return value.Null()
	case jsonbRank(v) == 1:
		return value.String(text(v))
	case v.IsNumber() && (v.IsNaN() || v.IsInf()):
		return value.String(strings.Trim(string(sqltype.AppendJSONB(nil, v)), `"`))
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

func getField(a []value.Value) (value.Value, bool) { return field1(a[0], text(a[1])) }

// getElement is jsonb -> n. A scalar is stored as an array of itself, which shows here.
func getElement(a []value.Value) (value.Value, bool) {
	if n := a[1].AsInt64(); !a[0].IsArray() && !a[0].IsDocument() {
		return a[0], n == 0 || n == -1
	}
	return element(a[0], a[1].AsInt64())
}

func getPath(a []value.Value) (value.Value, bool) { return descend(a[0], pathArgs(a)) }

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
