package sqlfunc

import (
	"strconv"
	"strings"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// pathLeg is a leg of a MySQL path: .key, [index], or a wildcard.
type pathLeg struct {
	key      string
	index    int
	fromEnd  bool
	isIndex  bool
	wild     bool
	ellipsis bool
}

// parseMySQLPath reads $.a."b c"[0][last].*[*]**.x.
func parseMySQLPath(p string) (legs []pathLeg, wild bool, err error) {
	s := strings.TrimSpace(p)
	bad := invalidMySQLPath(p)
	if !strings.HasPrefix(s, "$") {
		return nil, false, bad
	}
	for s = s[1:]; s != ""; {
		var leg pathLeg
		switch {
		case strings.HasPrefix(s, "**"):
			leg.ellipsis, s = true, s[2:]
			if s == "" {
				return nil, false, bad
			}
		case strings.HasPrefix(s, ".*"):
			leg.wild, s = true, s[2:]
		case strings.HasPrefix(s, "[*]"):
			leg.wild, leg.isIndex, s = true, true, s[3:]
		case s[0] == '.':
			if leg.key, s, err = pathKey(strings.TrimLeft(s[1:], " ")); err != nil {
				return nil, false, bad
			}
		case s[0] == '[':
			end := strings.IndexByte(s, ']')
			if end < 0 || !leg.setIndex(strings.ReplaceAll(s[1:end], " ", "")) {
				return nil, false, bad
			}
			s = s[end+1:]
		case s[0] == ' ':
			s = s[1:]
			continue
		default:
			return nil, false, bad
		}
		wild = wild || leg.wild || leg.ellipsis
		legs = append(legs, leg)
	}
	return legs, wild, nil
}

func (l *pathLeg) setIndex(s string) bool {
	l.isIndex = true
	if rest, ok := strings.CutPrefix(s, "last"); ok {
		l.fromEnd = true
		if rest == "" {
			return true
		}
		s = strings.TrimPrefix(rest, "-")
	}
	n, err := strconv.Atoi(s)
	l.index = n
	return err == nil && n >= 0
}

func pathKey(s string) (key, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		n := 1
		for n < len(s) && s[n] != '"' {
			if s[n] == '\\' {
				n++
			}
			n++
		}
		if n >= len(s) {
			return "", "", strconv.ErrSyntax
		}
		return unquoteJSON(s[:n+1]), s[n+1:], nil
	}
	n := strings.IndexAny(s, ".[* ")
	if n < 0 {
		n = len(s)
	}
	if n == 0 {
		return "", "", strconv.ErrSyntax
	}
	return s[:n], s[n:], nil
}

// follow appends the values at a path.
func follow(out []value.Value, v value.Value, legs []pathLeg) []value.Value {
	if len(legs) == 0 {
		return append(out, v)
	}
	leg, rest := legs[0], legs[1:]
	switch {
	case leg.ellipsis:
		out = follow(out, v, rest)
		for _, c := range children(v) {
			out = follow(out, c, legs)
		}
	case leg.wild && leg.isIndex && v.IsArray(), leg.wild && !leg.isIndex && v.IsDocument():
		for _, c := range children(v) {
			out = follow(out, c, rest)
		}
	case leg.wild:
	case leg.isIndex:
		if c, ok := leg.element(v); ok {
			out = follow(out, c, rest)
		}
	default:
		if c, ok := field1(v, leg.key); ok {
			out = follow(out, c, rest)
		}
	}
	return out
}

// element takes scalars and objects for arrays of one, as MySQL does.
func (l pathLeg) element(v value.Value) (value.Value, bool) {
	n := 1
	if v.IsArray() {
		n = value.Len(v.Doc())
	}
	i := l.index
	if l.fromEnd {
		i = n - 1 - l.index
	}
	if i < 0 || i >= n {
		return value.Value{}, false
	}
	if !v.IsArray() {
		return v, true
	}
	return value.Index(v.Doc(), i), true
}

func children(v value.Value) []value.Value {
	if !v.IsDocument() && !v.IsArray() {
		return nil
	}
	return value.Items(nil, v.Doc())
}

// found gives the values at a path argument.
func found(v, path value.Value) ([]value.Value, bool, error) {
	legs, wild, err := parseMySQLPath(text(path))
	if err != nil {
		return nil, false, err
	}
	return follow(nil, v, legs), wild, nil
}

func jsonExtract(_ *expr.Context, a []value.Value) (value.Value, error) {
	var all []value.Value
	many := len(a) > 2
	for _, p := range a[1:] {
		vs, wild, err := found(a[0], p)
		if err != nil {
			return fail(err)
		}
		many = many || wild
		all = append(all, vs...)
	}
	switch {
	case len(all) == 0:
		return null()
	case many:
		return value.ArrayFrom(all), nil
	}
	return outer(all[0]), nil
}

