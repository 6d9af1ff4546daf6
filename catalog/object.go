package catalog

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqltype"
	"weir/store"
)

// objects is where the catalog keeps what MongoDB does not know: declared
// columns, SQL views, sequences, comments.
var objects = store.Namespace{DB: systemDB, Coll: "catalog"}

// object is a document of it. Its _id is "database.name": relations of a
// database share one space of names, as in PostgreSQL.
type object struct {
	ID           string             `bson:"_id"`
	DB           string             `bson:"db"`
	Name         string             `bson:"name"`
	Kind         string             `bson:"kind"` // table, partition, view, matview, sequence, type, comment
	OID          int64              `bson:"oid"`
	Version      int64              `bson:"version"`
	Declared     bool               `bson:"declared,omitempty"` // a CREATE TABLE: the columns are all there is
	Columns      []objectColumn     `bson:"columns,omitempty"`
	NextAttr     int32              `bson:"next_attr,omitempty"`
	PrimaryKey   []string           `bson:"primary_key,omitempty"`
	Checks       []objectCheck      `bson:"checks,omitempty"`
	IndexAliases []objectIndexAlias `bson:"index_aliases,omitempty"`
	ForeignKeys  []objectForeignKey `bson:"foreign_keys,omitempty"`
	SQL          string             `bson:"sql,omitempty"`
	Deps         []int64            `bson:"deps,omitempty"`
	Comment      string             `bson:"comment,omitempty"`
	Owner        string             `bson:"owner,omitempty"`
	Unpopulated  bool               `bson:"unpopulated,omitempty"` // a materialized view WITH NO DATA
	Sequence     *objectSequence    `bson:"sequence,omitempty"`
	Type         *objectType        `bson:"type,omitempty"`
	CheckOption  string             `bson:"check_option,omitempty"` // of a view
	Partition    *objectPartition   `bson:"partition,omitempty"`
	Inherits     []string           `bson:"inherits,omitempty"` // tables above, in the same database
	Children     []string           `bson:"children,omitempty"` // tables that inherit from this one

	// ReferencedFrom are the databases with tables whose foreign keys have
	// referred to this one; References counts how often that changed.
	ReferencedFrom []string `bson:"referenced_from,omitempty"`
	References     int64    `bson:"references,omitempty"`
}

// forChange is a copy of a table's object to change. The trees of partitions
// hold each other, those are changed as they are.
func (o *object) forChange() *object {
	if o.Partition != nil {
		return o
	}
	cp := *o
	cp.Columns, cp.PrimaryKey, cp.Checks = slices.Clone(o.Columns), slices.Clone(o.PrimaryKey), slices.Clone(o.Checks)
	cp.ForeignKeys = slices.Clone(o.ForeignKeys)
	return &cp
}

// virtual tells whether a relation has no collection of its own.
func (o *object) virtual() bool {
	return o.Kind == "view" || o.Kind == "sequence" || o.Kind == "partition"
}

type objectColumn struct {
	Name      string   `bson:"name"`
	Path      []string `bson:"path,omitempty"`
	Attr      int32    `bson:"attr"`
	Type      int64    `bson:"type"`
	Mod       int32    `bson:"mod"`
	Domain    int64    `bson:"domain,omitempty"` // the domain, or array of one, that it was declared as
	NotNull   bool     `bson:"not_null,omitempty"`
	Default   string   `bson:"default,omitempty"`
	Identity  string   `bson:"identity,omitempty"`
	Generated string   `bson:"generated,omitempty"`
	Comment   string   `bson:"comment,omitempty"`
	Marked    bool     `bson:"fine,omitempty"` // documents may have parts of it in FineField
	// Pinned columns of sampled collections have a type of their own; without
	// it the entry carries a comment or a default only.
	Pinned bool `bson:"pinned,omitempty"`
}

type objectCheck struct {
	OID  int64  `bson:"oid"`
	Name string `bson:"name"`
	SQL  string `bson:"sql"`
}

type objectSequence struct {
	Type      int64  `bson:"type"`
	Start     int64  `bson:"start"`
	Increment int64  `bson:"increment"`
	Min       int64  `bson:"min"`
	Max       int64  `bson:"max"`
	Last      int64  `bson:"last"`
	Called    bool   `bson:"called"`
	Log       int64  `bson:"log"` // always 0: PostgreSQL's log_cnt
	Cycle     bool   `bson:"cycle,omitempty"`
	Cache     int64  `bson:"cache,omitempty"`    // kept and shown only; 0: 1
	OwnedBy   string `bson:"owned_by,omitempty"` // table.column
}

func objectID(db, name string) string { return db + "." + name }

