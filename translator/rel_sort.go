package translator

import (
	"weir/catalog"
	"weir/engine/expr"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqltype"
)

// sort orders by fields; keys that are no plain fields are computed first, and
// keys that may be NULL get a field of their own that places NULLs, unless
// MongoDB's place (before everything) is the right one.
func (c *compiler) sort(n *planner.Sort, outer map[planner.ColID]*loc) *fragment {
	f := c.relation(n.Input, outer)
	c.orderBy(f, n.Keys)
	f.order = n.Keys
	return f
}

func (c *compiler) orderBy(f *fragment, keys []planner.SortKey) {
	if f.one {
		return
	}
	spec := c.sortSpec(f, keys)
	if len(spec) > 0 {
		f.add("$sort", spec)
	}
}

// sortSpec is the value of $sort; it adds the fields that are needed.
func (c *compiler) sortSpec(f *fragment, keys []planner.SortKey) obj {
	for _, k := range keys {
		c.settleUsed(f, k.Expr)
	}
	s := scope{c: c, f: f}
	fields, spec := obj{}, obj{}
	seen := map[string]bool{}
	for _, k := range keys {
		if c.constant(k.Expr) {
			continue
		}
		path, ok := s.sortPath(k.Expr)
		if !ok || mayBeNaN(k.Expr) {
			path = c.name("__k")
			fields = append(fields, field{path, computed(s.storedKey(k.Expr))})
		}
		if seen[path] {
			continue
		}
		seen[path] = true
		if s.nullable(k.Expr) && k.NullsFirst == k.Desc {
			nulls := c.name("__n")
			fields = append(fields, field{nulls, cond(isNullish(s.raw(k.Expr)), 1, 0)})
			spec = append(spec, field{nulls, direction(k.NullsFirst)})
		}
		spec = append(spec, field{path, direction(k.Desc)})
	}
	if len(fields) > 0 {
		f.add("$addFields", fields)
	}
	return spec
}

func direction(desc bool) int {
	if desc {
		return -1
	}
	return 1
}

// sortPath is the field that holds a key, if MongoDB orders it as SQL does.
func (s scope) sortPath(e planner.Expr) (string, bool) {
	l := s.location(widened(e))
	if l == nil || !sortsNaturally(e.Type()) {
		return "", false
	}
	if !comparesStored(l) && oidForm(l) != onlyOID || l.stored && l.kinds.Has(catalog.KindArray) {
		return "", false
	}
	return l.queryPath()
}

// storedKey is sortValue where nothing but the order of the keys matters.
func (s scope) storedKey(e planner.Expr) any {
	if l := s.fineDate(e); l != nil {
		return s.finePair(l)
	}
	return s.sortValue(e)
}

// sortValue is an expression that orders as the key does.
func (s scope) sortValue(e planner.Expr) any {
	x := s.comparand(widened(e))
	if sortsNaturally(e.Type()) {
		return s.c.nanHigh(e, x)
	}
	return sortKey(x, e.Type())
}

// sortKey is a value that orders and groups as SQL does.
func sortKey(x any, t sqltype.Type) any {
	if t.OID == sqltype.Bpchar {
		return withoutBlanks(x)
	}
	if d := t.OID.Def(); d != nil && d.Kind == sqltype.EnumKind {
		labels := list{}
		for _, l := range d.Labels {
			labels = append(labels, l)
		}
		return cond(isNullish(x), null, enumPlace(labels, x))
	}
	return op(expr.LocalPrefix+opSortKey, x, int(t.OID))
}

func sortsNaturally(t sqltype.Type) bool {
	return scalarForm(t) && t.OID != sqltype.Bytea && t.OID != sqltype.Inet && t.OID != sqltype.Cidr && !t.OID.IsEnum()
}

// limit cuts. A count that is not known yet is a placeholder.
func (c *compiler) limit(n *planner.Limit, outer map[planner.ColID]*loc) *fragment {
	if f := c.topByDates(n, outer); f != nil {
		return f
	}
	if f := c.topByIndex(n, outer); f != nil {
		return f
	}
	c.noteMost(n)
	f := c.relation(n.Input, outer)
	if n.WithTies != nil {
		return c.withTies(f, n)
	}
	c.cut(f, n)
	return f
}

// noteMost tells the functions that make the rows of a LIMIT how many are read.
func (c *compiler) noteMost(n *planner.Limit) {
	rows := int64(0)
	for _, e := range []planner.Expr{n.Count, n.Offset} {
		k, ok := widened(e).(*planner.Const)
		switch {
		case e == nil && rows > 0: // no OFFSET
		case !ok || !k.Value.IsNumber():
			return
		default:
			rows += k.Value.AsInt64()
		}
	}
	if n.WithTies != nil || rows <= 0 {
		return
	}
	in := n.Input
	for {
		p, ok := in.(*planner.Project)
		if !ok || p.SetReturning {
			break
		}
		in = p.Input
	}
	switch in.(type) {
	case *planner.FuncScan, *planner.Project:
		c.most[in] = rows
	}
}

