package planner

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// columnRef binds a name of one or more parts: column, table.column,
// schema.table.column, and each of them followed by a path into a document.
func (b *builder) columnRef(sc *scope, e *ast.ColumnRef) (Expr, error) {
	if x, err := b.keyColumn(sc, e); x != nil || err != nil {
		return x, err
	}
	p := e.Parts
	if len(p) > 1 {
		if x, err := b.qualified(sc, e); x != nil || err != nil {
			return x, err
		}
	}
	x, err := b.unqualified(sc, p[0])
	if err != nil {
		return nil, err
	}
	if x != nil {
		return b.descend(x, p[1:], e.Pos())
	}
	if x, err := b.systemColumn(sc, e); x != nil || err != nil {
		return x, err
	}
	if len(p) > 1 {
		return b.unknownQualified(sc, e)
	}
	return b.unknownName(sc, p[0])
}

// unqualified finds a column by its name alone, from the inside outwards.
func (b *builder) unqualified(sc *scope, id ast.Ident) (Expr, error) {
	for s := sc; s != nil; s = s.parent {
		c, err := s.ns.column(id)
		if err != nil {
			return nil, err
		}
		if c == nil {
			continue
		}
		return b.refNS(*c, id.Pos()), nil
	}
	return nil, nil
}

// qualified finds [schema.]table.column with a path behind it. It answers nil
// when no table of that name has such a column, so that a path may be meant.
func (b *builder) qualified(sc *scope, e *ast.ColumnRef) (Expr, error) {
	p := e.Parts
	for s := sc; s != nil; s = s.parent {
		for _, n := range []int{1, 2} {
			if len(p) <= n {
				continue
			}
			var schema ast.Ident
			if n == 2 {
				schema = p[0]
			}
			src, err := s.ns.source(schema, p[n-1])
			if err != nil {
				return nil, err
			}
			if src == nil {
				continue
			}
			i, err := src.column(p[n])
			if err != nil {
				return nil, err
			}
			if i >= 0 && b.strict() && len(p) > n+1 && !b.descends(src, i) {
				return nil, missingEntry(p, e.Pos())
			}
			if i >= 0 {
				return b.descend(b.ref(src, i, e.Pos()), p[n+1:], e.Pos())
			}
		}
	}
	return nil, nil
}

// missingEntry is a name of several parts of which none is a relation.
func missingEntry(p []ast.Ident, pos int) error {
	if len(p) > 3 {
		texts := make([]string, len(p))
		for i := range p {
			texts[i] = p[i].Text
		}
		return sqlerr.New(sqlerr.FeatureNotSupported, "cross-database references are not implemented: %s", strings.Join(texts, ".")).At(pos)
	}
	return sqlerr.New(sqlerr.UndefinedTable, "missing FROM-clause entry for table %q", p[len(p)-2].Text).At(pos)
}

// descends tells whether a column of a source has names below it.
func (b *builder) descends(src *source, i int) bool {
	t := src.cols[i].col.Type.OID
	return t == sqltype.JSONB || t == sqltype.JSON || t == sqltype.Unknown || t == sqltype.Record || t.IsArray() || t.Def() != nil
}

// descend follows a path from a value down. A path that begins at a column of
// a scan is read from the documents with the type that was seen there.
func (b *builder) descend(x Expr, names []ast.Ident, pos int) (Expr, error) {
	if len(names) == 0 {
		return x, nil
	}
	if r, ok := x.(*ColRef); ok {
		if src, def := b.scanOf(r.ID); src != nil {
			if y, ok := b.descendScan(src, def, names, pos); ok {
				return y, nil
			}
		}
	}
	if r, ok := x.(*Row); ok {
		f, err := rowField(r, names[0], pos)
		if err != nil {
			return nil, err
		}
		return b.descend(f, names[1:], pos)
	}
	if d := compositeOf(x); d != nil {
		f, err := attributeNamed(x, d, names[0], pos)
		if err != nil {
			return nil, err
		}
		return b.descend(f, names[1:], pos)
	}
	switch t := x.Type().OID; {
	case t == sqltype.JSONB || t == sqltype.JSON || t == sqltype.Unknown:
	case t.IsArray():
	default:
		return nil, sqlerr.New(sqlerr.WrongObjectType,
			"column notation .%s applied to type %s, which is not a composite type", names[0].Text, t).At(pos)
	}
	if isLenientNull(x) {
		return x, nil
	}
	p := &Path{X: x, T: jsonbType, P: pos}
	for _, n := range names {
		p.Names = append(p.Names, n.Text)
	}
	return p, nil
}

