package planner

import (
	"slices"
	"strings"

	"weir/catalog"
	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// writable finds the table of INSERT, UPDATE or DELETE.
func (b *builder) writable(n *ast.Name, verb string) (*catalog.Table, error) {
	t, err := b.lookupTable(n)
	if err != nil {
		return nil, err
	}
	b.depend(t)
	b.writes = true
	switch t.Kind {
	case catalog.Collection:
		return t, nil
	case catalog.View:
		return b.updatableView(t, verb, n.Pos())
	case catalog.MaterializedView:
		if b.env.Maintenance {
			return t, nil
		}
		return nil, sqlerr.New(sqlerr.WrongObjectType, "cannot change materialized view %q", t.Name).At(n.Pos()).
			WithHint("REFRESH MATERIALIZED VIEW computes it again.")
	case catalog.MongoView:
		return nil, sqlerr.New(sqlerr.WrongObjectType, "cannot %s %q: it is a view of MongoDB", verb, t.Name).At(n.Pos())
	case catalog.Sequence:
		return nil, sqlerr.New(sqlerr.WrongObjectType, "cannot change sequence %q", t.Name).At(n.Pos())
	}
	return nil, sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied: %q is a system relation", t.Name).At(n.Pos())
}

// targetField resolves what INSERT and UPDATE assign to: a column, or a path
// below one.
// alias is another name of the table, which the lenient mode takes before a column's.
func (b *builder) targetField(t *catalog.Table, e ast.Expr, alias string) (Field, string, error) {
	c, ok := e.(*ast.ColumnRef)
	if !ok {
		return b.elementField(t, e, alias)
	}
	parts := c.Parts
	named := parts[0].Name == t.Name || !b.strict() && alias != "" && parts[0].Name == alias
	if len(parts) > 1 && named && findDef(t, parts[0]) == nil {
		parts = parts[1:]
	}
	def := findDef(t, parts[0])
	if def == nil {
		if !t.Open {
			return Field{}, "", sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", parts[0].Text, t.Name).At(c.Pos())
		}
		f := Field{Type: unknown}
		for _, p := range parts {
			f.Path = append(f.Path, p.Text)
		}
		return f, strings.Join(f.Path, "."), nil
	}
	f := Field{Path: def.Path, Kinds: def.Kinds, Type: def.Type, Domain: def.Domain}
	for i, p := range parts[1:] {
		if d := f.Type.OID.Def(); d != nil && d.Kind == sqltype.CompositeKind {
			at := d.Attribute(p.Name)
			if at < 0 {
				return Field{}, "", sqlerr.New(sqlerr.UndefinedColumn, "cannot assign to field %q of column %q because there is no such column in data type %s",
					p.Text, parts[0].Text, d.OID).At(c.Pos())
			}
			a := d.Attributes[at]
			f = Field{Path: append(slices.Clone(f.Path), a.Name), Kinds: catalog.DeclaredKinds(a.Type), Type: a.Type, Domain: a.Domain}
			continue
		}
		sub := findIn(def.Fields, p)
		if sub == nil {
			f = Field{Path: append(append([]string(nil), f.Path...), texts(parts[1+i:])...), Type: unknown}
			break
		}
		def = sub
		f = Field{Path: def.Path, Kinds: def.Kinds, Type: def.Type}
	}
	return f, strings.Join(f.Path, "."), nil
}

func texts(ids []ast.Ident) []string {
	out := make([]string, len(ids))
	for i := range ids {
		out[i] = ids[i].Text
	}
	return out
}

func findDef(t *catalog.Table, id ast.Ident) *catalog.Column { return findIn(t.Columns, id) }

func findIn(cols []catalog.Column, id ast.Ident) *catalog.Column {
	hits, ambiguous := matchName(id, len(cols), func(i int) string { return cols[i].Name })
	if len(hits) == 0 || ambiguous {
		return nil
	}
	return &cols[hits[0]]
}

// assignField converts a value for a field. A field that nothing is known of
// takes the value's own type.
func (b *builder) assignField(x Expr, f *Field, name string) (Expr, error) {
	if f.Type.OID != sqltype.Unknown {
		x, err := b.assign(x, f.Type, name)
		if err != nil {
			return nil, err
		}
		return b.ofDomain(x, f.Domain)
	}
	x, err := b.known(x)
	if err == nil {
		f.Type = x.Type()
	}
	return x, err
}

// stored binds an expression that the catalog holds as text: a default or a
// check, over the columns of a source (nil: none).
func (b *builder) stored(sql string, src *source, what string) (Expr, error) {
	e, err := parser.ParseExpr(sql)
	if err != nil {
		return nil, sqlerr.New(sqlerr.InternalError, "%s does not parse: %s", what, sql).Because(err)
	}
	sc := &scope{noAgg: what, noWindow: what, noSRF: what}
	if src != nil {
		sc.ns = asNS(src)
	}
	strict := b.strictNames
	b.strictNames = true
	b.inView++
	x, err := b.expr(sc, e)
	b.inView--
	b.strictNames = strict
	if err != nil {
		cp := *sqlerr.As(err)
		cp.Position = 0
		return nil, &cp
	}
	return x, nil
}

// defaultOf is a column's default converted to its type; nil if it has none.
func (b *builder) defaultOf(c *catalog.Column) (Expr, error) {
	text := c.Default
	if text == "" {
		of, err := b.domainDefault(c.Domain)
		if err != nil {
			return nil, err
		}
		if text = of; text == "" {
			return b.domainNull(c)
		}
	}
	x, err := b.stored(text, nil, "DEFAULT expressions")
	if err != nil {
		return nil, err
	}
	if x, err = b.assign(x, c.Type, c.Name); err != nil {
		return nil, err
	}
	return b.ofDomain(x, c.Domain)
}

// domainNull is the NULL of a column without default, if its domain has rules
// for that; else nil.
func (b *builder) domainNull(c *catalog.Column) (Expr, error) {
	x, err := b.checked(null(c.Type, 0), c.Domain)
	if _, ruled := x.(*Checked); err != nil || !ruled {
		return nil, err
	}
	return x, nil
}

// checks are the NOT NULL and CHECK constraints over the written row. changed
// limits them to those that an UPDATE may break.
func (b *builder) checks(t *catalog.Table, src *source, changed map[string]bool) ([]CheckExpr, error) {
	if v := b.viewTargets[t]; v != nil {
		return b.viewChecks(v, src.scan, changed)
	}
	var out []CheckExpr
	for i := range t.Columns {
		c := &t.Columns[i]
		if !c.NotNull || len(c.Path) != 1 || c.Path[0] == "_id" || changed != nil && !changed[c.Path[0]] {
			continue
		}
		out = append(out, CheckExpr{Column: c.Name, Expr: &Test{X: b.ref(src, i, 0), Is: IsNotNull}})
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Domain == 0 || !c.Type.OID.IsComposite() || len(c.Path) != 1 || changed != nil && !changed[c.Path[0]] {
			continue
		}
		// the fields of the column may have been written one by one
		rules, err := b.domainRules(c.Domain, b.ref(src, i, 0))
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			out = append(out, CheckExpr{Name: r.Constraint, Column: c.Name, Expr: r.Cond})
		}
	}
	if t.Partition != nil {
		rules, err := b.partitionRules(t, src)
		if err != nil {
			return nil, err
		}
		out = append(out, rules...)
	}
	for _, k := range t.Checks {
		x, err := b.stored(k.SQL, src, "check constraints")
		if err != nil {
			return nil, err
		}
		if x, err = b.boolean(x, "CHECK"); err != nil {
			return nil, err
		}
		out = append(out, CheckExpr{Name: k.Name, Expr: x})
	}
	return out, nil
}

