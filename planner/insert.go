package planner

import (
	"slices"
	"sort"

	"weir/catalog"
	"weir/engine/expr"
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// insert plans INSERT.
func (b *builder) insert(s *ast.Insert, outer *cteScope) (Node, error) {
	ctes, with, err := b.with(s.With, nil, outer)
	if err != nil {
		return nil, err
	}
	t, err := b.writable(s.Table, "insert into")
	if err != nil {
		return nil, err
	}
	n := &Insert{Table: t}
	names, parts, err := b.insertTargets(n, s)
	if err != nil {
		return nil, err
	}
	if err := b.insertInput(n, s, names, ctes); err != nil {
		return nil, err
	}
	if err := b.joinParts(n, parts); err != nil {
		return nil, err
	}
	if err := b.insertDefaults(n, s); err != nil {
		return nil, err
	}
	if err := b.insertGenerated(n); err != nil {
		return nil, err
	}
	scan, src := b.scan(t)
	if !s.Alias.IsZero() {
		src.name, src.text = s.Alias.Name, s.Alias.Text
	}
	if err := b.onConflict(n, s, src, ctes); err != nil {
		return nil, err
	}
	if n.Returning, err = b.returning(s.Returning, asNS(src), ctes); err != nil {
		return nil, err
	}
	if n.Checks, err = b.checks(t, src, nil); err != nil {
		return nil, err
	}
	if err := b.insertForeign(n); err != nil {
		return nil, err
	}
	if n.Conflict != nil && n.Conflict.late != nil {
		return nil, n.Conflict.late
	}
	n.Target = *scan
	return wrapWith(with, n), nil
}

// insertTargets resolves the column list; without one it is all columns. parts
// are the targets, by their places, that are below a column.
func (b *builder) insertTargets(n *Insert, s *ast.Insert) (names []string, parts map[int]partTarget, err error) {
	parts = map[int]partTarget{}
	if len(s.Columns) == 0 {
		for i := range n.Table.Columns {
			c := &n.Table.Columns[i]
			if !c.Hidden {
				n.Targets = append(n.Targets, Field{Path: c.Path, Kinds: c.Kinds, Type: c.Type, Domain: c.Domain})
				names = append(names, c.Name)
			}
		}
		return names, nil, nil
	}
	for i, e := range s.Columns {
		if part, f, name, ok, err := b.insertPart(n.Table, e); err != nil {
			return nil, nil, err
		} else if ok {
			if slices.ContainsFunc(n.Targets, func(o Field) bool { return samePath(o.Path, part.column.Path) }) {
				return nil, nil, sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", name).At(e.Pos())
			}
			n.Targets, names = append(n.Targets, f), append(names, name)
			parts[i] = part
			continue
		}
		f, name, err := b.targetField(n.Table, e, "")
		if err != nil {
			return nil, nil, err
		}
		if f.Elems != 0 {
			return nil, nil, sqlerr.Unsupported(e.Pos(), "Insert the whole array.", "INSERT into an item of an array is not supported")
		}
		for j, o := range n.Targets {
			if part, ok := parts[j]; ok {
				o.Path = part.column.Path
			}
			if prefixOf(o.Path, f.Path) || prefixOf(f.Path, o.Path) {
				return nil, nil, sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", name).At(e.Pos())
			}
		}
		n.Targets, names = append(n.Targets, f), append(names, name)
	}
	return names, parts, nil
}

// insertInput plans the rows and converts them to the targets' types.
func (b *builder) insertInput(n *Insert, s *ast.Insert, names []string, ctes *cteScope) error {
	if s.Query == nil {
		n.Targets, n.Input = nil, emptyRow()
		return nil
	}
	if v, ok := s.Query.Body.(*ast.Values); ok && plainQuery(s.Query) {
		return b.insertValues(n, s, v, names, ctes)
	}
	in, err := b.queryIn(s.Query, nil, ctes)
	if err != nil {
		return err
	}
	cols := in.Cols()
	for i := range min(len(cols), len(n.Targets)) {
		if c := columnAt(n.Table, n.Targets[i].Path); c != nil && c.Generated != "" {
			return cannotInsert(c)
		}
	}
	if b.isDocument(n, s, len(cols), func() sqltype.OID { return cols[0].Type.OID }) {
		return b.insertDocument(n, in)
	}
	if err := b.countTargets(n, s, len(cols), s.Query.Pos()); err != nil {
		return err
	}
	p := &Project{Input: in}
	for i, c := range cols {
		if c.Type.OID == sqltype.Unknown {
			want := n.Targets[i].Type
			if want.OID == sqltype.Unknown {
				want = textType
			}
			done, err := b.castInPlace(in, i, want)
			if err != nil {
				return err
			}
			if done {
				c = in.Cols()[i]
			}
		}
		x, err := b.selected(n, s, i, colRef(c, exprPos(in, i)), names[i])
		if err != nil {
			return err
		}
		if err := b.sameForAll(in, c.ID, x); err != nil {
			return err
		}
		p.Exprs = append(p.Exprs, NamedExpr{Col: b.newCol(names[i], x.Type()), Expr: x})
	}
	n.Input = p
	return nil
}

// sameForAll refuses a constant that the target's type cannot hold, which is an
// error even where there are no rows.
func (b *builder) sameForAll(in Node, id ColID, x Expr) error {
	cast, ok := x.(*Cast)
	k := b.constantOf(in, id)
	if !ok || k == nil || k.Value.IsNullish() {
		return nil
	}
	impl, ok := b.env.Funcs.Cast(k.T.OID, cast.T.OID)
	if _, same := cast.X.(*ColRef); !ok || !same || impl.Impl == "" || b.env.Library == nil || k.T.OID.Category() != 'N' || cast.T.OID.Category() != 'N' {
		return nil
	}
	f, ok := b.env.Library.Functions[impl.Impl]
	if !ok {
		return nil
	}
	_, err := f.Eval(&expr.Context{}, []value.Value{k.Value, value.Int32(cast.T.Mod), value.Bool(cast.Explicit)})
	return err
}

func plainQuery(q *ast.Query) bool {
	return q.With == nil && len(q.OrderBy) == 0 && q.Limit == nil && q.Offset == nil
}

// isDocument tells whether one jsonb value is the whole document.
func (b *builder) isDocument(n *Insert, s *ast.Insert, cols int, t func() sqltype.OID) bool {
	if len(s.Columns) > 0 || cols != 1 {
		return false
	}
	oid := t()
	first := len(n.Targets) > 0 && (n.Targets[0].Type.OID == sqltype.JSONB || n.Targets[0].Type.OID == sqltype.JSON)
	return (oid == sqltype.JSONB || oid == sqltype.JSON) && (n.Table.Open || !first)
}

func (b *builder) insertDocument(n *Insert, in Node) error {
	var err error
	n.Document, n.Targets = true, []Field{{Type: jsonbType, Kinds: catalog.KindDocument}}
	n.Input, err = b.castColumns(in, []sqltype.Type{jsonbType}, assignmentNone)
	return err
}

func (b *builder) countTargets(n *Insert, s *ast.Insert, cols, pos int) error {
	if cols > len(n.Targets) {
		return sqlerr.New(sqlerr.SyntaxError, "INSERT has more expressions than target columns").At(pos)
	}
	if cols < len(n.Targets) {
		if len(s.Columns) > 0 {
			return sqlerr.New(sqlerr.SyntaxError, "INSERT has more target columns than expressions").At(s.Columns[cols].Pos())
		}
		n.Targets = n.Targets[:cols]
	}
	return nil
}

// insertValues binds the rows of VALUES with the targets' types, so that
// literals, parameters and DEFAULT mean what the columns say.
func (b *builder) insertValues(n *Insert, s *ast.Insert, v *ast.Values, names []string, ctes *cteScope) error {
	sc := &scope{ctes: ctes, noAgg: "VALUES", noWindow: "VALUES", noSRF: "VALUES"}
	vals := &Values{}
	for r, row := range v.Rows {
		if len(row) != len(v.Rows[0]) {
			return sqlerr.New(sqlerr.SyntaxError, "VALUES lists must all be the same length").At(row[0].Pos())
		}
		if r == 0 && len(s.Columns) == 0 && len(row) == 1 {
			if done, err := b.documentValues(n, s, v, sc); done || err != nil {
				return err
			}
		}
		if r == 0 {
			if err := b.countTargets(n, s, len(row), row[min(len(n.Targets), len(row)-1)].Pos()); err != nil {
				return err
			}
		}
		list := make([]Expr, len(row))
		for i, e := range row {
			x, err := b.insertValue(n, sc, i, names[i], s.Overriding, e)
			if err != nil {
				return err
			}
			list[i] = x
		}
		vals.Rows = append(vals.Rows, list)
	}
	for i := range n.Targets {
		vals.Out = append(vals.Out, b.newCol(names[i], n.Targets[i].Type))
	}
	n.Input = vals
	return nil
}

func (b *builder) insertValue(n *Insert, sc *scope, i int, name string, over ast.Overriding, e ast.Expr) (Expr, error) {
	if c := identityAt(n, i); c != nil {
		if _, ok := e.(*ast.Default); !ok && c.Identity == 'a' && over == ast.OverridingNone {
			return nil, onlyDefault(c)
		}
		if over == ast.OverridingUser {
			return b.defaultOf(c)
		}
	}
	if d, ok := e.(*ast.Default); ok {
		if n.Targets[i].Path == nil { // below a column
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "cannot set an array element or subfield to DEFAULT").At(d.Pos())
		}
		if c := columnAt(n.Table, n.Targets[i].Path); c != nil {
			if x, err := b.defaultOf(c); x != nil || err != nil {
				return x, err
			}
		}
		return null(n.Targets[i].Type, d.Pos()), nil
	}
	if c := columnAt(n.Table, n.Targets[i].Path); c != nil && c.Generated != "" {
		return nil, cannotInsert(c)
	}
	x, err := b.expr(sc, e)
	if err != nil {
		return nil, err
	}
	return b.assignField(x, &n.Targets[i], name)
}

