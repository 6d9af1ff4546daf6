package engine

import (
	"bytes"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
)

// keysOf makes the sorted, distinct keys of a document in an index (without
// record ids). kinds go into the value of the entry; only a document without
// arrays has some.
func (u *unit) keysOf(ix *indexState, doc bson.Raw) (keys [][]byte, kinds []byte, multikey bool, err error) {
	return documentKeys(&u.e.gen, ix, doc)
}

func documentKeys(gen *index.Generator, ix *indexState, doc bson.Raw) (keys [][]byte, kinds []byte, multikey bool, err error) {
	multikey, err = gen.Keys(ix.Definition, doc, func(values []value.Value) error {
		k := storage.AppendIndexPrefix(make([]byte, 0, 32), ix.ID)
		keys = append(keys, ix.AppendKey(k, values))
		kinds = ix.AppendKinds(kinds[:0], values, gen.Missing())
		return nil
	})
	if multikey {
		kinds = nil
	}
	if len(keys) > 1 {
		slices.SortFunc(keys, bytes.Compare)
		keys = slices.CompactFunc(keys, bytes.Equal)
	}
	return keys, kinds, multikey, err
}

// keyChange is what a document's change does to one index.
type keyChange struct {
	ix       *indexState
	add, del [][]byte
	kinds    []byte // of add
	delKinds int    // of a counted index: how many bytes at the end of del are kinds
	multikey bool
}

