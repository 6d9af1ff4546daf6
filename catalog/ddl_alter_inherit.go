package catalog

import (
	"context"
	"slices"

	"weir/parser/ast"
	"weir/sqlerr"
)

// alterInherit is ALTER TABLE … INHERIT parent and NO INHERIT parent.
func (d *ddl) alterInherit(ctx context.Context, t *Table, o *object, x *ast.AlterAction) error {
	if t.Kind != Collection || t.Open || t.Partitioned() || t.IsPartition() {
		return unsupported(x.Pos(), "Use a view over both tables.", "inheritance of %q is not supported", t.Name)
	}
	p, err := d.find(ctx, x.Parent, "relation", false)
	if err != nil {
		return err
	}
	if x.Kind == ast.NoInheritFrom {
		return d.noInherit(ctx, t, o, p, x)
	}
	switch {
	case p.Partitioned():
		return sqlerr.New(sqlerr.WrongObjectType, "cannot inherit from partitioned table %q", p.Name).At(x.Parent.Pos())
	case p.IsPartition():
		return sqlerr.New(sqlerr.WrongObjectType, "cannot inherit from partition %q", p.Name).At(x.Parent.Pos())
	case p.Kind != Collection:
		return sqlerr.New(sqlerr.WrongObjectType, "%q is not a table", p.Name).At(x.Parent.Pos())
	case p.Open || p.NS.DB != t.NS.DB:
		return unsupported(x.Parent.Pos(), "Use a view over both tables.", "inheriting from a collection without declared columns, or from another schema, is not supported")
	case slices.Contains(o.Inherits, p.NS.Coll):
		return sqlerr.New(sqlerr.DuplicateTable, "relation %q would be inherited from more than once", p.Name).At(x.Parent.Pos())
	}
	if above, err := d.inheritsFrom(ctx, p.NS.DB, p.NS.Coll, t.NS.Coll); err != nil {
		return err
	} else if above {
		return sqlerr.New(sqlerr.DuplicateTable, "circular inheritance not allowed").At(x.Parent.Pos()).
			WithDetail("%q is already a child of %q.", p.Name, t.Name)
	}
	po, err := d.objectOf(ctx, p)
	if err != nil {
		return err
	}
	if err := fitsParent(o, po, x.Pos()); err != nil {
		return err
	}
	own, parent := o.forChange(), *po
	own.Inherits = append(slices.Clone(o.Inherits), p.NS.Coll)
	own.Deps = append(slices.Clone(o.Deps), int64(p.OID))
	parent.Children = append(slices.Clone(po.Children), t.NS.Coll)
	if err := d.save(ctx, own); err != nil {
		return err
	}
	return d.save(ctx, &parent)
}

// inheritsFrom tells whether a table is another one or inherits from it.
func (d *ddl) inheritsFrom(ctx context.Context, db, name, from string) (bool, error) {
	if name == from {
		return true, nil
	}
	known, err := d.database(ctx, db, 0)
	if err != nil {
		return false, err
	}
	if o := known.objects[name]; o != nil {
		for _, above := range o.Inherits {
			if yes, err := d.inheritsFrom(ctx, db, above, from); yes || err != nil {
				return yes, err
			}
		}
	}
	return false, nil
}

// fitsParent makes sure that a table has the columns and checks of another one.
func fitsParent(o, p *object, pos int) error {
	for i := range p.Columns {
		c := &p.Columns[i]
		own := o.column(c.Name)
		switch {
		case own == nil:
			return sqlerr.New(sqlerr.DatatypeMismatch, "child table is missing column %q", c.Name).At(pos)
		case own.Type != c.Type || own.Mod != c.Mod || own.Domain != c.Domain:
			return sqlerr.New(sqlerr.DatatypeMismatch, "child table %q has different type for column %q", o.Name, c.Name).At(pos)
		case c.Generated != own.Generated:
			return sqlerr.New(sqlerr.DatatypeMismatch, "column %q in child table must be a generated column as in the parent", c.Name).At(pos)
		case c.NotNull && !own.NotNull:
			return sqlerr.New(sqlerr.DatatypeMismatch, "column %q in child table must be marked NOT NULL", c.Name).At(pos)
		}
	}
	for _, k := range p.Checks {
		at := slices.IndexFunc(o.Checks, func(own objectCheck) bool { return own.Name == k.Name })
		if at < 0 {
			return sqlerr.New(sqlerr.DatatypeMismatch, "child table is missing constraint %q", k.Name).At(pos)
		}
		if o.Checks[at].SQL != k.SQL {
			return sqlerr.New(sqlerr.DatatypeMismatch, "child table %q has different definition for check constraint %q", o.Name, k.Name).At(pos)
		}
	}
	return nil
}

func (d *ddl) noInherit(ctx context.Context, t *Table, o *object, p *Table, x *ast.AlterAction) error {
	if !slices.Contains(o.Inherits, p.NS.Coll) {
		return sqlerr.New(sqlerr.UndefinedTable, "relation %q is not a parent of relation %q", p.Name, t.Name).At(x.Parent.Pos())
	}
	po, err := d.objectOf(ctx, p)
	if err != nil {
		return err
	}
	own, parent := o.forChange(), *po
	own.Inherits = slices.DeleteFunc(slices.Clone(o.Inherits), func(n string) bool { return n == p.NS.Coll })
	own.Deps = slices.DeleteFunc(slices.Clone(o.Deps), func(oid int64) bool { return oid == int64(p.OID) })
	parent.Children = slices.DeleteFunc(slices.Clone(po.Children), func(n string) bool { return n == t.NS.Coll })
	if err := d.save(ctx, own); err != nil {
		return err
	}
	return d.save(ctx, &parent)
}
