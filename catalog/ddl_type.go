package catalog

import (
	"context"
	"slices"
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// maxLabel is how many bytes an enum's label has at most.
const maxLabel = 63

func (d *ddl) createType(ctx context.Context, x *ast.CreateType) error {
	o, err := d.newType(ctx, x.Name)
	if err != nil {
		return err
	}
	o.Type.Kind = "composite"
	if x.Enum {
		o.Type.Kind = "enum"
		for _, l := range x.Labels {
			if err := checkLabel(l); err != nil {
				return err
			}
			if o.Type.label(l.Value) >= 0 {
				return sqlerr.New(sqlerr.UniqueViolation, "duplicate key value violates unique constraint %q", "pg_enum_typid_label_index").At(l.Pos())
			}
			o.Type.Labels = append(o.Type.Labels, objectLabel{OID: newTypeOID(), Label: l.Value, Sort: float64(len(o.Type.Labels) + 1)})
		}
		return d.saveType(ctx, o)
	}
	for _, f := range x.Fields {
		if err := d.addAttribute(ctx, o, f); err != nil {
			return err
		}
	}
	return d.saveType(ctx, o)
}

func (d *ddl) addAttribute(ctx context.Context, o *object, f *ast.ColumnDef) error {
	if strings.HasPrefix(f.Name.Name, "$") || strings.Contains(f.Name.Name, ".") {
		return unsupported(f.Name.Pos(), "Choose another name.", "attributes whose names begin with $ or hold a dot are not supported")
	}
	if slices.ContainsFunc(o.Type.Attributes, func(a objectAttribute) bool { return a.Name == f.Name.Name }) {
		return sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", f.Name.Text).At(f.Name.Pos())
	}
	t, domain, err := d.TypeName(ctx, f.Type)
	if err != nil {
		return err
	}
	if info := sqltype.Lookup(t.OID); info == nil || info.Kind == 'p' {
		return sqlerr.New(sqlerr.InvalidTableDefinition, "column %q has pseudo-type %s", f.Name.Text, t.OID).At(f.Type.Pos())
	}
	o.Type.Attributes = append(o.Type.Attributes, objectAttribute{Name: f.Name.Name, Type: int64(t.OID), Mod: t.Mod, Domain: int64(domain)})
	return nil
}

// newType makes the document of a type whose name is free.
func (d *ddl) newType(ctx context.Context, n *ast.Name) (*object, error) {
	p, err := d.placeOf(ctx, n)
	if err != nil {
		return nil, err
	}
	known, err := d.database(ctx, p.db, 0)
	if err != nil {
		return nil, err
	}
	if o := known.objects[p.name]; known.has(p.name) || o != nil && o.isType() {
		return nil, sqlerr.New(sqlerr.DuplicateObject, "type %q already exists", p.name).At(p.pos)
	}
	return &object{DB: p.db, Name: p.name, Kind: "type", OID: newTypeOID(), Type: &objectType{Array: newTypeOID()}}, nil
}

func (d *ddl) saveType(ctx context.Context, o *object) error {
	if err := d.saveObject(ctx, o); err != nil {
		return err
	}
	o.define(o.DB)
	d.oids.keep("relation", o.DB, o.Name, uint32(o.OID))
	d.made(ast.KindType, d.SchemaOf(o.DB), o.Name)
	return nil
}

// changeType writes the document of a type that is changed.
func (d *ddl) changeType(ctx context.Context, o *object) error {
	err := d.saveType(ctx, o)
	d.out.Undo = nil
	return err
}

func checkLabel(l *ast.StringLiteral) error {
	if len(l.Value) > maxLabel {
		return sqlerr.New(sqlerr.InvalidName, "invalid enum label %q", l.Value).At(l.Pos()).
			WithDetail("Labels must be %d bytes or less.", maxLabel)
	}
	return nil
}

// label is the place of a label; -1 if there is none.
func (t *objectType) label(s string) int {
	return slices.IndexFunc(t.Labels, func(l objectLabel) bool { return l.Label == s })
}

// sortAt is the number of a label that comes to stand at a place.
func (t *objectType) sortAt(i int) float64 {
	switch n := len(t.Labels); {
	case n == 0:
		return 1
	case i == n:
		return t.Labels[n-1].Sort + 1
	case i == 0:
		return t.Labels[0].Sort - 1
	}
	return (t.Labels[i-1].Sort + t.Labels[i].Sort) / 2
}

// namedType finds a type to change; nil with IF EXISTS and a notice.
func (d *ddl) namedType(ctx context.Context, n *ast.Name, ifExists bool) (*object, error) {
	o, err := d.typeObject(ctx, n.Qualifier().Name, n.Last().Name)
	if err != nil || o != nil {
		return o, err
	}
	shown := n.Last().Text
	if !n.Qualifier().IsZero() {
		shown = n.Qualifier().Text + "." + shown
	}
	if ifExists {
		d.out.notice(sqlerr.SuccessfulCompletion, "type %q does not exist, skipping", shown)
		return nil, nil
	}
	return nil, sqlerr.New(sqlerr.UndefinedObject, "type %q does not exist", shown).At(n.Pos())
}

// forChange is a copy of a type's document to change.
func (o *object) typeForChange() *object {
	cp, t := *o, *o.Type
	t.Labels, t.Attributes, t.Checks = slices.Clone(t.Labels), slices.Clone(t.Attributes), slices.Clone(t.Checks)
	cp.Type = &t
	return &cp
}

func (d *ddl) alterType(ctx context.Context, x *ast.AlterType) error {
	found, err := d.namedType(ctx, x.Name, false)
	if err != nil {
		return err
	}
	if found.Type.Kind != "enum" {
		return sqlerr.New(sqlerr.WrongObjectType, "%q is not an enum", found.Name).At(x.Name.Pos())
	}
	o := found.typeForChange()
	if x.Rename {
		return d.renameLabel(ctx, o, x)
	}
	if err := checkLabel(x.Value); err != nil {
		return err
	}
	if o.Type.label(x.Value.Value) >= 0 {
		if x.IfNotExists {
			d.out.notice(sqlerr.DuplicateObject, "enum label \"%s\" already exists, skipping", x.Value.Value)
			return nil
		}
		return sqlerr.New(sqlerr.DuplicateObject, "enum label \"%s\" already exists", x.Value.Value).At(x.Value.Pos())
	}
	at := len(o.Type.Labels)
	for i, beside := range []*ast.StringLiteral{x.Before, x.After} {
		if beside == nil {
			continue
		}
		if at = o.Type.label(beside.Value); at < 0 {
			return sqlerr.New(sqlerr.InvalidParameterValue, "\"%s\" is not an existing enum label", beside.Value).At(beside.Pos())
		}
		at += i
	}
	o.Type.Labels = slices.Insert(o.Type.Labels, at, objectLabel{OID: newTypeOID(), Label: x.Value.Value, Sort: o.Type.sortAt(at)})
	if err := d.changeType(ctx, o); err != nil {
		return err
	}
	return d.revalidate(ctx, o)
}

// renameLabel is refused where documents may hold the label: they hold its text.
func (d *ddl) renameLabel(ctx context.Context, o *object, x *ast.AlterType) error {
	at := o.Type.label(x.Value.Value)
	if at < 0 {
		return sqlerr.New(sqlerr.InvalidParameterValue, "\"%s\" is not an existing enum label", x.Value.Value).At(x.Value.Pos())
	}
	if o.Type.label(x.NewValue.Value) >= 0 {
		return sqlerr.New(sqlerr.DuplicateObject, "enum label \"%s\" already exists", x.NewValue.Value).At(x.NewValue.Pos())
	}
	if err := checkLabel(x.NewValue); err != nil {
		return err
	}
	users, err := d.usersOfType(ctx, o)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return unsupported(x.Pos(), "Add the new label, update the rows to it, and leave the old label unused.",
			"renaming a label of an enum that columns or types use is not supported")
	}
	o.Type.Labels[at].Label = x.NewValue.Value
	return d.changeType(ctx, o)
}

