package translator

import (
	"slices"

	"weir/catalog"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqltype"
)

// scan keeps the documents as they are, so that indexes can be used.
func (c *compiler) scan(n *planner.Scan, outer map[planner.ColID]*loc) *fragment {
	f := newFragment(outer)
	f.src.scan = n
	switch n.Table.Kind {
	case catalog.Virtual:
		f.src.table = n.Table
	case catalog.Function:
		f.src.table = n.Table
		f.src.args = c.tableArgs(n)
	default:
		f.src.ns = n.Table.NS
	}
	for i, col := range n.Out {
		f.cols[col.ID] = scanLoc(n, i)
	}
	return f
}

func scanLoc(n *planner.Scan, i int) *loc {
	fd := n.Fields[i]
	l := &loc{path: fd.Path, t: fd.Type, stored: true, kinds: fd.Kinds, narrow: fd.Narrow}
	if l.t.OID == sqltype.Invalid {
		l.t = n.Out[i].Type
	}
	if n.Table.Kind == catalog.Virtual || n.Table.Kind == catalog.Function {
		l.stored = false
	}
	if fd.Fine {
		l.us = []string{catalog.FineField, fd.Path[0]}
	}
	l.notNull = len(fd.Path) == 0 || len(fd.Path) == 1 && fd.Path[0] == "_id" && n.Table.Kind == catalog.Collection || neverNull(n.Table, fd.Path)
	return l
}

// neverNull tells of a field that all rows of a table function have: what is declared
// NOT NULL in a collection is so by agreement only.
func neverNull(t *catalog.Table, path []string) bool {
	return t.Kind == catalog.Function && slices.ContainsFunc(t.Columns, func(c catalog.Column) bool { return c.NotNull && slices.Equal(c.Path, path) })
}

// tableArgs are the arguments of a table function, which have to be constant.
func (c *compiler) tableArgs(n *planner.Scan) []any {
	var out []any
	for _, a := range n.Args {
		if a == nil {
			out = append(out, null)
			continue
		}
		if !c.constant(a) {
			c.fail(sqlerr.Unsupported(a.Pos(), "Use constants or parameters.", "arguments of %s cannot depend on other rows", n.Table.Name))
			return nil
		}
		out = append(out, c.bare(a))
	}
	return out
}

// bare is a constant outside of expressions: a document's value.
func (c *compiler) bare(e planner.Expr) any {
	if k, ok := e.(*planner.Const); ok {
		return scalar(k.Value)
	}
	return placeholder{kind: slotValue, n: scope{c: c}.slot(e)}
}

// values is VALUES. Constant rows are documents; others are computed from one
// empty document.
func (c *compiler) values(n *planner.Values, outer map[planner.ColID]*loc) *fragment {
	f := newFragment(outer)
	f.one = len(n.Rows) == 1
	names := make([]string, len(n.Out))
	for i, col := range n.Out {
		names[i] = slotName("c", i)
		f.cols[col.ID] = &loc{path: []string{names[i]}, t: col.Type}
	}
	if c.allConstant(n.Rows) {
		for _, row := range n.Rows {
			doc := obj{}
			for i, e := range row {
				doc = append(doc, field{names[i], c.bare(e)})
			}
			f.src.docs = append(f.src.docs, doc)
		}
		return f
	}
	f.src.docs = []any{obj{}}
	s := scope{c: c, f: f}
	rows := list{}
	for _, row := range n.Rows {
		doc := obj{}
		for i, e := range row {
			doc = append(doc, field{names[i], s.value(e)})
		}
		rows = append(rows, doc)
	}
	f.add("$project", obj{{"r", rows}})
	f.add("$unwind", "$r")
	f.add("$replaceRoot", obj{{"newRoot", "$r"}})
	return f
}

func (c *compiler) allConstant(rows [][]planner.Expr) bool {
	for _, row := range rows {
		for _, e := range row {
			if !c.constant(e) {
				return false
			}
		}
	}
	return true
}

// cteScan reads the rows of a query that ran, or of the working table.
func (c *compiler) cteScan(n *planner.CTEScan, outer map[planner.ColID]*loc) *fragment {
	f := newFragment(outer)
	q := c.ctes[n.ID]
	if q == nil {
		c.fail(sqlerr.New(sqlerr.InternalError, "WITH query %q is not in scope", n.Name))
		return f
	}
	f.src.from = q.name
	for i, col := range n.Out {
		l := q.cols[n.From[i]]
		if l == nil {
			c.fail(sqlerr.New(sqlerr.InternalError, "WITH query %q has no such column", n.Name))
			return f
		}
		m := *l
		f.cols[col.ID] = &m
	}
	return f
}