// single is the value at an optional path, missing if there is none.
func single(a []value.Value, i int) (value.Value, error) {
	if i >= len(a) || a[i].IsNullish() {
		return a[0], nil
	}
	vs, _, err := found(a[0], a[i])
	if err != nil || len(vs) == 0 {
		return value.Value{}, err
	}
	return outer(vs[0]), nil
}

// atPath is a function of the value at an optional path.
func atPath(i int, f func(v value.Value, a []value.Value) (value.Value, error)) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		v, err := single(a, i)
		if err != nil || v.IsMissing() {
			return value.Null(), err
		}
		return f(v, a)
	}
}

func unquoted(v value.Value) (value.Value, error) {
	if isJSONNull(v) {
		return str("null")
	}
	return jsonText(v), nil
}

func jsonValue(_ *expr.Context, a []value.Value) (value.Value, error) {
	v, err := single(a, 1)
	if err != nil || v.IsMissing() || isJSONNull(v) || !isScalar(v) {
		return value.Null(), err
	}
	return jsonText(v), nil
}

func jsonLength(v value.Value, _ []value.Value) (value.Value, error) {
	if isScalar(v) {
		return int4(1)
	}
	return int4(len(children(v)))
}

func jsonKeys(v value.Value, _ []value.Value) (value.Value, error) {
	if !v.IsDocument() {
		return null()
	}
	var out []string
	for _, f := range sqltype.SortedFields(nil, v.Doc()) {
		out = append(out, f.Key)
	}
	return textArray(out)
}

func depthOf(v value.Value) int {
	d := 0
	for _, c := range children(v) {
		d = max(d, depthOf(c))
	}
	return d + 1
}

func mysqlType(v value.Value) string {
	switch n := jsonTypeName(v); n {
	case "number":
		switch v.Kind() {
		case value.Double(0).Kind():
			return "DOUBLE"
		case value.Int32(0).Kind(), value.Int64(0).Kind():
			return "INTEGER"
		}
		return "DECIMAL"
	default:
		return strings.ToUpper(n)
	}
}

func mysqlContains(_ *expr.Context, a []value.Value) (value.Value, error) {
	v, err := single(a, 2)
	if err != nil || v.IsMissing() {
		return value.Null(), err
	}
	return boolean(contains(v, a[1], true))
}

func containsPath(_ *expr.Context, a []value.Value) (value.Value, error) {
	all := strings.EqualFold(text(a[1]), "all")
	if !all && !strings.EqualFold(text(a[1]), "one") {
		return failf(sqlerr.InvalidParameterValue, "the second argument of json_contains_path must be 'one' or 'all'")
	}
	for _, p := range a[2:] {
		vs, _, err := found(a[0], p)
		if err != nil {
			return fail(err)
		}
		if len(vs) > 0 != all {
			return boolean(!all)
		}
	}
	return boolean(all)
}

// edit applies pairs of path and value.
func edit(mode change) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		if a[0].IsNullish() {
			return null()
		}
		v := a[0]
		for i := 1; i+1 < len(a); i += 2 {
			if a[i].IsNullish() {
				return null()
			}
			ch := mode
			ch.value = inner(a[i+1])
			var err error
			if v, err = ch.applyLegs(v, text(a[i])); err != nil {
				return fail(err)
			}
		}
		return v, nil
	}
}

func (ch change) applyLegs(v value.Value, path string) (value.Value, error) {
	legs, wild, err := parseMySQLPath(path)
	if err != nil {
		return v, err
	}
	if wild {
		return v, sqlerr.New(sqlerr.InvalidParameterValue, "path \"%s\" must not have wildcards here", path)
	}
	if len(legs) == 0 {
		if ch.replace {
			return outer(ch.value), nil
		}
		return v, nil
	}
	return ch.legs(v, legs), nil
}

func (ch change) legs(v value.Value, legs []pathLeg) value.Value {
	leg := legs[0]
	if leg.isIndex {
		return ch.legInArray(v, legs)
	}
	if !v.IsDocument() {
		return v
	}
	fields := fieldsOf(v)
	for k := range fields {
		if fields[k].Key != leg.key {
			continue
		}
		switch {
		case len(legs) > 1:
			fields[k].Value = ch.legs(fields[k].Value, legs[1:])
		case ch.remove:
			fields = append(fields[:k], fields[k+1:]...)
		case ch.replace:
			fields[k].Value = ch.value
		}
		return sqltype.ObjectOf(fields)
	}
	if len(legs) == 1 && ch.create {
		fields = append(fields, sqltype.Field{Key: leg.key, Value: ch.value})
	}
	return sqltype.ObjectOf(fields)
}

func (ch change) legInArray(v value.Value, legs []pathLeg) value.Value {
	in := asList(v)
	i := legs[0].index
	if legs[0].fromEnd {
		i = len(in) - 1 - i
	}
	switch {
	case i >= 0 && i < len(in) && len(legs) > 1:
		in[i] = ch.legs(in[i], legs[1:])
	case i >= 0 && i < len(in) && ch.remove:
		in = append(in[:i], in[i+1:]...)
	case i >= 0 && i < len(in) && ch.replace:
		in[i] = ch.value
	case i >= len(in) && len(legs) == 1 && ch.create:
		in = append(in, ch.value)
	}
	if !v.IsArray() && len(in) == 1 {
		return in[0]
	}
	return value.ArrayFrom(in)
}

