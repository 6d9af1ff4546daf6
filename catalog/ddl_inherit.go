package catalog

import (
	"context"
	"slices"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// A table that inherits from others has their columns, and its rows are read
// with theirs. Each has a collection of its own.

// inherit gives a new table the columns and checks of those that it inherits from.
func (t *tableBuilder) inherit(ctx context.Context, names []*ast.Name) error {
	for _, n := range names {
		p, err := t.d.find(ctx, n, "relation", false)
		if err != nil {
			return err
		}
		switch {
		case p.Partitioned():
			return sqlerr.New(sqlerr.WrongObjectType, "cannot inherit from partitioned table %q", p.Name).At(n.Pos())
		case p.IsPartition():
			return sqlerr.New(sqlerr.WrongObjectType, "cannot inherit from partition %q", p.Name).At(n.Pos())
		case p.Kind != Collection:
			return sqlerr.New(sqlerr.WrongObjectType, "inherited relation %q is not a table", p.Name).At(n.Pos())
		case p.Open || p.NS.DB != t.o.DB:
			return unsupported(n.Pos(), "Use a view over both tables.", "inheriting from a collection without declared columns, or from another schema, is not supported")
		}
		o, err := t.d.objectOf(ctx, p)
		if err != nil {
			return err
		}
		for _, c := range o.Columns {
			if c.Generated != "" {
				return unsupported(n.Pos(), "Use a view over both tables.", "inheriting generated columns is not supported")
			}
			typ := sqltype.Type{OID: sqltype.OID(c.Type), Mod: c.Mod}
			if own := t.o.column(c.Name); own != nil {
				if own.Type != c.Type || own.Mod != c.Mod {
					return sqlerr.New(sqlerr.DatatypeMismatch, "inherited column %q has a type conflict", c.Name).At(n.Pos())
				}
				t.d.out.notice(sqlerr.SuccessfulCompletion, "merging multiple inherited definitions of column %q", c.Name)
				own.NotNull = own.NotNull || c.NotNull
				continue
			}
			if err := t.add(c.Name, typ, n.Pos()); err != nil {
				return err
			}
			own := &t.o.Columns[len(t.o.Columns)-1]
			own.NotNull, own.Default, own.Domain = c.NotNull, c.Default, c.Domain
			if c.Identity != "" {
				own.Default = ""
			}
		}
		for _, k := range o.Checks {
			if !slices.ContainsFunc(t.o.Checks, func(own objectCheck) bool { return own.Name == k.Name }) {
				k.OID = int64(t.d.oids.of("check", t.o.DB, t.o.Name+"\x00"+k.Name))
				t.o.Checks = append(t.o.Checks, k)
			}
		}
		t.o.Inherits = append(t.o.Inherits, p.Name)
		t.o.Deps = append(t.o.Deps, int64(p.OID))
	}
	return nil
}

// inherited takes a column that an inherited one is merged with; false if there
// is none of that name.
func (t *tableBuilder) inherited(ctx context.Context, def *ast.ColumnDef) (bool, error) {
	c := t.o.column(def.Name.Name)
	if c == nil || len(t.o.Inherits) == 0 {
		return false, nil
	}
	typ, domain, err := t.d.TypeName(ctx, def.Type)
	if err != nil {
		return true, err
	}
	if int64(typ.OID) != c.Type || typ.Mod != c.Mod || int64(domain) != c.Domain {
		return true, sqlerr.New(sqlerr.DatatypeMismatch, "column %q has a type conflict", c.Name).At(def.Pos())
	}
	t.d.out.notice(sqlerr.SuccessfulCompletion, "merging column %q with inherited definition", c.Name)
	for _, k := range def.Constraints {
		if err := t.columnConstraint(ctx, def, c.Name, typ, k); err != nil {
			return true, err
		}
	}
	return true, nil
}

// adopt tells the tables above of a new one, or that it is gone.
func (d *ddl) adopt(ctx context.Context, o *object, gone bool) error {
	for _, name := range o.Inherits {
		known, err := d.database(ctx, o.DB, 0)
		if err != nil {
			return err
		}
		p := known.objects[name]
		if p == nil {
			continue // dropped too
		}
		cp := *p
		cp.Children = slices.DeleteFunc(slices.Clone(p.Children), func(s string) bool { return s == o.Name })
		if !gone {
			cp.Children = append(cp.Children, o.Name)
		}
		if err := d.save(ctx, &cp); err != nil {
			return err
		}
	}
	return nil
}
