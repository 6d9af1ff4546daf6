package engine

import (
	"bytes"
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
)

// Turning an index into a unique one: prepareUnique refuses new duplicates,
// unique makes sure that there are none and rebuilds the index.

const codeCannotConvertToUnique = 359

// checkPrepared refuses duplicates in an index that prepares to be unique.
func (u *unit) checkPrepared(m *meta, kc *keyChange, rec storage.RecordID, doc bson.Raw) error {
	for _, k := range kc.add {
		if err := u.claim(k); err != nil {
			return err
		}
		it, err := u.r.Iter(k, storage.Successor(k), false)
		if err != nil {
			return err
		}
		taken := false
		for !taken && it.Next() {
			taken = storage.RecordOf(it.Key()) != rec
		}
		err = it.Err()
		if cerr := it.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
		if taken {
			return u.duplicate(m, kc.ix, k, doc)
		}
	}
	return nil
}

// makeUnique is collMod's index: {unique: true}.
func (r *request) makeUnique(ctx context.Context, dst []byte, c *collection, ix *indexState, unique bool) ([]byte, error) {
	switch {
	case !unique:
		return dst, mongoerr.New(mongoerr.BadValue, "Cannot make index non-unique")
	case ix.Unique:
		return dst, nil
	case !ix.PrepareUnique:
		return dst, mongoerr.New(mongoerr.InvalidOptions, "Cannot make index unique with 'prepareUnique=false'. Run collMod to set it first.")
	}
	if err := r.e.ddl(ctx, func(u *unit) error { return u.makeUnique(ctx, c, ix) }); err != nil {
		return dst, err
	}
	return value.AppendElement(dst, "unique_new", value.Bool(true)), nil
}

func (u *unit) makeUnique(ctx context.Context, c *collection, old *indexState) error {
	if err := u.waitForTransactions(c); err != nil {
		return err
	}
	if err := u.violations(c, old); err != nil {
		return err
	}
	return u.rebuildAs(ctx, c, old, true)
}

// makeNonUnique is collMod's index: {forceNonUnique: true}.
func (r *request) makeNonUnique(ctx context.Context, dst []byte, c *collection, ix *indexState) ([]byte, error) {
	if !ix.Unique || ix.IsID() {
		return dst, nil
	}
	err := r.e.ddl(ctx, func(u *unit) error {
		if err := u.waitForTransactions(c); err != nil {
			return err
		}
		return u.rebuildAs(ctx, c, ix, false)
	})
	if err != nil {
		return dst, err
	}
	return value.AppendElement(dst, "forceNonUnique_new", value.Bool(true)), nil
}

// rebuildAs puts an index of the same keys, unique or not, in the place of old.
func (u *unit) rebuildAs(ctx context.Context, c *collection, old *indexState, unique bool) error {
	start, s := value.BeginDocument(nil)
	for it := value.Walk(old.Spec); it.Next(); {
		if it.Key() != "prepareUnique" && it.Key() != "unique" {
			s = append(s, it.Element()...)
		}
	}
	if unique {
		s = value.AppendElement(s, "unique", value.Bool(true))
	}
	spec := bson.Raw(value.EndDocument(s, start))
	d, err := defineIndex(spec)
	if err != nil {
		return err
	}
	d.ID = u.e.catalog.newID()
	m := c.load().clone()
	ix := &indexState{Definition: d, readyAt: u.e.log.Last() + 1}
	if err := u.build(ctx, c, m, ix); err != nil {
		return err
	}
	at := slices.IndexFunc(m.indexes, func(x *indexState) bool { return x.Name == old.Name })
	if at < 0 {
		return mongoerr.New(mongoerr.IndexNotFound, "cannot find index %s for ns %s", old.Name, m.ns)
	}
	m.indexes[at] = ix
	lower, upper := storage.IndexRange(old.ID)
	if err := u.e.db.Clear(u.b, lower, upper); err != nil {
		return err
	}
	if err := c.saveCatalog(u.b, m); err != nil {
		return err
	}
	start, change := value.BeginDocument(nil)
	change = value.AppendElement(change, "name", value.String(old.Name))
	option := "forceNonUnique"
	if unique {
		option = "unique"
	}
	change = value.EndDocument(value.AppendElement(change, option, value.Bool(true)), start)
	if err := u.record(m, modifyIndexEntry(c, m, change, emptyDoc), nil, nil); err != nil {
		return err
	}
	u.after = append(u.after, func() { c.reindexed(m, u.last) })
	return nil
}

// violations gives the error that lists the documents with equal keys.
func (u *unit) violations(c *collection, ix *indexState) error {
	lower, upper := storage.IndexRange(ix.ID)
	it, err := u.e.db.Iter(lower, upper, false)
	if err != nil {
		return err
	}
	defer it.Close()
	var groups [][]storage.RecordID
	var last []byte
	var same []storage.RecordID
	flush := func() {
		if len(same) > 1 {
			groups = append(groups, same)
		}
		same = nil
	}
	for it.Next() {
		k := it.Key()
		if prefix := k[:len(k)-8]; !bytes.Equal(prefix, last) {
			flush()
			last = append(last[:0], prefix...)
		}
		same = append(same, storage.RecordOf(k))
	}
	flush()
	if err := it.Err(); err != nil || len(groups) == 0 {
		return err
	}
	var list []value.Value
	for _, g := range groups {
		var ids []value.Value
		for _, rec := range g {
			doc, ok, err := u.e.db.Get(storage.AppendDocumentKey(nil, c.id, rec), nil)
			if err != nil {
				return err
			}
			if ok {
				ids = append(ids, value.Lookup(doc, "_id"))
			}
		}
		start, d := value.BeginDocument(nil)
		d = value.AppendElement(d, "ids", value.ArrayFrom(ids))
		list = append(list, value.Document(value.EndDocument(d, start)))
	}
	start, info := value.BeginDocument(nil)
	info = value.AppendElement(info, "violations", value.ArrayFrom(list))
	return mongoerr.New(codeCannotConvertToUnique, "Cannot convert the index to unique. Please resolve conflicting documents before running collMod again.").
		WithInfo(value.EndDocument(info, start))
}
