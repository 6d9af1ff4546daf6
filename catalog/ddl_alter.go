package catalog

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
)

func (d *ddl) alterTable(ctx context.Context, x *ast.AlterTable) error {
	if x.Kind == ast.KindIndex {
		return unsupported(x.Pos(), "Drop the index and create it anew.", "ALTER INDEX is not supported")
	}
	t, err := d.find(ctx, x.Table.Name, "relation", x.IfExists)
	if err != nil || t == nil {
		return err
	}
	o, err := d.objectOf(ctx, t)
	if err != nil {
		return err
	}
	if len(x.Actions) == 1 && (x.Actions[0].Kind == ast.InheritFrom || x.Actions[0].Kind == ast.NoInheritFrom) {
		return d.alterInherit(ctx, t, o, x.Actions[0])
	}
	if len(o.Children) > 0 || len(o.Inherits) > 0 {
		for _, act := range x.Actions {
			if act.Kind != ast.OwnerTo && act.Kind != ast.SetColumnDefault && act.Kind != ast.DropColumnDefault {
				return unsupported(x.Pos(), "Create the tables anew.", "this change of a table with inheritance is not supported")
			}
		}
	}
	a := &alteration{ddl: d, table: t, tb: &tableBuilder{d: d, o: o.forChange()}}
	if err := a.all(ctx, x.Actions); err != nil {
		d.forget(o.DB) // what was begun must not be seen
		return err
	}
	return nil
}

func (a *alteration) all(ctx context.Context, actions []*ast.AlterAction) error {
	for _, act := range actions {
		if err := a.action(ctx, act); err != nil {
			return err
		}
	}
	return a.finish(ctx)
}

// alteration is an ALTER TABLE at work: the actions change the object, finish
// writes it once.
type alteration struct {
	*ddl
	table     *Table
	tb        *tableBuilder
	drops     []string // indexes to drop
	data      []store.WriteOp
	existing  []existing
	validates []int // places of foreign keys

	dropSequences []*object
	gone          bool // renamed: the object was written under its new name
}

func (a *alteration) action(ctx context.Context, x *ast.AlterAction) error {
	switch x.Kind {
	case ast.RenameTo:
		return a.renameTo(ctx, x)
	case ast.OwnerTo:
		a.tb.o.Owner = x.Name.Name
		if x.Name.IsZero() {
			a.tb.o.Owner = x.NewName.Name
		}
		return nil
	case ast.SetColumnStatistics, ast.SetColumnStorage, ast.SetLogged, ast.SetUnlogged, ast.ClusterOn, ast.SetWithoutCluster, ast.ReplicaIdentity:
		return nil
	case ast.ValidateConstraint:
		return a.validate(x.Name)
	case ast.AlterConstraint:
		return a.alterConstraint(x)
	}
	if x.Kind == ast.AttachPartition || x.Kind == ast.DetachPartition {
		return a.partitions(ctx, x)
	}
	if a.table.IsPartition() {
		if err := ofPartition(a.table, x); err != nil {
			return err
		}
	} else if a.table.Kind != Collection {
		return unsupported(x.Pos(), "Create it anew with CREATE OR REPLACE.", "this change of %q is not supported", a.table.Name)
	}
	switch x.Kind {
	case ast.AddColumn:
		return a.addColumn(ctx, x)
	case ast.DropColumn:
		return a.dropColumn(ctx, x)
	case ast.AlterColumnType:
		return a.columnType(ctx, x)
	case ast.SetColumnDefault, ast.DropColumnDefault, ast.SetColumnNotNull, ast.DropColumnNotNull:
		return a.columnRule(ctx, x)
	case ast.DropExpression:
		return a.dropExpression(x)
	case ast.AddIdentity:
		return a.addIdentity(x)
	case ast.SetIdentity, ast.DropIdentity:
		return a.changeIdentity(ctx, x)
	case ast.AddConstraint:
		if x.Add.Kind == ast.ConstraintPrimaryKey || x.Add.Kind == ast.ConstraintUnique {
			for _, id := range x.Add.Columns {
				oc, err := a.own(id)
				if err != nil {
					return err
				}
				if x.Add.Kind == ast.ConstraintPrimaryKey && !oc.NotNull && foldColumn(a.table.Columns, id) != nil {
					a.noNulls(oc.Name)
				}
			}
		}
		return a.tb.constraint(x.Add, nil)
	case ast.DropConstraint:
		return a.dropConstraint(ctx, x)
	case ast.RenameColumn:
		return a.renameColumn(x)
	}
	return unsupported(x.Pos(), "See the documentation of ALTER TABLE for what can be changed.", "this action of ALTER TABLE is not supported")
}

