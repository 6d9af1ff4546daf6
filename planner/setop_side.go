package planner

import (
	"slices"

	"weir/sqltype"
)

// PostgreSQL takes a table of which it knows nothing to have so many rows, by its
// pages, and a column so many values.
const (
	unknownRows   = 500
	unknownValues = 200
)

// RightFirst tells whether the rows that an INTERSECT keeps are those of its right
// side. Both sides have them, but equal values may read otherwise, 0 and 0.0.
// PostgreSQL hashes the side of fewer groups, by its estimates, the left one of two alike.
func (n *SetOp) RightFirst() bool {
	if n.Kind != Intersect || !slices.ContainsFunc(n.Out, func(c Col) bool { return manySpellings(c.Type.OID) }) {
		return false
	}
	st := newEstimate(n)
	st.least = unknownRows
	return st.groupsOf(n.Left) > st.groupsOf(n.Right)
}

// manySpellings tells whether values of a type can be equal and read otherwise.
func manySpellings(t sqltype.OID) bool {
	if t.IsArray() {
		return manySpellings(t.Elem())
	}
	switch t {
	case sqltype.Numeric, sqltype.Float4, sqltype.Float8, sqltype.Interval, sqltype.JSONB, sqltype.Record, sqltype.Bpchar:
		return true
	}
	return t.IsComposite() || t.Def() != nil
}

// groupsOf estimates how many different rows one side of a set operation has.
func (st *estimate) groupsOf(n Node) float64 {
	switch x := n.(type) {
	case *SetOp:
		return st.setRows(x)
	case *Distinct:
		return st.groupsOf(x.Input)
	case *Aggregate:
		rows, _ := st.rows(x)
		return rows
	case *Project:
		if x.SetReturning {
			break
		}
		if _, grouped := x.Input.(*Aggregate); grouped {
			return st.groupsOf(x.Input)
		}
		return st.valuesOfAll(x)
	case *Filter, *Sort, *With:
		in := Inputs(n)
		return st.groupsOf(*in[0])
	}
	rows, _ := st.rows(n)
	return min(rows, st.valuesOfCols(n.Cols()))
}

// setRows is how many rows a set operation gives.
func (st *estimate) setRows(n *SetOp) float64 {
	rows := st.groupsOf
	if n.All || n.Kind == Union {
		rows = func(n Node) float64 { r, _ := st.rows(n); return r }
	}
	switch n.Kind {
	case Intersect:
		return min(rows(n.Left), rows(n.Right))
	case Except:
		return rows(n.Left)
	}
	return rows(n.Left) + rows(n.Right)
}

// valuesOfAll bounds the rows of a projection by the values of its columns, of
// which each counts once.
func (st *estimate) valuesOfAll(p *Project) float64 {
	rows, _ := st.rows(p.Input)
	values, seen := 1.0, map[ColID]bool{}
	for _, e := range p.Exprs {
		if e.Expr.Type().OID == sqltype.Bool && readsAny(e.Expr) {
			values *= 2
			continue
		}
		if anyVolatile([]Expr{e.Expr}) && !readsAny(e.Expr) {
			return rows
		}
		columnsOf(e.Expr, seen)
	}
	for id := range seen {
		values *= st.valuesOfColumn(id)
	}
	return min(rows, values)
}

func (st *estimate) valuesOfCols(cols []Col) float64 {
	values := 1.0
	for _, c := range cols {
		values *= st.valuesOfColumn(c.ID)
	}
	return values
}

func (st *estimate) valuesOfColumn(id ColID) float64 {
	s := st.scans[id]
	if s == nil {
		return unknownValues
	}
	if i := slices.IndexFunc(s.Out, func(c Col) bool { return c.ID == id }); s.Out[i].Type.OID == sqltype.Bool {
		return 2
	}
	if uniqueColumn(s, id) {
		return max(tableRows(s.Table), unknownRows)
	}
	return unknownValues
}
