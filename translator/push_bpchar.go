package translator

import (
	"strings"

	"weir/catalog"
	"weir/engine/value"
	"weir/planner"
	"weir/sqltype"
)

// character(n): trailing blanks do not count in comparisons, whatever the
// documents hold. Without them, MongoDB's order of strings is SQL's.

func pushBpchar() map[string]builder {
	m := map[string]builder{}
	for impl := range mongoCompare {
		m[impl+"_bpchar"] = comparisonBpchar
	}
	return m
}

// bpcharCompare gives the comparison that an operator of character(n) makes.
func bpcharCompare(e *planner.Call) (string, bool) {
	impl, ok := strings.CutSuffix(e.Func.Impl, "_bpchar")
	return impl, ok && naturalOrder(impl) && len(e.Args) == 2
}

// withoutBlanks is a string without the blanks at its end; null for null.
func withoutBlanks(x any) any {
	return op1("$rtrim", obj{{"input", x}, {"chars", " "}})
}

func (s scope) trimmed(e planner.Expr) any {
	if k, ok := e.(*planner.Const); ok && k.Value.IsString() {
		return literal(value.String(strings.TrimRight(k.Value.Str(), " ")))
	}
	return withoutBlanks(s.value(e))
}

func (s scope) compareBpchar(impl string, e *planner.Call, want bool) any {
	l, r := e.Args[0], e.Args[1]
	return s.compareValues(impl, s.trimmed(l), s.trimmed(r), s.nullable(l), s.nullable(r), want)
}

func comparisonBpchar(s scope, e *planner.Call) any {
	impl, ok := bpcharCompare(e)
	if !ok {
		return nil
	}
	l, r := e.Args[0], e.Args[1]
	return s.c.onceEach([]any{s.trimmed(l), s.trimmed(r)}, func(xs []any) any {
		test := list{}
		if s.nullable(l) {
			test = append(test, isNullish(xs[0]))
		}
		if s.nullable(r) {
			test = append(test, isNullish(xs[1]))
		}
		out := op(mongoCompare[impl], xs[0], xs[1])
		if len(test) == 0 {
			return out
		}
		return cond(obj{{"$or", test}}, null, out)
	})
}

// matchBpchar is column = constant or column IN (constants): the text, then
// nothing but blanks.
func (s scope) matchBpchar(e planner.Expr, texts []planner.Expr) obj {
	l := s.location(e)
	if l == nil || l.t.OID != sqltype.Bpchar || !isCanonical(l) || l.stored && (l.kinds == 0 || l.kinds.Has(catalog.KindArray)) {
		return nil
	}
	path, ok := l.queryPath()
	if !ok {
		return nil
	}
	var alternatives []string
	for _, t := range texts {
		k, ok := t.(*planner.Const)
		if !ok || !k.Value.IsString() || strings.Contains(k.Value.Str(), "\x00") {
			return nil
		}
		var re strings.Builder
		for _, r := range strings.TrimRight(k.Value.Str(), " ") {
			re.WriteString(quoteRune(r))
		}
		alternatives = append(alternatives, re.String())
	}
	re := strings.Join(alternatives, "|")
	if len(alternatives) > 1 {
		re = "(?:" + re + ")"
	}
	return obj{{path, obj{{"$regex", `\A` + re + ` *\z`}}}}
}