// own gives the object's entry of a column, made of the sampled one if need be.
func (a *alteration) own(id ast.Ident) (*objectColumn, error) {
	c := foldColumn(a.table.Columns, id)
	if c == nil {
		if oc := a.tb.o.column(id.Name); oc != nil {
			return oc, nil
		}
		return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", id.Text, a.table.Name).At(id.Pos())
	}
	if oc := a.tb.o.column(c.Name); oc != nil {
		return oc, nil
	}
	a.tb.o.Columns = append(a.tb.o.Columns, objectColumn{Name: c.Name, Path: c.Path, Type: int64(c.Type.OID), Mod: c.Type.Mod, Default: c.Default})
	return &a.tb.o.Columns[len(a.tb.o.Columns)-1], nil
}

func (a *alteration) addColumn(ctx context.Context, x *ast.AlterAction) error {
	if c := foldColumn(a.table.Columns, x.Def.Name); c != nil && c.Name == x.Def.Name.Name {
		if x.IfExists {
			a.out.notice(sqlerr.DuplicateColumn, "column %q of relation %q already exists, skipping", c.Name, a.table.Name)
			return nil
		}
		return sqlerr.New(sqlerr.DuplicateColumn, "column %q of relation %q already exists", c.Name, a.table.Name).At(x.Def.Pos())
	}
	if err := a.mayName(x.Def.Name, false); err != nil {
		return err
	}
	if err := a.tb.column(ctx, x.Def); err != nil {
		return err
	}
	c := &a.tb.o.Columns[len(a.tb.o.Columns)-1]
	if c.Generated != "" {
		if a.table.Kind == Collection && !a.tb.o.Declared {
			return unsupported(x.Def.Pos(), "Compute it in a view.", "adding a generated column to a collection without declared columns is not supported")
		}
	} else if c.Default == "" {
		if c.NotNull {
			a.noRows(c.Name)
		}
		return nil
	}
	if c.NotNull && c.Generated == "" && !strings.Contains(c.Default, "nextval") {
		a.noNulls(c.Name)
	}
	// Rows that are there take the default, as PostgreSQL gives it to them.
	id := ast.MakeIdent(c.Name)
	a.out.Then = append(a.out.Then, &ast.Update{
		Table: &ast.TableRef{Name: &ast.Name{Parts: []ast.Ident{ast.MakeIdent(a.table.Schema), ast.MakeIdent(a.table.Name)}}},
		Set:   []*ast.Assignment{{Targets: []ast.Expr{&ast.ColumnRef{Parts: []ast.Ident{id}}}, Value: &ast.Default{}}},
	})
	return nil
}

func (a *alteration) dropColumn(ctx context.Context, x *ast.AlterAction) error {
	c := foldColumn(a.table.Columns, x.Name)
	if c == nil {
		if x.IfExists {
			a.out.notice(sqlerr.SuccessfulCompletion, "column %q of relation %q does not exist, skipping", x.Name.Text, a.table.Name)
			return nil
		}
		return sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", x.Name.Text, a.table.Name).At(x.Name.Pos())
	}
	if c.Name == "_id" {
		return unsupported(x.Pos(), "Every document of MongoDB has an _id.", "_id cannot be dropped")
	}
	if err := a.columnUnreferenced(ctx, c.Name, x.Behavior == ast.Cascade); err != nil {
		return err
	}
	if err := a.dropComputed(ctx, c.Name, x); err != nil {
		return err
	}
	o := a.tb.o
	for i := range o.Columns {
		if o.Columns[i].Name == c.Name {
			o.Columns = append(o.Columns[:i:i], o.Columns[i+1:]...)
			break
		}
	}
	for _, k := range o.PrimaryKey {
		if k == c.Name {
			o.PrimaryKey = nil
		}
	}
	o.dropForeignKeys(func(k *objectForeignKey) bool { return slices.Contains(k.Columns, c.Name) })
	path := strings.Join(c.Path, ".")
	for _, ix := range a.table.Indexes {
		for _, k := range ix.Keys {
			if k.Path == path {
				a.drops = append(a.drops, ix.Name)
				break
			}
		}
	}
	o.IndexAliases = slices.DeleteFunc(slices.Clone(o.IndexAliases), func(x objectIndexAlias) bool { return slices.Contains(a.drops, x.Of) })
	a.change("$unset", path, value.String(""))
	if c.Marked {
		a.dropFine(c.Name)
	}
	return nil
}

