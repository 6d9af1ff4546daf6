package engine

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/match"
	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
)

const maxIndexes = 64

// defineIndex reads an index specification as listIndexes shows it.
func defineIndex(spec bson.Raw) (*index.Definition, error) {
	d := &index.Definition{Spec: spec, ExpireAfter: -1}
	for it := value.Walk(spec); it.Next(); {
		v := it.Value()
		switch it.Key() {
		case "key":
			d.Key, d.Fields = v.Doc(), index.FieldsOf(v.Doc())
		case "name":
			d.Name = v.Str()
		case "unique":
			d.Unique = v.Truthy()
		case "sparse":
			d.Sparse = v.Truthy()
		case "hidden":
			d.Hidden = d.Hidden || v.Truthy()
		case countedOption:
			d.Counted, d.Hidden = v.Truthy(), d.Hidden || v.Truthy()
		case "prepareUnique":
			d.PrepareUnique = v.Truthy()
		case "expireAfterSeconds":
			d.ExpireAfter = v.AsInt64()
		case "collation":
			c, err := value.ParseCollation(v.Doc())
			if err != nil {
				return nil, err
			}
			d.Collation, d.CollationSpec = c, v.Doc()
		case "partialFilterExpression":
			d.PartialSpec = v.Doc()
		}
	}
	if d.Name == "_id_" {
		d.Unique = true
	}
	if d.Wildcard = index.WildcardOf(d.Key, wildcardProjection(spec)); d.Wildcard != nil {
		d.Fields = index.WildcardFields()
	}
	if d.PartialSpec != nil {
		m, err := match.Compile(d.PartialSpec, nil)
		if err != nil {
			return nil, err
		}
		// What a partial index may ask for (checkPartial) needs no context.
		d.Partial = func(doc bson.Raw) (bool, error) { return m.Match(nil, doc) }
	}
	return d, nil
}

func wildcardProjection(spec bson.Raw) bson.Raw {
	if v := value.Lookup(spec, "wildcardProjection"); v.IsDocument() {
		return v.Doc()
	}
	return emptyDoc
}

// buildLocked adds indexes to a collection of few documents. Writers wait
// meanwhile, so the index is complete when it appears.
func (e *Engine) buildLocked(ctx context.Context, c *collection, specs []bson.Raw) error {
	return e.ddl(ctx, func(u *unit) error {
		if c.dropped.Load() {
			return droppedMeanwhile(c.load())
		}
		if err := u.waitForTransactions(c); err != nil {
			return err
		}
		m := c.load().clone()
		if len(m.indexes)+len(specs) > maxIndexes {
			return tooManyIndexes(m)
		}
		for _, spec := range specs {
			d, err := defineIndex(spec)
			if err != nil {
				return err
			}
			d.ID = e.catalog.newID()
			ix := &indexState{Definition: d, readyAt: e.log.Last() + 1}
			if err := u.build(ctx, c, m, ix); err != nil {
				return err
			}
			m.indexes = append(m.indexes, ix)
		}
		if err := c.saveCatalog(u.b, m); err != nil {
			return err
		}
		// The index must be in storage before a reader can choose it.
		if err := u.recordCreated(c, m, specs); err != nil {
			return err
		}
		u.after = append(u.after, func() { c.reindexed(m, u.last) })
		return nil
	})
}

// recordCreated records new indexes: one by one on a collection that is empty.
func (u *unit) recordCreated(c *collection, m *meta, specs []bson.Raw) error {
	if c.count.Load() > 0 {
		return u.record(m, indexEntry(oplog.CreateIndexes, c, m, specs), nil, nil)
	}
	for i := range specs {
		if err := u.record(m, indexEntry(oplog.CreateIndexes, c, m, specs[i:i+1]), nil, nil); err != nil {
			return err
		}
	}
	return nil
}

func tooManyIndexes(m *meta) error {
	return mongoerr.New(mongoerr.CannotCreateIndex, "add index fails, too many indexes for %s", m.ns)
}

func indexEntry(kind oplog.Kind, c *collection, m *meta, specs []bson.Raw) *oplog.Entry {
	start, d := value.BeginDocument(nil)
	d = value.AppendHeader(d, bson.TypeArray, "indexes")
	arr, d := value.BeginDocument(d)
	for i, s := range specs {
		d = value.AppendItem(d, i, value.Document(s))
	}
	d = value.EndDocument(d, arr)
	return &oplog.Entry{Kind: kind, DB: m.ns.DB, Coll: m.ns.Coll, UUID: c.uuid, Doc: value.EndDocument(d, start)}
}

