package catalog

import (
	"context"
	"errors"
	"io"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/store"
)

func (d *ddl) drop(ctx context.Context, x *ast.Drop) error {
	switch x.Kind {
	case ast.KindTable, ast.KindView, ast.KindMaterializedView, ast.KindSequence:
		return d.dropRelations(ctx, x)
	case ast.KindIndex:
		return d.dropIndexes(ctx, x)
	case ast.KindSchema:
		return d.dropSchema(ctx, x)
	case ast.KindType, ast.KindDomain:
		return d.dropTypes(ctx, x)
	case ast.KindDatabase:
		return d.dropDatabase(ctx, x)
	}
	return unsupported(x.Pos(), "Tables, views, materialized views, indexes, sequences, types, domains, schemas and databases can be dropped.", "DROP %s is not supported", x.Kind)
}

type kindWord struct {
	kind ast.ObjectKind
	word string
}

var kindWords = map[TableKind]kindWord{
	Collection: {ast.KindTable, "table"}, View: {ast.KindView, "view"}, MongoView: {ast.KindView, "view"},
	MaterializedView: {ast.KindMaterializedView, "materialized view"}, Sequence: {ast.KindSequence, "sequence"},
}

func kindOf(t *Table) kindWord {
	if t.IsPartition() {
		return kindWords[Collection]
	}
	return kindWords[t.Kind]
}

func wordOf(kind ast.ObjectKind) string {
	for _, k := range kindWords {
		if k.kind == kind {
			return k.word
		}
	}
	return "relation"
}

// dropRelations drops all named relations or, on an error, none of them: they
// are looked up and checked before the first is dropped.
func (d *ddl) dropRelations(ctx context.Context, x *ast.Drop) error {
	var tables []*Table
	going := map[uint32]bool{}
	for _, n := range x.Names {
		t, err := d.find(ctx, n, wordOf(x.Kind), x.IfExists)
		if err != nil {
			return err
		}
		if t == nil {
			continue
		}
		if k := kindOf(t); k.kind != x.Kind {
			if k.word == "" {
				return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied: %q is a system relation", t.Name).At(n.Pos())
			}
			return sqlerr.New(sqlerr.WrongObjectType, "%q is not a %s", t.Name, wordOf(x.Kind)).At(n.Pos()).
				WithHint("Use DROP %s to remove a %s.", k.kind, k.word)
		}
		tables, going[t.OID] = append(tables, t), true
	}
	tables, err := d.withPartitions(ctx, tables, going)
	if err != nil {
		return err
	}
	for i := 0; i < len(tables); i++ {
		views, err := d.dependents(ctx, tables[i].OID)
		if err != nil {
			return err
		}
		for _, v := range views {
			if going[uint32(v.OID)] {
				continue
			}
			db, err := d.database(ctx, v.DB, 0)
			if err != nil {
				return err
			}
			vt := d.known(v.DB, v.Name, db)
			if x.Behavior != ast.Cascade {
				word := kindOf(tables[i]).word
				return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop %s %s because other objects depend on it", word, tables[i].Name).
					WithDetail("%s %s depends on %s %s", kindOf(vt).word, v.Name, word, tables[i].Name).
					WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
			}
			d.out.notice(sqlerr.SuccessfulCompletion, "drop cascades to %s %s", kindOf(vt).word, v.Name)
			tables, going[uint32(v.OID)] = append(tables, vt), true
		}
	}
	for _, t := range tables {
		if err := d.unreferenced(ctx, t, going, x.Behavior == ast.Cascade); err != nil {
			return err
		}
	}
	for _, t := range tables {
		if t.Kind != Sequence {
			continue
		}
		if err := d.dropUses(ctx, t, x.Behavior == ast.Cascade); err != nil {
			return err
		}
	}
	for _, t := range tables {
		if err := d.dropRelation(ctx, t); err != nil {
			return err
		}
	}
	return d.emptied(ctx, tables, going)
}

// dependents are the views that read a relation.
func (d *ddl) dependents(ctx context.Context, oid uint32) ([]*object, error) {
	return d.withField(ctx, "deps", oid)
}

// withField are the objects that hold an OID at a path.
func (d *ddl) withField(ctx context.Context, path string, oid uint32) ([]*object, error) {
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, "$match")
	b.Add(path, value.Int64(int64(oid)))
	b.Close()
	cur, err := d.store.Aggregate(ctx, objects, []bson.Raw{b.Doc()}, store.AggregateOptions{})
	if err != nil {
		return nil, err
	}
	defer cur.Close()
	var out []*object
	for {
		doc, err := cur.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		o := new(object)
		if err := bson.Unmarshal(doc, o); err != nil {
			return nil, err
		}
		d.oids.keep("relation", o.DB, o.Name, uint32(o.OID))
		out = append(out, o)
	}
}

func (d *ddl) dropRelation(ctx context.Context, t *Table) error {
	db, name, ok := d.nameOf(t.OID)
	if !ok {
		return sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied: %q is a system relation", t.Name)
	}
	if t.Kind != View && t.Kind != Sequence {
		if err := d.run(ctx, db, func(b *value.Builder) { b.Add("drop", value.String(name)) }); err != nil {
			return err
		}
	}
	d.mu.Lock()
	delete(d.tables, t.NS)
	d.mu.Unlock()
	known, err := d.database(ctx, db, 0)
	if err != nil {
		return err
	}
	o := known.objects[name]
	if err := d.deleteObject(ctx, db, name); err != nil {
		return err
	}
	if o != nil {
		if err := d.adopt(ctx, o, true); err != nil {
			return err
		}
	}
	return d.dropOwned(ctx, db, name)
}

