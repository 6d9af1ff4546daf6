package catalog

import (
	"context"
	"errors"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

const (
	maxSampleBytes = 64 << 20
	sampleTime     = 20 * time.Second
)

// look reads indexes and documents and keeps the entry.
func (c *Catalog) look(ctx context.Context, ns store.Namespace, d *database, fresh bool) (*entry, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	coll, ok := d.collections[ns.Coll]
	if !ok {
		coll = &store.Collection{Name: ns.Coll}
	}
	e := &entry{at: c.opts.Now(), source: d.objects[ns.Coll], of: *coll}
	e.schema, e.data, _ = c.moved(ns, d)
	began := time.Now()
	if old := c.reusable(ns, e, fresh); old != nil {
		return c.reindexed(ctx, old, e)
	}
	t := &Table{NS: ns, Name: ns.Coll, Kind: Collection, Open: true, OID: c.oids.of("relation", ns.DB, ns.Coll)}
	if coll.View {
		t.Kind = MongoView
	}
	var err error
	if t.Estimate, err = c.count(ctx, ns, coll.View); err != nil {
		return nil, err
	}
	if !coll.View {
		if t.Indexes, err = c.indexes(ctx, ns); err != nil {
			return nil, err
		}
	}
	if e.source != nil && e.source.Declared {
		declaredTable(t, e.source)
	} else if e.all, err = c.sampleColumns(ctx, t, coll, e.source); err != nil {
		return nil, err
	}
	if e.source != nil {
		t.IndexAliases = c.indexAliases(e.source)
	}
	e.table, e.cost = t, time.Since(began)
	return c.keep(ns, e), nil
}

// keep stores a new entry; the version stays when nothing changed.
func (c *Catalog) keep(ns store.Namespace, e *entry) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.tables[ns]
	if old != nil && old.of.UUID == e.of.UUID {
		keepOrder(old.table, e.table)
	}
	for i := range e.table.Columns {
		if e.table.Columns[i].Attr == 0 {
			e.table.Columns[i].Attr = int16(i + 1)
		}
	}
	if old != nil && sameTable(old.table, e.table) {
		e.table.Version = old.table.Version
	} else {
		c.version++
		e.table.Version = c.version
	}
	c.tables[ns] = e
	return e
}

// sampleColumns makes columns of validator and sample, with declared types on
// top. It tells whether the sample saw every document.
func (c *Catalog) sampleColumns(ctx context.Context, t *Table, coll *store.Collection, o *object) (bool, error) {
	sh := &shape{}
	all, err := c.sample(ctx, t, sh)
	if err != nil {
		return false, err
	}
	t.Columns = sh.columns(nil)
	if len(t.Columns) == 0 || t.Columns[0].Name != "_id" {
		if !coll.View {
			id := Column{Name: "_id", Path: []string{"_id"}, Kinds: KindObjectID, Type: TypeOf(KindObjectID, 0)}
			t.Columns = append([]Column{id}, t.Columns...)
		}
	}
	if cols := validatorColumns(coll.Options); cols != nil {
		t.Columns = overlay(t.Columns, cols)
	}
	if o != nil {
		pin(t, o)
	}
	for i := range t.Columns {
		if t.Columns[i].Name == "_id" && !coll.View {
			t.Columns[i].NotNull = true
			t.PrimaryKey = []string{"_id"}
		}
	}
	return all, nil
}

// overlay puts declared columns first, after _id, over sampled ones.
func overlay(sampled, declared []Column) []Column {
	byName := map[string]*Column{}
	for i := range sampled {
		byName[sampled[i].Name] = &sampled[i]
	}
	var out []Column
	used := map[string]bool{}
	take := func(c Column) {
		if s, ok := byName[c.Name]; ok {
			if !c.Declared {
				c.Type, c.Kinds = s.Type, s.Kinds
			} else {
				c.Kinds |= s.Kinds
			}
			if c.Fields == nil {
				c.Fields = s.Fields
			}
		}
		out, used[c.Name] = append(out, c), true
	}
	if id, ok := byName["_id"]; ok && !named(declared, "_id") {
		out, used["_id"] = append(out, *id), true
	}
	for _, c := range declared {
		take(c)
	}
	for _, c := range sampled {
		if !used[c.Name] {
			out = append(out, c)
		}
	}
	return out
}

func named(cols []Column, name string) bool {
	for i := range cols {
		if cols[i].Name == name {
			return true
		}
	}
	return false
}

