package translator

import (
	"weir/planner"
	"weir/sqltype"
)

// What a condition writes several times is bound to a variable where it is
// heavy: written out, one in the other, such operands would double the pipeline
// at each level. Light ones are written again, so that ordinary conditions keep
// the shapes that servers find indexes for and people can read.

// Light expressions have at most so many parts as they are written.
const lightWeight = 30

// lightTree tells whether a tree may be written several times.
func lightTree(e any) bool { return weigh(e, lightWeight) >= 0 }

// weigh takes the parts of a tree off what is left; it ends below zero.
func weigh(e any, left int) int {
	left--
	switch e := e.(type) {
	case obj:
		for i := 0; i < len(e) && left >= 0; i++ {
			left = weigh(e[i].v, left)
		}
	case list:
		for i := 0; i < len(e) && left >= 0; i++ {
			left = weigh(e[i], left)
		}
	}
	return left
}

// shareEach is onceEach for operands of which the light may be written again.
func (c *compiler) shareEach(es []any, body func(xs []any) any) any {
	vars := obj{}
	xs := make([]any, len(es))
	for i, e := range es {
		if xs[i] = e; !lightTree(e) {
			name := c.name("x")
			vars = append(vars, field{name, e})
			xs[i] = "$$" + name
		}
	}
	if len(vars) == 0 {
		return body(xs)
	}
	return op1("$let", obj{{"vars", vars}, {"in", body(xs)}})
}

// light tells whether an expression may be compiled and written several times. What is
// volatile must not be.
func light(es ...planner.Expr) bool {
	left := lightWeight
	for _, e := range es {
		left = weighExpr(e, 1, left)
	}
	return left >= 0
}

// weighExpr is weigh of an expression that is written so many times; what a
// construct may write twice counts twice.
func weighExpr(e planner.Expr, times, left int) int {
	if left -= times; left < 0 {
		return left
	}
	switch x := e.(type) {
	case *planner.Logic, *planner.InList, *planner.Variadic, *planner.DistinctFrom, *planner.AnyAll:
		times *= 2
	case *planner.Call:
		if isVolatile(x.Func) {
			return -1
		}
		if naturalOrder(x.Func.Impl) || floatOps[x.Func.Impl] != "" {
			times *= 2
		}
	case *planner.Subquery:
		return left - lightWeight/2
	}
	exprChildren(e, func(x planner.Expr) {
		if left >= 0 {
			left = weighExpr(x, times, left)
		}
	})
	return left
}

// firstBound is before the columns that stand for bound operands.
const firstBound planner.ColID = -1 << 30

// bind computes an operand once that body may compile several times. The scope
// that body gets knows the column that stands for it.
func (s scope) bind(e planner.Expr, body func(s scope, e planner.Expr) any) any {
	if light(e) {
		return body(s, e)
	}
	s.c.seq++
	id := firstBound - planner.ColID(s.c.seq)
	return s.let(id, e, func(s scope) any {
		return body(s, &planner.ColRef{ID: id, T: e.Type(), Bound: true, P: e.Pos()})
	})
}

// let compiles what reads the value of an expression as a column.
func (s scope) let(id planner.ColID, e planner.Expr, body func(s scope) any) any {
	l := &loc{t: e.Type(), notNull: !s.nullable(e)}
	digits := s.c.digitsOf(e)
	x := s.value(e)
	if s.f == nil {
		s.f = newFragment(nil)
	}
	f := s.f
	before, had := f.cols[id]
	defer func() {
		if delete(f.cols, id); had {
			f.cols[id] = before
		}
	}()
	s.c.noteDigits(planner.Col{ID: id, Type: e.Type()}, digits)
	return s.c.once(x, func(x any) any {
		l.expr = x
		f.cols[id] = l
		return body(s)
	})
}

// heavyBoolean compiles a condition to true, false or null with its heavy parts
// compiled once; nil if it has none.
func (s scope) heavyBoolean(e planner.Expr) any {
	switch e := e.(type) {
	case *planner.Logic:
		return s.heavyLogic(e.Op, e.Args)
	case *planner.InList:
		for _, x := range e.List {
			if !light(x) {
				return s.inAsLogic(e)
			}
		}
		if light(e.X) {
			return nil
		}
		return s.bind(e.X, func(s scope, x planner.Expr) any {
			in := *e
			in.X = x
			return cond(s.isTrue(&in), true, cond(s.isFalse(&in), false, null))
		})
	case *planner.AnyAll:
		return s.bind(e.X, func(s scope, x planner.Expr) any {
			return s.bind(e.Array, func(s scope, arr planner.Expr) any {
				any := *e
				any.X, any.Array = x, arr
				return cond(s.isTrue(&any), true, cond(s.isFalse(&any), false, null))
			})
		})
	}
	return nil
}

// inAsLogic is IN (a, b) as = a OR = b.
func (s scope) inAsLogic(e *planner.InList) any {
	return s.bind(e.X, func(s scope, v planner.Expr) any {
		or := &planner.Logic{Op: planner.Or, P: e.P}
		for _, x := range e.List {
			or.Args = append(or.Args, &planner.Call{Func: e.Eq, Args: []planner.Expr{v, x}, T: sqltype.Of(sqltype.Bool), P: e.P})
		}
		out := s.heavyLogic(planner.Or, or.Args)
		if !e.Not {
			return out
		}
		return s.c.once(out, func(x any) any { return cond(isNullish(x), null, op("$not", x)) })
	})
}

// heavyLogic is AND or OR of the values of both halves of its arguments; the
// second half is not computed where the first decides.
func (s scope) heavyLogic(what planner.LogicOp, args []planner.Expr) any {
	if len(args) == 1 {
		return s.value(args[0])
	}
	half := func(args []planner.Expr) any {
		if light(args...) && len(args) > 1 {
			return s.boolean(&planner.Logic{Op: what, Args: args, P: args[0].Pos()})
		}
		return s.heavyLogic(what, args)
	}
	decisive := what == planner.Or
	return s.c.once(half(args[:len(args)/2]), func(l any) any {
		rest := s.c.once(half(args[len(args)/2:]), func(r any) any {
			return cond(op("$eq", r, decisive), decisive, cond(isNullish(l), null, r))
		})
		return cond(op("$eq", l, decisive), decisive, rest)
	})
}