func columnAt(t *catalog.Table, path []string) *catalog.Column {
	for i := range t.Columns {
		if samePath(t.Columns[i].Path, path) {
			return &t.Columns[i]
		}
	}
	return nil
}

// documentValues plans VALUES of one jsonb each as whole documents.
func (b *builder) documentValues(n *Insert, s *ast.Insert, v *ast.Values, sc *scope) (bool, error) {
	if _, ok := v.Rows[0][0].(*ast.Default); ok {
		return false, nil
	}
	x, err := b.expr(sc, v.Rows[0][0])
	if err != nil || !b.isDocument(n, s, 1, func() sqltype.OID { return x.Type().OID }) {
		return false, err
	}
	vals := &Values{}
	for _, row := range v.Rows {
		x, err := b.exprs(sc, row)
		if err != nil {
			return true, err
		}
		y, err := b.mustCoerce(x[0], jsonbType, explicit, "document")
		if err != nil {
			return true, err
		}
		vals.Rows = append(vals.Rows, []Expr{y})
	}
	vals.Out = []Col{b.newCol("document", jsonbType)}
	return true, b.insertDocument(n, vals)
}

// selected is a column of the inserted query converted to its target: the
// values of identity columns are theirs alone, unless OVERRIDING says otherwise.
func (b *builder) selected(n *Insert, s *ast.Insert, i int, x Expr, name string) (Expr, error) {
	if c := identityAt(n, i); c != nil {
		switch {
		case c.Identity == 'a' && s.Overriding == ast.OverridingNone:
			return nil, onlyDefault(c)
		case s.Overriding == ast.OverridingUser:
			return b.defaultOf(c)
		}
	}
	return b.assignField(x, &n.Targets[i], name)
}

