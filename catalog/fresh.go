package catalog

import (
	"bytes"
	"context"
	"time"

	"weir/store"
)

// How new the catalog's knowledge is.
//
// A store that implements store.Changes says at no cost whether something
// changed, and then nothing is believed that did. Another store is asked again
// when an answer is older than the session (a new session must see what its
// client did before it connected) or than some seconds.

// stamp is the state of all names; zero when the store does not tell.
type stamp struct{ schema, objects uint64 }

func (c *Catalog) stamp() stamp {
	if c.changes == nil {
		return stamp{}
	}
	data, _ := c.changes.DataVersion(objects)
	return stamp{c.changes.SchemaVersion(), data}
}

const maxViewDepth = 20

// moved gives the state of a collection, for a view that of what it is on.
func (c *Catalog) moved(ns store.Namespace, d *database) (schema, data uint64, count int64) {
	if c.changes == nil {
		return 0, 0, 0
	}
	schema = c.changes.SchemaVersion()
	for depth := 0; depth < maxViewDepth; depth++ {
		coll := d.collections[ns.Coll]
		if coll == nil || !coll.View {
			break
		}
		ns.Coll = coll.ViewOn
	}
	data, count = c.changes.DataVersion(ns)
	return schema, data, count
}

// database gives the names of a database as the session must see them.
func (s *Scoped) database(ctx context.Context, db string, maxAge time.Duration) (*database, error) {
	return s.listed(ctx, db, maxAge, s.scope.Since)
}

// sampled gives the entry of a collection as the session must see it.
func (s *Scoped) sampled(ctx context.Context, ns store.Namespace, fresh bool) (*entry, error) {
	return s.looked(ctx, ns, fresh, s.scope.Since)
}

// listed gives the names of a database, neither older than maxAge nor than since.
func (c *Catalog) listed(ctx context.Context, db string, maxAge time.Duration, since time.Time) (*database, error) {
	now := c.stamp()
	for again := false; ; again = true {
		if d := c.knownDatabase(db, now, maxAge, since); d != nil {
			return d, nil
		}
		v, err, joined := c.loads.Do("db\x00"+db, func() (any, error) {
			return c.loadDatabase(context.WithoutCancel(ctx), db)
		})
		if err != nil {
			return nil, err
		}
		// Who joined a reading that others had begun reads once more, unless
		// that has seen enough.
		if !joined || again {
			return v.(*database), nil
		}
	}
}

// knownDatabase gives what was read of a database if that is new enough. A
// somewhat older list is used too while Run is there to read it again.
func (c *Catalog) knownDatabase(db string, now stamp, maxAge time.Duration, since time.Time) *database {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.databases[db]
	switch {
	case d == nil:
		return nil
	case c.changes != nil:
		if d.stamp == now {
			return d
		}
		return nil
	case maxAge == 0 || d.at.Before(since):
		return nil
	}
	age := c.opts.Now().Sub(d.at)
	if age < maxAge {
		return d
	}
	if c.running && age < sampleAge {
		c.wantedDBs[db] = true
		return d
	}
	return nil
}

// looked gives the entry of a collection, looking at its documents when they
// have not been looked at, when they are others now and few, or when fresh is
// asked for. An old sample of a large collection is used and queued for Run.
func (c *Catalog) looked(ctx context.Context, ns store.Namespace, fresh bool, since time.Time) (*entry, error) {
	d, err := c.listed(ctx, ns.DB, listAge, since)
	if err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		if !fresh {
			if e := c.youngEntry(ns, d, since); e != nil {
				return e, nil
			}
		}
		v, err, joined := c.loads.Do("t\x00"+ns.String(), func() (any, error) {
			return c.look(context.WithoutCancel(ctx), ns, d, fresh)
		})
		if err != nil {
			return nil, err
		}
		if !joined || again {
			return v.(*entry), nil
		}
	}
}

