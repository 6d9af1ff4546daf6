package translator

import (
	"math"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/planner"
	"weir/sqltype"
)

// aggTable makes the table of aggregates that MongoDB's accumulators compute exactly.
// The result is an expression over the accumulators; "$a0" is one of them as it is.
func aggTable() map[string]aggBuilder {
	return map[string]aggBuilder{
		"count":       aggCount,
		"sum_int":     func(g *grouping, a *planner.AggCall) any { return aggSum(g, a, nil) },
		"sum_int8":    func(g *grouping, a *planner.AggCall) any { return aggSum(g, a, toDecimal) },
		"sum_numeric": func(g *grouping, a *planner.AggCall) any { return aggSum(g, a, toDecimal) },
		"sum_float8":  func(g *grouping, a *planner.AggCall) any { return g.inRange(a, aggSum(g, a, toDouble)) },
		"avg_int":     aggAverage,
		"avg_numeric": aggAverage,
		"avg_float8":  aggAverageFloat,
		"avg_float4":  aggAverageFloat,
		"min":         func(g *grouping, a *planner.AggCall) any { return aggExtreme(g, a, "$min") },
		"max":         func(g *grouping, a *planner.AggCall) any { return aggExtreme(g, a, "$max") },
		"bool_and":    func(g *grouping, a *planner.AggCall) any { return aggExtreme(g, a, "$min") },
		"bool_or":     func(g *grouping, a *planner.AggCall) any { return aggExtreme(g, a, "$max") },
		"array_agg":   aggArray,
		"stddev_pop_float": func(g *grouping, a *planner.AggCall) any {
			return "$" + g.acc("$stdDevPop", g.filtered(a, g.s.value(a.Args[0]), null), null)
		},
		"stddev_samp_float": func(g *grouping, a *planner.AggCall) any {
			return "$" + g.acc("$stdDevSamp", g.filtered(a, g.s.value(a.Args[0]), null), null)
		},
	}
}

type aggBuilder func(g *grouping, a *planner.AggCall) any

// distinctAgg are those that also know what DISTINCT means.
var distinctAgg = map[string]bool{"count": true, "sum_int": true, "sum_int8": true, "sum_numeric": true, "sum_float8": true,
	"avg_int": true, "avg_numeric": true, "avg_float8": true, "min": true, "max": true, "bool_and": true, "bool_or": true}

func toDecimal(x any) any { return op1("$toDecimal", x) }
func toDouble(x any) any  { return op1("$toDouble", x) }

func aggCount(g *grouping, a *planner.AggCall) any {
	if len(a.Args) == 0 {
		return "$" + g.acc("$sum", g.filtered(a, 1, 0), 0)
	}
	if a.Distinct {
		set := g.set(a)
		if set == nil {
			return nil
		}
		return op1("$size", set)
	}
	if u := newUse(); !g.s.nullable(a.Args[0]) {
		if u.expr(a.Args[0]); u.volatile { // it is called all the same
			return "$" + g.acc("$sum", g.filtered(a, cond(notNull(g.s.value(a.Args[0])), 1, 0), 0), 0)
		}
		return "$" + g.acc("$sum", g.filtered(a, 1, 0), 0)
	}
	// COUNT(CASE WHEN c THEN x END) counts where c is true
	if c, ok := a.Args[0].(*planner.Case); ok && len(c.Whens) == 1 && c.Else == nil && !g.s.nullable(c.Whens[0].Then) {
		return "$" + g.acc("$sum", g.filtered(a, cond(g.s.isTrue(c.Whens[0].Cond), 1, 0), 0), 0)
	}
	return "$" + g.count(a)
}

// count is the accumulator that counts an argument's values.
func (g *grouping) count(a *planner.AggCall) string {
	var test any
	if tests := g.s.noneNull(nil, a.Args[0]); len(tests) == 1 {
		test = tests[0]
	} else {
		test = obj{{"$and", tests}}
	}
	return g.acc("$sum", g.filtered(a, cond(test, 1, 0), 0), 0)
}