// returning binds RETURNING over the given relations.
func (b *builder) returning(items []*ast.SelectItem, ns *namespace, ctes *cteScope) ([]NamedExpr, error) {
	if len(items) == 0 {
		return nil, nil
	}
	sc := &scope{ns: ns, ctes: ctes, noAgg: "RETURNING", noWindow: "RETURNING", noSRF: "RETURNING"}
	var out []NamedExpr
	for _, it := range items {
		if star, ok := it.Expr.(*ast.Star); ok {
			cols, err := b.expandStar(sc, star)
			if err != nil {
				return nil, err
			}
			for _, c := range cols {
				out = append(out, b.returned(c.Col.Name, c.Expr))
			}
			continue
		}
		if fs, ok := it.Expr.(*ast.FieldStar); ok {
			list, err := b.recordFields(sc, fs)
			if err != nil {
				return nil, err
			}
			for _, f := range list {
				out = append(out, b.returned(f.Col.Name, f.Expr))
			}
			continue
		}
		x, err := b.expr(sc, it.Expr)
		if err != nil {
			return nil, err
		}
		if x, err = b.known(x); err != nil {
			return nil, err
		}
		out = append(out, b.returned(b.outputName(it, x), bareTid(x)))
	}
	return out, nil
}

func (b *builder) returned(name string, x Expr) NamedExpr {
	col := b.newCol(name, x.Type())
	if c, ok := x.(*ColRef); ok {
		if scan, def := b.scanOf(c.ID); scan != nil {
			col.Table, col.Attr = scan.Table.OID, def.Attr
		}
	}
	return NamedExpr{Col: col, Expr: x}
}

