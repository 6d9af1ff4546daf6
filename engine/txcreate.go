package engine

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// What a transaction creates is its own until the commit: nobody else sees the
// collections and indexes, and an abort leaves nothing of them.

// collection finds a collection or view as a transaction sees it; a nil
// transaction sees what is committed.
func (e *Engine) collection(tx *transaction, ns store.Namespace) *collection {
	if tx != nil {
		if c := tx.made[ns]; c != nil {
			return c
		}
		return tx.catalogued(ns)
	}
	return e.catalog.get(ns)
}

// catalogued finds a collection as the catalog was at the transaction's
// beginning: one that others have dropped since is still there to read, one that
// they have created is not.
func (t *transaction) catalogued(ns store.Namespace) *collection {
	now := t.e.catalog.get(ns)
	if t.catalog == t.e.catalog.version.Load() {
		return now
	}
	raw, ok, err := t.snap.Get(storage.CatalogKey(ns.DB, ns.Coll), nil)
	if err != nil {
		return now // and reading it fails
	}
	if !ok {
		return nil
	}
	id := uint32(value.Lookup(raw, "id").AsInt64())
	if now != nil && now.id == id {
		return now
	}
	t.goneMu.Lock()
	defer t.goneMu.Unlock()
	if c := t.gone[ns]; c != nil {
		return c
	}
	c, err := t.e.decodeCollection(slices.Clone(raw))
	if err != nil || c.loadStats(t.snap) != nil {
		return now
	}
	c.findNext.Do(func() {})
	c.dropped.Store(true)
	if t.gone == nil {
		t.gone = map[store.Namespace]*collection{}
	}
	t.gone[ns] = c
	return c
}

// createIn makes a collection in a transaction. Its name is not taken before the
// commit, which has a write conflict when others have used it meanwhile.
func (e *Engine) createIn(ctx context.Context, tx *transaction, ns store.Namespace, options bson.Raw) (*collection, error) {
	if err := checkCreatable(ns); err != nil {
		return nil, err
	}
	if strings.HasPrefix(ns.Coll, "system.") {
		return nil, mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot create system collection %s within a transaction.", ns)
	}
	m, err := e.newMeta(ns, options)
	if err != nil {
		return nil, err
	}
	if m.view != nil {
		return nil, mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot create system collection %s.system.views within a transaction.", ns.DB)
	}
	var c *collection
	w := &writer{e: e, tx: tx}
	err = w.do(ctx, func(u *unit) error {
		if e.collection(tx, ns) != nil {
			return mongoerr.New(mongoerr.NamespaceExists, "Collection %s already exists.", ns)
		}
		c, err = u.create(m)
		return err
	})
	return c, err
}

// createIndexesIn adds indexes to a collection that the transaction has made
// and that is still empty.
func (e *Engine) createIndexesIn(ctx context.Context, tx *transaction, c *collection, specs []bson.Raw) error {
	ns := c.load().ns
	if tx.made[ns] != c {
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot create new indexes on existing collection %s in a multi-document transaction.", ns)
	}
	if d := tx.stats[c]; d != nil && d.count > 0 {
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot create new indexes on non-empty collection %s in a multi-document transaction.", ns)
	}
	w := &writer{e: e, tx: tx}
	return w.do(ctx, func(u *unit) error {
		m := c.load().clone()
		if len(m.indexes)+len(specs) > maxIndexes {
			return mongoerr.New(mongoerr.CannotCreateIndex, "add index fails, too many indexes for %s", ns)
		}
		for _, spec := range specs {
			d, err := defineIndex(spec)
			if err != nil {
				return err
			}
			d.ID = e.catalog.newID()
			m.indexes = append(m.indexes, &indexState{Definition: d})
		}
		c.meta.Store(m)
		return u.recordCreated(c, m, specs)
	})
}

// publish writes what a committing transaction has made into the batch, and
// shows it once that is applied.
func (t *transaction) publish(u *unit) error {
	for ns, c := range t.made {
		if t.e.catalog.get(ns) != nil {
			return writeConflict()
		}
		if err := c.saveCatalog(u.b, c.load()); err != nil {
			return err
		}
	}
	if len(t.made) > 0 {
		u.after = append(u.after, func() {
			for _, c := range t.made {
				t.e.catalog.put(c)
			}
			t.e.catalog.version.Add(1)
		})
	}
	return nil
}

// writable refuses collections that a transaction cannot write to.
func (t *transaction) writable(ns store.Namespace, c *collection) error {
	switch {
	case strings.HasPrefix(ns.Coll, "system."):
		return mongoerr.New(50791, "Cannot write to system collection %s within a transaction.", ns)
	case c != nil && c.dropped.Load():
		return writeConflict()
	case c != nil && c.load().capped.bytes > 0:
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Collection '%s' is a capped collection. Writes in transactions are not allowed on capped collections.", ns)
	}
	return nil
}
