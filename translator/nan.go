package translator

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/planner"
	"weir/sqltype"
)

// NaN equals itself and is greater than every other number in SQL. MongoDB's
// expressions, $sort, $min and $max put it below them all; its match language
// lets it fulfil nothing but equality. Any column of floats or numerics may hold
// one, whatever a sample of it shows.

// nanKey stands for NaN in sort keys: text is above all numbers.
const nanKey = "NaN"

// mayBeNaN tells whether an expression can give NaN.
func mayBeNaN(e planner.Expr) bool {
	switch x := widened(e).(type) {
	case *planner.Const:
		return x.Value.IsNaN()
	default:
		return hasNaN(x.Type())
	}
}

func hasNaN(t sqltype.Type) bool { return isFloat(t.OID) || t.OID == sqltype.Numeric }

// nanOf is the type's NaN.
func nanOf(t sqltype.Type) value.Value {
	if t.OID == sqltype.Numeric {
		return value.Double(math.NaN()).AsDecimal()
	}
	return value.Double(math.NaN())
}

func isNaN(x any) any { return op("$eq", x, value.Double(math.NaN())) }

// ordered compares two values that are not NULL; ln and rn tell whether they may be NaN.
func (c *compiler) ordered(impl string, l, r any, ln, rn bool) any {
	if impl == "lt" || impl == "le" {
		impl, l, r, ln, rn = flipped[impl], r, l, rn, ln
	}
	if impl == "eq" || impl == "ne" || !ln && !rn {
		return op(mongoCompare[impl], l, r)
	}
	return c.onceEach([]any{l, r}, func(xs []any) any {
		l, r := xs[0], xs[1]
		out := op(mongoCompare[impl], l, r)
		notNaN := op("$not", isNaN(r))
		switch {
		case !rn:
			return op("$or", out, isNaN(l))
		case !ln:
			return op("$and", out, notNaN)
		case impl == "gt":
			return op("$and", notNaN, op("$or", isNaN(l), out))
		}
		return op("$or", isNaN(l), op("$and", notNaN, out))
	})
}

// nanHigh is a sort key's value with NaN above all numbers.
func (c *compiler) nanHigh(e planner.Expr, x any) any {
	if !mayBeNaN(e) {
		return x
	}
	return c.once(x, func(x any) any { return cond(isNaN(x), nanKey, x) })
}

// extremeFloat is GREATEST or LEAST of values that may be NaN.
func (s scope) extremeFloat(e *planner.Variadic, mongo string) any {
	return s.c.onceEach(s.values(e.Args), func(xs []any) any {
		nans, numbers := list{}, list{}
		for _, x := range xs {
			nans = append(nans, isNaN(x))
			numbers = append(numbers, cond(isNaN(x), null, x))
		}
		if mongo == "$max" {
			return cond(obj{{"$or", nans}}, nanOf(e.T), obj{{"$max", list(xs)}})
		}
		return op("$ifNull", obj{{"$min", numbers}}, obj{{"$max", list(xs)}})
	})
}

// extremeNumber is MIN or MAX over values that may be NaN.
func (g *grouping) extremeNumber(a *planner.AggCall, name string, x any) any {
	top := "$" + g.acc("$max", x, null)
	if name == "$max" {
		return cond("$"+g.acc("$max", isNaN(x), null), nanOf(a.Col.Type), top)
	}
	least := "$" + g.acc("$min", g.c.once(x, func(x any) any { return cond(isNaN(x), null, x) }), null)
	return op("$ifNull", least, top)
}

// matchNaN widens a comparison of the match language so that NaN is greater
// than every number. col op k; doc is the comparison as it stands.
func (s scope) matchNaN(impl string, t target, k planner.Expr, doc obj) obj {
	if impl != "gt" && impl != "ge" {
		return doc
	}
	nan := s.comparison(map[string]string{"gt": aboveNaN, "ge": fromNaN}[impl], t, k)
	return obj{{"$or", list{doc, obj{{t.path, nan}}}}}
}

// boundedAbove takes the arms for NaN off the comparisons of paths that another
// filter bounds from above, as BETWEEN does: ranges stay ranges.
func boundedAbove(docs []obj) []obj {
	bounded := map[string]bool{}
	for _, d := range docs {
		if len(d) != 1 {
			continue
		}
		cmp, ok := d[0].v.(value.Value)
		if !ok || cmp.Kind() != bson.TypeEmbeddedDocument {
			continue
		}
		for _, name := range []string{"$lt", "$lte"} {
			x := value.Lookup(cmp.Doc(), name)
			bounded[d[0].k] = bounded[d[0].k] || x.IsNumber() && !x.IsNaN()
		}
	}
	out := append([]obj(nil), docs...)
	for i, d := range docs {
		if path, ok := nanArm(d); ok && bounded[path] {
			out[i] = d[0].v.(list)[0].(obj)
		}
	}
	return out
}

// nanArm tells of which path a filter is one that matchNaN has widened.
func nanArm(d obj) (string, bool) {
	if len(d) != 1 || d[0].k != "$or" {
		return "", false
	}
	arms := d[0].v.(list)
	if len(arms) != 2 {
		return "", false
	}
	first, _ := arms[0].(obj)
	last, _ := arms[1].(obj)
	if len(first) != 1 || len(last) != 1 || first[0].k != last[0].k {
		return "", false
	}
	eq, ok := last[0].v.(value.Value)
	return first[0].k, ok && eq.Kind() == bson.TypeEmbeddedDocument && value.Lookup(eq.Doc(), "$eq").IsNaN()
}

// aboveNaN and fromNaN are the conditions that NaN fulfils by being greater
// than, or not less than, the constant.
const (
	aboveNaN = "NaN >"
	fromNaN  = "NaN >="
)

// nanCondition is a comparison with v in the match language, nil if it is the
// server's own.
func nanCondition(name string, v value.Value) obj {
	switch name {
	case aboveNaN:
		if v.IsNaN() {
			return obj{{"$in", list{}}}
		}
		return obj{{"$eq", value.Double(math.NaN())}}
	case fromNaN:
		return obj{{"$eq", value.Double(math.NaN())}}
	}
	if !v.IsNaN() {
		return nil
	}
	switch name {
	case "$lt":
		return obj{{"$nin", list{v, null}}}
	case "$lte":
		return obj{{"$ne", null}}
	case "$gt":
		return obj{{"$in", list{}}}
	}
	return nil
}