// sample reads documents: all of a small collection; of a larger one the first
// and the last by _id and a random choice between them.
func (c *Catalog) sample(ctx context.Context, t *Table, sh *shape) (all bool, err error) {
	n := int64(c.opts.SampleSize)
	if t.Estimate <= n || t.Kind == MongoView {
		got, err := c.read(ctx, t.NS, sh, stageInt("$limit", n))
		return got < n && (t.Kind == Collection || c.changes != nil), err
	}
	edge := max(n/10, 1)
	if _, err := c.read(ctx, t.NS, sh, stageSort(1), stageInt("$limit", edge)); err != nil {
		return false, err
	}
	if _, err := c.read(ctx, t.NS, sh, stageSort(-1), stageInt("$limit", edge)); err != nil {
		return false, err
	}
	_, err = c.read(ctx, t.NS, sh, stageSample(max(n-2*edge, 1)))
	return false, err
}

func (c *Catalog) read(ctx context.Context, ns store.Namespace, sh *shape, stages ...bson.Raw) (int64, error) {
	cur, err := c.store.Aggregate(ctx, ns, stages, store.AggregateOptions{AllowDiskUse: true})
	if err != nil {
		return 0, err
	}
	defer cur.Close()
	var n, size int64
	for size < maxSampleBytes {
		doc, err := cur.Next(ctx)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		sh.addDocument(doc, 0)
		n, size = n+1, size+int64(len(doc))
	}
	return n, nil
}

func stageInt(name string, n int64) bson.Raw {
	var b value.Builder
	b.Add(name, value.Int64(n))
	return b.Doc()
}

func stageSort(dir int32) bson.Raw {
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, "$sort")
	b.Add("_id", value.Int32(dir))
	b.Close()
	return b.Doc()
}

func stageSample(n int64) bson.Raw {
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, "$sample")
	b.Add("size", value.Int64(n))
	b.Close()
	return b.Doc()
}

// count is the fast count from the collection's metadata; views are not counted.
func (c *Catalog) count(ctx context.Context, ns store.Namespace, view bool) (int64, error) {
	if view {
		return 0, nil
	}
	var b value.Builder
	b.Add("count", value.String(ns.Coll))
	reply, err := c.store.Command(ctx, ns.DB, b.Doc())
	if err != nil {
		return 0, err
	}
	return asInt(value.Lookup(reply, "n")), nil
}

func asInt(v value.Value) int64 {
	switch v.Kind() {
	case bson.TypeInt32, bson.TypeInt64:
		n, _ := v.RawValue().AsInt64OK()
		return n
	case bson.TypeDouble:
		return int64(v.RawValue().Double())
	}
	return 0
}

// indexes reads the indexes of a collection.
func (c *Catalog) indexes(ctx context.Context, ns store.Namespace) ([]Index, error) {
	var b value.Builder
	b.Add("listIndexes", value.String(ns.Coll))
	b.Open(bson.TypeEmbeddedDocument, "cursor")
	b.Add("batchSize", value.Int32(1000))
	b.Close()
	reply, err := c.store.Command(ctx, ns.DB, b.Doc())
	if err != nil {
		if isNamespaceNotFound(err) {
			return nil, nil
		}
		return nil, err
	}
	batch := value.Lookup(value.Lookup(reply, "cursor").Doc(), "firstBatch")
	var list []Index
	for it := value.Walk(batch.Doc()); it.Next(); {
		list = append(list, c.index(ns, it.Value().Doc()))
	}
	return list, nil
}

func (c *Catalog) index(ns store.Namespace, doc bson.Raw) Index {
	ix := Index{Name: string([]byte(value.Lookup(doc, "name").Str()))}
	ix.OID = c.oids.of("index", ns.DB, ns.Coll+"\x00"+ix.Name)
	for it := value.Walk(value.Lookup(doc, "key").Doc()); it.Next(); {
		k := IndexKey{Path: string([]byte(it.Key()))}
		if v := it.Value(); v.IsString() {
			k.Kind = string([]byte(v.Str()))
		} else {
			k.Desc = asInt(v) < 0
		}
		ix.Keys = append(ix.Keys, k)
	}
	ix.Keys = hideFine(ix.Keys)
	ix.Primary = len(ix.Keys) == 1 && ix.Keys[0].Path == "_id" && ix.Keys[0].Kind == ""
	ix.Unique = ix.Primary || value.Lookup(doc, "unique").AsBool()
	ix.Sparse = value.Lookup(doc, "sparse").AsBool()
	if p := value.Lookup(doc, "partialFilterExpression"); p.IsDocument() {
		ix.Partial = append(bson.Raw(nil), p.Doc()...)
	}
	if ttl := value.Lookup(doc, "expireAfterSeconds"); ttl.IsNumber() {
		n := int32(asInt(ttl))
		ix.TTL = &n
	}
	return ix
}
