package planner

import (
	"strings"

	"weir/catalog"
	"weir/sqltype"
)

// estimate guesses how many rows plans give, from the catalog's counts and
// unique indexes. It needs to be right about what is larger, not by how much.
type estimate struct {
	scans map[ColID]*Scan
	// same holds columns that conditions equate, by one of them.
	same map[ColID]ColID
	// least is how many rows any table is taken to have.
	least float64
}

func newEstimate(nodes ...Node) *estimate {
	st := &estimate{scans: map[ColID]*Scan{}, same: map[ColID]ColID{}, least: 1}
	for _, n := range nodes {
		st.collect(n)
	}
	return st
}

func (st *estimate) collect(n Node) {
	if s, ok := n.(*Scan); ok {
		for _, c := range s.Out {
			st.scans[c.ID] = s
		}
	}
	for _, in := range Inputs(n) {
		st.collect(*in)
	}
}

// equate notes the equalities of columns among conditions.
func (st *estimate) equate(conds []Expr) {
	for _, c := range conds {
		if l, r, ok := columnEquality(c); ok {
			st.same[st.class(l.ID)] = st.class(r.ID)
		}
	}
}

func (st *estimate) class(id ColID) ColID {
	for {
		up, ok := st.same[id]
		if !ok || up == id {
			return id
		}
		id = up
	}
}

// columnEquality takes a condition column = column apart.
func columnEquality(e Expr) (l, r *ColRef, ok bool) {
	c, ok := e.(*Call)
	if !ok || len(c.Args) != 2 || !isEquality(c) {
		return nil, nil, false
	}
	l, ok1 := bareColumn(c.Args[0])
	r, ok2 := bareColumn(c.Args[1])
	return l, r, ok1 && ok2
}

func bareColumn(e Expr) (*ColRef, bool) {
	if c, ok := e.(*Cast); ok {
		e = c.X
	}
	c, ok := e.(*ColRef)
	return c, ok
}

func isEquality(c *Call) bool {
	return c.Func != nil && (c.Func.Impl == "eq" || strings.HasPrefix(c.Func.Impl, "eq_"))
}

// rows is the number of rows of a plan; false where the catalog has no counts.
func (st *estimate) rows(n Node) (float64, bool) {
	switch x := n.(type) {
	case *Scan:
		return max(tableRows(x.Table), st.least), counted(x.Table)
	case *Filter:
		in, ok := st.rows(x.Input)
		return max(in*st.selectivity(x.Cond), 1), ok
	case *Aggregate:
		in, ok := st.rows(x.Input)
		if len(x.Groups) == 0 {
			return 1, true
		}
		return min(in, st.groups(x, in)), ok
	case *Join:
		return st.joinRows(x)
	case *Limit:
		in, ok := st.rows(x.Input)
		if k, isConst := x.Count.(*Const); isConst && k.Value.IsNumber() {
			return min(in, max(k.Value.AsDouble(), 1)), ok
		}
		return in, ok
	case *SetOp:
		l, ok1 := st.rows(x.Left)
		r, ok2 := st.rows(x.Right)
		return l + r, ok1 && ok2
	case *With:
		return st.rows(x.Body)
	case *Values:
		return max(float64(len(x.Rows)), 1), true
	case *CTEScan, *FuncScan:
		return 1000, true
	}
	if in := Inputs(n); len(in) == 1 {
		return st.rows(*in[0])
	}
	return 1000, false
}

// tableRows is how many rows a table has; those of monitoring views nobody counts.
func tableRows(t *catalog.Table) float64 {
	if t.Kind == catalog.Virtual && t.Estimate == 0 {
		return 1000
	}
	return float64(t.Estimate)
}

func counted(t *catalog.Table) bool {
	return (t.Kind == catalog.Collection || t.Kind == catalog.Virtual) && t.Estimate > 0
}

func (st *estimate) joinRows(j *Join) (float64, bool) {
	l, ok1 := st.rows(j.Left)
	r, ok2 := st.rows(j.Right)
	s := st.selectivity(j.On)
	switch j.Kind {
	case Inner:
		return max(l*r*s, 1), ok1 && ok2
	case Left, Full:
		return max(l*r*s, l), ok1 && ok2
	}
	return max(l/2, 1), ok1 && ok2
}