func (c *objectColumn) column() Column {
	t := sqltype.Type{OID: sqltype.OID(c.Type), Mod: c.Mod}
	col := Column{
		Name: c.Name, Attr: int16(c.Attr), Type: t, Path: c.Path, Kinds: DeclaredKinds(t),
		Domain: sqltype.OID(c.Domain), NotNull: c.NotNull, Default: c.Default, Generated: c.Generated, Comment: c.Comment, Declared: true,
		Marked: c.Marked,
	}
	if c.Identity != "" {
		col.Identity = c.Identity[0]
	}
	if col.Path == nil {
		col.Path = []string{c.Name}
	}
	if c.Name == "_id" && t.OID == sqltype.Text {
		col.Kinds |= KindObjectID
	}
	return col
}

func (o *object) column(name string) *objectColumn {
	for i := range o.Columns {
		if o.Columns[i].Name == name {
			return &o.Columns[i]
		}
	}
	return nil
}

// loadObjects reads the objects of a database.
func (c *Catalog) loadObjects(ctx context.Context, db string) (map[string]*object, error) {
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, "$match")
	b.Add("db", value.String(db))
	b.Close()
	cur, err := c.store.Aggregate(ctx, objects, []bson.Raw{b.Doc()}, store.AggregateOptions{})
	if err != nil {
		return nil, err
	}
	defer cur.Close()
	found := map[string]*object{}
	for {
		doc, err := cur.Next(ctx)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		o := new(object)
		if err := bson.Unmarshal(doc, o); err != nil {
			return nil, err
		}
		found[o.Name] = o
	}
}

// schemaObjects lists the databases that CREATE SCHEMA made.
func (c *Catalog) schemaObjects(ctx context.Context) ([]string, error) {
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, "$match")
	b.Add("kind", value.String("schema"))
	b.Close()
	cur, err := c.store.Aggregate(ctx, objects, []bson.Raw{b.Doc()}, store.AggregateOptions{})
	if err != nil {
		return nil, err
	}
	defer cur.Close()
	var names []string
	for {
		doc, err := cur.Next(ctx)
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		names = append(names, strings.Clone(value.Lookup(doc, "db").Str()))
	}
}

// saveObject writes an object, new or changed.
func (c *Catalog) saveObject(ctx context.Context, o *object) error {
	o.ID = objectID(o.DB, o.Name)
	defer c.forget(o.DB)
	if o.Version == 0 {
		// Plans on an object that was dropped must not pass for plans on its successor.
		o.Version = time.Now().UnixMicro()
		_, err := c.putObject(ctx, o, idFilter(o.ID), true)
		return err
	}
	const attempts = 20
	for range attempts {
		var filter value.Builder
		filter.Add("_id", value.String(o.ID))
		filter.Add("version", value.Int64(o.Version))
		if found, err := c.putObject(ctx, o, filter.Doc(), false); found || err != nil {
			return err
		}
		// Another session marked a column meanwhile, or the object has a new name.
		there, err := c.storedObject(ctx, o.ID)
		if err != nil {
			return err
		}
		if there == nil {
			break
		}
		o.keepMarks(there)
		o.Version = there.Version
	}
	_, err := c.putObject(ctx, o, idFilter(o.ID), true)
	return err
}

// putObject writes an object as its next version and tells whether the filter
// found the one before.
func (c *Catalog) putObject(ctx context.Context, o *object, filter bson.Raw, upsert bool) (bool, error) {
	o.Version++
	doc, err := bson.Marshal(o)
	if err != nil {
		return false, err
	}
	op := store.WriteOp{Kind: store.Update, Filter: filter, Upsert: upsert, Update: value.Document(doc).RawValue()}
	res, err := c.store.Write(ctx, objects, []store.WriteOp{op}, store.WriteOptions{Durable: true})
	if err == nil {
		err = res.Err()
	}
	return res.Matched > 0, err
}

// storedObject reads an object as it is stored now; nil if there is none.
func (c *Catalog) storedObject(ctx context.Context, id string) (*object, error) {
	var b value.Builder
	b.Add("$match", value.Document(idFilter(id)))
	cur, err := c.store.Aggregate(ctx, objects, []bson.Raw{b.Doc()}, store.AggregateOptions{})
	if err != nil {
		return nil, err
	}
	defer cur.Close()
	doc, err := cur.Next(ctx)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return nil, err
	}
	o := new(object)
	return o, bson.Unmarshal(doc, o)
}

func (c *Catalog) deleteObject(ctx context.Context, db, name string) error {
	op := store.WriteOp{Kind: store.Delete, Filter: idFilter(objectID(db, name))}
	res, err := c.store.Write(ctx, objects, []store.WriteOp{op}, store.WriteOptions{Durable: true})
	if err == nil {
		err = res.Err()
	}
	c.forget(db)
	return err
}

func idFilter(id string) bson.Raw {
	var b value.Builder
	b.Add("_id", value.String(id))
	return b.Doc()
}