// noneNull tests that an expression is not NULL: by what it is made of where it
// is NULL only if a part of it is, so that nothing is computed twice.
func (s scope) noneNull(tests list, e planner.Expr) list {
	switch x := e.(type) {
	case *planner.Call:
		if strictNonNull[x.Func.Impl] && !s.c.constant(e) {
			for _, a := range x.Args {
				tests = s.noneNull(tests, a)
			}
			return tests
		}
	case *planner.Cast:
		if widened(e) != e {
			return s.noneNull(tests, x.X)
		}
	case *planner.Const:
		if !x.Value.IsNullish() {
			return tests
		}
	}
	if !s.nullable(e) {
		return tests
	}
	return append(tests, notNull(s.raw(e)))
}

// set is the array of an argument's distinct values, nil if the store's idea of
// equality is not SQL's.
func (g *grouping) set(a *planner.AggCall) any {
	t := a.Args[0].Type()
	if len(a.Args) != 1 || needsKey(t) || t.OID.IsArray() || t.OID == sqltype.JSON || t.OID == sqltype.Record {
		return nil
	}
	x := g.s.comparand(a.Args[0])
	if l := g.s.fineDate(a.Args[0]); l != nil {
		x = g.s.finePair(l)
	}
	item := cond(notNull(x), x, "$$REMOVE")
	if a.Filter != nil {
		item = cond(op("$and", g.s.isTrue(a.Filter), notNull(x)), x, "$$REMOVE")
	}
	return "$" + g.acc("$addToSet", item, list{})
}

func aggSum(g *grouping, a *planner.AggCall, conv func(any) any) any {
	if g.sumsHere(a) {
		return nil
	}
	if a.Distinct {
		set := g.set(a)
		if set == nil {
			return nil
		}
		return cond(op("$gt", op1("$size", set), 0), g.sumOfSet(a, set, conv), null)
	}
	total := g.sum(a, conv)
	if g.never(a) {
		return total
	}
	return cond(op("$gt", "$"+g.count(a), 0), total, null)
}

// sumsHere tells of sums that our own accumulator computes, which is exact: of
// numbers that may be beyond decimal128, and of any that nothing bounds where the
// rows are here.
func (g *grouping) sumsHere(a *planner.AggCall) bool {
	if a.Col.Type.OID != sqltype.Numeric || len(a.Args) != 1 || g.c.totalOf(a.Args[0]).fit() {
		return false
	}
	x := g.s.value(a.Args[0])
	return g.s.anyWide(a.Args) || g.c.opts.exact || (g.f.local() || traitsOf(x).local) && g.c.totalOf(a.Args[0]).scale > sqltype.MaxDigits
}

func (g *grouping) sum(a *planner.AggCall, conv func(any) any) any {
	x := g.s.value(a.Args[0])
	if conv != nil && !g.hasForm(a, conv) {
		x = conv(x)
	}
	return g.wholeSum(a, x, "$"+g.acc("$sum", g.filtered(a, x, null), null))
}

// sumOfSet is the sum of an array of different values.
func (g *grouping) sumOfSet(a *planner.AggCall, set any, conv func(any) any) any {
	items := set
	if conv != nil {
		items = op1("$map", obj{{"input", set}, {"as", "d"}, {"in", conv("$$d")}})
	}
	d := g.c.totalOf(a.Args[0])
	switch {
	case a.Col.Type.OID != sqltype.Numeric || d.fit():
		return op1("$sum", items)
	case d.scale <= sqltype.MaxDigits:
		return g.c.unrounded(op1("$sum", items), d)
	}
	g.c.prog.checks = true
	return g.c.once(items, func(items any) any {
		long := op1("$anyElementTrue", list{op1("$map", obj{{"input", items}, {"as", "d"}, {"in", isLong("$$d")}})})
		total := op1("$sum", items)
		return cond(long, tooManyDigits(total), total)
	})
}

// hasForm tells whether an argument needs no conversion before it is summed.
func (g *grouping) hasForm(a *planner.AggCall, conv func(any) any) bool {
	t := a.Args[0].Type().OID
	l := g.s.location(a.Args[0])
	if t == sqltype.Float8 {
		return true
	}
	return t == sqltype.Numeric && l != nil && !l.stored
}