// groups is the number of groups: of one column its values, else a part of the rows.
func (st *estimate) groups(a *Aggregate, in float64) float64 {
	n := 1.0
	for _, g := range a.Groups {
		d := in / 3
		if c, ok := g.Expr.(*ColRef); ok {
			d = st.distinct(c.ID)
		}
		n *= max(d, 1)
	}
	return n
}

// distinct is how many values a column may have: as many as rows where it is
// unique or refers to a unique one, else a tenth.
func (st *estimate) distinct(id ColID) float64 {
	best := 0.0
	own := st.class(id)
	for other, s := range st.scans {
		if st.class(other) != own {
			continue
		}
		if n := valuesOf(s, other); n > 0 && (best == 0 || n < best) {
			best = n
		}
	}
	if best == 0 {
		if s := st.scans[id]; s != nil {
			best = tableRows(s.Table) / 10
		}
	}
	return max(best, 1)
}

// valuesOf is how many values a column has, 0 where nobody knows.
func valuesOf(s *Scan, id ColID) float64 {
	if uniqueColumn(s, id) {
		return tableRows(s.Table)
	}
	path := scanPath(s, id)
	for i := range s.Table.Columns {
		if c := &s.Table.Columns[i]; c.Distinct > 0 && c.Name == path {
			return float64(c.Distinct)
		}
	}
	return 0
}

// uniqueColumn tells whether a column alone identifies its documents.
func uniqueColumn(s *Scan, id ColID) bool {
	path := scanPath(s, id)
	if path == "_id" {
		return true
	}
	for _, ix := range s.Table.Indexes {
		if ix.Unique && len(ix.Keys) == 1 && ix.Keys[0].Path == path {
			return true
		}
	}
	return false
}

// indexedColumn tells whether an index finds a column's documents.
func indexedColumn(s *Scan, id ColID) bool {
	path := scanPath(s, id)
	if path == "_id" {
		return true
	}
	for _, ix := range s.Table.Indexes {
		if len(ix.Keys) > 0 && ix.Keys[0].Path == path && ix.Keys[0].Kind == "" && ix.Partial == nil && !ix.Sparse {
			return true
		}
	}
	return false
}

func scanPath(s *Scan, id ColID) string {
	for i, c := range s.Out {
		if c.ID == id {
			return strings.Join(s.Fields[i].Path, ".")
		}
	}
	return ""
}

// selectivity is the part of the rows for which a condition is true.
func (st *estimate) selectivity(e Expr) float64 {
	const some, few, most = 0.3, 0.04, 0.9
	switch x := e.(type) {
	case nil:
		return 1
	case *Logic:
		return st.logic(x)
	case *Call:
		impl := x.Func.Impl
		switch {
		case isEquality(x) && len(x.Args) == 2:
			return st.equal(x)
		case impl == "ne" || strings.HasPrefix(impl, "ne_") || strings.HasPrefix(impl, "not_"):
			return most
		case impl == "like" || impl == "ilike":
			return 0.1
		}
	case *InList:
		in := min(float64(len(x.List))*few, 0.5)
		if x.Not {
			return 1 - in
		}
		return in
	case *Test:
		if x.Is == IsNotNull {
			return most
		}
	}
	return some
}

func (st *estimate) logic(x *Logic) float64 {
	if x.Op == Not {
		return 1 - st.selectivity(x.Args[0])
	}
	all, none := 1.0, 1.0
	for _, a := range x.Args {
		s := st.selectivity(a)
		all, none = all*s, none*(1-s)
	}
	if x.Op == And {
		return all
	}
	return 1 - none
}

func (st *estimate) equal(x *Call) float64 {
	if l, r, ok := columnEquality(x); ok {
		return 1 / max(st.distinct(l.ID), st.distinct(r.ID))
	}
	for i := range x.Args {
		if c, ok := bareColumn(x.Args[i]); ok && !readsAny(x.Args[1-i]) {
			if s := st.scans[c.ID]; s != nil && valuesOf(s, c.ID) > 0 {
				return 1 / max(valuesOf(s, c.ID), 1)
			}
			if c.T.OID == sqltype.Bpchar && c.T.Mod == sqltype.Of(sqltype.Bpchar).Mod+6 || c.T.OID == sqltype.Bool {
				return 0.25 // a flag of few values
			}
		}
	}
	return 0.04
}