func (c *compiler) addLimit(f *fragment, e planner.Expr) {
	count := c.rowCount(e, limitRows)
	f.add("$limit", count)
	if k, ok := widened(e).(*planner.Const); ok && !k.Value.IsNullish() && k.Value.AsInt64() <= 1 {
		f.one = true
	}
}

// rowCount is always a placeholder: filling it checks the sign and knows what
// NULL and zero mean.
func (c *compiler) rowCount(e planner.Expr, kind placeholderKind) any {
	cols := newUse()
	if cols.expr(e); len(cols.free()) > 0 || !c.constant(e) && !cols.volatile {
		c.fail(sqlerr.Unsupported(e.Pos(), "Use a constant or a parameter.", "LIMIT and OFFSET cannot depend on other rows"))
		return 1
	}
	return placeholder{kind: kind, n: c.constSlot(e)}
}

// constSlot is a slot for any constant, known ones too.
func (c *compiler) constSlot(e planner.Expr) int {
	if k, ok := e.(*planner.Const); ok {
		return c.exprSlot(literal(k.Value), k.P)
	}
	return scope{c: c}.slot(e)
}

// withTies keeps the rows that tie with the last one, by a local stage.
func (c *compiler) withTies(f *fragment, n *planner.Limit) *fragment {
	spec := obj{{"keys", list{}}}
	s := scope{c: c, f: f}
	fields, keys := obj{}, list{}
	for _, k := range n.WithTies {
		name := c.name("__t")
		fields = append(fields, field{name, computed(op("$ifNull", s.value(k.Expr), null))})
		keys = append(keys, name)
	}
	spec[0].v = keys
	if n.Offset != nil {
		f.add("$skip", c.rowCount(n.Offset, skipRows))
	}
	spec = append(spec, field{"count", placeholder{kind: slotValue, n: c.constSlot(n.Count)}})
	f.add("$addFields", fields)
	f.addLocal("WITH TIES looks at neighbouring rows", expr.LocalPrefix+stageTies, spec)
	return f
}

// distinct removes duplicates.
func (c *compiler) distinct(n *planner.Distinct, outer map[planner.ColID]*loc) *fragment {
	f := c.relation(n.Input, outer)
	if f.one {
		return f
	}
	if n.On != nil {
		return c.distinctOn(f, n)
	}
	cols := n.Cols()
	order := f.order
	c.normalise(f, cols)
	id := obj{}
	for i, col := range cols {
		name := slotName("c", i)
		id = append(id, field{name, c.groupKey("$"+name, col.Type)})
	}
	f.add("$group", obj{{"_id", id}, {"d", obj{{"$first", "$$ROOT"}}}})
	f.add("$replaceRoot", obj{{"newRoot", "$d"}})
	f.order = nil
	if order != nil && c.readable(f, order) {
		c.orderBy(f, order)
		f.order = order
	}
	return f
}

// groupKey is a value by which equal values group; NULLs are equal.
func (c *compiler) groupKey(x any, t sqltype.Type) any {
	x = op("$ifNull", x, null)
	if needsKey(t) {
		return sortKey(x, t)
	}
	return x
}

// needsKey tells whether equal values of the type may differ as BSON.
func needsKey(t sqltype.Type) bool {
	switch t.OID {
	case sqltype.JSONB, sqltype.Interval, sqltype.Timetz, sqltype.Bpchar, sqltype.Record, sqltype.Inet, sqltype.Cidr:
		return true
	}
	return t.OID.IsComposite() || t.OID.IsArray() && needsKey(sqltype.Of(t.OID.Elem()))
}

// readable tells whether keys read only columns that the fragment still has.
func (c *compiler) readable(f *fragment, keys []planner.SortKey) bool {
	ok := true
	for _, k := range keys {
		walkExpr(k.Expr, func(x planner.Expr) {
			if r, is := x.(*planner.ColRef); is && f.find(r.ID) == nil {
				ok = false
			}
		})
	}
	return ok
}

// distinctOn keeps the first row in order for each value of On.
func (c *compiler) distinctOn(f *fragment, n *planner.Distinct) *fragment {
	c.settleUsed(f, n.On...)
	s := scope{c: c, f: f}
	id := obj{}
	for i, e := range n.On {
		id = append(id, field{slotName("k", i), c.groupKey(s.value(e), e.Type())})
	}
	order := f.order
	f.add("$group", obj{{"_id", id}, {"d", obj{{"$first", "$$ROOT"}}}})
	f.add("$replaceRoot", obj{{"newRoot", "$d"}})
	f.order = nil
	if order != nil {
		c.orderBy(f, order)
		f.order = order
	}
	return f
}
