package engine

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/store"
)

// catalog knows all collections. It is read by everybody and changed under the
// engine's writer lock.
type catalog struct {
	mu     sync.RWMutex
	dbs    map[string]map[string]*collection
	nextID uint32 // of collections and indexes

	version atomic.Uint64 // moves with each change, before the writer lock is let go of and after
}

// openCatalog reads the catalog; it touches no documents.
func openCatalog(e *Engine) (*catalog, error) {
	c := &catalog{dbs: map[string]map[string]*collection{}, nextID: 1}
	lower, upper := storage.CatalogRange()
	it, err := e.db.Iter(lower, upper, false)
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	defer it.Close()
	for it.Next() {
		v, err := it.Value()
		if err != nil {
			return nil, fmt.Errorf("read the catalog: %w", err)
		}
		coll, err := e.decodeCollection(slices.Clone(v))
		if err != nil {
			return nil, fmt.Errorf("read the catalog entry %q: %w", it.Key(), err)
		}
		if err := coll.loadStats(e.db); err != nil {
			return nil, err
		}
		c.put(coll)
		c.reserve(coll)
	}
	return c, it.Err()
}

// clearLeftovers deletes the entries of indexes that no collection has: of
// builds that the end of the process cut short. Their ids are given out again.
func (c *catalog) clearLeftovers(db *storage.DB) error {
	ids, err := db.IndexIDs()
	if err != nil {
		return fmt.Errorf("list the indexes in storage: %w", err)
	}
	known := c.indexIDs()
	b := db.NewBatch()
	for _, id := range ids {
		if known[id] {
			continue
		}
		lower, upper := storage.IndexRange(id)
		if err := b.DeleteRange(lower, upper); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	if b.Empty() {
		return b.Close()
	}
	wait, err := db.Apply(b, true)
	if err != nil {
		return fmt.Errorf("delete unfinished indexes: %w", err)
	}
	return wait()
}

func (c *catalog) indexIDs() map[uint32]bool {
	known := map[uint32]bool{}
	for _, name := range c.databases() {
		for _, coll := range c.list(name) {
			for _, ix := range coll.load().indexes {
				known[ix.ID] = true
			}
		}
	}
	return known
}

func (c *catalog) reserve(coll *collection) {
	c.nextID = max(c.nextID, coll.id+1)
	for _, ix := range coll.load().indexes {
		c.nextID = max(c.nextID, ix.ID+1)
	}
}

// newID gives out a collection or index id; an id is never used again while
// the store is open, and afterwards only when nothing of it is left.
func (c *catalog) newID() uint32 {
	c.nextID++
	return c.nextID - 1
}

func (c *catalog) put(coll *collection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ns := coll.load().ns
	if c.dbs[ns.DB] == nil {
		c.dbs[ns.DB] = map[string]*collection{}
	}
	c.dbs[ns.DB][ns.Coll] = coll
	c.version.Add(1)
}

func (c *catalog) remove(ns store.Namespace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.dbs[ns.DB], ns.Coll)
	if len(c.dbs[ns.DB]) == 0 {
		delete(c.dbs, ns.DB)
	}
	c.version.Add(1)
}

// get finds a collection or view; nil when there is none.
func (c *catalog) get(ns store.Namespace) *collection {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.dbs[ns.DB][ns.Coll]
}

func (c *catalog) databases() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	names := make([]string, 0, len(c.dbs))
	for n := range c.dbs {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// list gives the collections of a database by name.
func (c *catalog) list(db string) []*collection {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make([]*collection, 0, len(c.dbs[db]))
	for _, coll := range c.dbs[db] {
		all = append(all, coll)
	}
	slices.SortFunc(all, func(a, b *collection) int { return cmp.Compare(a.load().ns.Coll, b.load().ns.Coll) })
	return all
}

func newUUID() (u [16]byte) {
	_, _ = rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}

// encode is the catalog entry as it is stored.
func (c *collection) encode(m *meta) []byte {
	start, dst := value.BeginDocument(nil)
	dst = value.AppendElement(dst, "id", value.Int64(int64(c.id)))
	dst = value.AppendElement(dst, "uuid", value.Binary(4, c.uuid[:]))
	dst = value.AppendElement(dst, "db", value.String(m.ns.DB))
	dst = value.AppendElement(dst, "coll", value.String(m.ns.Coll))
	if m.options != nil {
		dst = value.AppendElement(dst, "options", value.Document(m.options))
	}
	dst = value.AppendHeader(dst, bson.TypeArray, "indexes")
	arr, dst := value.BeginDocument(dst)
	for i, ix := range m.indexes {
		dst = value.AppendItem(dst, i, value.Document(ix.encode()))
	}
	dst = value.EndDocument(dst, arr)
	return value.EndDocument(dst, start)
}

func (ix *indexState) encode() bson.Raw {
	start, dst := value.BeginDocument(nil)
	dst = value.AppendElement(dst, "id", value.Int64(int64(ix.ID)))
	dst = value.AppendElement(dst, "multikey", value.Bool(ix.multikey.Load()))
	dst = value.AppendElement(dst, "spec", value.Document(ix.Spec))
	return value.EndDocument(dst, start)
}

func (e *Engine) decodeCollection(raw bson.Raw) (*collection, error) {
	c := &collection{id: uint32(value.Lookup(raw, "id").AsInt64())}
	_, uuid := value.Lookup(raw, "uuid").AsBinary()
	copy(c.uuid[:], uuid)
	var options bson.Raw
	if o := value.Lookup(raw, "options"); o.IsDocument() {
		options = o.Doc()
	}
	ns := store.Namespace{DB: value.Lookup(raw, "db").Str(), Coll: value.Lookup(raw, "coll").Str()}
	m, err := e.newMeta(ns, options)
	if err != nil {
		return nil, err
	}
	for it := value.Walk(value.Lookup(raw, "indexes").Doc()); it.Next(); {
		entry := it.Value().Doc()
		def, err := defineIndex(value.Lookup(entry, "spec").Doc())
		if err != nil {
			return nil, err
		}
		def.ID = uint32(value.Lookup(entry, "id").AsInt64())
		ix := &indexState{Definition: def}
		ix.multikey.Store(value.Lookup(entry, "multikey").AsBool())
		m.indexes = append(m.indexes, ix)
	}
	c.meta.Store(m)
	return c, nil
}

// saveCatalog writes the entry of a collection into a batch.
func (c *collection) saveCatalog(w storage.Writer, m *meta) error {
	return w.Set(storage.CatalogKey(m.ns.DB, m.ns.Coll), c.encode(m))
}

func newIDIndex(id uint32, collation *value.Collation, collationSpec bson.Raw) *indexState {
	key := value.EndDocument(value.AppendElement([]byte{0, 0, 0, 0}, "_id", value.Int32(1)), 0)
	start, spec := value.BeginDocument(nil)
	spec = value.AppendElement(spec, "v", value.Int32(2))
	spec = value.AppendElement(spec, "key", value.Document(key))
	spec = value.AppendElement(spec, "name", value.String("_id_"))
	if collationSpec != nil {
		spec = value.AppendElement(spec, "collation", value.Document(collationSpec))
	}
	def := &index.Definition{ID: id, Name: "_id_", Key: key, Fields: index.FieldsOf(key), Unique: true,
		ExpireAfter: -1, Collation: collation, CollationSpec: collationSpec, Spec: value.EndDocument(spec, start)}
	return &indexState{Definition: def}
}