// setList binds the assignments of UPDATE and ON CONFLICT DO UPDATE.
func (b *builder) setList(t *catalog.Table, list []*ast.Assignment, sc *scope) ([]FieldExpr, map[string]bool, error) {
	var out []FieldExpr
	changed := map[string]bool{}
	for _, a := range list {
		values, err := b.assigned(sc, a)
		if err != nil {
			return nil, nil, err
		}
		for i, target := range a.Targets {
			if f, steps, ok := b.jsonbPath(t, target, aliasOf(sc, t)); ok {
				if out, err = b.setSubscript(t, out, f, steps, values[i], sc); err != nil {
					return nil, nil, err
				}
				changed[f.Path[0]] = true
				continue
			}
			f, name, err := b.targetField(t, target, aliasOf(sc, t))
			if err != nil {
				return nil, nil, err
			}
			if _, ok := values[i].(*ast.Default); ok && f.Elems == 0 {
				if c := columnAt(t, f.Path); c != nil && c.Generated != "" {
					continue // it is computed anyway
				}
			}
			for _, o := range out {
				if prefixOf(o.Field.Path, f.Path) || prefixOf(f.Path, o.Field.Path) {
					return nil, nil, sqlerr.New(sqlerr.SyntaxError, "multiple assignments to same column %q", name).At(target.Pos())
				}
			}
			if computed, err := b.onlyDefaulted(t, f, values[i]); computed || err != nil {
				if err != nil {
					return nil, nil, err
				}
				continue
			}
			x, err := b.assignedValue(t, target, values[i], sc)
			if err != nil {
				return nil, nil, err
			}
			if x, err = b.assignField(x, &f, name); err != nil {
				return nil, nil, err
			}
			out = append(out, FieldExpr{Field: f, Expr: x})
			changed[f.Path[0]] = true
		}
	}
	for c := range generated(t) {
		changed[c.Path[0]] = true
	}
	return out, changed, nil
}

// onlyDefaulted refuses values other than DEFAULT for columns that give
// themselves one. It tells whether the column is a generated one, which each
// UPDATE computes anyway.
func (b *builder) onlyDefaulted(t *catalog.Table, f Field, v ast.Expr) (bool, error) {
	c := columnAt(t, f.Path)
	if c == nil || c.Generated == "" && c.Identity != 'a' {
		return false, nil
	}
	if _, ok := v.(*ast.Default); ok && f.Elems == 0 {
		return c.Generated != "", nil
	}
	e := sqlerr.New("428C9", "column %q can only be updated to DEFAULT", c.Name)
	if c.Generated != "" {
		return false, e.WithDetail("Column %q is a generated column.", c.Name)
	}
	return false, e.WithDetail("Column %q is an identity column defined as GENERATED ALWAYS.", c.Name)
}

// aliasOf is the name by which a statement knows the table that it writes.
func aliasOf(sc *scope, t *catalog.Table) string {
	if sc.ns != nil {
		for _, src := range sc.ns.srcs {
			if src.table == t {
				return src.name
			}
		}
	}
	return ""
}

func prefixOf(a, b []string) bool { return len(a) <= len(b) && samePath(a, b[:len(a)]) }

// assigned gives a value for each target.
func (b *builder) assigned(sc *scope, a *ast.Assignment) ([]ast.Expr, error) {
	if !a.Row || len(a.Targets) == 1 && !isRowExpr(a.Value) {
		return []ast.Expr{a.Value}, nil
	}
	if q, ok := a.Value.(*ast.SubqueryExpr); ok {
		return b.assignedQuery(sc, a, q)
	}
	r, ok := a.Value.(*ast.RowExpr)
	if !ok {
		return nil, sqlerr.Unsupported(a.Value.Pos(), "Assign the columns one by one.", "assignment of a row from a subquery is not supported")
	}
	items, err := b.rowItems(sc, r)
	if err != nil {
		return nil, err
	}
	if len(items) != len(a.Targets) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "number of columns does not match number of values").At(a.Value.Pos())
	}
	return items, nil
}

// rowItems are the values of ROW(…) with t.* spelled out.
func (b *builder) rowItems(sc *scope, r *ast.RowExpr) ([]ast.Expr, error) {
	var out []ast.Expr
	for _, it := range r.Items {
		star, ok := it.(*ast.Star)
		if !ok {
			out = append(out, it)
			continue
		}
		cols, err := b.expandStar(sc, star)
		if err != nil {
			return nil, err
		}
		for _, c := range cols {
			parts := append(append([]ast.Ident(nil), star.Qualifier...), quotedIdent(c.Col.Name))
			out = append(out, &ast.ColumnRef{Span: star.Span, Parts: parts})
		}
	}
	return out, nil
}

func isRowExpr(e ast.Expr) bool {
	_, ok := e.(*ast.RowExpr)
	return ok
}

func (b *builder) assignedValue(t *catalog.Table, target, v ast.Expr, sc *scope) (Expr, error) {
	if d, ok := v.(*ast.Default); ok {
		if v := b.viewTargets[t]; v != nil && !t.IsPartition() {
			return null(unknown, d.Pos()), nil // views have no defaults
		}
		if c, ok := target.(*ast.ColumnRef); ok {
			if def := findDef(t, c.Parts[len(c.Parts)-1]); def != nil {
				if x, err := b.defaultOf(def); x != nil || err != nil {
					return x, err
				}
			}
		}
		return null(unknown, d.Pos()), nil
	}
	return b.expr(sc, v)
}
