package sqlfunc

import (
	"math"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// pathRun is one evaluation of a jsonpath.
type pathRun struct {
	c        *expr.Context
	path     *jsonPath
	root     value.Value
	vars     value.Value
	patterns *patterns
	zones    bool // comparisons may use the session's zone
	zone     *time.Location
}

// pathError is an error that "silent" suppresses and filters take as unknown.
func pathError(code, format string, args ...any) error { return sqlerr.New(code, format, args...) }

// truth is a predicate's result.
type truth uint8

const (
	no truth = iota
	yes
	unknown
)

// scope is what @ and last mean at a place.
type pathScope struct {
	at   value.Value
	size int
}

func (r *pathRun) run() ([]value.Value, error) {
	vs, err := r.eval(r.path.root, pathScope{at: r.root})
	return shownTimes(vs), err
}

// eval gives the sequence of a node and the accessors after it.
func (r *pathRun) eval(n *pathNode, s pathScope) ([]value.Value, error) {
	vs, err := r.base(n, s)
	if err != nil {
		return nil, err
	}
	for a := n.next; a != nil && err == nil; a = a.next {
		vs, err = r.access(a, vs, s)
	}
	return vs, err
}

func list1(v value.Value) ([]value.Value, error) { return []value.Value{v}, nil }

func (r *pathRun) base(n *pathNode, s pathScope) ([]value.Value, error) {
	switch n.op {
	case "$":
		return list1(r.root)
	case "@":
		return list1(s.at)
	case "const":
		return list1(n.value)
	case "()":
		return r.eval(n.left, s)
	case "last":
		return list1(value.Int32(int32(s.size - 1)))
	case "var":
		v, ok := field1(r.vars, n.text)
		if !ok {
			return nil, sqlerr.New(sqlerr.UndefinedObject, "could not find jsonpath variable \"%s\"", n.text)
		}
		return list1(v)
	case "+", "-", "*", "/", "%":
		return r.arithmetic(n, s)
	case "neg", "pos":
		return r.signed(n, s)
	}
	t, err := r.test(n, s)
	if err != nil {
		return nil, err
	}
	return list1([]value.Value{value.Bool(false), value.Bool(true), value.Null()}[t])
}

func (r *pathRun) single(n *pathNode, s pathScope, op string) (value.Value, error) {
	vs, err := r.evalUnwrapped(n, s)
	if err != nil {
		return value.Value{}, err
	}
	if len(vs) != 1 || !vs[0].IsNumber() {
		return value.Value{}, pathError("22038", "%s operand of jsonpath operator %s is not a single numeric value", "left", op)
	}
	return vs[0], nil
}

func (r *pathRun) arithmetic(n *pathNode, s pathScope) ([]value.Value, error) {
	x, err := r.single(n.left, s, n.op)
	if err != nil {
		return nil, err
	}
	y, err := r.single(n.right, s, n.op)
	if err != nil {
		return nil, err
	}
	impl := map[string]string{"+": "add_numeric", "-": "sub_numeric", "*": "mul_numeric", "/": "div_numeric", "%": "mod_numeric"}[n.op]
	v, err := numericFuncs[impl](nil, []value.Value{x, y})
	if err != nil {
		return nil, err
	}
	return list1(v)
}

func (r *pathRun) signed(n *pathNode, s pathScope) ([]value.Value, error) {
	vs, err := r.evalUnwrapped(n.left, s)
	if err != nil {
		return nil, err
	}
	for i := range vs {
		if !vs[i].IsNumber() {
			return nil, pathError("2203A", "operand of unary jsonpath operator %s is not a numeric value", map[string]string{"neg": "-", "pos": "+"}[n.op])
		}
		if n.op == "neg" {
			if vs[i], err = numericFuncs["neg_numeric"](nil, []value.Value{vs[i]}); err != nil {
				return nil, err
			}
		}
	}
	return vs, nil
}

// evalUnwrapped opens arrays in lax mode.
func (r *pathRun) evalUnwrapped(n *pathNode, s pathScope) ([]value.Value, error) {
	vs, err := r.eval(n, s)
	if err != nil || r.path.strict {
		return vs, err
	}
	return unwrap(vs), nil
}

func unwrap(vs []value.Value) []value.Value {
	var out []value.Value
	for _, v := range vs {
		if v.IsArray() {
			out = append(out, items(v)...)
		} else {
			out = append(out, v)
		}
	}
	return out
}

func (r *pathRun) access(a *pathNode, vs []value.Value, s pathScope) ([]value.Value, error) {
	var out []value.Value
	if !r.path.strict && (a.op == "." || a.op == ".*" || a.op == "?" || a.op == "method" && a.text != "size" && a.text != "type") {
		vs = unwrap(vs)
	}
	for _, v := range vs {
		got, err := r.accessOne(a, v, s)
		if err != nil {
			return nil, err
		}
		if out = append(out, got...); len(out) > maxSequence {
			return nil, sqlerr.New(sqlerr.ProgramLimitExceeded, "a jsonpath expression gives more than %d items", maxSequence)
		}
		if err := r.c.Step(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// maxSequence bounds what .** and [*] make of one another.
const maxSequence = 1 << 22

func (r *pathRun) accessOne(a *pathNode, v value.Value, s pathScope) ([]value.Value, error) {
	if t, ok := pathTimeOf(v); ok && (a.op == "." || a.op == ".*" || a.op == "method" && a.text != "type" && a.text != "datetime") {
		v = value.String(t.text()) // which has no members
	}
	switch a.op {
	case ".":
		if !v.IsDocument() {
			return r.structural("2203A", "jsonpath member accessor can only be applied to an object")
		}
		f, ok := field1(v, a.text)
		if !ok {
			return r.structural("2203A", "JSON object does not contain key \"%s\"", a.text)
		}
		return list1(f)
	case ".*":
		if !v.IsDocument() {
			return r.structural("2203C", "jsonpath wildcard member accessor can only be applied to an object")
		}
		var out []value.Value
		for _, f := range sqltype.SortedFields(nil, v.Doc()) {
			out = append(out, f.Value)
		}
		return out, nil
	case ".**":
		out := []value.Value{v}
		for _, c := range children(v) {
			sub, _ := r.accessOne(a, c, s)
			out = append(out, sub...)
		}
		return out, nil
	case "[*]":
		if v.IsArray() {
			return items(v), nil
		}
		if r.path.strict {
			return r.structural("22039", "jsonpath wildcard array accessor can only be applied to an array")
		}
		return list1(v)
	case "[]":
		return r.index(a, v)
	case "?":
		t, err := r.test(a.left, pathScope{at: v, size: s.size})
		if err != nil || t != yes {
			return nil, err
		}
		return list1(v)
	}
	if a.text == "datetime" {
		return r.datetime(v, a.value)
	}
	return r.method(a.text, v)
}

// structural is an error in strict mode and nothing in lax mode.
func (r *pathRun) structural(code, format string, args ...any) ([]value.Value, error) {
	if r.path.strict {
		return nil, pathError(code, format, args...)
	}
	return nil, nil
}

func (r *pathRun) index(a *pathNode, v value.Value) ([]value.Value, error) {
	in := []value.Value{v}
	if v.IsArray() {
		in = items(v)
	} else if r.path.strict {
		return r.structural("22039", "jsonpath array accessor can only be applied to an array")
	}
	var out []value.Value
	for _, pair := range a.subs {
		from, err := r.subscript(pair[0], v, len(in))
		if err != nil {
			return nil, err
		}
		to := from
		if pair[1] != nil {
			if to, err = r.subscript(pair[1], v, len(in)); err != nil {
				return nil, err
			}
		}
		if r.path.strict && (from < 0 || from > to || to >= len(in)) {
			return nil, pathError("22033", "jsonpath array subscript is out of bounds")
		}
		for i := max(from, 0); i <= to && i < len(in); i++ {
			out = append(out, in[i])
		}
	}
	return out, nil
}

func (r *pathRun) subscript(n *pathNode, at value.Value, size int) (int, error) {
	vs, err := r.eval(n, pathScope{at: at, size: size})
	if err != nil {
		return 0, err
	}
	if len(vs) != 1 || !vs[0].IsNumber() {
		return 0, pathError("22033", "jsonpath array subscript is not a single numeric value")
	}
	return int(vs[0].AsInt64()), nil
}

func (r *pathRun) method(name string, v value.Value) ([]value.Value, error) {
	switch name {
	case "type":
		if t, ok := pathTimeOf(v); ok {
			return list1(value.String(t.typeName()))
		}
		return list1(value.String(jsonTypeName(v)))
	case "size":
		if v.IsArray() {
			return list1(value.Int32(int32(value.Len(v.Doc()))))
		}
		if r.path.strict {
			return r.structural("22039", "jsonpath item method .size() can only be applied to an array")
		}
		return list1(value.Int32(1))
	case "keyvalue":
		if !v.IsDocument() {
			return nil, pathError("2203C", "jsonpath item method .keyvalue() can only be applied to an object")
		}
		var out []value.Value
		for _, f := range sqltype.SortedFields(nil, v.Doc()) {
			out = append(out, sqltype.ObjectOf([]sqltype.Field{{Key: "key", Value: value.String(f.Key)}, {Key: "value", Value: f.Value}, {Key: "id", Value: value.Int32(0)}}))
		}
		return out, nil
	case "double":
		f := v.AsDouble()
		if !v.IsNumber() {
			p, err := sqltype.ParseFloat(text(v), sqltype.Float8)
			if err != nil || jsonbRank(v) != 1 || math.IsNaN(p) || math.IsInf(p, 0) {
				return nil, pathError("22036", "string argument of jsonpath item method .double() is not a valid representation of a double precision number")
			}
			f = p
		}
		return list1(value.Double(f))
	}
	if !v.IsNumber() {
		return nil, pathError("22036", "jsonpath item method .%s() can only be applied to a numeric value", name)
	}
	if d, err := bson.ParseDecimal128(value.FormatDouble(v.AsDouble())); v.Kind() == bson.TypeDouble && err == nil {
		v = value.Decimal(d)
	}
	out, err := numericFuncs[map[string]string{"ceiling": "ceil_numeric", "floor": "floor_numeric", "abs": "abs_numeric"}[name]](nil, []value.Value{v})
	if err != nil {
		return nil, err
	}
	return list1(out)
}

// test evaluates a predicate; errors within make it unknown.
func (r *pathRun) test(n *pathNode, s pathScope) (truth, error) {
	switch n.op {
	case "&&", "||", "!", "unknown":
		return r.logic(n, s)
	case "()":
		if n.next == nil {
			return r.test(n.left, s)
		}
	case "exists":
		vs, err := r.eval(n.left, s)
		if err != nil {
			return unknown, hard(err)
		}
		return boolTruth(len(vs) > 0), nil
	case "==", "!=", "<", "<=", ">", ">=", "starts":
		return r.compare(n, s)
	case "like_regex":
		return r.likeRegex(n, s)
	}
	vs, err := r.eval(n, s)
	if err != nil {
		return unknown, hard(err)
	}
	if len(vs) == 1 && vs[0].Kind() == value.Bool(true).Kind() {
		return boolTruth(vs[0].AsBool()), nil
	}
	return unknown, nil
}

func boolTruth(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (r *pathRun) logic(n *pathNode, s pathScope) (truth, error) {
	l, err := r.test(n.left, s)
	if err != nil {
		return unknown, err
	}
	switch n.op {
	case "!":
		return []truth{yes, no, unknown}[l], nil
	case "unknown":
		return boolTruth(l == unknown), nil
	}
	decided := boolTruth(n.op == "||")
	if l == decided {
		return l, nil
	}
	t, err := r.test(n.right, s)
	if t == decided || l != unknown {
		return t, err
	}
	return unknown, err
}

// compare is true when any pair of the two sequences compares so.
func (r *pathRun) compare(n *pathNode, s pathScope) (truth, error) {
	ls, err := r.evalUnwrapped(n.left, s)
	if err != nil {
		return unknown, hard(err)
	}
	rs, err := r.evalUnwrapped(n.right, s)
	if err != nil {
		return unknown, hard(err)
	}
	found, failed := false, false
	for _, x := range ls {
		for _, y := range rs {
			t, err := r.compareItem(n.op, x, y)
			if err != nil {
				return unknown, err
			}
			switch t {
			case yes:
				found = true
			case unknown:
				failed = true
			}
		}
	}
	if failed && (r.path.strict || !found) {
		return unknown, nil
	}
	return boolTruth(found), nil
}

func (r *pathRun) compareItem(op string, x, y value.Value) (truth, error) {
	_, timed := pathTimeOf(x)
	if _, also := pathTimeOf(y); (timed || also) && jsonbRank(x) != 0 && jsonbRank(y) != 0 {
		c, known, err := r.compareTimes(x, y)
		if err != nil || !known || op == "starts" {
			return unknown, err
		}
		return boolTruth(tests[comparisons[op]](c)), nil
	}
	return comparePlain(op, x, y), nil
}

var comparisons = map[string]string{"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}

func comparePlain(op string, x, y value.Value) truth {
	rx, ry := jsonbRank(x), jsonbRank(y)
	if op == "starts" {
		if rx != 1 || ry != 1 {
			return unknown
		}
		return boolTruth(strings.HasPrefix(text(x), text(y)))
	}
	switch {
	case rx != ry && (rx == 0 || ry == 0):
		return boolTruth(op == "!=")
	case rx != ry || rx >= 4:
		return unknown
	}
	c := compareJSONB(x, y)
	return boolTruth(tests[comparisons[op]](c))
}

func (r *pathRun) likeRegex(n *pathNode, s pathScope) (truth, error) {
	flags := ""
	if n.value.IsString() {
		flags = strings.ReplaceAll(n.value.Str(), "s", "")
	}
	p, err := r.patterns.compile(n.text, flags)
	if err != nil {
		return unknown, err
	}
	vs, err := r.evalUnwrapped(n.left, s)
	if err != nil {
		return unknown, hard(err)
	}
	result := no
	for _, v := range vs {
		if jsonbRank(v) != 1 {
			return unknown, nil
		}
		if ok, err := p.match(r.c, text(v)); err != nil {
			return unknown, err
		} else if ok {
			result = yes
		}
	}
	return result, nil
}