// dropUses takes a sequence that is dropped out of the defaults of columns,
// with CASCADE; else there may be none. An identity column keeps its own.
func (d *ddl) dropUses(ctx context.Context, seq *Table, cascade bool) error {
	db, name, ok := d.nameOf(seq.OID)
	if !ok {
		return nil
	}
	known, err := d.database(ctx, db, 0)
	if err != nil {
		return err
	}
	for _, o := range known.objects {
		for i := range o.Columns {
			c := &o.Columns[i]
			if !strings.HasPrefix(c.Default, "nextval(") || !namesSequence(c.Default, name) {
				continue
			}
			if c.Identity != "" {
				return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop sequence %s because column %s of table %s requires it", name, c.Name, o.Name).
					WithHint("You can drop column %s of table %s instead.", c.Name, o.Name)
			}
			if !cascade {
				return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop sequence %s because other objects depend on it", name).
					WithDetail("default value for column %s of table %s depends on sequence %s", c.Name, o.Name, name).
					WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
			}
			d.out.notice(sqlerr.SuccessfulCompletion, "drop cascades to default value for column %s of table %s", c.Name, o.Name)
			changed := o.forChange()
			changed.column(c.Name).Default = ""
			if err := d.save(ctx, changed); err != nil {
				return err
			}
		}
	}
	return nil
}

// namesSequence tells whether nextval('…') is of a sequence with the name.
func namesSequence(text, name string) bool {
	from, to := strings.Index(text, "'"), strings.LastIndex(text, "'")
	if from < 0 || to <= from {
		return false
	}
	ref := strings.ReplaceAll(text[from+1:to], "''", "'")
	quoted := ast.QuoteIdent(name)
	return ref == quoted || ref == name || strings.HasSuffix(ref, "."+quoted)
}

// RestartOwned sets the sequences of a table's columns to their start.
func (s *Scoped) RestartOwned(ctx context.Context, t *Table) error {
	db, name, ok := s.nameOf(t.OID)
	if !ok {
		return nil
	}
	known, err := s.database(ctx, db, 0)
	if err != nil {
		return err
	}
	for _, o := range known.objects {
		if o.Sequence != nil && strings.HasPrefix(o.Sequence.OwnedBy, name+".") {
			if err := s.SetVal(ctx, s.SchemaOf(db), o.Name, o.Sequence.Start, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropOwned drops the sequences of a table's columns.
func (d *ddl) dropOwned(ctx context.Context, db, table string) error {
	known, err := d.database(ctx, db, 0)
	if err != nil {
		return err
	}
	for _, o := range known.objects {
		if o.Kind != "sequence" || o.Sequence == nil {
			continue
		}
		if owner := o.Sequence.OwnedBy; len(owner) > len(table) && owner[:len(table)+1] == table+"." {
			if err := d.deleteObject(ctx, db, o.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropIndexes finds indexes by their name alone, as PostgreSQL's are named.
func (d *ddl) dropIndexes(ctx context.Context, x *ast.Drop) error {
	for _, n := range x.Names {
		ns, ix, err := d.indexNamed(ctx, n)
		if err != nil {
			return err
		}
		if ix == nil {
			if o, i, err := d.aliased(ctx, n); o != nil || err != nil {
				if err == nil {
					err = d.dropAlias(ctx, o, i)
				}
				if err != nil {
					return err
				}
				continue
			}
			if x.IfExists {
				d.out.notice(sqlerr.SuccessfulCompletion, "index %q does not exist, skipping", n.Last().Text)
				continue
			}
			return sqlerr.New(sqlerr.UndefinedObject, "index %q does not exist", n.Last().Text).At(n.Pos())
		}
		if ix.Primary {
			return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop index %s because it is the primary key of %s", ix.Name, ns.Coll).At(n.Pos())
		}
		if err := d.dropIndex(ctx, ns, ix); err != nil {
			return err
		}
		if err := d.Analyze(ctx, ns); err != nil {
			return err
		}
	}
	return nil
}

// databasesFor are the databases in which a name is looked for, in order.
func (d *ddl) databasesFor(n *ast.Name) []string {
	schemas := d.path
	if q := n.Qualifier(); !q.IsZero() {
		schemas = []string{q.Name}
	}
	var out []string
	for _, sch := range schemas {
		if db := d.DatabaseOf(sch); db != "" {
			out = append(out, db)
		}
	}
	return out
}

func (d *ddl) indexNamed(ctx context.Context, n *ast.Name) (store.Namespace, *Index, error) {
	for _, db := range d.databasesFor(n) {
		known, err := d.database(ctx, db, listAge)
		if err != nil {
			return store.Namespace{}, nil, err
		}
		for name, coll := range known.collections {
			if coll.View {
				continue
			}
			ns := store.Namespace{DB: db, Coll: name}
			list, err := d.indexes(ctx, ns)
			if err != nil {
				return ns, nil, err
			}
			for i := range list {
				if list[i].Name == n.Last().Name || list[i].Name == n.Last().Text {
					return ns, &list[i], nil
				}
			}
		}
	}
	return store.Namespace{}, nil, nil
}
