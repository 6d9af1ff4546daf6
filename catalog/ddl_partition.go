package catalog

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// partitionBy declares the keys of a partitioned table.
func (t *tableBuilder) partitionBy(ctx context.Context, x *ast.PartitionBy) error {
	method := strings.ToLower(x.Method.Name)
	switch method {
	case "list":
		if len(x.Elems) != 1 {
			return sqlerr.New(sqlerr.InvalidObjectDefinition, "cannot use \"list\" partition strategy with more than one column").At(x.Pos())
		}
	case "range":
	case "hash":
		return unsupported(x.Pos(), "Use LIST or RANGE; MongoDB spreads data by sharding.", "PARTITION BY HASH is not supported")
	default:
		return sqlerr.New(sqlerr.InvalidObjectDefinition, "unrecognized partitioning strategy %q", x.Method.Text).At(x.Method.Pos())
	}
	if t.o.Partition == nil {
		t.o.Partition = &objectPartition{}
	}
	p := t.o.Partition
	p.Method = method
	tab := &Table{Name: t.o.Name, Schema: t.d.SchemaOf(t.o.DB), Columns: t.o.tableColumns()}
	for _, el := range x.Elems {
		if el.OpClass != nil {
			return unsupported(el.Pos(), "Leave the operator class out.", "operator classes of partition keys are not supported")
		}
		if c, ok := el.Expr.(*ast.ColumnRef); ok {
			name := c.Parts[len(c.Parts)-1]
			if t.o.column(name.Name) == nil {
				return sqlerr.New(sqlerr.UndefinedColumn, "column %q named in partition key does not exist", name.Text).At(el.Pos())
			}
			p.Keys = append(p.Keys, ast.QuoteIdent(name.Name))
			continue
		}
		key := "(" + ast.Print(el.Expr) + ")"
		e, err := parser.ParseExpr(key + " IS NULL")
		if err == nil {
			err = t.d.planner.CheckExpr(ctx, e, tab, sqltype.Of(sqltype.Bool))
		}
		if err != nil {
			return sqlerr.As(err).At(el.Pos())
		}
		p.Keys = append(p.Keys, key)
	}
	return nil
}

// tree reads the partitions of a database into copies that may be changed.
func (d *ddl) tree(ctx context.Context, db string) (*partitionTree, map[string]*objectPartition, error) {
	known, err := d.database(ctx, db, 0)
	if err != nil {
		return nil, nil, err
	}
	objects, before := map[string]*object{}, map[string]*objectPartition{}
	for name, o := range known.objects {
		if o.Partition == nil {
			continue
		}
		cp, p := *o, *o.Partition
		cp.Columns, cp.Checks = slices.Clone(o.Columns), slices.Clone(o.Checks)
		cp.Partition = &p
		objects[name], before[name] = &cp, o.Partition
	}
	return newPartitionTree(objects), before, nil
}