// identityAt is the identity column that a target is; else nil.
func identityAt(n *Insert, i int) *catalog.Column {
	if c := columnAt(n.Table, n.Targets[i].Path); c != nil && c.Identity != 0 {
		return c
	}
	return nil
}

func onlyDefault(c *catalog.Column) error {
	return sqlerr.New("428C9", "cannot insert a non-DEFAULT value into column %q", c.Name).
		WithDetail("Column %q is an identity column defined as GENERATED ALWAYS.", c.Name).
		WithHint("Use OVERRIDING SYSTEM VALUE to override.")
}

// insertDefaults adds the columns that are not named and have a default.
func (b *builder) insertDefaults(n *Insert, s *ast.Insert) error {
	if n.Document {
		return nil
	}
	for i := range n.Table.Columns {
		c := &n.Table.Columns[i]
		named := false
		for _, f := range n.Targets {
			named = named || prefixOf(c.Path, f.Path)
		}
		if named {
			continue
		}
		if c.Generated != "" {
			continue
		}
		x, err := b.defaultOf(c)
		if err != nil {
			return err
		}
		if x != nil {
			n.Defaults = append(n.Defaults, FieldExpr{Field: Field{Path: c.Path, Kinds: c.Kinds, Type: c.Type}, Expr: x})
		}
	}
	return nil
}

