package translator

import (
	"slices"
	"strings"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqltype"
)

// slot gives the number of the slot that holds a constant expression.
func (s scope) slot(e planner.Expr) int {
	c := s.c
	switch e := e.(type) {
	case *planner.Param:
		return c.paramSlot(e)
	case *planner.Subquery:
		if n, ok := c.initPlan(e); ok {
			return n
		}
	}
	inner := scope{c: c, slots: true}
	return c.exprSlot(inner.compute2(e), e.Pos())
}

func (c *compiler) paramSlot(e *planner.Param) int {
	if n, ok := c.paramSlots[e.N]; ok {
		return n
	}
	n := c.addSlot(slot{param: e.N, pos: e.P})
	c.paramSlots[e.N] = n
	return n
}

func (c *compiler) addSlot(s slot) int {
	c.prog.slots = append(c.prog.slots, s)
	return len(c.prog.slots) - 1
}

func (c *compiler) exprSlot(tree any, pos int) int {
	var t traits
	if t.add(tree); t.tooLong() {
		c.fail(tooComplex().At(pos))
		return 0
	}
	raw := encodeValue(tree)
	key := string(append([]byte{byte(raw.Type)}, raw.Value...))
	if n, ok := c.exprSlots[key]; ok {
		return n
	}
	deps := &expr.Deps{}
	code, err := expr.Compile(raw, &expr.CompileOptions{Library: c.prog.lib, Deps: deps})
	if e := deferrable(err); e != nil {
		// what fails in any case fails when it is run, not when it is described
		n := c.addSlot(slot{fail: e.At(pos), pos: pos})
		c.exprSlots[key] = n
		return n
	}
	if err != nil {
		c.fail(localError(err, pos))
		return 0
	}
	n := c.addSlot(slot{expr: raw, code: code, reads: c.slotsRead(deps), late: c.readsLate(tree), pos: pos})
	c.exprSlots[key] = n
	return n
}

// slotsRead are the slots among the fields that an expression reads.
func (c *compiler) slotsRead(deps *expr.Deps) []int {
	var out []int
	if deps.Whole {
		for i := range c.prog.slots {
			out = append(out, i)
		}
		return out
	}
	for _, path := range deps.Fields {
		name, _, _ := strings.Cut(path, ".")
		if n, ok := slotNumber(name); ok && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// localError gives a compile error its position.
// deferrable is the error of computing constants while they are compiled (SQLSTATE
// class 22), nil for others.
func deferrable(err error) *sqlerr.Error {
	if err == nil {
		return nil
	}
	if e := sqlerr.As(MapError(err)); strings.HasPrefix(e.Code, "22") {
		return e
	}
	return nil
}

func localError(err error, pos int) error {
	return sqlerr.As(MapError(err)).At(pos)
}

// readsLate tells whether an expression over slots needs a subquery's result.
func (c *compiler) readsLate(tree any) bool {
	switch t := tree.(type) {
	case obj:
		for _, f := range t {
			if c.readsLate(f.v) {
				return true
			}
		}
	case list:
		for _, x := range t {
			if c.readsLate(x) {
				return true
			}
		}
	case string:
		name, _ := strings.CutPrefix(t, "$")
		n, ok := slotNumber(name)
		return ok && name != t && n < len(c.prog.slots) && c.prog.slots[n].late
	}
	return false
}

// slotRef reads a slot in an expression.
func (s scope) slotRef(n int, t sqltype.Type) any {
	if s.slots {
		return "$" + slotField(n)
	}
	p := placeholder{kind: slotValue, n: n, fine: s.c.mayBeFine(n, t)}
	if MayBeFine(t) && !slices.Contains(s.c.prog.moments, n) {
		s.c.prog.moments = append(s.c.prog.moments, n)
	}
	if neverOperator(t) {
		return p
	}
	return op1("$literal", p)
}

// neverOperator tells whether no value of the type could be read as an expression.
func neverOperator(t sqltype.Type) bool {
	switch t.OID {
	case sqltype.Bool, sqltype.Int2, sqltype.Int4, sqltype.Int8, sqltype.Float4, sqltype.Float8,
		sqltype.Numeric, sqltype.Date, sqltype.Timestamp, sqltype.Timestamptz, sqltype.UUID, sqltype.Bytea, sqltype.Time, sqltype.Oid:
		return true
	}
	return false
}

// initPlan compiles a subquery that does not depend on rows to a query of its
// own, which runs first. EXISTS, IN and quantified forms become tests of its result.
func (c *compiler) initPlan(e *planner.Subquery) (int, bool) {
	switch e.Kind {
	case planner.Scalar, planner.ArrayOf, planner.Exists:
	default:
		return 0, false
	}
	return c.addInit(e.Plan, e.Kind, e.P), true
}

func (c *compiler) addInit(n planner.Node, kind planner.SubqueryKind, pos int) int {
	key := initKey{n, kind}
	if s, ok := c.initSlots[key]; ok {
		return s
	}
	f := c.relation(n, nil)
	path := []string{"v"}
	switch kind {
	case planner.Exists:
		f.add("$limit", 1)
		f.add("$project", obj{{"_id", 1}})
	default:
		col := n.Cols()[0]
		if kind == planner.Scalar && !f.one {
			f.add("$limit", 2)
		}
		c.project(f, []outColumn{{name: "v", id: col.ID}})
	}
	init := &InitPlan{Kind: kind, Fetch: c.fetch(f), Path: path}
	c.prog.inits = append(c.prog.inits, init)
	init.slot = c.addSlot(slot{init: init, late: true, pos: pos})
	c.initSlots[key] = init.slot
	return init.slot
}

type initKey struct {
	node planner.Node
	kind planner.SubqueryKind
}

// slotConst is a constant as a matchCond wants it: its value if it is known
// now, else its slot.
func (s scope) slotConst(e planner.Expr) (v value.Value, n int, known bool) {
	if k, ok := e.(*planner.Const); ok {
		return k.Value, 0, true
	}
	return value.Value{}, s.slot(e), false
}
