package engine

import (
	"context"
	"encoding/hex"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// newMeta reads the options of a collection or view.
func (e *Engine) newMeta(ns store.Namespace, options bson.Raw) (*meta, error) {
	m := &meta{ns: ns, options: options}
	if options == nil {
		return m, nil
	}
	var err error
	if c := value.Lookup(options, "collation"); c.IsDocument() {
		if m.collation, err = value.ParseCollation(c.Doc()); err != nil {
			return nil, err
		}
	}
	if m.validator, err = newValidator(options, m.collation); err != nil {
		return nil, err
	}
	if on := value.Lookup(options, "viewOn"); on.IsString() {
		m.view = &view{on: on.Str()}
		if p := value.Lookup(options, "pipeline"); p.IsArray() {
			for it := value.Walk(p.Doc()); it.Next(); {
				m.view.pipeline = append(m.view.pipeline, it.Value().Doc())
			}
		}
	}
	if value.Lookup(options, "capped").Truthy() && !value.Lookup(options, "capped").IsMissing() {
		m.capped = cappedLimits{bytes: max(1, value.Lookup(options, "size").AsInt64())}
		if n := value.Lookup(options, "max"); n.IsNumber() {
			m.capped.documents = n.AsInt64()
		}
	}
	m.clustered = value.Lookup(options, "clusteredIndex").IsDocument()
	if i := value.Lookup(options, "changeStreamPreAndPostImages"); i.IsDocument() {
		m.images = value.Lookup(i.Doc(), "enabled").Truthy() && !value.Lookup(i.Doc(), "enabled").IsMissing()
	}
	return m, nil
}

// collection finds a collection to write to, creating it if there is none.
func (w *writer) collection(ns store.Namespace) (*collection, error) {
	c, err := w.existing(ns)
	if c != nil || err != nil {
		return c, err
	}
	if w.tx != nil {
		c, err := w.e.createIn(context.Background(), w.tx, ns, nil)
		if mongoerr.CodeOf(err) == mongoerr.NamespaceExists { // made by others since we looked
			return nil, writeConflict()
		}
		return c, err
	}
	c, err = w.e.createCollection(context.Background(), ns, nil)
	if mongoerr.CodeOf(err) == mongoerr.NamespaceExists {
		return w.existing(ns)
	}
	return c, err
}

// ddl runs a change of the catalog under the writer lock and waits until it is durable.
func (e *Engine) ddl(ctx context.Context, f func(u *unit) error) error {
	w := &writer{e: e}
	err := w.do(ctx, f)
	e.catalog.version.Add(1) // after a failure too: nothing may be believed then
	if err != nil {
		return err
	}
	return w.finish()
}

// createCollection makes a collection or, with viewOn in options, a view.
func (e *Engine) createCollection(ctx context.Context, ns store.Namespace, options bson.Raw) (*collection, error) {
	if err := checkCreatable(ns); err != nil {
		return nil, err
	}
	m, err := e.newMeta(ns, options)
	if err != nil {
		return nil, err
	}
	if m.view != nil {
		if err := e.checkView(ns, m); err != nil {
			return nil, err
		}
	}
	var c *collection
	err = e.ddl(ctx, func(u *unit) error {
		if e.catalog.get(ns) != nil {
			return mongoerr.New(mongoerr.NamespaceExists, "Collection %s already exists.", ns)
		}
		c, err = u.create(m)
		return err
	})
	return c, err
}

// create makes a collection inside a unit; it is in the catalog at once, or with
// the commit of the unit's transaction.
func (u *unit) create(m *meta) (*collection, error) {
	e := u.e
	c := &collection{id: e.catalog.newID(), uuid: newUUID()}
	c.findNext.Do(func() {})
	if m.view == nil {
		var spec bson.Raw
		if s := value.Lookup(m.options, "collation"); s.IsDocument() && m.collation != nil {
			spec = s.Doc()
		}
		m.indexes = []*indexState{newIDIndex(e.catalog.newID(), m.collation, spec)}
	}
	c.meta.Store(m)
	if u.tx == nil {
		if err := c.saveCatalog(u.b, m); err != nil {
			return nil, err
		}
	}
	entry := oplog.Entry{Kind: oplog.Create, DB: m.ns.DB, Coll: m.ns.Coll, Doc: createDescription(m)}
	if m.view == nil {
		entry.UUID = c.uuid
	}
	if err := u.record(m, &entry, nil, nil); err != nil {
		return nil, err
	}
	if u.tx != nil {
		u.tx.made[m.ns] = c
	} else {
		e.catalog.put(c)
	}
	return c, nil
}

// createDescription is the operationDescription of a create event.
func createDescription(m *meta) bson.Raw {
	start, d := value.BeginDocument(nil)
	if m.options != nil {
		d = append(d, m.options[4:len(m.options)-1]...)
	}
	if len(m.indexes) > 0 && !m.clustered {
		ix := m.idIndex()
		d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "idIndex")
		inner, dd := value.BeginDocument(d)
		dd = value.AppendElement(dd, "v", value.Int32(2))
		dd = value.AppendElement(dd, "key", value.Document(ix.Key))
		dd = value.AppendElement(dd, "name", value.String("_id_"))
		if c := value.Lookup(ix.Spec, "collation"); !c.IsMissing() {
			dd = value.AppendElement(dd, "collation", c)
		}
		d = value.EndDocument(dd, inner)
	}
	return value.EndDocument(d, start)
}

