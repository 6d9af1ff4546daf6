package expr

import (
	"slices"

	"weir/engine/value"
)

// valueSet is a set of values under a collation.
type valueSet struct {
	byHash map[uint64][]value.Value
	col    *value.Collation
	n      int
}

func newSet(col *value.Collation) *valueSet {
	return &valueSet{byHash: map[uint64][]value.Value{}, col: col}
}

func setOf(arr value.Value, col *value.Collation) *valueSet {
	s := newSet(col)
	for it := value.Walk(arr.Doc()); it.Next(); {
		s.add(it.Value())
	}
	return s
}

// add tells whether v is new.
func (s *valueSet) add(v value.Value) bool {
	h := value.HashCollated(0, v, s.col)
	if s.find(h, v) {
		return false
	}
	s.byHash[h] = append(s.byHash[h], v)
	s.n++
	return true
}

func (s *valueSet) has(v value.Value) bool { return s.find(value.HashCollated(0, v, s.col), v) }

func (s *valueSet) find(h uint64, v value.Value) bool {
	for _, x := range s.byHash[h] {
		if value.EqualCollated(x, v, s.col) {
			return true
		}
	}
	return false
}

func (s *valueSet) sorted() value.Value {
	var all []value.Value
	for _, list := range s.byHash {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b value.Value) int { return value.CompareCollated(a, b, s.col) })
	return value.ArrayFrom(all)
}

// setOp makes a set operator that knows the collation.
func setOp(least, most int, fn func(args []value.Value, col *value.Collation) (value.Value, error)) func(*compiler, string, value.Value) (Expr, error) {
	return func(p *compiler, name string, arg value.Value) (Expr, error) {
		col := p.opts.Collation
		return p.call(name, operator{min: least, max: most, many: func(_ *Context, args []value.Value) (value.Value, error) {
			return fn(args, col)
		}}, arg)
	}
}

func setUnion(args []value.Value, col *value.Collation) (value.Value, error) {
	s := newSet(col)
	for _, a := range args {
		if a.IsNullish() {
			return value.Null(), nil
		}
		if !a.IsArray() {
			return a, fail(17043, "All operands of $setUnion must be arrays. One argument is of type: %s", typeName(a))
		}
		for it := value.Walk(a.Doc()); it.Next(); {
			s.add(it.Value())
		}
	}
	return s.sorted(), nil
}

func setIntersection(args []value.Value, col *value.Collation) (value.Value, error) {
	common := newSet(col)
	for i, a := range args {
		if a.IsNullish() {
			return value.Null(), nil
		}
		if !a.IsArray() {
			return a, fail(17047, "All operands of $setIntersection must be arrays. One argument is of type: %s", typeName(a))
		}
		next := newSet(col)
		for it := value.Walk(a.Doc()); it.Next(); {
			if i == 0 || common.has(it.Value()) {
				next.add(it.Value())
			}
		}
		if common = next; common.n == 0 {
			break
		}
	}
	return common.sorted(), nil
}

func setDifference(args []value.Value, col *value.Collation) (value.Value, error) {
	a, b := args[0], args[1]
	switch {
	case a.IsNullish() || b.IsNullish():
		return value.Null(), nil
	case !a.IsArray():
		return a, fail(17048, "both operands of $setDifference must be arrays. First argument is of type: %s", typeName(a))
	case !b.IsArray():
		return a, fail(17049, "both operands of $setDifference must be arrays. Second argument is of type: %s", typeName(b))
	}
	seen := setOf(b, col)
	var out value.Builder
	for it := value.Walk(a.Doc()); it.Next(); {
		if seen.add(it.Value()) {
			out.Item(it.Value())
		}
	}
	return out.ArrayOf(), nil
}

func parseSetEquals(p *compiler, name string, arg value.Value) (Expr, error) {
	if n := value.Len(arg.Doc()); !arg.IsArray() || n < 2 {
		return nil, fail(17045, "$setEquals needs at least two arguments had: %d", n)
	}
	return setOp(2, -1, setEquals)(p, name, arg)
}

func setEquals(args []value.Value, col *value.Collation) (value.Value, error) {
	var first *valueSet
	same := true
	for _, a := range args {
		if !a.IsArray() {
			return a, fail(17044, "All operands of $setEquals must be arrays. One argument is of type: %s", typeName(a))
		}
		s := setOf(a, col)
		if first == nil {
			first = s
			continue
		}
		same = same && s.n == first.n && contains(first, a)
	}
	return value.Bool(same), nil
}

func contains(s *valueSet, arr value.Value) bool {
	for it := value.Walk(arr.Doc()); it.Next(); {
		if !s.has(it.Value()) {
			return false
		}
	}
	return true
}

func setIsSubset(args []value.Value, col *value.Collation) (value.Value, error) {
	a, b := args[0], args[1]
	if !a.IsArray() {
		return a, fail(17046, "both operands of $setIsSubset must be arrays. First argument is of type: %s", typeName(a))
	}
	if !b.IsArray() {
		return a, fail(17042, "both operands of $setIsSubset must be arrays. Second argument is of type: %s", typeName(b))
	}
	return value.Bool(contains(setOf(b, col), a)), nil
}

// elementsTrue makes $allElementsTrue (all) and $anyElementTrue.
func elementsTrue(name string, all bool, code int32) func(*Context, value.Value) (value.Value, error) {
	return func(_ *Context, a value.Value) (value.Value, error) {
		if !a.IsArray() {
			return a, fail(code, "%s's argument must be an array, but is %s", name, typeName(a))
		}
		for it := value.Walk(a.Doc()); it.Next(); {
			if it.Value().Truthy() != all {
				return value.Bool(!all), nil
			}
		}
		return value.Bool(all), nil
	}
}