// build writes the keys of all documents into the unit's batch, in parts.
func (u *unit) build(ctx context.Context, c *collection, m *meta, ix *indexState) error {
	s := newScan(c, u.e.db, access{})
	defer s.Close()
	keys := u.e.db.NewBatch()
	for {
		rec, doc, ok, err := s.next(ctx)
		if err == nil && ok {
			err = u.buildOne(keys, m, ix, rec, doc)
		}
		if err != nil {
			return u.undoBuild(keys, ix, err)
		}
		if !ok || keys.Len() > 4<<20 {
			wait, err := u.e.db.Apply(keys, false)
			if err != nil {
				return u.e.breakDown(err)
			}
			if err := wait(); err != nil || !ok {
				return err
			}
			keys = u.e.db.NewBatch()
			u.seen = nil
		}
	}
}

func (u *unit) buildOne(keys *storage.Batch, m *meta, ix *indexState, rec storage.RecordID, doc bson.Raw) error {
	if err := ix.CheckAmbiguous(doc); err != nil {
		return err
	}
	list, kinds, multikey, err := u.keysOf(ix, doc)
	if err != nil {
		return err
	}
	if multikey {
		ix.multikey.Store(true)
	}
	if ix.Counted {
		for _, cell := range asCells(list, kinds) {
			if err := u.count(ix, cell, len(kinds), 1); err != nil {
				return err
			}
		}
		return nil
	}
	if u.seen == nil {
		u.seen = map[string]struct{}{}
	}
	w := u.w
	u.w = keys
	defer func() { u.w = w }()
	for _, k := range list {
		if ix.Unique {
			if _, taken, err := u.holds(k); err != nil {
				return err
			} else if taken {
				return u.duplicate(m, ix, k, doc)
			}
		}
		if err := u.addKey(ix, k, kinds, rec); err != nil {
			return err
		}
	}
	return nil
}

func (u *unit) undoBuild(keys *storage.Batch, ix *indexState, cause error) error {
	_ = keys.Close()
	b := u.e.db.NewBatch()
	lower, upper := storage.IndexRange(ix.ID)
	if err := b.DeleteRange(lower, upper); err != nil {
		return err
	}
	wait, err := u.e.db.Apply(b, false)
	if err != nil {
		return u.e.breakDown(err)
	}
	if err := wait(); err != nil {
		return err
	}
	return cause
}

// dropIndexes removes indexes by name.
func (e *Engine) dropIndexes(ctx context.Context, c *collection, names []string) error {
	return e.ddl(ctx, func(u *unit) error {
		if err := u.waitForTransactions(c); err != nil {
			return err
		}
		m := c.load().clone()
		var specs []bson.Raw
		for _, name := range names {
			i := slices.IndexFunc(m.indexes, func(x *indexState) bool { return x.Name == name })
			if i < 0 {
				continue
			}
			lower, upper := storage.IndexRange(m.indexes[i].ID)
			if err := u.e.db.Clear(u.b, lower, upper); err != nil {
				return err
			}
			specs = append(specs, m.indexes[i].Spec)
			m.indexes = slices.Delete(m.indexes, i, i+1)
		}
		if len(specs) == 0 {
			return nil
		}
		if err := c.saveCatalog(u.b, m); err != nil {
			return err
		}
		c.meta.Store(m)
		for _, s := range specs {
			if err := u.record(m, indexEntry(oplog.DropIndexes, c, m, []bson.Raw{s}), nil, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// modifyIndexEntry is the entry of a collMod: description is its index, options
// are the old ones of what changes.
func modifyIndexEntry(c *collection, m *meta, description, options bson.Raw) *oplog.Entry {
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "index", value.Document(description))
	return &oplog.Entry{Kind: oplog.Modify, DB: m.ns.DB, Coll: m.ns.Coll, UUID: c.uuid,
		Doc: value.EndDocument(d, start), Extra: stateBefore(c, options)}
}

// changeIndex replaces an index's specification, for collMod.
func (u *unit) changeIndex(c *collection, name string, spec, description, options bson.Raw) error {
	m := c.load().clone()
	for i, ix := range m.indexes {
		if ix.Name != name {
			continue
		}
		d, err := defineIndex(spec)
		if err != nil {
			return err
		}
		d.ID = ix.ID
		n := &indexState{Definition: d, readyAt: ix.readyAt}
		n.multikey.Store(ix.multikey.Load())
		m.indexes[i] = n
	}
	if err := c.saveCatalog(u.b, m); err != nil {
		return err
	}
	c.meta.Store(m)
	return u.record(m, modifyIndexEntry(c, m, description, options), nil, nil)
}