// never tells that a group always has a value to sum, so that NULL cannot come out.
func (g *grouping) never(a *planner.AggCall) bool {
	return a.Filter == nil && !g.s.nullable(a.Args[0]) && g.grouped
}

// aggAverage divides as numeric does, which only we know.
func aggAverage(g *grouping, a *planner.AggCall) any {
	div := g.c.operator("/", sqltype.Numeric)
	if div == nil || g.sumsHere(a) {
		return nil
	}
	if a.Distinct {
		set := g.set(a)
		if set == nil {
			return nil
		}
		return average(div.Impl, g.sumOfSet(a, set, toDecimal), op1("$size", set))
	}
	conv := toDecimal
	if isOneOf(a.Args[0].Type().OID, sqltype.Int2, sqltype.Int4) {
		conv = nil
	}
	return average(div.Impl, g.sum(a, conv), "$"+g.count(a))
}

func average(impl string, total, n any) any {
	quotient := op(expr.LocalPrefix+impl, toDecimal(total), toDecimal(n))
	return cond(op("$gt", n, 0), quotient, null)
}

func aggAverageFloat(g *grouping, a *planner.AggCall) any {
	if a.Distinct {
		set := g.set(a)
		if set == nil {
			return nil
		}
		return op1("$avg", set)
	}
	return g.inRange(a, "$"+g.acc("$avg", g.filtered(a, g.s.value(a.Args[0]), null), null))
}

// inRange raises an error where the total of finite doubles is not: a hidden
// accumulator tells whether one of them was no ordinary number.
func (g *grouping) inRange(a *planner.AggCall, total any) any {
	if total == nil || a.Distinct || !mayOverflow(a.Args[0]) {
		return total
	}
	special := list{value.Double(math.Inf(1)), value.Double(math.Inf(-1)), value.Double(math.NaN())}
	odd := "$" + g.acc("$max", g.filtered(a, op("$in", g.s.value(a.Args[0]), special), null), null)
	return g.c.once(total, func(r any) any {
		lost := op("$and", op("$in", r, special), op("$ne", odd, true))
		return cond(lost, outsideFloat(r), r)
	})
}

// mayOverflow tells of all doubles but those made of integers, of which no
// collection holds enough.
func mayOverflow(e planner.Expr) bool {
	c, ok := e.(*planner.Cast)
	return !ok || !isInteger(c.X.Type().OID)
}

// aggExtreme is the least or greatest value; NULLs do not count.
func aggExtreme(g *grouping, a *planner.AggCall, name string) any {
	if !sortsNaturally(a.Args[0].Type()) {
		return nil
	}
	if l := g.s.fineDate(a.Args[0]); l != nil {
		acc := "$" + g.acc(name, g.filtered(a, g.s.finePair(l), null), null)
		return op(expr.LocalPrefix+opFine, acc+".d", acc+".u")
	}
	x := g.s.comparand(a.Args[0])
	if t := a.Args[0].Type().OID; isFloat(t) {
		x = g.s.value(a.Args[0])
	}
	if hasNaN(a.Args[0].Type()) {
		return g.extremeNumber(a, name, g.filtered(a, x, null))
	}
	return "$" + g.acc(name, g.filtered(a, x, null), null)
}

// aggArray is array_agg; of no rows it is NULL.
func aggArray(g *grouping, a *planner.AggCall) any {
	if len(a.OrderBy) > 0 && (!g.ordered || a.Filter != nil) || a.Args[0].Type().OID.IsArray() {
		return nil
	}
	x := op("$ifNull", g.s.value(a.Args[0]), null)
	rows := "$" + g.acc("$push", g.filtered(a, x, "$$REMOVE"), list{})
	if g.grouped && a.Filter == nil {
		return rows
	}
	return cond(op("$gt", op1("$size", rows), 0), rows, null)
}

func isOneOf(t sqltype.OID, list ...sqltype.OID) bool {
	for _, x := range list {
		if t == x {
			return true
		}
	}
	return false
}