// change is an update of all documents.
func (a *alteration) change(op, path string, v value.Value) {
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, op)
	b.Add(path, v)
	b.Close()
	a.data = append(a.data, store.WriteOp{
		Kind: store.Update, Filter: value.EmptyDocument, Update: value.Document(b.Doc()).RawValue(), Multi: true,
	})
}

// columnType declares a type: values that do not have it are read as it.
func (a *alteration) columnType(ctx context.Context, x *ast.AlterAction) error {
	if x.Expr != nil {
		return unsupported(x.Expr.Pos(), "Run an UPDATE that converts the values first.", "USING is not supported")
	}
	t, domain, err := a.TypeName(ctx, x.Type)
	if err != nil {
		return err
	}
	if t.OID.Involves() || domain != 0 {
		return unsupported(x.Type.Pos(), "Add a column of the type, update it from the old one, and drop that.",
			"changing a column's type to a type that was made with CREATE TYPE or CREATE DOMAIN is not supported")
	}
	oc, err := a.own(x.Name)
	if err != nil {
		return err
	}
	if err := a.retyped(oc, t, x); err != nil {
		return err
	}
	oc.Type, oc.Mod, oc.Domain, oc.Pinned = int64(t.OID), t.Mod, 0, true
	return nil
}

func (a *alteration) columnRule(ctx context.Context, x *ast.AlterAction) error {
	oc, err := a.own(x.Name)
	if err != nil {
		return err
	}
	if err := a.ruled(oc, x); err != nil {
		return err
	}
	switch x.Kind {
	case ast.SetColumnDefault:
		if err := a.planner.CheckExpr(ctx, x.Expr, nil, sqltype.Type{OID: sqltype.OID(oc.Type), Mod: oc.Mod}); err != nil {
			return err
		}
		oc.Default = ast.Print(x.Expr)
	case ast.DropColumnDefault:
		oc.Default = ""
	case ast.SetColumnNotNull:
		if !oc.NotNull {
			a.noNulls(oc.Name)
		}
		oc.NotNull, oc.Pinned = true, true
	case ast.DropColumnNotNull:
		oc.NotNull = false
	}
	return nil
}

// ruled refuses to give a column that computes its values a default, and NULL
// to identity columns and keys.
func (a *alteration) ruled(oc *objectColumn, x *ast.AlterAction) error {
	isDefault := x.Kind == ast.SetColumnDefault || x.Kind == ast.DropColumnDefault
	switch {
	case oc.Identity != "" && (isDefault || x.Kind == ast.DropColumnNotNull):
		e := sqlerr.New(sqlerr.SyntaxError, "column %q of relation %q is an identity column", oc.Name, a.table.Name).At(x.Name.Pos())
		if x.Kind == ast.DropColumnDefault {
			e = e.WithHint("Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.")
		}
		return e
	case oc.Generated != "" && isDefault:
		e := sqlerr.New(sqlerr.SyntaxError, "column %q of relation %q is a generated column", oc.Name, a.table.Name).At(x.Name.Pos())
		if x.Kind == ast.DropColumnDefault {
			e = e.WithHint("Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.")
		}
		return e
	case x.Kind == ast.DropColumnNotNull && slices.Contains(a.tb.o.PrimaryKey, oc.Name):
		return sqlerr.New(sqlerr.InvalidTableDefinition, "column %q is in a primary key", oc.Name).At(x.Name.Pos())
	}
	return nil
}

