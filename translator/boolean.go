package translator

import (
	"weir/engine/expr"
	"weir/planner"
	"weir/sqlfunc"
	"weir/sqltype"
)

// Booleans in three-valued logic. isTrue and isFalse give plain true or false,
// which is all that WHERE, CASE, FILTER and AND need; boolean gives null too.

var negated = map[string]string{"eq": "ne", "ne": "eq", "lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}
var mongoCompare = map[string]string{"eq": "$eq", "ne": "$ne", "lt": "$lt", "le": "$lte", "gt": "$gt", "ge": "$gte"}
var flipped = map[string]string{"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}

// naturalOrder tells whether MongoDB compares the type's form as SQL does.
func naturalOrder(impl string) bool { return mongoCompare[impl] != "" }

// boolean compiles a condition to true, false or null.
func (s scope) boolean(e planner.Expr) any {
	if !s.nullable(e) {
		return s.isTrue(e)
	}
	if _, ok := e.(*planner.Call); ok {
		return s.value(e)
	}
	if l, ok := e.(*planner.Logic); ok && l.Op == planner.Not {
		return s.c.once(s.value(l.Args[0]), func(x any) any {
			return cond(isNullish(x), null, op("$not", x))
		})
	}
	if !light(e) {
		if out := s.heavyBoolean(e); out != nil {
			return out
		}
	}
	return cond(s.isTrue(e), true, cond(s.isFalse(e), false, null))
}

// isTrue is true where the condition is true, else false.
func (s scope) isTrue(e planner.Expr) any { return s.is(e, true) }

// isFalse is true where the condition is false, else false.
func (s scope) isFalse(e planner.Expr) any { return s.is(e, false) }

func (s scope) is(e planner.Expr, want bool) any {
	if s.c.spend(e) {
		return null
	}
	if s.c.constant(e) && !s.slots {
		if k, ok := e.(*planner.Const); ok {
			return !k.Value.IsNullish() && k.Value.AsBool() == want
		}
		return op("$eq", s.value(e), want)
	}
	switch e := e.(type) {
	case *planner.Logic:
		return s.logic(e, want)
	case *planner.Test:
		return s.test(e, want)
	case *planner.Call:
		if naturalOrder(e.Func.Impl) && len(e.Args) == 2 {
			return s.compare(e.Func.Impl, e.Args[0], e.Args[1], want)
		}
		if impl, ok := bpcharCompare(e); ok {
			return s.compareBpchar(impl, e, want)
		}
	case *planner.DistinctFrom:
		return s.distinct(e, want)
	case *planner.InList:
		return s.inList(e, want)
	case *planner.AnyAll:
		return s.anyAll(e, want)
	case *planner.Let:
		return s.let(e.Col.ID, e.X, func(s scope) any { return s.is(e.In, want) })
	}
	return op("$eq", s.compute2(e), want)
}

// compute2 is value without another look at constants.
func (s scope) compute2(e planner.Expr) any {
	switch x := e.(type) {
	case *planner.ColRef:
		return s.column(x)
	case *planner.Const:
		return literal(x.Value)
	}
	return s.compute(e)
}

func (s scope) logic(e *planner.Logic, want bool) any {
	if e.Op == planner.Not {
		return s.is(e.Args[0], !want)
	}
	out := make(list, len(e.Args))
	for i, a := range e.Args {
		out[i] = s.is(a, want)
	}
	if (e.Op == planner.And) == want {
		return obj{{"$and", out}}
	}
	return obj{{"$or", out}}
}

func (s scope) test(e *planner.Test, want bool) any {
	var out any
	switch e.Is {
	case planner.IsNull, planner.IsNotNull:
		out = s.nullTest(e, (e.Is == planner.IsNull) == want)
		return out
	case planner.IsTrue, planner.IsNotTrue:
		out = s.isTrue(e.X)
	case planner.IsFalse, planner.IsNotFalse:
		out = s.isFalse(e.X)
	default:
		out = isNullish(s.value(e.X))
	}
	not := e.Is == planner.IsNotTrue || e.Is == planner.IsNotFalse || e.Is == planner.IsNotUnknown
	if not == want {
		return op("$not", out)
	}
	return out
}

// nullTest is IS [NOT] NULL; of a row it is about all of its fields.
func (s scope) nullTest(e *planner.Test, isNull bool) any {
	if row, ok := e.X.(*planner.Row); ok {
		all := list{}
		for _, f := range row.Fields {
			if e.Is == planner.IsNull {
				all = append(all, isNullish(s.value(f)))
			} else {
				all = append(all, notNull(s.value(f)))
			}
		}
		out := obj{{"$and", all}}
		if isNull == (e.Is == planner.IsNull) {
			return out
		}
		return op("$not", out)
	}
	x := s.raw(e.X)
	if isNull {
		return isNullish(x)
	}
	return notNull(x)
}

// raw is the value where only NULL or not matters: the stored form will do.
func (s scope) raw(e planner.Expr) any {
	if r, ok := e.(*planner.ColRef); ok && s.f != nil {
		if l := s.f.find(r.ID); l != nil {
			if l.us != nil && l.expr == nil {
				return l.dateRef()
			}
			return l.ref()
		}
	}
	return s.value(e)
}

// compare compiles a comparison that MongoDB's order decides.
func (s scope) compare(impl string, le, re planner.Expr, want bool) any {
	l, r := s.operands(impl, le, re)
	if impl != "eq" && impl != "ne" && (mayBeNaN(le) || mayBeNaN(re)) {
		return s.compareFloats(impl, le, re, l, r, want)
	}
	return s.compareValues(impl, l, r, s.nullable(le), s.nullable(re), want)
}

// compareFloats compares values that may be NULL or NaN, none of which stands
// where SQL has it.
func (s scope) compareFloats(impl string, le, re planner.Expr, l, r any, want bool) any {
	if !want {
		impl = negated[impl]
	}
	return s.c.onceEach([]any{l, r}, func(xs []any) any {
		out := s.c.ordered(impl, xs[0], xs[1], mayBeNaN(le), mayBeNaN(re))
		ln, rn := s.nullable(le), s.nullable(re)
		if !ln && !rn {
			return out
		}
		return s.guarded(out, xs[0], xs[1], ln, rn)
	})
}

// compareValues compares two values of which ln and rn tell whether they may be NULL.
func (s scope) compareValues(impl string, l, r any, ln, rn, want bool) any {
	if !want {
		impl = negated[impl]
	}
	switch impl {
	case "eq":
		ln, rn = ln && rn, false
	case "lt", "le": // null sorts below everything: only the lower side has to be looked at
		rn = false
	case "gt", "ge":
		ln = false
	}
	if !ln && !rn {
		return op(mongoCompare[impl], l, r)
	}
	return s.c.shareEach([]any{l, r}, func(xs []any) any {
		return s.guarded(op(mongoCompare[impl], xs[0], xs[1]), xs[0], xs[1], ln, rn)
	})
}

func (s scope) guarded(out, l, r any, ln, rn bool) any {
	all := list{}
	if ln {
		all = append(all, notNull(l))
	}
	if rn {
		all = append(all, notNull(r))
	}
	return obj{{"$and", append(all, out)}}
}

// operands gives both sides in forms that compare as SQL values do: two columns
// of ObjectIds as such, numbers without widening.
func (s scope) operands(impl string, le, re planner.Expr) (l, r any) {
	le, re = widened(le), widened(re)
	if impl == "eq" || impl == "ne" {
		a, b := s.oidColumn(le), s.oidColumn(re)
		if a != nil && b != nil {
			return a.ref(), b.ref()
		}
	}
	return s.comparand(le), s.comparand(re)
}

// comparand skips conversions that do not change how values compare.
func (s scope) comparand(e planner.Expr) any {
	if r, ok := e.(*planner.ColRef); ok && s.f != nil {
		if l := s.f.find(r.ID); l != nil && comparesStored(l) {
			return l.ref()
		}
	}
	return s.value(e)
}

// comparesStored tells whether stored values compare as canonical ones.
func comparesStored(l *loc) bool {
	return isCanonical(l) || isFloat(l.t.OID) && !l.narrow
}

func isFloat(t sqltype.OID) bool { return t == sqltype.Float8 || t == sqltype.Float4 }

// oidColumn is the location of a column that holds nothing but ObjectIds.
func (s scope) oidColumn(e planner.Expr) *loc {
	r, ok := e.(*planner.ColRef)
	if !ok || s.f == nil {
		return nil
	}
	l := s.f.find(r.ID)
	if l == nil || oidForm(l) != onlyOID {
		return nil
	}
	return l
}

// widened strips casts after which values compare as before.
func widened(e planner.Expr) planner.Expr {
	c, ok := e.(*planner.Cast)
	if !ok {
		return e
	}
	from, to := c.X.Type().OID, c.T.OID
	switch {
	case isInteger(from) && (isInteger(to) && wider(to, from) || to == sqltype.Float8 || to == sqltype.Numeric && c.T.Mod < 0),
		from == sqltype.Float4 && to == sqltype.Float8,
		from == sqltype.Date && to == sqltype.Timestamp && c.T.Mod < 0,
		from == to && c.T.Mod < 0,
		plainString(from) && plainString(to) && c.T.Mod < 0:
		return widened(c.X)
	}
	return e
}

func plainString(t sqltype.OID) bool { return t == sqltype.Text || t == sqltype.Varchar }

func isInteger(t sqltype.OID) bool {
	return t == sqltype.Int2 || t == sqltype.Int4 || t == sqltype.Int8
}

func wider(to, from sqltype.OID) bool {
	return to == sqltype.Int8 || to == from || from == sqltype.Int2
}

// distinct is IS [NOT] DISTINCT FROM: NULLs equal each other.
func (s scope) distinct(e *planner.DistinctFrom, want bool) any {
	same := e.Not == want
	if naturalOrder(e.Eq.Impl) {
		l, r := s.operands("eq", e.L, e.R)
		l, r = op("$ifNull", l, null), op("$ifNull", r, null)
		if same {
			return op("$eq", l, r)
		}
		return op("$ne", l, r)
	}
	out := s.c.onceEach([]any{s.value(e.L), s.value(e.R)}, func(xs []any) any {
		eq := op("$eq", op(expr.LocalPrefix+e.Eq.Impl, xs[0], xs[1]), true)
		return op("$or", op("$and", isNullish(xs[0]), isNullish(xs[1])), eq)
	})
	if same {
		return out
	}
	return op("$not", out)
}

// inList is IN: true when one equals, false when all differ and none is NULL.
func (s scope) inList(e *planner.InList, want bool) any {
	found := e.Not != want
	if found {
		if in := s.inConstants(e); in != nil {
			return in
		}
	}
	if len(e.List) > 1 {
		return s.bind(e.X, func(s scope, x planner.Expr) any { return s.inItems(e, x, want) })
	}
	return s.inItems(e, e.X, want)
}

// inItems compares each item of a list with x.
func (s scope) inItems(e *planner.InList, v planner.Expr, want bool) any {
	found := e.Not != want
	var items list
	for _, x := range e.List {
		eq := &planner.Call{Func: e.Eq, Args: []planner.Expr{v, x}, T: sqltype.Of(sqltype.Bool), P: e.P}
		items = append(items, s.is(eq, found))
	}
	if found {
		return obj{{"$or", items}}
	}
	return obj{{"$and", items}}
}

// inConstants is {$in: [x, [constants]]} when nothing can be NULL in the list.
func (s scope) inConstants(e *planner.InList) any {
	if !naturalOrder(e.Eq.Impl) {
		return nil
	}
	items := list{}
	for _, x := range e.List {
		k, ok := widened(x).(*planner.Const)
		if !ok || k.Value.IsNullish() {
			return nil
		}
		items = append(items, k.Value)
	}
	arr := op1("$literal", items)
	return op("$in", s.comparand(widened(e.X)), arr)
}

// anyAll is X op ANY|ALL (array).
func (s scope) anyAll(e *planner.AnyAll, want bool) any {
	arr, x := s.value(e.Array), s.value(e.X)
	return s.c.onceEach([]any{arr, x}, func(xs []any) any {
		item := s.c.name("i")
		// ANY is true if some test is true and false if all are false; ALL the other way round.
		quantifier := "$anyElementTrue"
		if e.All == want {
			quantifier = "$allElementsTrue"
		}
		mapped := op1("$map", obj{{"input", xs[0]}, {"as", item}, {"in", s.itemTest(e.Op, xs[1], "$$"+item, hasNaN(e.X.Type()), want)}})
		return op("$and", op1("$isArray", list{xs[0]}), obj{{quantifier, list{cond(op1("$isArray", list{xs[0]}), mapped, list{})}}})
	})
}

// itemTest is x op item being true or false.
func (s scope) itemTest(f *sqlfunc.Func, x, item any, nan, want bool) any {
	if naturalOrder(f.Impl) {
		impl := f.Impl
		if !want {
			impl = negated[impl]
		}
		return op("$and", notNull(x), notNull(item), s.c.ordered(impl, x, item, nan, nan))
	}
	return op("$eq", op(expr.LocalPrefix+f.Impl, x, item), want)
}

// nullable tells whether an expression may be NULL.
func (s scope) nullable(e planner.Expr) bool {
	switch e := e.(type) {
	case *planner.Const:
		return e.Value.IsNullish()
	case *planner.ColRef:
		if s.f != nil {
			if l := s.f.find(e.ID); l != nil {
				return !l.notNull
			}
		}
		return true
	case *planner.Test, *planner.DistinctFrom:
		return false
	case *planner.Logic:
		return s.anyNullable(e.Args)
	case *planner.Cast:
		return s.nullable(e.X)
	case *planner.Call:
		return !strictNonNull[e.Func.Impl] || s.anyNullable(e.Args)
	case *planner.InList:
		return s.nullable(e.X) || s.anyNullable(e.List)
	case *planner.Variadic:
		if e.Kind == planner.NullIf {
			return true
		}
		for _, a := range e.Args {
			if !s.nullable(a) {
				return false
			}
		}
		return true
	case *planner.Subquery:
		return e.Kind != planner.Exists && e.Kind != planner.NotExists && e.Kind != planner.ArrayOf
	case *planner.Array, *planner.Row:
		return false
	case *planner.Let:
		return s.nullable(e.In)
	case *planner.Case:
		for _, w := range e.Whens {
			if s.nullable(w.Then) {
				return true
			}
		}
		return e.Else == nil || s.nullable(e.Else)
	}
	return true
}

func (s scope) anyNullable(es []planner.Expr) bool {
	for _, e := range es {
		if s.nullable(e) {
			return true
		}
	}
	return false
}

// strictNonNull are the functions that give NULL for NULL only.
var strictNonNull = func() map[string]bool {
	m := map[string]bool{}
	for impl := range mongoCompare {
		m[impl] = true
	}
	for _, t := range []string{"int2", "int4", "int8", "float4", "float8", "numeric"} {
		for _, o := range []string{"add_", "sub_", "mul_", "neg_", "abs_"} {
			m[o+t] = true
		}
	}
	for _, impl := range []string{"concat_op", "length", "like", "not_like", "lower", "upper"} {
		m[impl] = true
	}
	return m
}()