// youngEntry gives an entry that need not be made again now.
func (c *Catalog) youngEntry(ns store.Namespace, d *database, since time.Time) *entry {
	schema, data, count := c.moved(ns, d)
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.tables[ns]
	if e == nil || !sameObject(e.source, d.objects[ns.Coll]) || !sameCollection(&e.of, d.collections[ns.Coll]) {
		return nil
	}
	age := c.opts.Now().Sub(e.at)
	if c.changes != nil {
		if e.data == data && e.schema == schema || e.schema == schema && c.bearable(ns, e, age, count) {
			return e
		}
		return nil
	}
	small := e.all && e.table.Estimate > 0
	switch {
	case e.all && e.at.Before(since):
		return nil
	case e.stale:
		if age < busyShare*e.cost && e.table.Estimate > tinyTable {
			c.wanted[ns] = true
			return e
		}
		return nil
	case small && age < smallSampleAge:
		return e
	case !e.all || small && c.running && age < sampleAge:
		if e.all || age > sampleAge {
			c.wanted[ns] = true
		}
		return e
	}
	return nil
}

// bearable tells whether an entry can be used although documents were
// written since: one of a large collection, or one that was just made.
func (c *Catalog) bearable(ns store.Namespace, e *entry, age time.Duration, count int64) bool {
	if e.all {
		if age < busyShare*e.cost && e.table.Estimate > tinyTable {
			c.wanted[ns] = true
			return true
		}
		return false
	}
	seen := e.table.Estimate
	if count > 2*seen+int64(c.opts.SampleSize) || count < seen/2 {
		return false // another size, another plan
	}
	if age > sampleAge {
		c.wanted[ns] = true
	}
	return true
}

// sameCollection tells whether a collection is still the one that was looked at.
func sameCollection(a, b *store.Collection) bool {
	if b == nil {
		return a.UUID == [16]byte{} && a.Options == nil
	}
	if a.UUID != b.UUID || a.View != b.View || a.ViewOn != b.ViewOn || len(a.Pipeline) != len(b.Pipeline) {
		return false
	}
	for i := range a.Pipeline {
		if !bytes.Equal(a.Pipeline[i], b.Pipeline[i]) {
			return false
		}
	}
	return bytes.Equal(a.Options, b.Options)
}

// reusable gives the entry of a large collection of which only the indexes can
// have changed.
func (c *Catalog) reusable(ns store.Namespace, e *entry, fresh bool) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.tables[ns]
	if fresh || c.changes == nil || old == nil || old.all || old.data != e.data || old.source != nil && old.source.Declared ||
		e.of.View || !sameObject(old.source, e.source) || !sameCollection(&old.of, &e.of) {
		return nil
	}
	return old
}

// reindexed makes an entry of another with its indexes read again.
func (c *Catalog) reindexed(ctx context.Context, old, e *entry) (*entry, error) {
	t := *old.table
	var err error
	if t.Indexes, err = c.indexes(ctx, t.NS); err != nil {
		return nil, err
	}
	e.table, e.at = &t, old.at
	return c.keep(t.NS, e), nil
}

// Stale is a resolver that remembers which tables it gave, so that they can be
// looked at again when planning with them failed.
type Stale struct {
	Resolver
	given []*Table
}

// Table implements Resolver.
func (r *Stale) Table(ctx context.Context, schema, name string, quoted bool) (*Table, bool, error) {
	t, ok, err := r.Resolver.Table(ctx, schema, name, quoted)
	if ok {
		r.given = append(r.given, t)
	}
	return t, ok, err
}

// Changed looks at the tables again and tells whether one is another now.
func (r *Stale) Changed(ctx context.Context) bool {
	changed := false
	for _, t := range r.given {
		now, err := r.Resolver.Refresh(ctx, t)
		changed = changed || err == nil && now.Version != t.Version
	}
	r.given = nil
	return changed
}

// ownChange takes a change of the catalog's documents that this process made
// and that concerns no names, such as a sequence's step, off what makes a list
// old.
func (c *Catalog) ownChange(before stamp) {
	after := c.stamp()
	if c.changes == nil || after.schema != before.schema || after.objects != before.objects+1 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.databases {
		if d.stamp == before {
			d.stamp = after
		}
	}
	if c.names.stamp == before {
		c.names.stamp = after
	}
}