// saveTree computes a tree and writes what changed of it.
func (d *ddl) saveTree(ctx context.Context, t *partitionTree, root *object, before map[string]*objectPartition) error {
	t.compute(root)
	for _, o := range append(t.below(root.Name), root) {
		if was := before[o.Name]; was != nil && reflect.DeepEqual(was, o.Partition) {
			continue
		}
		if err := d.save(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// partitioned finds a table that may get partitions.
func (d *ddl) partitioned(ctx context.Context, n *ast.Name) (*Table, error) {
	t, err := d.find(ctx, n, "relation", false)
	if err != nil {
		return nil, err
	}
	if !t.Partitioned() {
		return nil, sqlerr.New(sqlerr.InvalidObjectDefinition, "%q is not partitioned", t.Name).At(n.Pos())
	}
	return t, nil
}

// createPartition makes CREATE TABLE … PARTITION OF.
func (d *ddl) createPartition(ctx context.Context, x *ast.CreateTable) error {
	p, err := d.placeOf(ctx, x.Name)
	if err != nil {
		return err
	}
	if skip, err := d.free(ctx, p, x.IfNotExists); skip || err != nil {
		return err
	}
	parent, err := d.partitioned(ctx, x.PartitionOf)
	if err != nil {
		return err
	}
	if parent.NS.DB != p.db {
		return unsupported(x.PartitionOf.Pos(), "Create it in the schema of its table.", "a partition in another schema than its table is not supported")
	}
	tree, before, err := d.tree(ctx, p.db)
	if err != nil {
		return err
	}
	above := tree.objects[parent.Name]
	b, err := d.bound(ctx, tree, above, parent, x.Bound, p.name)
	if err != nil {
		return err
	}
	if err := d.leavesDefault(ctx, tree, above, parent.Schema, b); err != nil {
		return err
	}
	tb := &tableBuilder{d: d, o: d.newObject(p, "partition")}
	tb.o.NextAttr = above.NextAttr
	for i, c := range above.Columns {
		c.Attr, c.Identity = int32(i+1), ""
		tb.o.Columns = append(tb.o.Columns, c)
	}
	tb.o.Partition = &objectPartition{Parent: parent.Name, Bound: b}
	if err := tb.ownElements(ctx, x); err != nil {
		return err
	}
	if err := tree.add(tb.o, above); err != nil {
		return err
	}
	if err := d.saveTree(ctx, tree, tree.root(above), before); err != nil {
		return err
	}
	d.made(ast.KindTable, p.schema, p.name)
	return nil
}

// add puts a partition into its tree.
func (t *partitionTree) add(o, above *object) error {
	for up := above; up != nil; up = t.objects[up.Partition.Parent] {
		if up.Name == o.Name {
			return sqlerr.New("42P07", "circular inheritance not allowed").WithDetail("%q is already a child of %q.", above.Name, o.Name)
		}
		if up.Partition.Parent == "" {
			break
		}
	}
	t.objects[o.Name] = o
	t.kids[above.Name] = append(t.kids[above.Name], o)
	return nil
}

// ownElements are what a partition declares beside its table's columns.
func (t *tableBuilder) ownElements(ctx context.Context, x *ast.CreateTable) error {
	for _, el := range x.Elements {
		def, ok := el.(*ast.ColumnDef)
		if !ok {
			if err := t.element(ctx, el); err != nil {
				return err
			}
			continue
		}
		c := t.o.column(def.Name.Name)
		if c == nil {
			return sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", def.Name.Text).At(def.Pos())
		}
		for _, k := range def.Constraints {
			if err := t.columnConstraint(ctx, def, c.Name, sqltype.Type{OID: sqltype.OID(c.Type), Mod: c.Mod}, k); err != nil {
				return err
			}
		}
	}
	if len(t.indexes) > 0 || len(t.generated) > 0 {
		return unsupported(x.Pos(), "Declare it on the partitioned table.", "unique constraints and generated columns of one partition are not supported")
	}
	if err := t.bindChecks(ctx); err != nil {
		return err
	}
	if x.Partition != nil {
		return t.partitionBy(ctx, x.Partition)
	}
	return nil
}

// ofPartition refuses changes that only the partitioned table can have.
func ofPartition(t *Table, x *ast.AlterAction) error {
	word := ""
	switch x.Kind {
	case ast.AddColumn:
		word = "cannot add column to a partition"
	case ast.DropColumn, ast.RenameColumn:
		return sqlerr.New(sqlerr.InvalidTableDefinition, "cannot change inherited column %q", x.Name.Text).At(x.Pos())
	case ast.AlterColumnType:
		return sqlerr.New(sqlerr.InvalidTableDefinition, "cannot alter inherited column %q", x.Name.Text).At(x.Pos())
	case ast.AddConstraint:
		if x.Add.Kind == ast.ConstraintPrimaryKey || x.Add.Kind == ast.ConstraintUnique {
			return unsupported(x.Pos(), "Declare it on the partitioned table.", "unique constraints of one partition are not supported")
		}
	}
	if word != "" {
		return sqlerr.New(sqlerr.WrongObjectType, "%s", word).At(x.Pos())
	}
	return nil
}

// finishPartitioned brings the partitions of an altered table up to date.
func (a *alteration) finishPartitioned(ctx context.Context) error {
	o := a.tb.o
	tree, before, err := a.tree(ctx, o.DB)
	if err != nil {
		return err
	}
	tree.objects[o.Name] = o
	for name, kids := range tree.kids {
		for i := range kids {
			if kids[i].Name == o.Name {
				tree.kids[name][i] = o
			}
		}
	}
	for _, k := range tree.below(o.Name) {
		if o.Partition.Parent == "" && k.followColumns(o) {
			delete(before, k.Name)
		}
	}
	root := tree.root(o)
	delete(before, o.Name)
	if root == o {
		// The caller writes the table itself.
		before[o.Name] = o.Partition
	}
	return a.saveTree(ctx, tree, root, before)
}

// followColumns gives a partition the columns that its table has now; true if
// they are others.
func (o *object) followColumns(of *object) bool {
	var cols []objectColumn
	for _, c := range o.Columns {
		if up := of.column(c.Name); up != nil {
			c.Type, c.Mod, c.NotNull = up.Type, up.Mod, c.NotNull || up.NotNull
			cols = append(cols, c)
		}
	}
	for _, up := range of.Columns {
		if o.column(up.Name) == nil {
			o.NextAttr++
			up.Attr, up.Identity = o.NextAttr, ""
			cols = append(cols, up)
		}
	}
	same := reflect.DeepEqual(cols, o.Columns)
	o.Columns = cols
	return !same
}

// withPartitions adds the partitions of tables that are dropped.
func (d *ddl) withPartitions(ctx context.Context, tables []*Table, going map[uint32]bool) ([]*Table, error) {
	for _, t := range tables {
		if t.Partition == nil {
			continue
		}
		tree, _, err := d.tree(ctx, t.NS.DB)
		if err != nil {
			return nil, err
		}
		for _, o := range tree.below(t.Name) {
			if !going[uint32(o.OID)] {
				going[uint32(o.OID)] = true
				d.oids.keep("relation", o.DB, o.Name, uint32(o.OID))
				tables = append(tables, d.show(d.objectTable(o)))
			}
		}
	}
	return tables, nil
}

// emptied removes the rows of dropped partitions from tables that stay.
func (d *ddl) emptied(ctx context.Context, tables []*Table, going map[uint32]bool) error {
	for _, t := range tables {
		if !t.IsPartition() {
			continue
		}
		tree, before, err := d.tree(ctx, t.NS.DB)
		if err != nil {
			return err
		}
		above := tree.objects[t.Partition.Parent]
		if above == nil || going[uint32(above.OID)] {
			continue
		}
		if err := d.saveTree(ctx, tree, tree.root(above), before); err != nil {
			return err
		}
		stmt, err := deleteRows(t)
		if err != nil {
			return err
		}
		d.out.Then = append(d.out.Then, stmt)
	}
	return nil
}

// deleteRows is DELETE of a partition's rows from the relation above it.
func deleteRows(t *Table) (ast.Statement, error) {
	sql := "DELETE FROM " + ast.QuoteIdent(t.Schema) + "." + ast.QuoteIdent(t.Partition.Parent)
	if t.Partition.Where != "" {
		sql += " WHERE " + t.Partition.Where
	}
	stmts, err := parser.Parse(sql)
	if err != nil {
		return nil, err
	}
	return stmts[0], nil
}