func removePaths(_ *expr.Context, a []value.Value) (value.Value, error) {
	v := a[0]
	for _, p := range a[1:] {
		var err error
		if v, err = (change{remove: true}).applyLegs(v, text(p)); err != nil {
			return fail(err)
		}
	}
	return v, nil
}

func arrayAppendPaths(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() {
		return null()
	}
	v := a[0]
	for i := 1; i+1 < len(a); i += 2 {
		at, _, err := found(v, a[i])
		if err != nil {
			return fail(err)
		}
		if len(at) == 0 {
			continue
		}
		list := value.ArrayFrom(append(asList(at[0]), inner(a[i+1])))
		if v, err = (change{replace: true, value: list}).applyLegs(v, text(a[i])); err != nil {
			return fail(err)
		}
	}
	return v, nil
}

// mergePatch is RFC 7396.
func mergePatch(v, patch value.Value) value.Value {
	if !patch.IsDocument() {
		return patch
	}
	var fields []sqltype.Field
	if v.IsDocument() {
		fields = fieldsOf(v)
	}
	for _, p := range fieldsOf(patch) {
		at := -1
		for k := range fields {
			if fields[k].Key == p.Key {
				at = k
			}
		}
		switch {
		case isJSONNull(p.Value) && at >= 0:
			fields = append(fields[:at], fields[at+1:]...)
		case isJSONNull(p.Value):
		case at >= 0:
			fields[at].Value = mergePatch(fields[at].Value, p.Value)
		default:
			fields = append(fields, sqltype.Field{Key: p.Key, Value: mergePatch(value.Value{}, p.Value)})
		}
	}
	return sqltype.ObjectOf(fields)
}

func mergePreserve(x, y value.Value) value.Value {
	if !x.IsDocument() || !y.IsDocument() {
		return value.ArrayFrom(append(asList(x), asList(y)...))
	}
	fields := fieldsOf(x)
next:
	for _, f := range fieldsOf(y) {
		for k := range fields {
			if fields[k].Key == f.Key {
				fields[k].Value = mergePreserve(fields[k].Value, f.Value)
				continue next
			}
		}
		fields = append(fields, f)
	}
	return sqltype.ObjectOf(fields)
}

func mergeAll(f func(x, y value.Value) value.Value) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		v := a[0]
		for _, next := range a[1:] {
			v = f(v, next)
		}
		return outer(v), nil
	}
}

func jsonOverlaps(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsDocument() && a[1].IsDocument() {
		for _, f := range fieldsOf(a[1]) {
			if v, ok := field1(a[0], f.Key); ok && compareJSONB(v, f.Value) == 0 {
				return boolean(true)
			}
		}
		return boolean(false)
	}
	for _, x := range asList(a[0]) {
		for _, y := range asList(a[1]) {
			if compareJSONB(x, y) == 0 {
				return boolean(true)
			}
		}
	}
	return boolean(false)
}

var mysqlJSONFuncs = map[string]evaluator{
	"json_extract": jsonExtract,
	"json_unquote": func(_ *expr.Context, a []value.Value) (value.Value, error) { return unquoted(a[0]) },
	"json_unquote_text": mapText(func(s string) string {
		if strings.HasPrefix(s, `"`) {
			return unquoteJSON(s)
		}
		return s
	}),
	"json_quote": mapText(func(s string) string { return string(sqltype.AppendJSONString(nil, s)) }),
	"json_value": jsonValue, "mysql_json_contains": mysqlContains, "json_contains_path": containsPath,
	"json_length": atPath(1, jsonLength), "json_keys": atPath(1, jsonKeys),
	"json_depth": func(_ *expr.Context, a []value.Value) (value.Value, error) { return int4(depthOf(a[0])) },
	"json_type":  func(_ *expr.Context, a []value.Value) (value.Value, error) { return str(mysqlType(a[0])) },
	"json_valid": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return boolean(sqltype.CheckJSON(text(a[0])) == nil)
	},
	"json_valid_jsonb":   func(*expr.Context, []value.Value) (value.Value, error) { return boolean(true) },
	"mysql_json_set":     edit(change{create: true, replace: true}),
	"mysql_json_insert":  edit(change{create: true}),
	"mysql_json_replace": edit(change{replace: true}),
	"mysql_json_remove":  removePaths, "mysql_json_array_append": arrayAppendPaths,
	"json_merge_patch": mergeAll(mergePatch), "json_merge_preserve": mergeAll(mergePreserve), "json_overlaps": jsonOverlaps,
	"length_jsonb": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return int4(len(sqltype.AppendJSONB(nil, a[0])))
	},
}