const maxViewDepth = 20

// checkView compiles a view's pipeline and refuses cycles.
func (e *Engine) checkView(ns store.Namespace, m *meta) error {
	v := m.view
	if v.on == "" {
		return mongoerr.New(mongoerr.BadValue, "'viewOn' cannot be empty")
	}
	for depth, on := 0, v.on; ; depth++ {
		if on == ns.Coll {
			return mongoerr.New(5, "View cycle detected: %s => %s", ns, ns)
		}
		if depth > maxViewDepth {
			return mongoerr.New(mongoerr.ViewDepthLimitExceeded, "View depth limit exceeded; maximum depth is %d", maxViewDepth)
		}
		c := e.catalog.get(store.Namespace{DB: ns.DB, Coll: on})
		if c == nil || c.load().view == nil {
			break
		}
		if !sameCollation(c.load().collation, m.collation) {
			return mongoerr.New(mongoerr.OptionNotSupportedOnView, "View %s has a collation that does not match the collation of view %s", ns, c.load().ns)
		}
		on = c.load().view.on
	}
	for _, stage := range v.pipeline {
		it := value.Walk(stage)
		if it.Next() && (it.Key() == "$out" || it.Key() == "$merge" || it.Key() == "$changeStream") {
			return mongoerr.New(mongoerr.OptionNotSupportedOnView, "The aggregation stage %s in the pipeline of a view is not allowed", it.Key())
		}
	}
	env := e.pipelineEnv(store.Namespace{DB: ns.DB, Coll: v.on}, pipelineOptions{})
	_, err := agg.Compile(v.pipeline, env)
	return err
}

// waitForTransactions lets open transactions that changed a collection end first.
func (u *unit) waitForTransactions(c *collection) error {
	if t := u.e.claimant(c); t != nil {
		return &blocked{t}
	}
	return nil
}

// drop deletes a collection or view.
func (u *unit) drop(c *collection) error {
	if err := u.waitForTransactions(c); err != nil {
		return err
	}
	m := c.load()
	if err := u.b.Delete(storage.CatalogKey(m.ns.DB, m.ns.Coll)); err != nil {
		return err
	}
	if err := u.deleteContent(c, m); err != nil {
		return err
	}
	entry := oplog.Entry{Kind: oplog.Drop, DB: m.ns.DB, Coll: m.ns.Coll}
	if m.view == nil {
		entry.UUID = c.uuid
	}
	c.dropped.Store(true)
	u.e.catalog.remove(m.ns)
	return u.record(m, &entry, nil, nil)
}

func (u *unit) deleteContent(c *collection, m *meta) error {
	if m.view != nil {
		return nil
	}
	lower, upper := storage.DocumentRange(c.id)
	if err := u.e.db.Clear(u.b, lower, upper); err != nil {
		return err
	}
	for _, ix := range m.written() {
		lower, upper := storage.IndexRange(ix.ID)
		if err := u.e.db.Clear(u.b, lower, upper); err != nil {
			return err
		}
	}
	return u.b.Delete(storage.StatsKey(c.id))
}

