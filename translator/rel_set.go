package translator

import (
	"strconv"

	"weir/planner"
)

// setOp is UNION, INTERSECT and EXCEPT by position.
func (c *compiler) setOp(n *planner.SetOp, outer map[planner.ColID]*loc) *fragment {
	f := c.relation(n.Left, outer)
	c.normalise(f, n.Left.Cols())
	g := c.relation(n.Right, outer)
	c.normalise(g, n.Right.Cols())
	f.one, f.order = false, nil
	if n.Kind != planner.Union {
		return c.countSides(f, g, n)
	}
	c.union(f, g)
	f.cols = setCols(n.Out)
	if !n.All {
		f.add("$group", obj{{"_id", c.rowKey(n.Out)}, {"d", obj{{"$first", "$$ROOT"}}}})
		f.add("$replaceRoot", obj{{"newRoot", "$d"}})
	}
	return f
}

func setCols(out []planner.Col) map[planner.ColID]*loc {
	cols := map[planner.ColID]*loc{}
	for i, col := range out {
		cols[col.ID] = &loc{path: []string{slotName("c", i)}, t: col.Type}
	}
	return cols
}

// rowKey groups rows that are equal, NULLs too.
func (c *compiler) rowKey(out []planner.Col) obj {
	id := obj{}
	for i, col := range out {
		name := slotName("c", i)
		id = append(id, field{name, c.groupKey("$"+name, col.Type)})
	}
	return id
}

// countSides counts equal rows on both sides, which decides how many stay. Of
// equal ones that read otherwise, 0 and 0.0, the first stays: one of PostgreSQL's
// hash table, which it fills from the side of fewer groups.
func (c *compiler) countSides(f, g *fragment, n *planner.SetOp) *fragment {
	f.add("$addFields", obj{{"side", op1("$literal", 1)}})
	g.add("$addFields", obj{{"side", op1("$literal", 2)}})
	if n.RightFirst() {
		f, g = g, f
		f.one, f.order = false, nil
	}
	c.union(f, g)
	count := func(side int) obj { return obj{{"$sum", cond(op("$eq", "$side", side), 1, 0)}} }
	f.add("$group", obj{{"_id", c.rowKey(n.Out)}, {"d", obj{{"$first", "$$ROOT"}}}, {"l", count(1)}, {"r", count(2)}})
	switch {
	case !n.All && n.Kind == planner.Intersect:
		f.add("$match", obj{{"l", obj{{"$gt", 0}}}, {"r", obj{{"$gt", 0}}}})
	case !n.All:
		f.add("$match", obj{{"l", obj{{"$gt", 0}}}, {"r", 0}})
	case n.Kind == planner.Intersect:
		f.add("$addFields", obj{{"n", op("$range", 0, op("$min", "$l", "$r"))}})
		f.add("$unwind", "$n")
	default:
		f.add("$addFields", obj{{"n", op("$range", 0, op("$max", op("$subtract", "$l", "$r"), 0))}})
		f.add("$unwind", "$n")
	}
	f.add("$replaceRoot", obj{{"newRoot", "$d"}})
	f.cols = setCols(n.Out)
	return f
}

// with compiles the queries that run before a body.
func (c *compiler) with(n *planner.With) {
	for _, q := range n.CTEs {
		name := "__w" + strconv.Itoa(q.ID)
		if q.Recursive != nil {
			c.recursive(q, name)
			continue
		}
		w := &With{Name: name}
		w.Query = c.cteQuery(q.Plan)
		c.prog.With = append(c.prog.With, w)
		c.ctes[q.ID] = &cte{name: name, cols: columnPlaces(q.Plan.Cols())}
	}
}

// cteQuery makes rows of c0, c1 …, or a write that returns such.
func (c *compiler) cteQuery(n planner.Node) Query {
	switch n.(type) {
	case *planner.Insert, *planner.Update, *planner.Delete:
		return c.query(n)
	}
	if w, ok := n.(*planner.With); ok {
		c.with(w)
		return c.cteQuery(w.Body)
	}
	f := c.relation(n, nil)
	c.normalise(f, n.Cols())
	return Query{Root: c.fetch(f)}
}

func columnPlaces(cols []planner.Col) map[planner.ColID]*loc { return setCols(cols) }

// recursive compiles WITH RECURSIVE: in the term, the query's name stands for
// the rows of the last round.
func (c *compiler) recursive(q planner.CTE, name string) {
	base := c.relation(q.Plan, nil)
	c.normalise(base, q.Plan.Cols())
	places := columnPlaces(q.Recursive.Out)
	for i, col := range q.Plan.Cols() {
		places[col.ID] = places[q.Recursive.Out[i].ID]
	}
	c.ctes[q.ID] = &cte{name: name, cols: places}
	c.working[q.ID] = true
	term := c.relation(q.Recursive.Term, nil)
	c.normalise(term, q.Recursive.Term.Cols())
	delete(c.working, q.ID)
	w := &With{Name: name, Recursive: &Recursive{Term: c.fetch(term), All: q.Recursive.All}}
	w.Root = c.fetch(base)
	if !q.Recursive.All {
		w.Recursive.Keys = c.encodeStage(obj{{"$addFields", obj{{"k", c.rowKey(q.Recursive.Out)}}}})
	}
	c.prog.With = append(c.prog.With, w)
}