// dropComputed drops the generated columns that read a column which is dropped,
// with CASCADE; else there may be none.
func (a *alteration) dropComputed(ctx context.Context, name string, x *ast.AlterAction) error {
	for _, c := range slices.Clone(a.tb.o.Columns) {
		if c.Generated == "" || c.Name == name {
			continue
		}
		e, err := parser.ParseExpr(c.Generated)
		if err != nil || !readsColumn(e, name) {
			continue
		}
		if x.Behavior != ast.Cascade {
			return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop column %s of table %s because other objects depend on it", name, a.table.Name).At(x.Pos()).
				WithDetail("column %s of table %s depends on column %s of table %s", c.Name, a.table.Name, name, a.table.Name).
				WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
		}
		a.out.notice(sqlerr.SuccessfulCompletion, "drop cascades to column %s of table %s", c.Name, a.table.Name)
		also := *x
		also.Name, also.IfExists = ast.MakeIdent(c.Name), false
		if err := a.dropColumn(ctx, &also); err != nil {
			return err
		}
	}
	return nil
}

// dropExpression is ALTER COLUMN c DROP EXPRESSION: its values stay.
func (a *alteration) dropExpression(x *ast.AlterAction) error {
	oc, err := a.own(x.Name)
	if err != nil {
		return err
	}
	if oc.Generated == "" && x.IfExists {
		a.out.notice(sqlerr.SuccessfulCompletion, "column %q of relation %q is not a stored generated column, skipping", oc.Name, a.table.Name)
		return nil
	}
	if oc.Generated == "" {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "column %q of relation %q is not a stored generated column", oc.Name, a.table.Name).At(x.Name.Pos())
	}
	oc.Generated = ""
	return nil
}

func (a *alteration) dropConstraint(ctx context.Context, x *ast.AlterAction) error {
	for i, c := range a.tb.o.Checks {
		if c.Name == x.Name.Name {
			a.tb.o.Checks = append(a.tb.o.Checks[:i:i], a.tb.o.Checks[i+1:]...)
			return nil
		}
	}
	if a.tb.o.dropForeignKeys(func(k *objectForeignKey) bool { return k.Name == x.Name.Name }) {
		return nil
	}
	if a.dropAliasNamed(x.Name.Name) {
		return nil
	}
	for _, ix := range a.table.Indexes {
		if ix.Name == x.Name.Name && ix.Unique {
			if err := a.indexUnreferenced(ctx, &ix, x.Behavior == ast.Cascade); err != nil {
				return err
			}
			a.drops = append(a.drops, ix.Name)
			if ix.Primary {
				a.tb.o.PrimaryKey = nil
			}
			return nil
		}
	}
	if x.IfExists {
		a.out.notice(sqlerr.SuccessfulCompletion, "constraint %q of relation %q does not exist, skipping", x.Name.Text, a.table.Name)
		return nil
	}
	return sqlerr.New(sqlerr.UndefinedObject, "constraint %q of relation %q does not exist", x.Name.Text, a.table.Name).At(x.Name.Pos())
}

func (a *alteration) renameColumn(x *ast.AlterAction) error {
	c := foldColumn(a.table.Columns, x.Name)
	if c == nil {
		return sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", x.Name.Text).At(x.Name.Pos())
	}
	if foldColumn(a.table.Columns, x.NewName) != nil {
		return sqlerr.New(sqlerr.DuplicateColumn, "column %q of relation %q already exists", x.NewName.Text, a.table.Name).At(x.NewName.Pos())
	}
	if c.Name == "_id" {
		return unsupported(x.Pos(), "Every document of MongoDB has an _id.", "_id cannot be renamed")
	}
	if err := a.mayName(x.NewName, c.Marked); err != nil {
		return err
	}
	for _, ix := range a.table.Indexes {
		for _, k := range ix.Keys {
			if k.Path == c.Name {
				return unsupported(x.Pos(), "Drop index "+ix.Name+" first.", "an indexed column cannot be renamed")
			}
		}
	}
	for i := range a.tb.o.ForeignKeys {
		k := &a.tb.o.ForeignKeys[i]
		if j := slices.Index(k.Columns, c.Name); j >= 0 {
			k.Columns = slices.Clone(k.Columns)
			k.Columns[j] = x.NewName.Name
		}
	}
	if oc := a.tb.o.column(c.Name); oc != nil {
		oc.Name, oc.Path = x.NewName.Name, []string{x.NewName.Name}
	}
	a.change("$rename", c.Name, value.String(x.NewName.Name))
	if c.Marked {
		a.change("$rename", finePath(c.Name), value.String(finePath(x.NewName.Name)))
	}
	return nil
}

