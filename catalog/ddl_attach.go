package catalog

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/store"
)

// partitions is ATTACH and DETACH PARTITION.
func (a *alteration) partitions(ctx context.Context, x *ast.AlterAction) error {
	if !a.table.Partitioned() {
		return sqlerr.New(sqlerr.InvalidObjectDefinition, "table %q is not partitioned", a.table.Name).At(x.Pos())
	}
	child, err := a.find(ctx, x.Parent, "relation", false)
	if err != nil {
		return err
	}
	a.gone = true // all is written here
	if x.Kind == ast.DetachPartition {
		return a.detach(ctx, x, child)
	}
	return a.attach(ctx, x, child)
}

// attach makes a partition of a table: its documents go into the collection of
// the partitioned table.
func (a *alteration) attach(ctx context.Context, x *ast.AlterAction, child *Table) error {
	switch {
	case child.IsPartition():
		return sqlerr.New(sqlerr.WrongObjectType, "%q is already a partition", child.Name).At(x.Parent.Pos())
	case child.Kind != Collection || child.Open:
		return unsupported(x.Parent.Pos(), "Make a table with CREATE TABLE, and INSERT its rows.", "%q cannot be attached as a partition", child.Name)
	case child.NS.DB != a.table.NS.DB:
		return unsupported(x.Parent.Pos(), "Create it in the schema of its table.", "a partition in another schema than its table is not supported")
	}
	tree, before, err := a.tree(ctx, child.NS.DB)
	if err != nil {
		return err
	}
	above := tree.objects[a.table.Name]
	o, err := a.attached(ctx, tree, child)
	if err != nil {
		return err
	}
	root := tree.root(above)
	if err := a.fits(ctx, above, root, child, o, x); err != nil {
		return err
	}
	b, err := a.bound(ctx, tree, above, a.table, x.Bound, child.Name)
	if err != nil {
		return err
	}
	if err := a.leavesDefault(ctx, tree, above, a.table.Schema, b); err != nil {
		return err
	}
	if err := tree.add(o, above); err != nil {
		return err
	}
	delete(before, o.Name)
	o.Kind, o.Declared = "partition", false
	o.Partition.Parent, o.Partition.Bound, o.Partition.Rules = above.Name, b, nil
	tree.compute(root)
	for _, cond := range append([]string{tree.inside(o)}, ruleTexts(root)...) {
		ok, err := a.holds(ctx, child.Schema, child.Name, cond)
		if err != nil {
			return err
		}
		if !ok {
			return sqlerr.New(sqlerr.CheckViolation, "partition constraint of relation %q is violated by some row", child.Name)
		}
	}
	if err := a.holdAttached(ctx, o, root); err != nil {
		return err
	}
	if err := a.moveDocuments(ctx, child.NS, store.Namespace{DB: root.DB, Coll: root.Name}); err != nil {
		return err
	}
	if err := a.saveTree(ctx, tree, root, before); err != nil {
		return err
	}
	a.mu.Lock()
	delete(a.tables, child.NS)
	a.mu.Unlock()
	return a.run(ctx, child.NS.DB, func(b *value.Builder) { b.Add("drop", value.String(child.NS.Coll)) })
}

func ruleTexts(root *object) []string {
	var out []string
	for _, r := range root.Partition.Rules {
		out = append(out, r.SQL)
	}
	for _, k := range root.Checks {
		out = append(out, "("+k.SQL+") IS NOT FALSE")
	}
	return out
}

// attached is a copy of the object of a table that becomes a partition.
func (d *ddl) attached(ctx context.Context, tree *partitionTree, child *Table) (*object, error) {
	if o := tree.objects[child.Name]; o != nil {
		return o, nil
	}
	o, err := d.objectOf(ctx, child)
	if err != nil {
		return nil, err
	}
	cp := *o
	cp.Columns = append([]objectColumn(nil), o.Columns...)
	cp.Partition = &objectPartition{}
	return &cp, nil
}

