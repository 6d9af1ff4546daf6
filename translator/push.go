package translator

import "weir/planner"

// builder writes a call with MongoDB's operators; nil if that would not be exact
// for these arguments.
type builder func(s scope, e *planner.Call) any

// pushTable makes the table, by sqlfunc.Func.Impl, of what MongoDB does exactly
// as SQL asks.
func pushTable() map[string]builder {
	out := map[string]builder{}
	for _, t := range []map[string]builder{pushCompare(), pushNumber(), pushText(), pushDatetime(), pushBpchar(), pushEnum()} {
		for k, v := range t {
			out[k] = v
		}
	}
	return out
}

// pushCompare: comparisons give NULL if a side is NULL.
func pushCompare() map[string]builder {
	m := map[string]builder{}
	for impl := range mongoCompare {
		m[impl] = comparison
	}
	return m
}

func comparison(s scope, e *planner.Call) any {
	if !s.anyNullable(e.Args) {
		return s.compare(e.Func.Impl, e.Args[0], e.Args[1], true)
	}
	l, r := s.operands(e.Func.Impl, e.Args[0], e.Args[1])
	ln, rn := s.nullable(e.Args[0]), s.nullable(e.Args[1])
	return s.c.onceEach([]any{l, r}, func(xs []any) any {
		test := list{}
		if ln {
			test = append(test, isNullish(xs[0]))
		}
		if rn {
			test = append(test, isNullish(xs[1]))
		}
		isNull := test[0]
		if len(test) > 1 {
			isNull = obj{{"$or", test}}
		}
		return cond(isNull, null, s.c.ordered(e.Func.Impl, xs[0], xs[1], mayBeNaN(e.Args[0]), mayBeNaN(e.Args[1])))
	})
}

// mapped calls MongoDB's operator of the same meaning, which gives null for null.
func mapped(name string) builder {
	return func(s scope, e *planner.Call) any { return obj{{name, s.values(e.Args)}} }
}

// within wraps the result, to check its range.
func within(conv string, b builder) builder {
	return func(s scope, e *planner.Call) any {
		if x := b(s, e); x != nil {
			return op1(conv, x)
		}
		return nil
	}
}

// nullSafe guards an operator that refuses null.
func nullSafe(s scope, e planner.Expr, x any, body func(x any) any) any {
	if !s.nullable(e) {
		return body(x)
	}
	return s.c.once(x, func(x any) any { return cond(isNullish(x), null, body(x)) })
}

// constText is the text of a constant argument.
func constText(e planner.Expr) (string, bool) {
	k, ok := e.(*planner.Const)
	if !ok || !k.Value.IsString() {
		return "", false
	}
	return k.Value.Str(), true
}

// constInt is the number of a constant integer argument.
func constInt(e planner.Expr) (int64, bool) {
	k, ok := widened(e).(*planner.Const)
	if !ok || !isInteger(k.T.OID) || k.Value.IsNullish() {
		return 0, false
	}
	return k.Value.AsInt64(), true
}
