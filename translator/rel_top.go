package translator

import (
	"math"
	"slices"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/planner"
	"weir/sqltype"
)

// topByIndex is ORDER BY column LIMIT n over an index when NULLs or NaNs have to
// stand at the other end than MongoDB puts them: the rows with a value and those
// without are taken one after the other, so that the index still gives the
// order. nil if the query is no such thing.
func (c *compiler) topByIndex(n *planner.Limit, outer map[planner.ColID]*loc) *fragment {
	order, ok := n.Input.(*planner.Sort)
	if !ok || n.Count == nil || n.WithTies != nil || len(order.Keys) != 1 || !c.constant(n.Count) || n.Offset != nil && !c.constant(n.Offset) {
		return nil
	}
	key := order.Keys[0]
	r, ok := key.Expr.(*planner.ColRef)
	if !ok || key.NullsFirst != key.Desc && !mayBeNaN(r) || !plainScan(order.Input) {
		return nil
	}
	f := c.relation(order.Input, outer)
	s := scope{c: c, f: f}
	path, ok := s.sortPath(r)
	if !ok || c.opts.Capabilities.Sharded || !s.nullable(r) && !mayBeNaN(r) || f.local() || !filtersOnly(f.stages) || firstOuter(f.stages) < len(f.stages) || !indexed(f.src.scan, path) {
		f.order = order.Keys
		c.orderBy(f, order.Keys)
		c.cut(f, n)
		return f
	}
	c.byParts(f, n, path, key)
	f.order = order.Keys
	c.cut(f, n)
	return f
}

// plainScan tells whether a node is a collection under filters and projections.
func plainScan(n planner.Node) bool {
	switch n := n.(type) {
	case *planner.Scan:
		return true
	case *planner.Filter:
		return plainScan(n.Input)
	case *planner.Project:
		return !n.SetReturning && plainScan(n.Input)
	}
	return false
}

// byParts appends the rows with a value, sorted, and those without, each cut
// to what can be needed, in the order that is asked for.
func (c *compiler) byParts(f *fragment, n *planner.Limit, path string, key planner.SortKey) {
	filters := append([]stage(nil), f.stages...)
	need := placeholder{kind: limitRows, n: c.needed(n)}
	part := func(stages ...obj) []stage {
		out := append([]stage(nil), filters...)
		for _, doc := range append(stages, obj{{"$limit", need}}) {
			out = append(out, stage{doc: doc, traits: traitsOf(doc)})
		}
		return out
	}
	only := func(cond obj) obj { return obj{{"$match", obj{{path, cond}}}} }
	nulls, sorted := part(only(obj{{"$eq", null}})), obj{{"$sort", obj{{path, direction(key.Desc)}}}}
	parts := [][]stage{part(only(obj{{"$ne", null}}), sorted)}
	if mayBeNaN(key.Expr) {
		nan := value.Double(math.NaN())
		parts = [][]stage{part(only(obj{{"$nin", list{null, nan}}}), sorted), part(only(obj{{"$eq", nan}}))}
		if key.Desc {
			parts[0], parts[1] = parts[1], parts[0]
		}
	}
	if key.NullsFirst {
		parts = append([][]stage{nulls}, parts...)
	} else {
		parts = append(parts, nulls)
	}
	f.stages = parts[0]
	for _, p := range parts[1:] {
		f.add("$unionWith", obj{{"coll", f.src.ns.Coll}, {"pipeline", pipelineOf(p)}})
	}
}

// needed is the slot of count + offset.
func (c *compiler) needed(n *planner.Limit) int {
	s := scope{c: c, slots: true}
	count := s.slotRef(c.constSlot(n.Count), sqltype.Of(sqltype.Int8))
	if n.Offset == nil {
		return c.constSlot(n.Count)
	}
	offset := s.slotRef(c.constSlot(n.Offset), sqltype.Of(sqltype.Int8))
	return c.exprSlot(op("$add", count, op("$ifNull", offset, 0)), n.Count.Pos())
}

// cut appends OFFSET and LIMIT.
func (c *compiler) cut(f *fragment, n *planner.Limit) {
	if n.Offset != nil {
		f.add("$skip", c.rowCount(n.Offset, skipRows))
	}
	if n.Count != nil {
		c.addLimit(f, n.Count)
	}
}

// topByDates is ORDER BY column, … LIMIT n over an index on the dates of a column
// with microseconds: rows come in the order of the dates, no more of them than
// are needed, and those of one date are sorted here. nil if the query is no such
// thing.
func (c *compiler) topByDates(n *planner.Limit, outer map[planner.ColID]*loc) *fragment {
	order, ok := n.Input.(*planner.Sort)
	if !ok || n.Count == nil || n.WithTies != nil || !c.constant(n.Count) || n.Offset != nil && !c.constant(n.Offset) ||
		c.opts.Capabilities.Sharded || !fineScan(order.Input) {
		return nil
	}
	f := c.relation(order.Input, outer)
	s := scope{c: c, f: f}
	path, ok := s.finePath(order.Keys[0].Expr)
	ok = ok && s.fineDate(order.Keys[0].Expr) != nil // NaN is not where MongoDB has it
	if ok && !f.local() && filtersOnly(f.stages) && firstOuter(f.stages) == len(f.stages) && indexed(f.src.scan, path) {
		c.byDates(f, n, path, order.Keys)
	} else {
		c.orderBy(f, order.Keys)
	}
	f.order = order.Keys
	c.cut(f, n)
	return f
}

// byDates sorts by dates, NULLs at their place, and then the rows of each date.
func (c *compiler) byDates(f *fragment, n *planner.Limit, path string, keys []planner.SortKey) {
	key := keys[0]
	filters := append([]stage(nil), f.stages...)
	part := func(docs ...obj) []stage {
		out := append([]stage(nil), filters...)
		for _, doc := range docs {
			out = append(out, stage{doc: doc, traits: traitsOf(doc)})
		}
		return out
	}
	need := c.needed(n)
	sorted := obj{{"$sort", obj{{path, direction(key.Desc)}}}}
	parts := [][]stage{part(sorted)}
	if key.NullsFirst == key.Desc { // not where MongoDB has them
		nulls := []obj{{{"$match", obj{{path, obj{{"$eq", null}}}}}}}
		if len(keys) == 1 {
			nulls = append(nulls, obj{{"$limit", placeholder{kind: limitRows, n: need}}})
		}
		parts = [][]stage{part(obj{{"$match", obj{{path, obj{{"$ne", null}}}}}}, sorted), part(nulls...)}
		if key.NullsFirst {
			parts[0], parts[1] = parts[1], parts[0]
		}
	}
	f.stages = parts[0]
	for _, p := range parts[1:] {
		f.add("$unionWith", obj{{"coll", f.src.ns.Coll}, {"pipeline", pipelineOf(p)}})
	}
	spec := c.sortSpec(f, keys)
	f.addLocal("the rows of one millisecond are sorted here", expr.LocalPrefix+stageRuns,
		obj{{"path", path}, {"keys", spec}, {"need", placeholder{kind: slotValue, n: need}}})
}

// fineScan tells whether a node is a collection with microseconds under filters
// and projections.
func fineScan(n planner.Node) bool {
	switch n := n.(type) {
	case *planner.Scan:
		return slices.ContainsFunc(n.Fields, func(f planner.Field) bool { return f.Fine })
	case *planner.Filter:
		return fineScan(n.Input)
	case *planner.Project:
		return !n.SetReturning && fineScan(n.Input)
	}
	return false
}