// dropDatabase drops all collections, then records the database's end.
func (e *Engine) dropDatabase(ctx context.Context, db string) (existed bool, err error) {
	for _, c := range e.catalog.list(db) {
		existed = true
		err := e.ddl(ctx, func(u *unit) error {
			if c.dropped.Load() {
				return nil
			}
			return u.drop(c)
		})
		if err != nil {
			return existed, err
		}
	}
	if !existed {
		return false, nil
	}
	return true, e.ddl(ctx, func(u *unit) error {
		return u.record(&meta{}, &oplog.Entry{Kind: oplog.DropDatabase, DB: db}, nil, nil)
	})
}

// rename moves a collection; dropTarget replaces an existing one.
func (e *Engine) rename(ctx context.Context, from, to store.Namespace, dropTarget bool) error {
	return e.ddl(ctx, func(u *unit) error {
		c := e.catalog.get(from)
		if c == nil {
			return mongoerr.New(mongoerr.NamespaceNotFound, "Source collection %s does not exist", from)
		}
		if c.load().view != nil {
			return mongoerr.New(mongoerr.CommandNotSupportedOnView, "cannot rename view: %s", from)
		}
		if err := u.waitForTransactions(c); err != nil {
			return err
		}
		var gone *collection
		if t := e.catalog.get(to); t != nil {
			if !dropTarget {
				return mongoerr.New(mongoerr.NamespaceExists, "target namespace exists")
			}
			if err := u.waitForTransactions(t); err != nil {
				return err
			}
			if err := u.deleteContent(t, t.load()); err != nil {
				return err
			}
			t.dropped.Store(true)
			gone = t
		}
		return u.move(c, from, to, gone)
	})
}

func (u *unit) move(c *collection, from, to store.Namespace, gone *collection) error {
	if err := u.b.Delete(storage.CatalogKey(from.DB, from.Coll)); err != nil {
		return err
	}
	m := c.load().clone()
	m.ns = to
	if err := c.saveCatalog(u.b, m); err != nil {
		return err
	}
	start, d := value.BeginDocument(nil)
	d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "to")
	inner, d := value.BeginDocument(d)
	d = value.AppendElement(d, "db", value.String(to.DB))
	d = value.AppendElement(d, "coll", value.String(to.Coll))
	d = value.EndDocument(d, inner)
	if gone != nil {
		d = value.AppendElement(d, "dropTarget", value.Binary(4, gone.uuid[:]))
	}
	entry := oplog.Entry{Kind: oplog.Rename, DB: from.DB, Coll: from.Coll, UUID: c.uuid, Doc: value.EndDocument(d, start)}
	u.e.catalog.remove(from)
	c.meta.Store(m)
	u.e.catalog.put(c)
	if from.DB == to.DB {
		return u.record(m, &entry, nil, nil)
	}
	// The server makes a copy in the other database, gives it its name and then
	// drops the collection: that is what the two databases show.
	entry.DB, entry.Coll = to.DB, "tmp"+hex.EncodeToString(c.uuid[:])[:5]+".renameCollection"
	if err := u.record(m, &entry, nil, nil); err != nil {
		return err
	}
	return u.record(m, &oplog.Entry{Kind: oplog.Drop, DB: from.DB, Coll: from.Coll, UUID: c.uuid}, nil, nil)
}

// setOptions replaces a collection's options and records what changed.
func (u *unit) setOptions(c *collection, options, description, before bson.Raw) error {
	if err := u.waitForTransactions(c); err != nil {
		return err
	}
	old := c.load()
	m, err := u.e.newMeta(old.ns, options)
	if err != nil {
		return err
	}
	m.indexes, m.building = old.indexes, old.building
	if err := c.saveCatalog(u.b, m); err != nil {
		return err
	}
	c.meta.Store(m)
	entry := &oplog.Entry{Kind: oplog.Modify, DB: m.ns.DB, Coll: m.ns.Coll, Doc: description}
	if m.view == nil {
		entry.UUID, entry.Extra = c.uuid, before
	}
	return u.record(m, entry, nil, nil)
}