// planKeys finds the index entries to write, and refuses duplicates before
// anything is written. before or after is nil for an insert or delete.
func (u *unit) planKeys(c *collection, m *meta, rec storage.RecordID, before, after bson.Raw) ([]keyChange, error) {
	written := m.written()
	k := &u.e.keys
	k.begin(c.layoutOf(m, written), before, after)
	for i, ix := range written {
		if before != nil && after != nil && ix.IsID() {
			continue // _id never changes
		}
		if before != nil && after != nil && k.layout.Same(i, k.before, k.after) {
			continue
		}
		kc, err := u.planIndex(c, m, ix, i, rec, before, after)
		if err == nil && i >= len(m.indexes) {
			err = u.keepOthers(&kc, rec)
		}
		if i >= len(m.indexes) && err != nil {
			if wait := (*blocked)(nil); errors.As(err, &wait) || mongoerr.CodeOf(err) == mongoerr.WriteConflict {
				return nil, err
			}
			if err := ix.fail(err); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		k.plan = append(k.plan, kc)
	}
	return k.plan, nil
}

func (u *unit) planIndex(c *collection, m *meta, ix *indexState, i int, rec storage.RecordID, before, after bson.Raw) (kc keyChange, err error) {
	kc.ix = ix
	var kinds []byte
	k := &u.e.keys
	if before != nil {
		if kc.del, kinds, _, err = k.of(&u.e.gen, ix, i, k.before, before); err != nil {
			return kc, err
		}
	}
	if after != nil {
		if err := ix.CheckAmbiguous(after); err != nil {
			return kc, err
		}
		if kc.add, kc.kinds, kc.multikey, err = k.of(&u.e.gen, ix, i, k.after, after); err != nil {
			return kc, err
		}
	}
	if ix.Counted {
		kc.del, kc.add, kc.delKinds = asCells(kc.del, kinds), asCells(kc.add, kc.kinds), len(kinds)
		kc.cancel(true)
		return kc, nil
	}
	kc.cancel(bytes.Equal(kinds, kc.kinds))
	return kc, u.checkUnique(c, m, &kc, rec, after)
}

// keepOthers leaves the entries of other documents: while a unique index is
// built, a document that goes may be the duplicate of one that stays.
func (u *unit) keepOthers(kc *keyChange, rec storage.RecordID) (err error) {
	if !kc.ix.Unique {
		return nil
	}
	kc.del = slices.DeleteFunc(kc.del, func(k []byte) bool {
		other, taken, herr := u.holds(k)
		if herr != nil {
			err = herr
		}
		return taken && other != rec
	})
	return err
}

// cancel leaves out keys that stay; an entry whose kinds change is written
// again.
func (kc *keyChange) cancel(sameKinds bool) {
	if len(kc.add) == 0 || len(kc.del) == 0 {
		return
	}
	if !sameKinds {
		kc.del = slices.DeleteFunc(kc.del, func(d []byte) bool {
			return slices.ContainsFunc(kc.add, func(a []byte) bool { return bytes.Equal(a, d) })
		})
		return
	}
	add, del := kc.add[:0:0], kc.del[:0:0]
	a, d := kc.add, kc.del
	for len(a) > 0 && len(d) > 0 {
		switch c := bytes.Compare(a[0], d[0]); {
		case c < 0:
			add, a = append(add, a[0]), a[1:]
		case c > 0:
			del, d = append(del, d[0]), d[1:]
		default:
			a, d = a[1:], d[1:]
		}
	}
	kc.add, kc.del = append(add, a...), append(del, d...)
}

func (u *unit) checkUnique(c *collection, m *meta, kc *keyChange, rec storage.RecordID, doc bson.Raw) error {
	if kc.ix.PrepareUnique && !kc.ix.Unique {
		return u.checkPrepared(m, kc, rec, doc)
	}
	if !kc.ix.Unique {
		return nil
	}
	claim := u.claim
	if u.tx != nil && u.tx.settled(c, m, kc.ix) {
		claim = u.tx.claimSettled
	}
	for _, k := range kc.add {
		if err := claim(k); err != nil {
			return err
		}
		fresh, err := u.isNew(c, m, kc.ix, k)
		if err != nil {
			return err
		}
		if fresh {
			continue
		}
		other, taken, err := u.holds(k)
		if err != nil {
			return err
		}
		if taken && other != rec {
			return u.duplicate(m, kc.ix, k, doc)
		}
	}
	for _, k := range kc.del {
		if err := claim(k); err != nil {
			return err
		}
	}
	return nil
}

// duplicate is the error 11000 of a key.
func (u *unit) duplicate(m *meta, ix *indexState, key []byte, doc bson.Raw) error {
	var err *mongoerr.Error
	_, _ = u.e.gen.Keys(ix.Definition, doc, func(values []value.Value) error {
		k := ix.AppendKey(storage.AppendIndexPrefix(nil, ix.ID), values)
		if err == nil && bytes.Equal(k, key) {
			err = duplicateKey(m, ix, values)
		}
		return nil
	})
	if err == nil {
		err = mongoerr.New(mongoerr.DuplicateKey, "E11000 duplicate key error collection: %s index: %s", m.ns, ix.Name)
	}
	return err
}

func duplicateKey(m *meta, ix *indexState, values []value.Value) *mongoerr.Error {
	collation := ""
	start, info := value.BeginDocument(nil)
	info = value.AppendElement(info, "keyPattern", value.Document(ix.Key))
	info = value.AppendElement(info, "keyValue", value.Document(ix.KeyValue(values)))
	if ix.CollationSpec != nil {
		collation = " collation: " + value.Document(ix.CollationSpec).String()
		info = value.AppendElement(info, "collation", value.Document(ix.CollationSpec))
	}
	return mongoerr.New(mongoerr.DuplicateKey, "E11000 duplicate key error collection: %s index: %s%s dup key: %s",
		m.ns, ix.Name, collation, ix.Describe(values)).WithInfo(value.EndDocument(info, start))
}

// writeKeys writes what planKeys found.
func (u *unit) writeKeys(c *collection, m *meta, rec storage.RecordID, plan []keyChange) error {
	for i := range plan {
		kc := &plan[i]
		if kc.multikey && !kc.ix.multikey.Load() {
			if err := u.markMultikey(c, m, kc.ix); err != nil {
				return err
			}
		}
		if kc.ix.Counted {
			if err := u.countKeys(kc); err != nil {
				return err
			}
			continue
		}
		for _, k := range kc.del {
			if !kc.ix.Unique {
				k = storage.AppendRecord(k, rec)
			}
			if err := u.w.Delete(k); err != nil {
				return err
			}
		}
		for _, k := range kc.add {
			if err := u.addKey(kc.ix, k, kc.kinds, rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// countKeys is writeKeys of a counted index.
func (u *unit) countKeys(kc *keyChange) error {
	for _, cell := range kc.del {
		if err := u.count(kc.ix, cell, kc.delKinds, -1); err != nil {
			return err
		}
	}
	for _, cell := range kc.add {
		if err := u.count(kc.ix, cell, len(kc.kinds), 1); err != nil {
			return err
		}
	}
	return nil
}

// addKey writes an entry: the key, its kinds, and the record at the end of the
// one or the other.
func (u *unit) addKey(ix *indexState, k, kinds []byte, rec storage.RecordID) error {
	if !ix.Unique {
		return u.w.Set(storage.AppendRecord(k, rec), kinds)
	}
	if u.seen != nil {
		u.seen[string(k)] = struct{}{}
	}
	var v [24]byte
	return u.w.Set(k, storage.AppendRecord(append(v[:0], kinds...), rec))
}

// kindsIn gives the kinds in the value of an entry.
func kindsIn(ix *indexState, v []byte) []byte {
	if ix.Unique {
		return v[:max(0, len(v)-8)]
	}
	return v
}

// markMultikey notes that the index holds arrays before any reader can see
// the document that brings the first one. It is written outside of a
// transaction: at worst an index is taken for multikey that is not.
func (u *unit) markMultikey(c *collection, m *meta, ix *indexState) error {
	ix.multikey.Store(true)
	if u.tx == nil {
		return c.saveCatalog(u.b, c.load())
	}
	b := u.e.db.NewBatch()
	if err := c.saveCatalog(b, c.load()); err != nil {
		return err
	}
	wait, err := u.e.db.Apply(b, false)
	if err != nil {
		return u.e.breakDown(err)
	}
	return wait()
}