// renameTo renames a relation; views over it keep the old name in their text,
// so it is refused while there are any.
func (a *alteration) renameTo(ctx context.Context, x *ast.AlterAction) error {
	o := a.tb.o
	p := place{schema: a.table.Schema, db: o.DB, name: x.NewName.Name, pos: x.Pos()}
	if o.Partition != nil {
		return unsupported(x.Pos(), "Create it anew.", "renaming partitions and partitioned tables is not supported")
	}
	if _, err := a.free(ctx, p, false); err != nil {
		return err
	}
	views, err := a.dependents(ctx, a.table.OID)
	if err != nil {
		return err
	}
	if len(views) > 0 {
		return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot rename %q because view %s reads it by name", a.table.Name, views[0].Name).At(x.Pos()).
			WithHint("Drop the view, rename, and create the view anew.")
	}
	if a.table.Kind != View && a.table.Kind != Sequence {
		err = a.run(ctx, "admin", func(b *value.Builder) {
			b.Add("renameCollection", value.String(o.DB+"."+o.Name))
			b.Add("to", value.String(o.DB+"."+p.name))
		})
		if err != nil {
			return err
		}
	}
	old := o.Name
	o.Name = p.name
	a.forget(o.DB)
	a.gone = true
	if o.Version == 0 {
		return nil // nothing was kept of it
	}
	a.oids.keep("relation", o.DB, o.Name, uint32(o.OID))
	if err := a.save(ctx, o); err != nil {
		return err
	}
	return a.deleteObject(ctx, o.DB, old)
}

// finish brings indexes, validator, documents and the object up to date.
func (a *alteration) finish(ctx context.Context) error {
	if a.gone {
		return nil
	}
	o := a.tb.o
	if err := a.tb.bindChecks(ctx); err != nil {
		return err
	}
	if err := a.tb.bindForeignKeys(ctx); err != nil {
		return err
	}
	if err := a.testExisting(ctx); err != nil {
		return err
	}
	if err := a.testForeign(ctx); err != nil {
		return err
	}
	if o.Partition != nil {
		if err := a.finishPartitioned(ctx); err != nil || o.Partition.Parent != "" {
			return err
		}
	}
	for _, name := range a.drops {
		i := slices.IndexFunc(a.table.Indexes, func(ix Index) bool { return ix.Name == name })
		if err := a.dropIndexOf(ctx, o, store.Namespace{DB: o.DB, Coll: o.Name}, &a.table.Indexes[i]); err != nil {
			return err
		}
	}
	if err := a.setValidator(ctx, o); err != nil {
		return err
	}
	if len(a.data) > 0 {
		res, err := a.store.Write(ctx, a.table.NS, a.data, store.WriteOptions{})
		if err == nil {
			err = res.Err()
		}
		if err != nil {
			return err
		}
	}
	a.aliases()
	if err := a.createIndexes(ctx, o.DB, o.Name, a.tb.indexes); err != nil {
		return err
	}
	for _, s := range a.tb.sequences {
		if err := a.save(ctx, s); err != nil {
			return err
		}
	}
	if err := a.save(ctx, o); err != nil {
		return err
	}
	if err := a.tb.noteReferences(ctx); err != nil {
		return err
	}
	for _, s := range a.dropSequences {
		if err := a.deleteObject(ctx, s.DB, s.Name); err != nil {
			return err
		}
	}
	return a.Analyze(ctx, a.table.NS)
}