// unseenHint says what happens with a field that no sample has shown, and what
// may have been meant.
func unseenHint(name string, cols []catalog.Column) string {
	hint := "It is read from the documents as text."
	var names []string
	for i := range cols {
		if !cols[i].Hidden {
			names = append(names, cols[i].Name)
		}
	}
	if near := catalog.NearNames(name, names); len(near) > 0 {
		hint += fmt.Sprintf(" Perhaps you meant %q.", near[0])
	}
	return hint
}

// descendScan reads names below a column whose documents were seen.
func (b *builder) descendScan(s *Scan, def *catalog.Column, names []ast.Ident, pos int) (Expr, bool) {
	if !def.Kinds.Only(catalog.KindDocument) || len(def.Fields) == 0 {
		return nil, false
	}
	fields := def.Fields
	hits, ambiguous := matchName(names[0], len(fields), func(i int) string { return fields[i].Name })
	if ambiguous {
		return nil, false
	}
	var f *catalog.Column
	if len(hits) == 0 {
		path := slices.Clone(def.Path)
		for _, n := range names {
			path = append(path, n.Text)
		}
		b.warn(sqlerr.UndefinedColumn, pos, unseenHint(names[0].Text, fields),
			"column %q was not seen in the documents of %q", strings.Join(path, "."), s.Table.Name)
		f, names = unseen(path), nil
	} else {
		f, names = &fields[hits[0]], names[1:]
	}
	if len(names) > 0 {
		if y, ok := b.descendScan(s, f, names, pos); ok {
			return y, true
		}
	}
	col := b.scanColumn(s, f)
	b.scanDefs[col.ID] = scanDef{s, f}
	x, err := b.descend(&ColRef{ID: col.ID, Name: col.Name, T: col.Type, P: pos}, names, pos)
	return x, err == nil
}

type scanDef struct {
	scan *Scan
	def  *catalog.Column
}

// scanOf finds the scan and the catalog's column behind a column.
func (b *builder) scanOf(id ColID) (*Scan, *catalog.Column) {
	d := b.scanDefs[id]
	return d.scan, d.def
}

// unknownQualified is a name of several parts that nothing offers.
func (b *builder) unknownQualified(sc *scope, e *ast.ColumnRef) (Expr, error) {
	p := e.Parts
	for s := sc; s != nil; s = s.parent {
		src, err := s.ns.source(ast.Ident{}, p[0])
		if err != nil {
			return nil, err
		}
		if src != nil && len(p) > 2 && b.strict() && !src.open() {
			return nil, missingEntry(p, e.Pos())
		}
		if src != nil {
			return b.missing(sc, src, p[1], p[1:], e.Pos())
		}
	}
	if hid := b.shadowed(sc, p[0]); hid != "" {
		return nil, sqlerr.New(sqlerr.UndefinedTable, "invalid reference to FROM-clause entry for table %q", p[0].Text).At(e.Pos()).
			WithHint("Perhaps you meant to reference the table alias %q.", hid)
	}
	if !b.strict() {
		// A document field that the sample did not show may hold the path.
		if src := b.onlyOpen(sc); src != nil && !src.closed() {
			return b.missing(sc, src, p[0], p, e.Pos())
		}
	}
	return nil, missingEntry(p, e.Pos())
}

// shadowed finds a relation that is hidden behind an alias.
func (b *builder) shadowed(sc *scope, id ast.Ident) string {
	for s := sc; s != nil; s = s.parent {
		if s.ns == nil {
			continue
		}
		for _, src := range s.ns.srcs {
			if src.table != nil && src.table.Name == id.Name && src.name != id.Name {
				return src.text
			}
		}
	}
	return ""
}

// onlyOpen is the one source of the innermost level that has FROM at all, if
// its documents may hold more fields; nil if there are several.
func (b *builder) onlyOpen(sc *scope) *source {
	for s := sc; s != nil; s = s.parent {
		if s.ns == nil || len(s.ns.srcs) == 0 {
			continue
		}
		var found *source
		for _, src := range s.ns.srcs {
			if src.open() {
				if found != nil {
					return nil
				}
				found = src
			}
		}
		return found
	}
	return nil
}

// unknownName is an unqualified name that is no column: a select-list alias, a
// row of a table, a field that was not seen yet, or nothing.
func (b *builder) unknownName(sc *scope, id ast.Ident) (Expr, error) {
	if x, err := b.aliasBeside(sc, id); x != nil || err != nil {
		return x, err
	}
	for s := sc; s != nil; s = s.parent {
		src, err := s.ns.source(ast.Ident{}, id)
		if err != nil {
			return nil, err
		}
		if src != nil {
			return b.wholeRow(src, id.Pos()), nil
		}
	}
	if src := b.onlyOpen(sc); src != nil {
		return b.missing(sc, src, id, []ast.Ident{id}, id.Pos())
	}
	return b.missing(sc, nil, id, []ast.Ident{id}, id.Pos())
}

