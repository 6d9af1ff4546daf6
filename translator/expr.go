package translator

import (
	"weir/catalog"
	"weir/engine/expr"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// scope is where an expression is compiled: the fragment whose columns it reads
// and to which subqueries add stages. In slots, the expression becomes a slot's.
type scope struct {
	c     *compiler
	f     *fragment
	slots bool
}

func isVolatile(f *sqlfunc.Func) bool { return f != nil && f.Volatility == sqlfunc.Volatile }

// constant tells whether an expression has one value for a whole execution.
func (c *compiler) constant(e planner.Expr) bool {
	ok := true
	bound := map[planner.ColID]bool{}
	walkExpr(e, func(x planner.Expr) {
		switch x := x.(type) {
		case *planner.Let:
			bound[x.Col.ID] = true
		case *planner.ColRef:
			ok = ok && bound[x.ID]
		case *planner.Call:
			f := x.Func
			ok = ok && !isVolatile(f) && !(c.opts.Standing && f != nil && f.Volatility == sqlfunc.Stable)
		case *planner.Subquery:
			ok = ok && c.independent(x.Plan)
		}
	})
	return ok
}

// independent tells whether a subquery's result is the same for all rows.
func (c *compiler) independent(n planner.Node) bool {
	u := newUse()
	u.node(n)
	for _, cte := range u.ctes {
		if c.working[cte.ID] {
			return false
		}
	}
	return len(u.free()) == 0
}

// value compiles an expression to its canonical BSON form; NULL is null or missing.
func (s scope) value(e planner.Expr) any {
	switch e := e.(type) {
	case nil:
		return null
	case *planner.Const:
		return literal(e.Value)
	case *planner.ColRef:
		return s.column(e)
	}
	if s.c.constant(e) && !s.slots {
		return s.slotRef(s.slot(e), e.Type())
	}
	return s.compute(e)
}

func (s scope) compute(e planner.Expr) any {
	if s.c.spend(e) {
		return null
	}
	switch e := e.(type) {
	case *planner.Param:
		return s.slotRef(s.slot(e), e.T)
	case *planner.Call:
		return s.call(e)
	case *planner.Cast:
		return s.cast(e)
	case *planner.Logic, *planner.DistinctFrom, *planner.InList, *planner.AnyAll:
		return s.boolean(e)
	case *planner.Test:
		return s.isTrue(e)
	case *planner.Case:
		return s.caseOf(e)
	case *planner.Variadic:
		return s.variadic(e)
	case *planner.Subquery:
		return s.subquery(e)
	case *planner.Array:
		return s.values(e.Elems)
	case *planner.Row:
		if e.Composite != 0 {
			return s.composite(e)
		}
		return s.row(e)
	case *planner.Checked:
		return s.domainChecked(e)
	case *planner.Let:
		return s.let(e.Col.ID, e.X, func(s scope) any { return s.value(e.In) })
	case *planner.Path:
		return s.path(e)
	case *planner.Subscript:
		return s.subscript(e)
	case *jsonRow:
		return s.jsonRow(e)
	case *converted:
		return s.convert(e.Expr, e.cast, sqltype.Of(e.cast.To), true)
	}
	s.c.fail(sqlerr.New(sqlerr.InternalError, "unexpected expression %T", e).At(e.Pos()))
	return null
}

func (s scope) values(es []planner.Expr) list {
	out := make(list, len(es))
	for i, e := range es {
		out[i] = s.value(e)
	}
	return out
}

func (s scope) column(e *planner.ColRef) any {
	if s.f != nil {
		if l := s.f.find(e.ID); l != nil {
			return canonical(l)
		}
	}
	s.c.fail(sqlerr.New(sqlerr.InternalError, "column %q is not among the input's", e.Name).At(e.P))
	return null
}

// canonical reads a column in the BSON form of its type.
func canonical(l *loc) any {
	if !l.stored || isCanonical(l) {
		return l.ref()
	}
	if l.narrow {
		return narrowed(l)
	}
	switch {
	case l.t.OID.IsString() && l.kinds.Only(catalog.KindString|catalog.KindObjectID):
		return op1("$toString", l.ref())
	case (l.t.OID == sqltype.Float8 || l.t.OID == sqltype.Float4) && l.kinds.Only(numberKinds|catalog.KindNull):
		return op1("$toDouble", l.ref())
	case l.t.OID == sqltype.Timestamptz && l.kinds.Only(catalog.KindDate|catalog.KindTimestamp|catalog.KindNull):
		return op1("$toDate", l.ref())
	case l.t.OID == sqltype.Numeric && l.kinds.Only(canonicalKinds(l.t)|catalog.KindDouble|catalog.KindNull) && simple(l.ref()):
		// as storedOp: with the digits that the double prints with
		x := l.ref()
		return cond(op("$eq", op1("$type", x), "double"), op1("$toDecimal", op1("$toString", x)), x)
	}
	return op(expr.LocalPrefix+opStored, l.ref(), int(l.t.OID))
}

const numberKinds = catalog.KindInt32 | catalog.KindInt64 | catalog.KindDouble | catalog.KindDecimal

// narrowed reads the values of the type's kinds; double as numeric by its digits.
func narrowed(l *loc) any {
	v := l.ref()
	switch l.t.OID {
	case sqltype.Numeric:
		return op("$cond", op1("$isNumber", v), op(expr.LocalPrefix+opStored, v, int(l.t.OID)), null)
	case sqltype.Bool:
		return op("$cond", op("$eq", op1("$type", v), "bool"), v, null)
	}
	return op("$cond", op("$eq", op1("$type", v), "date"), v, null)
}

// canonicalKinds are the BSON types that are a SQL type's form.
func canonicalKinds(t sqltype.Type) catalog.Kinds {
	switch t.OID {
	case sqltype.Numeric:
		return catalog.KindDecimal | catalog.KindInt32 | catalog.KindInt64
	case sqltype.Date, sqltype.Timestamp, sqltype.Timestamptz:
		return catalog.KindDate
	case sqltype.JSONB:
		return ^catalog.Kinds(0)
	}
	return catalog.DeclaredKinds(t)
}

// isCanonical tells whether what documents hold is the type's form. Columns in
// which no value was ever seen count as such.
func isCanonical(l *loc) bool {
	return !l.stored || l.kinds&^(canonicalKinds(l.t)|catalog.KindNull) == 0
}

// call compiles a function or operator: by the push table, else locally.
func (s scope) call(e *planner.Call) any {
	if e.Spread {
		return s.spreadCall(e)
	}
	if build, ok := s.c.push[e.Func.Impl]; ok {
		if out := build(s, e); out != nil {
			return out
		}
	}
	return s.localCall(e)
}

func (s scope) localCall(e *planner.Call) any {
	if e.Func.Kind == sqlfunc.SetReturning {
		s.c.fail(sqlerr.Unsupported(e.P, "Call the function in FROM.", "set-returning functions are not supported here"))
		return null
	}
	args := s.callArgs(e.Func, e.Args)
	call := func(args list) any { return obj{{expr.LocalPrefix + e.Func.Impl, args}} }
	if lenientDivision[e.Func.Impl] && !s.c.opts.Strict && len(args) == 2 && !nonZero(e.Args[1]) {
		return s.c.onceEach(args, func(xs []any) any { return cond(op("$eq", xs[1], 0), null, call(xs)) })
	}
	return call(args)
}

// callArgs compiles arguments, converting those of any type as the function asks.
func (s scope) callArgs(f *sqlfunc.Func, args []planner.Expr) list {
	out := make(list, len(args))
	for i, a := range args {
		out[i] = s.value(anyAs(s.c.opts.Funcs, f, i, a))
	}
	if t := args; f.Impl == "json_agg" && len(t) == 1 && (t[0].Type().OID.IsArray() || t[0].Type().OID == sqltype.Record) {
		out = append(out, true) // rows and arrays stand on lines of their own
	}
	return out
}

// row is an array of the fields. Those of a type that their values do not show
// carry it, for whoever prints the row.
func (s scope) row(e *planner.Row) any {
	out := s.values(e.Fields)
	if e.Bare {
		return out
	}
	for i, x := range e.Fields {
		t := x.Type().OID
		if sqltype.ShowsInRecord(t) {
			continue
		}
		out[i] = s.c.once(out[i], func(v any) any {
			return cond(isNullish(v), null, obj{{sqltype.RecordTypeKey, int(t)}, {sqltype.RecordValueKey, v}})
		})
	}
	return out
}

// anyAs wraps an argument of a polymorphic parameter in the conversion that the
// function asks for.
func anyAs(t *sqlfunc.Table, f *sqlfunc.Func, i int, a planner.Expr) planner.Expr {
	if f.AnyAs == 0 || len(f.Args) == 0 || a.Type().OID == f.AnyAs {
		return a
	}
	switch declared := f.Args[min(i, len(f.Args)-1)]; declared {
	case sqltype.Any, sqltype.AnyElement, sqltype.AnyArray, sqltype.AnyNonArray, sqltype.Record:
	default:
		return a
	}
	if row, ok := a.(*planner.Row); ok && row.Names != nil && (f.AnyAs == sqltype.JSON || f.AnyAs == sqltype.JSONB) {
		return &jsonRow{converted{Expr: a}, row, f.AnyAs}
	}
	return &converted{Expr: a, cast: t.Convert(a.Type().OID, f.AnyAs)}
}

// converted is an argument under a conversion that is no cast of SQL's.
type converted struct {
	planner.Expr
	cast *sqlfunc.Cast
}

// jsonRow is a table's row as a JSON object with the columns' names.
type jsonRow struct {
	converted
	row *planner.Row
	as  sqltype.OID
}

func (s scope) jsonRow(e *jsonRow) any {
	args := list{}
	for i, x := range e.row.Fields {
		if x.Type().OID != e.as {
			x = &converted{Expr: x, cast: s.c.opts.Funcs.Convert(x.Type().OID, e.as)}
		}
		args = append(args, op1("$literal", e.row.Names[i]), s.value(x))
	}
	if e.as == sqltype.JSON {
		return obj{{expr.LocalPrefix + "json_record", args}}
	}
	return obj{{expr.LocalPrefix + "jsonb_build_object", args}}
}

func (s scope) caseOf(e *planner.Case) any {
	branches := list{}
	for _, w := range e.Whens {
		branches = append(branches, obj{{"case", s.isTrue(w.Cond)}, {"then", s.value(w.Then)}})
	}
	other := any(null)
	if e.Else != nil {
		other = s.value(e.Else)
	}
	if len(branches) == 1 {
		b := branches[0].(obj)
		return cond(b[0].v, b[1].v, other)
	}
	return op1("$switch", obj{{"branches", branches}, {"default", other}})
}

func (s scope) variadic(e *planner.Variadic) any {
	switch e.Kind {
	case planner.Coalesce:
		return obj{{"$ifNull", append(s.values(e.Args), null)}}
	case planner.NullIf:
		return s.bind(e.Args[0], func(s scope, x planner.Expr) any {
			a := s.value(x)
			eq := &planner.Call{Func: e.Eq, Args: []planner.Expr{x, e.Args[1]}, T: sqltype.Of(sqltype.Bool), P: e.P}
			return cond(s.isTrue(eq), null, a)
		})
	case planner.Greatest:
		return s.extreme(e, "$max", ">")
	}
	return s.extreme(e, "$min", "<")
}

// extreme is GREATEST or LEAST; NULLs are ignored.
func (s scope) extreme(e *planner.Variadic, mongo, cmp string) any {
	f := s.c.operator(cmp, e.T.OID)
	if f == nil {
		s.c.fail(sqlerr.Unsupported(e.P, "", "GREATEST and LEAST are not supported for this type"))
		return null
	}
	if naturalOrder(f.Impl) {
		if !hasNaN(e.T) {
			return obj{{mongo, s.values(e.Args)}}
		}
		return s.extremeFloat(e, mongo)
	}
	return s.c.fold(s.values(e.Args), func(a, b any) any {
		return cond(isNullish(a), b, cond(isNullish(b), a, cond(op1("$eq", list{op(expr.LocalPrefix+f.Impl, b, a), true}), b, a))) // the first of equal ones
	})
}

// fold combines values two by two, each bound to a variable.
func (c *compiler) fold(es list, f func(a, b any) any) any {
	acc := es[0]
	for _, e := range es[1:] {
		acc = c.onceEach([]any{acc, e}, func(xs []any) any { return f(xs[0], xs[1]) })
	}
	return acc
}

// operator finds the operator of a name for two operands of a type.
func (c *compiler) operator(name string, t sqltype.OID) *sqlfunc.Func {
	for _, o := range c.opts.Funcs.Operators(name) {
		if o.Left == t && o.Right == t {
			return o.Func
		}
	}
	if t == sqltype.Varchar || t == sqltype.CharByte {
		return c.operator(name, sqltype.Text)
	}
	if t.IsArray() {
		return c.operator(name, sqltype.AnyArray)
	}
	return nil
}

// path goes down into a document. A name on an array or scalar gives NULL.
func (s scope) path(e *planner.Path) any {
	l := s.pathLoc(e)
	if l == nil {
		return getField(s.value(e.X), e.Names)
	}
	if !s.documentsOnly(e) {
		safe := len(l.path) - len(e.Names)
		return getField(fieldRef(l.base, l.path[:safe]), e.Names)
	}
	return canonical(l)
}

// documentsOnly tells whether a path goes through no array as far as anybody
// knows: a dotted path would gather the items' fields.
func (s scope) documentsOnly(e *planner.Path) bool {
	r, ok := e.X.(*planner.ColRef)
	if !ok || len(e.Names) != 1 {
		return false
	}
	l := s.f.find(r.ID)
	return l != nil && l.stored && l.kinds.Only(catalog.KindDocument)
}

// pathLoc is the location of a path below a column.
func (s scope) pathLoc(e *planner.Path) *loc {
	r, ok := e.X.(*planner.ColRef)
	if !ok || s.f == nil {
		return nil
	}
	l := s.f.find(r.ID)
	if l == nil || l.expr != nil {
		return nil
	}
	m := *l
	m.path = append(append([]string(nil), l.path...), e.Names...)
	m.t, m.kinds, m.stored, m.notNull = e.T, 0, true, false
	return &m
}

func (s scope) subscript(e *planner.Subscript) any {
	x := s.value(e.X)
	if e.X.Type().OID == sqltype.Record {
		return s.c.once(x, func(x any) any { // a field, counted from zero
			return cond(op1("$isArray", list{x}), op("$ifNull", op("$arrayElemAt", x, s.value(e.Lo)), null), null)
		})
	}
	if !e.X.Type().OID.IsArray() {
		return s.jsonSubscript(e, x)
	}
	if e.Slice {
		return s.slice(e, x)
	}
	return s.c.onceEach([]any{x, s.value(e.Lo)}, func(xs []any) any {
		item := op("$arrayElemAt", xs[0], op("$subtract", xs[1], 1))
		switch e.T.OID {
		case sqltype.JSONB, sqltype.JSON, sqltype.Record:
			return cond(op("$gte", xs[1], 1), op("$ifNull", item, null), null)
		}
		// as many subscripts as dimensions, or it is NULL
		body := s.c.once(item, func(x any) any {
			if e.T.OID.IsArray() {
				return cond(op1("$isArray", list{x}), x, null)
			}
			return cond(op1("$isArray", list{x}), null, op("$ifNull", x, null))
		})
		return cond(op("$gte", xs[1], 1), body, null)
	})
}

func (s scope) jsonSubscript(e *planner.Subscript, x any) any {
	if e.Slice {
		s.c.fail(sqlerr.New(sqlerr.DatatypeMismatch, "jsonb subscript does not support slices").At(e.P))
		return null
	}
	// A text that is a number finds items of arrays, a number finds keys.
	key := s.value(e.Lo)
	if !e.Lo.Type().OID.IsString() {
		key = op1("$toString", key)
	}
	return op(expr.LocalPrefix+"jsonb_extract_path", x, list{key})
}

func (s scope) slice(e *planner.Subscript, x any) any {
	lo, hi := any(1), any(op1("$size", x))
	if e.Lo != nil {
		lo = s.value(e.Lo)
	}
	return s.c.once(x, func(x any) any {
		if e.Hi == nil {
			hi = op1("$size", x)
		} else {
			hi = s.value(e.Hi)
		}
		body := s.c.onceEach([]any{lo, hi}, func(xs []any) any {
			from := op("$max", xs[0], 1)
			n := op("$add", op("$subtract", xs[1], from), 1)
			cut := cond(op("$gte", xs[1], from), op("$slice", x, op("$subtract", from, 1), op("$max", n, 1)), list{})
			return cond(op("$or", isNullish(xs[0]), isNullish(xs[1])), null, cut)
		})
		return cond(isNullish(x), null, body)
	})
}
