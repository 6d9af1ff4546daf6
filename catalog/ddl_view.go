package catalog

import (
	"context"

	"weir/parser/ast"
	"weir/sqlerr"
)

func (d *ddl) createView(ctx context.Context, x *ast.CreateView) error {
	switch {
	case x.Recursive:
		return unsupported(x.Pos(), "Write WITH RECURSIVE in the view's query.", "RECURSIVE views are not supported")
	}
	if err := d.temporary(x.Persistence, ast.OnCommitDefault, x.Pos()); err != nil {
		return err
	}
	p, err := d.placeOf(ctx, x.Name)
	if err != nil {
		return err
	}
	old, err := d.replacedView(ctx, p, x.OrReplace)
	if err != nil {
		return err
	}
	cols, deps, notices, err := d.planner.Describe(ctx, x.Query)
	if err != nil {
		return err
	}
	d.out.Notices = append(d.out.Notices, notices...)
	if len(x.Columns) > len(cols) {
		return sqlerr.New(sqlerr.InvalidTableDefinition, "CREATE VIEW specifies more column names than columns").At(x.Columns[len(cols)].Pos())
	}
	o := d.newObject(p, "view")
	o.CheckOption = x.CheckOption
	seen := map[string]bool{}
	for i, c := range cols {
		// The query's own name finds the column again when SELECT * grows.
		own := c.Name
		if i < len(x.Columns) {
			c.Name = x.Columns[i].Name
		}
		if seen[c.Name] {
			return sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", c.Name).At(x.Name.Pos())
		}
		seen[c.Name] = true
		o.Columns = append(o.Columns, objectColumn{Name: c.Name, Path: []string{own}, Attr: int32(i + 1), Type: int64(c.Type.OID), Mod: c.Type.Mod})
	}
	o.SQL, o.Deps = ast.Print(x.Query), depOIDs(deps)
	if old != nil {
		if err := compatibleView(old, o, x.Name.Pos()); err != nil {
			return err
		}
		o.OID, o.Version, o.Comment = old.OID, old.Version, old.Comment
		return d.save(ctx, o)
	}
	if err := d.save(ctx, o); err != nil {
		return err
	}
	d.made(ast.KindView, p.schema, p.name)
	return nil
}

// replacedView finds the view that OR REPLACE replaces.
func (d *ddl) replacedView(ctx context.Context, p place, orReplace bool) (*object, error) {
	known, err := d.database(ctx, p.db, 0)
	if err != nil {
		return nil, err
	}
	if !known.has(p.name) {
		return nil, nil
	}
	if !orReplace {
		return nil, sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", p.name).At(p.pos)
	}
	if o := known.objects[p.name]; o != nil && o.Kind == "view" {
		return o, nil
	}
	return nil, sqlerr.New(sqlerr.WrongObjectType, "%q is not a view", p.name).At(p.pos)
}

// compatibleView holds PostgreSQL's rule: columns may only be added at the end.
func compatibleView(old, o *object, pos int) error {
	if len(o.Columns) < len(old.Columns) {
		return sqlerr.New(sqlerr.InvalidTableDefinition, "cannot drop columns from view").At(pos)
	}
	for i, c := range old.Columns {
		n := o.Columns[i]
		if n.Name != c.Name {
			return sqlerr.New(sqlerr.InvalidTableDefinition, "cannot change name of view column %q to %q", c.Name, n.Name).At(pos).
				WithHint("Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.")
		}
		if n.Type != c.Type {
			a, b := c.column(), n.column()
			return sqlerr.New(sqlerr.InvalidTableDefinition, "cannot change data type of view column %q from %s to %s", c.Name, a.Type, b.Type).At(pos)
		}
	}
	return nil
}

func (d *ddl) createMaterialized(ctx context.Context, x *ast.CreateMaterializedView) error {
	return d.tableOf(ctx, x.Name, x.Columns, x.IfNotExists, x.NoData, x.Query, "matview")
}

// refresh computes a materialized view again: the session runs the statements.
func (d *ddl) refresh(ctx context.Context, x *ast.RefreshMaterializedView) error {
	t, err := d.find(ctx, x.Name, "relation", false)
	if err != nil {
		return err
	}
	if t.Kind != MaterializedView {
		return sqlerr.New(sqlerr.WrongObjectType, "%q is not a materialized view", t.Name).At(x.Name.Pos())
	}
	o, err := d.objectOf(ctx, t)
	if err != nil {
		return err
	}
	q, err := parseQuery(o.SQL)
	if err != nil {
		return err
	}
	name := &ast.Name{Parts: []ast.Ident{ast.MakeIdent(t.Schema), ast.MakeIdent(t.Name)}}
	d.out.Then = []ast.Statement{&ast.Delete{Table: &ast.TableRef{Name: name}}}
	if !x.NoData {
		ins := &ast.Insert{Table: name, Query: q}
		for _, c := range o.Columns {
			ins.Columns = append(ins.Columns, &ast.ColumnRef{Parts: []ast.Ident{ast.MakeIdent(c.Name)}})
		}
		d.out.Then = append(d.out.Then, ins)
	}
	o.Unpopulated = x.NoData
	return d.save(ctx, o)
}