// missing is a column that a source (nil: none) does not have.
func (b *builder) missing(sc *scope, src *source, id ast.Ident, path []ast.Ident, pos int) (Expr, error) {
	if src != nil && src.open() {
		if x, err := b.seenNow(src, path, pos); x != nil || err != nil {
			return x, err
		}
	}
	err := b.undefinedColumn(sc, src, id, pos)
	if b.strict() || src != nil && src.closed() || src == nil && !b.anySource(sc) || b.onlyClosed(sc) {
		return nil, err
	}
	if src != nil && src.open() {
		names := make([]string, len(path))
		for i, n := range path {
			names[i] = n.Text
		}
		b.warn(sqlerr.UndefinedColumn, pos, unseenHint(names[0], src.table.Columns),
			"column %q was not seen in the documents of %q", strings.Join(names, "."), src.table.Name)
		col := b.scanColumn(src.scan, unseen(names))
		return &ColRef{ID: col.ID, Name: col.Name, T: col.Type, P: pos}, nil
	}
	b.warn(sqlerr.UndefinedColumn, pos, err.Hint, "%s, it reads as NULL", err.Message)
	return &Const{T: unknown, Value: value.Of(bson.TypeNull, nil), P: pos, Missing: true}, nil
}

func (b *builder) anySource(sc *scope) bool {
	for s := sc; s != nil; s = s.parent {
		if s.ns != nil && len(s.ns.srcs) > 0 {
			return true
		}
	}
	return false
}

// onlyClosed tells whether the innermost FROM names system relations alone.
func (b *builder) onlyClosed(sc *scope) bool {
	for s := sc; s != nil; s = s.parent {
		if s.ns == nil || len(s.ns.srcs) == 0 {
			continue
		}
		return !slices.ContainsFunc(s.ns.srcs, func(src *source) bool { return !src.closed() })
	}
	return false
}

// seenNow looks at the documents again: the field may be new.
func (b *builder) seenNow(src *source, path []ast.Ident, pos int) (Expr, error) {
	t, err := b.resolver.refresh(src.table)
	if err != nil || t == src.table {
		return nil, err
	}
	hits, ambiguous := matchName(path[0], len(t.Columns), func(i int) string { return t.Columns[i].Name })
	if len(hits) == 0 || ambiguous {
		return nil, nil
	}
	def := &t.Columns[hits[0]]
	col := b.scanColumn(src.scan, def)
	b.scanDefs[col.ID] = scanDef{src.scan, def}
	return b.descend(&ColRef{ID: col.ID, Name: col.Name, T: col.Type, P: pos}, path[1:], pos)
}

// undefinedColumn is PostgreSQL's error with a near name.
func (b *builder) undefinedColumn(sc *scope, src *source, id ast.Ident, pos int) *sqlerr.Error {
	var err *sqlerr.Error
	if src != nil && b.manySources(sc) {
		err = sqlerr.New(sqlerr.UndefinedColumn, "column %s.%s does not exist", src.text, id.Text).At(pos)
	} else {
		err = sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", id.Text).At(pos)
	}
	var all []string
	for s := sc; s != nil; s = s.parent {
		if s.ns == nil {
			continue
		}
		for _, c := range s.ns.cols {
			if c.src != nil && (src == nil || c.src == src) && c.src.name != "" {
				all = append(all, c.src.name+"."+c.name)
			}
		}
	}
	if near := nearColumns(id.Name, all); len(near) > 0 {
		for i := range near {
			near[i] = `"` + near[i] + `"`
		}
		err = err.WithHint("Perhaps you meant to reference the column %s.", strings.Join(near[:min(len(near), 2)], " or the column "))
	}
	return err
}

func (b *builder) manySources(sc *scope) bool {
	for s := sc; s != nil; s = s.parent {
		if s.ns != nil && len(s.ns.srcs) > 0 {
			return len(s.ns.srcs) > 1
		}
	}
	return false
}

// nearColumns compares the part behind the table's name.
func nearColumns(name string, all []string) []string {
	byCol := map[string][]string{}
	var cols []string
	for _, a := range all {
		_, c, _ := strings.Cut(a, ".")
		if byCol[c] == nil {
			cols = append(cols, c)
		}
		byCol[c] = append(byCol[c], a)
	}
	var out []string
	for _, c := range catalog.NearNames(name, cols) {
		out = append(out, byCol[c]...)
	}
	return out
}

// isLenientNull tells whether e is a column that no source offers.
func isLenientNull(e Expr) bool {
	c, ok := e.(*Const)
	return ok && c.Missing
}