// fits tests that a table has the columns and constraints of the partitioned one.
func (d *ddl) fits(ctx context.Context, above, root *object, child *Table, o *object, x *ast.AlterAction) error {
	for _, c := range o.Columns {
		if above.column(c.Name) == nil {
			return sqlerr.New(sqlerr.DatatypeMismatch, "table %q contains column %q not found in parent %q", o.Name, c.Name, above.Name).At(x.Parent.Pos()).
				WithDetail("The new partition may contain only the columns present in parent.")
		}
		if c.Generated != "" || c.Identity != "" {
			return unsupported(x.Parent.Pos(), "Declare it on the partitioned table.", "identity and generated columns of one partition are not supported")
		}
	}
	for _, up := range above.Columns {
		c := o.column(up.Name)
		switch {
		case c == nil:
			return sqlerr.New(sqlerr.DatatypeMismatch, "child table is missing column %q", up.Name).At(x.Parent.Pos())
		case c.Type != up.Type || c.Mod != up.Mod:
			return sqlerr.New(sqlerr.DatatypeMismatch, "child table %q has different type for column %q", o.Name, up.Name).At(x.Parent.Pos())
		case up.NotNull && !c.NotNull:
			return sqlerr.New(sqlerr.DatatypeMismatch, "column %q in child table must be marked NOT NULL", up.Name).At(x.Parent.Pos())
		}
	}
	for _, k := range above.Checks {
		found := false
		for _, own := range o.Checks {
			found = found || own.Name == k.Name && own.SQL == k.SQL
		}
		if !found {
			return sqlerr.New(sqlerr.DatatypeMismatch, "child table is missing constraint %q", k.Name).At(x.Parent.Pos())
		}
	}
	return d.keysCovered(ctx, root, child, x)
}

// keysCovered tests that the topmost table has the unique keys of a table that
// is to be a part of it.
func (d *ddl) keysCovered(ctx context.Context, root *object, child *Table, x *ast.AlterAction) error {
	rootIndexes, err := d.indexes(ctx, store.Namespace{DB: root.DB, Coll: root.Name})
	if err != nil {
		return err
	}
	for _, ix := range child.Indexes {
		covered := !ix.Unique || len(ix.Keys) == 1 && ix.Keys[0].Path == "_id"
		for _, r := range rootIndexes {
			covered = covered || r.Unique && sameKeys(r.Keys, ix.Keys)
		}
		if !covered {
			return unsupported(x.Parent.Pos(), "Drop it, or declare it on the partitioned table.", "unique constraint %q of one partition is not supported", ix.Name)
		}
	}
	return nil
}

func sameKeys(a, b []IndexKey) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Path != b[i].Path {
			return false
		}
	}
	return true
}

// leavesDefault tests that no row of the default partition is for a new bound.
func (d *ddl) leavesDefault(ctx context.Context, tree *partitionTree, above *object, schema string, b *objectBound) error {
	for _, k := range tree.kids[above.Name] {
		if !k.Partition.Bound.Default || b.Default {
			continue
		}
		ok, err := d.holds(ctx, schema, k.Name, "("+b.rows(above.Partition.Keys)+") IS NOT TRUE")
		if err != nil {
			return err
		}
		if !ok {
			return sqlerr.New(sqlerr.CheckViolation, "updated partition constraint for default partition %q would be violated by some row", k.Name)
		}
	}
	return nil
}

// moveDocuments copies all documents; on an error those copied are removed.
func (d *ddl) moveDocuments(ctx context.Context, from, to store.Namespace) error {
	cur, err := d.store.Aggregate(ctx, from, nil, store.AggregateOptions{})
	if err != nil {
		return err
	}
	defer cur.Close()
	var done []store.WriteOp
	var batch []store.WriteOp
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		res, err := d.store.Write(ctx, to, batch, store.WriteOptions{Durable: true})
		batch = nil
		if err == nil {
			err = res.Err()
		}
		return err
	}
	for err == nil {
		var doc bson.Raw
		if doc, err = cur.Next(ctx); err != nil {
			break
		}
		doc = append(bson.Raw(nil), doc...)
		batch = append(batch, store.WriteOp{Kind: store.Insert, Document: doc})
		var f value.Builder
		f.Add("_id", value.Lookup(doc, "_id"))
		done = append(done, store.WriteOp{Kind: store.Delete, Filter: f.Doc()})
		if len(batch) == 1000 {
			err = flush()
		}
	}
	if errors.Is(err, io.EOF) {
		err = flush()
	}
	if err != nil && len(done) > 0 {
		_, _ = d.store.Write(context.WithoutCancel(ctx), to, done, store.WriteOptions{})
	}
	return err
}