// revalidate writes the validators of the tables that have columns of a type anew.
func (d *ddl) revalidate(ctx context.Context, o *object) error {
	users, err := d.usersOfType(ctx, o)
	if err != nil {
		return err
	}
	for _, u := range users {
		if u.isType() || u.virtual() {
			continue
		}
		if err := d.setValidator(ctx, u); err != nil {
			return err
		}
		d.forgetTable(u)
	}
	return nil
}

// dropTypes drops types or domains; those in use are kept, or with CASCADE it
// is refused: columns are not dropped behind somebody's back.
func (d *ddl) dropTypes(ctx context.Context, x *ast.Drop) error {
	var list []*object
	for _, n := range x.Names {
		o, err := d.namedType(ctx, n, x.IfExists)
		if err != nil {
			return err
		}
		if o == nil {
			continue
		}
		if x.Kind == ast.KindDomain && o.Type.Kind != "domain" {
			return sqlerr.New(sqlerr.WrongObjectType, "%q is not a domain", o.Name).At(n.Pos())
		}
		list = append(list, o)
	}
	for i := 0; i < len(list); i++ {
		users, err := d.usersOfType(ctx, list[i])
		if err != nil {
			return err
		}
		if views, err := d.dependents(ctx, uint32(list[i].OID)); err != nil {
			return err
		} else if len(views) > 0 && x.Behavior == ast.Cascade {
			return unsupported(x.Pos(), "Drop the views first.", "DROP TYPE with CASCADE to a view is not supported")
		} else {
			users = append(users, views...)
		}
		for _, u := range users {
			if slices.ContainsFunc(list, func(o *object) bool { return o.OID == u.OID }) {
				continue
			}
			if x.Behavior != ast.Cascade {
				return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop type %s because other objects depend on it", list[i].Name).
					WithDetail("%s depends on type %s", u.Name, list[i].Name).WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
			}
			if !u.isType() {
				if err := d.dropColumnsOf(ctx, u, list[i]); err != nil {
					return err
				}
				continue
			}
			list = append(list, u)
		}
	}
	for _, o := range list {
		if err := d.deleteObject(ctx, o.DB, o.Name); err != nil {
			return err
		}
	}
	return nil
}

// dropColumnsOf drops the columns of a type that is dropped with CASCADE.
func (d *ddl) dropColumnsOf(ctx context.Context, u, o *object) error {
	x := &ast.AlterTable{Kind: ast.KindTable, Table: &ast.TableRef{Name: &ast.Name{Parts: []ast.Ident{ast.MakeIdent(d.SchemaOf(u.DB)), ast.MakeIdent(u.Name)}}}}
	for _, c := range u.Columns {
		for _, oid := range []int64{c.Type, c.Domain} {
			if oid != 0 && (oid == o.OID || oid == o.Type.Array) {
				d.out.notice(sqlerr.SuccessfulCompletion, "drop cascades to column %s of table %s", c.Name, u.Name)
				x.Actions = append(x.Actions, &ast.AlterAction{Kind: ast.DropColumn, Name: ast.MakeIdent(c.Name)})
				break
			}
		}
	}
	return d.alterTable(ctx, x)
}
