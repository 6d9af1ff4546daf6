package planner

import (
	"strings"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// scope is what names mean at one query level. Lookups go from the innermost
// scope outwards.
type scope struct {
	parent *scope
	ns     *namespace
	ctes   *cteScope
	// items are the select list, for the lenient use of aliases beside their
	// definition; nil where the rules do not allow it.
	items *selectItems
	sel   *selectState
	// noAgg is why aggregates are not allowed here, as PostgreSQL names the
	// place ("WHERE", "JOIN conditions"); "" allows them.
	noAgg string
	// noWindow likewise for window functions.
	noWindow string
	// noSRF likewise for set-returning functions.
	noSRF string
	inAgg bool
	// inFrom tells that a call stands in FROM, where its columns may be defined.
	inFrom bool
}

// namespace is the FROM list of one level.
type namespace struct {
	cols []nsCol
	srcs []*source
}

// nsCol is a column that an unqualified name or * finds.
type nsCol struct {
	name   string
	src    *source // nil: merged by USING
	i      int     // index in the source
	merged Expr
}

// source is a relation of FROM.
type source struct {
	name   string // alias or relation name, as compared
	text   string // as written
	schema string
	table  *catalog.Table // nil for derived ones
	scan   *Scan          // set when columns are added on demand
	cols   []srcCol
	// hidden sources can be named only through their join's alias.
	hidden bool
	// values tells that the rows of a function are single values, not records.
	values bool
}

type srcCol struct {
	name   string
	hidden bool
	col    Col             // of derived sources; ID 0: not yet read from the scan
	def    *catalog.Column // of scans
}

func (ns *namespace) add(src *source) {
	ns.srcs = append(ns.srcs, src)
	for i := range src.cols {
		ns.cols = append(ns.cols, nsCol{name: src.cols[i].name, src: src, i: i})
	}
}

// merge joins two namespaces side by side.
func mergeNS(l, r *namespace) *namespace {
	return &namespace{
		cols: append(append([]nsCol(nil), l.cols...), r.cols...),
		srcs: append(append([]*source(nil), l.srcs...), r.srcs...),
	}
}

func (c nsCol) hidden() bool { return c.src != nil && c.src.cols[c.i].hidden }

// ref makes an expression that reads the column.
func (b *builder) refNS(c nsCol, pos int) Expr {
	if c.src == nil {
		if r, ok := c.merged.(*ColRef); ok {
			cp := *r
			cp.P = pos
			return &cp
		}
		return c.merged
	}
	return b.ref(c.src, c.i, pos)
}

// ref reads the i-th column of a source.
func (b *builder) ref(src *source, i, pos int) *ColRef {
	c := &src.cols[i]
	if c.col.ID == 0 {
		c.col = b.scanColumn(src.scan, c.def)
		b.scanDefs[c.col.ID] = scanDef{src.scan, c.def}
	}
	return &ColRef{ID: c.col.ID, Name: c.name, T: c.col.Type, P: pos}
}

// scanColumn adds a column to a scan, once.
func (b *builder) scanColumn(s *Scan, def *catalog.Column) Col {
	for i := range s.Fields {
		if samePath(s.Fields[i].Path, def.Path) && s.Out[i].Type == def.Type {
			return s.Out[i]
		}
	}
	col := b.newCol(def.Name, def.Type)
	if def.Attr != 0 {
		col.Table, col.Attr = s.Table.OID, def.Attr
	}
	s.Out = append(s.Out, col)
	s.Fields = append(s.Fields, Field{Path: def.Path, Kinds: def.Kinds, Type: def.Type, Fine: def.Marked})
	return col
}

func samePath(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// match finds names: exact, as it was written, then in any case if unique.
// found is called for each index with that name.
func matchName(id ast.Ident, n int, name func(int) string) (hits []int, ambiguous bool) {
	try := func(want string) []int {
		var list []int
		for i := range n {
			if name(i) == want {
				list = append(list, i)
			}
		}
		return list
	}
	if hits = try(id.Name); len(hits) > 0 {
		return hits, len(hits) > 1
	}
	if id.Text != id.Name {
		if hits = try(id.Text); len(hits) > 0 {
			return hits, len(hits) > 1
		}
	}
	for i := range n {
		if strings.EqualFold(name(i), id.Name) {
			hits = append(hits, i)
		}
	}
	return hits, len(hits) > 1
}

// column finds an unqualified column of one level; nil when there is none.
func (ns *namespace) column(id ast.Ident) (*nsCol, error) {
	if ns == nil {
		return nil, nil
	}
	hits, ambiguous := matchName(id, len(ns.cols), func(i int) string { return ns.cols[i].name })
	if ambiguous {
		return nil, sqlerr.New(sqlerr.AmbiguousColumn, "column reference %q is ambiguous", id.Text).At(id.Pos())
	}
	if len(hits) == 0 {
		return nil, nil
	}
	return &ns.cols[hits[0]], nil
}

// source finds a relation by its name at this level.
func (ns *namespace) source(schema, id ast.Ident) (*source, error) {
	if ns == nil {
		return nil, nil
	}
	var open []*source
	for _, s := range ns.srcs {
		if s.hidden || s.name == "" {
			continue
		}
		if !schema.IsZero() && s.schema != schema.Name && s.schema != schema.Text {
			continue
		}
		open = append(open, s)
	}
	hits, ambiguous := matchName(id, len(open), func(i int) string { return open[i].name })
	if ambiguous {
		return nil, sqlerr.New("42P09", "table reference %q is ambiguous", id.Text).At(id.Pos())
	}
	if len(hits) == 0 {
		return nil, nil
	}
	return open[hits[0]], nil
}

// column finds a column of the source by name.
func (s *source) column(id ast.Ident) (int, error) {
	hits, ambiguous := matchName(id, len(s.cols), func(i int) string { return s.cols[i].name })
	if ambiguous {
		return -1, sqlerr.New(sqlerr.AmbiguousColumn, "column reference %q is ambiguous", id.Text).At(id.Pos())
	}
	if len(hits) == 0 {
		return -1, nil
	}
	return hits[0], nil
}

// open tells whether documents of the source may hold fields that the catalog
// does not know.
func (s *source) open() bool { return s.scan != nil && s.table != nil && s.table.Open }

// closed relations have the columns they have, in every mode.
func (s *source) closed() bool { return s.table != nil && s.table.Kind == catalog.Virtual }

// fixedSource is a source of a node's columns.
func fixedSource(name ast.Ident, cols []Col) *source {
	s := &source{name: name.Name, text: name.Text}
	for _, c := range cols {
		s.cols = append(s.cols, srcCol{name: c.Name, col: c})
	}
	return s
}

// unseen is a field of documents that no sample has shown; it is read as text,
// which holds every scalar.
func unseen(path []string) *catalog.Column {
	return &catalog.Column{Name: path[len(path)-1], Path: path, Type: sqltype.Of(sqltype.Text)}
}