// onConflict plans ON CONFLICT.
func (b *builder) onConflict(n *Insert, s *ast.Insert, target *source, ctes *cteScope) error {
	c := s.OnConflict
	if c == nil {
		return nil
	}
	n.Conflict = &OnConflict{}
	if err := b.conflictTarget(n, c); err != nil {
		if sqlerr.As(err).Code != sqlerr.InvalidColumnReference {
			return err
		}
		n.Conflict.late = err
	}
	ex := b.excluded(n)
	if c.Set == nil {
		return nil
	}
	if n.Document {
		return sqlerr.Unsupported(c.Pos(), "Name the columns.", "ON CONFLICT DO UPDATE is not supported for whole documents")
	}
	if len(n.Conflict.Target) == 0 {
		return sqlerr.New(sqlerr.SyntaxError, "ON CONFLICT DO UPDATE requires inference specification or constraint name").At(c.Pos()).
			WithHint("For example, ON CONFLICT (column_name).")
	}
	ns := asNS(target)
	ns.srcs = append(ns.srcs, ex) // its columns need their qualifier
	sc := &scope{ns: ns, ctes: ctes, noAgg: "UPDATE", noWindow: "UPDATE", noSRF: "UPDATE"}
	var err error
	if n.Conflict.Set, _, err = b.setList(n.Table, c.Set, sc); err != nil {
		return err
	}
	if n.Conflict.Set, err = b.updateGenerated(n.Table, target, n.Conflict.Set); err != nil {
		return err
	}
	if c.Where != nil {
		x, err := b.expr(sc, c.Where)
		if err != nil {
			return err
		}
		n.Conflict.Where, err = b.boolean(x, "WHERE")
		return err
	}
	return nil
}

// excluded is the row that was to be inserted: what is given, the defaults, and
// NULLs.
func (b *builder) excluded(n *Insert) *source {
	ex := &source{name: "excluded", text: "excluded"}
	given := append([]Field(nil), n.Targets...)
	for _, d := range n.Defaults {
		given = append(given, d.Field)
	}
	for _, c := range n.Table.Columns {
		if !c.Hidden && !slices.ContainsFunc(given, func(f Field) bool { return prefixOf(c.Path, f.Path) }) {
			given = append(given, Field{Path: c.Path, Type: c.Type})
		}
	}
	for _, f := range given {
		col := b.newCol(f.Path[len(f.Path)-1], f.Type)
		n.Conflict.Excluded = append(n.Conflict.Excluded, col)
		ex.cols = append(ex.cols, srcCol{name: col.Name, col: col})
	}
	return ex
}

// conflictTarget finds the unique index that the target names.
func (b *builder) conflictTarget(n *Insert, c *ast.OnConflict) error {
	if !c.Constraint.IsZero() {
		for _, ix := range n.Table.Indexes {
			if ix.Name == c.Constraint.Name && ix.Unique {
				n.Conflict.Target = indexFields(n.Table, &ix)
				return nil
			}
		}
		return sqlerr.New(sqlerr.UndefinedObject, "constraint %q for table %q does not exist", c.Constraint.Text, n.Table.Name).At(c.Constraint.Pos())
	}
	if len(c.Target) == 0 {
		return nil
	}
	var paths []string
	for _, e := range c.Target {
		f, _, err := b.targetField(n.Table, e.Expr, "")
		if err != nil {
			return err
		}
		n.Conflict.Target = append(n.Conflict.Target, f)
		paths = append(paths, joinPath(f.Path))
	}
	sort.Strings(paths)
	if len(paths) == 1 && paths[0] == "_id" {
		return nil
	}
	for i := range n.Table.Indexes {
		ix := &n.Table.Indexes[i]
		if !ix.Unique || ix.Partial != nil && !ix.OnlyTypes() && c.TargetWhere == nil {
			continue
		}
		var keys []string
		for _, k := range ix.Keys {
			keys = append(keys, k.Path)
		}
		sort.Strings(keys)
		if samePath(keys, paths) {
			return nil
		}
	}
	return sqlerr.New(sqlerr.InvalidColumnReference, "there is no unique or exclusion constraint matching the ON CONFLICT specification").At(c.Pos())
}

func indexFields(t *catalog.Table, ix *catalog.Index) []Field {
	var out []Field
	for _, k := range ix.Keys {
		f := Field{Path: splitPath(k.Path), Type: unknown}
		if c := columnAt(t, f.Path); c != nil {
			f.Kinds, f.Type = c.Kinds, c.Type
		}
		out = append(out, f)
	}
	return out
}