// detach makes a table of a partition: the session moves its rows.
func (a *alteration) detach(ctx context.Context, x *ast.AlterAction, child *Table) error {
	if !child.IsPartition() || child.Partition.Parent != a.table.Name || child.NS.DB != a.table.NS.DB {
		return sqlerr.New(sqlerr.UndefinedTable, "relation %q is not a partition of relation %q", child.Name, a.table.Name).At(x.Parent.Pos())
	}
	tree, before, err := a.tree(ctx, child.NS.DB)
	if err != nil {
		return err
	}
	o, above := tree.objects[child.Name], tree.objects[a.table.Name]
	stmt, err := deleteRows(child)
	if err != nil {
		return err
	}
	rows, err := parseQuery(child.Definition)
	if err != nil {
		return err
	}
	name := &ast.Name{Parts: []ast.Ident{ast.MakeIdent(child.Schema), ast.MakeIdent(child.Name)}}
	insert := &ast.Insert{Table: name, Query: rows}
	for _, c := range o.Columns {
		insert.Columns = append(insert.Columns, &ast.ColumnRef{Parts: []ast.Ident{ast.MakeIdent(c.Name)}})
	}
	o.keepConstraints(tree)
	indexes, err := a.rootIndexes(ctx, tree.root(above), o.Name)
	if err != nil {
		return err
	}
	p := place{schema: child.Schema, db: o.DB, name: o.Name}
	if err := a.createCollection(ctx, p, makeValidator(o.tableColumns())); err != nil {
		return err
	}
	if err := a.createIndexes(ctx, o.DB, o.Name, indexes); err != nil {
		return err
	}
	o.Kind, o.Declared = "table", true
	o.Partition.Parent, o.Partition.Bound, o.Partition.Where = "", nil, ""
	tree = newPartitionTree(tree.objects)
	if o.Partition.Method == "" {
		o.Partition = nil
		delete(tree.objects, o.Name)
		err = a.save(ctx, o)
	} else {
		delete(before, o.Name)
		err = a.saveTree(ctx, tree, o, before)
	}
	if err == nil {
		err = a.saveTree(ctx, tree, tree.root(above), before)
	}
	a.out.Then = append(a.out.Then, insert, stmt)
	return err
}

// keepConstraints gives a partition that becomes a table the constraints that it
// has from the tables above it.
func (o *object) keepConstraints(tree *partitionTree) {
	for up := tree.objects[o.Partition.Parent]; up != nil; up = tree.objects[up.Partition.Parent] {
		for _, k := range up.Checks {
			if !slices.ContainsFunc(o.Checks, func(own objectCheck) bool { return own.Name == k.Name }) {
				o.Checks = append(o.Checks, k)
			}
		}
		if up.Partition.Parent == "" {
			o.PrimaryKey = up.PrimaryKey
			return
		}
	}
}

// rootIndexes are the indexes of a topmost table with the name of another table.
func (d *ddl) rootIndexes(ctx context.Context, root *object, name string) ([]newIndex, error) {
	list, err := d.indexes(ctx, store.Namespace{DB: root.DB, Coll: root.Name})
	if err != nil {
		return nil, err
	}
	var out []newIndex
	for _, ix := range list {
		if ix.Name == "_id_" {
			continue
		}
		n := newIndex{name: name + strings.TrimPrefix(ix.Name, root.Name), keys: ix.Keys, unique: ix.Unique, partial: ix.Partial}
		if ix.TTL != nil {
			ttl := int64(*ix.TTL)
			n.ttl = &ttl
		}
		out = append(out, n)
	}
	return out, nil
}
