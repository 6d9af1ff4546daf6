package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/value"
)

// collectionCheck is the check of one collection: what its documents say that
// counters and indexes must hold.
type collectionCheck struct {
	*checker
	c       *collection
	m       *meta
	want    []tally // by index
	cells   cellTally
	damaged map[storage.RecordID]bool
	count   int64
	size    int64
}

// collection reads the documents once and each index once, in order. Only
// where the two disagree are single entries looked up to name them.
func (k *checker) collection(ctx context.Context, c *collection) error {
	m := c.load()
	k.r.Collections++
	if m.view != nil {
		return nil
	}
	cc := &collectionCheck{checker: k, c: c, m: m, cells: cellTally{}, want: make([]tally, len(m.indexes)), damaged: map[storage.RecordID]bool{}}
	lower, upper := storage.DocumentRange(c.id)
	if err := k.each(ctx, lower, upper, cc.document); err != nil {
		return err
	}
	cc.counters()
	for i, ix := range m.indexes {
		if err := cc.index(ctx, i, ix); err != nil {
			return fmt.Errorf("index %s: %w", ix.Name, err)
		}
	}
	k.say(fmt.Sprintf("collection %s: %d documents, %d indexes", m.ns, cc.count, len(m.indexes)))
	return nil
}

// documentKeyLen is the length of a document's key.
const documentKeyLen = 13

func (cc *collectionCheck) document(key, v []byte) error {
	cc.r.Documents++
	cc.count++
	cc.size += int64(len(v))
	if len(key) != documentKeyLen {
		cc.fault("collection %s: the key %x is no document's", cc.m.ns, key)
		return nil
	}
	rec := storage.RecordOf(key)
	if err := value.Validate(v); err != nil {
		cc.damaged[rec] = true
		cc.fault("collection %s: the document of record %d is damaged: %v", cc.m.ns, rec, err)
		return nil
	}
	if value.Lookup(v, "_id").IsMissing() {
		cc.fault("collection %s: the document of record %d has no _id", cc.m.ns, rec)
	}
	for i, ix := range cc.m.indexes {
		keys, kinds, multikey, err := cc.u.keysOf(ix, v)
		if err != nil {
			cc.fault("collection %s: the document %s has no keys for index %s: %v", cc.m.ns, documentKey(v), ix.Name, err)
			continue
		}
		if multikey && !ix.multikey.Load() {
			cc.fault("collection %s: index %s holds arrays, of %s for example, but the catalog does not say so", cc.m.ns, ix.Name, documentKey(v))
			ix.multikey.Store(true)
		}
		if ix.Counted {
			cc.cells.add(ix, keys, kinds)
			continue
		}
		for _, k := range keys {
			cc.want[i].add(cc.seed, k, rec)
		}
	}
	return nil
}

func (cc *collectionCheck) counters() {
	if err := cc.c.loadStats(cc.e.db); err != nil {
		cc.fault("%v", err)
		return
	}
	if n, size := cc.c.count.Load(), cc.c.size.Load(); n != cc.count || size != cc.size {
		cc.fault("collection %s: its counters say %d documents of %d bytes; there are %d of %d", cc.m.ns, n, size, cc.count, cc.size)
	}
}

func (cc *collectionCheck) index(ctx context.Context, i int, ix *indexState) error {
	cc.r.Indexes++
	if ix.Counted {
		cc.r.IndexEntries += int64(len(cc.cells[ix]))
		wrong, err := cc.cells.faults(cc.e.db, ix)
		if err == nil && wrong > 0 {
			cc.fault("collection %s: %d counts of index %s are not what the documents have", cc.m.ns, wrong, ix.Name)
		}
		return err
	}
	var got tally
	before := cc.r.FaultCount
	lower, upper := storage.IndexRange(ix.ID)
	err := cc.each(ctx, lower, upper, func(key, v []byte) error {
		cc.r.IndexEntries++
		k, rec, ok := splitEntry(ix, key, v)
		if !ok {
			cc.fault("collection %s: index %s has the damaged entry %x", cc.m.ns, ix.Name, key)
			return nil
		}
		got.add(cc.seed, k, rec)
		return nil
	})
	if err != nil || got == cc.want[i] {
		return err
	}
	if err := cc.extra(ctx, ix); err != nil {
		return err
	}
	if err := cc.missing(ctx, ix); err != nil {
		return err
	}
	if cc.r.FaultCount == before && len(cc.damaged) == 0 {
		cc.fault("collection %s: index %s has %d entries, the documents have %d", cc.m.ns, ix.Name, got.n, cc.want[i].n)
	}
	return nil
}

// splitEntry parts an index entry into key and record.
func splitEntry(ix *indexState, key, v []byte) (k []byte, rec storage.RecordID, ok bool) {
	if ix.Unique {
		if len(v) < 8 {
			return nil, 0, false
		}
		return key, storage.RecordOf(v), true
	}
	at := len(key) - 8
	if at < storage.IndexPrefixLen {
		return nil, 0, false
	}
	return key[:at], storage.RecordOf(key), true
}

// extra names the entries that no document has.
func (cc *collectionCheck) extra(ctx context.Context, ix *indexState) error {
	lower, upper := storage.IndexRange(ix.ID)
	return cc.each(ctx, lower, upper, func(key, v []byte) error {
		k, rec, ok := splitEntry(ix, key, v)
		if !ok || cc.damaged[rec] {
			return nil
		}
		doc, ok, err := cc.u.document(cc.c, rec)
		if err != nil {
			return err
		}
		if !ok {
			cc.fault("collection %s: index %s points to record %d, where no document is", cc.m.ns, ix.Name, rec)
			return nil
		}
		keys, _, _, err := cc.u.keysOf(ix, doc)
		if err == nil && !slices.ContainsFunc(keys, func(x []byte) bool { return bytes.Equal(x, k) }) {
			cc.fault("collection %s: index %s has an entry that the document %s does not have", cc.m.ns, ix.Name, documentKey(doc))
		}
		return nil
	})
}

// missing names the documents that lack an entry.
func (cc *collectionCheck) missing(ctx context.Context, ix *indexState) error {
	lower, upper := storage.DocumentRange(cc.c.id)
	return cc.each(ctx, lower, upper, func(key, doc []byte) error {
		if len(key) != documentKeyLen || cc.damaged[storage.RecordOf(key)] {
			return nil
		}
		rec := storage.RecordOf(key)
		keys, _, _, err := cc.u.keysOf(ix, doc)
		if err != nil {
			return nil // named already
		}
		for _, k := range keys {
			if ok, err := cc.has(ix, k, rec); err != nil {
				return err
			} else if !ok {
				cc.fault("collection %s: index %s lacks an entry of the document %s", cc.m.ns, ix.Name, documentKey(bson.Raw(doc)))
			}
		}
		return nil
	})
}

func (cc *collectionCheck) has(ix *indexState, k []byte, rec storage.RecordID) (bool, error) {
	if !ix.Unique {
		_, ok, err := cc.e.db.Get(storage.AppendRecord(k, rec), nil)
		return ok, err
	}
	v, ok, err := cc.e.db.Get(k, nil)
	return ok && len(v) >= 8 && storage.RecordOf(v) == rec, err
}
