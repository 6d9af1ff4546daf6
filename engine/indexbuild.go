package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/mongoerr"
)

// Building indexes on a collection with documents in it, while others write.
//
//  1. Under the writer lock the indexes join meta.building: from then on every
//     write maintains them. A frozen state is kept.
//  2. The documents of that state are read and their keys made without the
//     lock. A group of them is then written under it: of a document that has
//     changed meanwhile, the keys of its present version; of one that is gone,
//     none. So afterwards each document has its keys, whoever wrote them.
//  3. Under the lock the indexes move to meta.indexes, and can be read.
//
// A duplicate in a unique index that is being built does not refuse the write
// that makes it: the build fails.

// buildAtOnce is the number of documents up to which all is done under the lock.
const buildAtOnce = 1000

const (
	buildGroupDocuments = 256
	buildGroupBytes     = 1 << 20
)

// indexBuild is one build, of one or several indexes.
type indexBuild struct {
	e       *Engine
	c       *collection
	specs   []bson.Raw
	list    []*indexState
	snap    *storage.Snapshot
	applied uint64 // cluster time of the last change in snap
	gen     index.Generator
	group   []buildItem
	size    int
	// counted are the entries of counted indexes for the documents of snap; what others
	// write meanwhile is counted beside.
	counted cellChanges
}

// buildItem is a document with its keys in every index of the build.
type buildItem struct {
	rec  storage.RecordID
	doc  bson.Raw
	keys []buildKeys
}

type buildKeys struct {
	keys     [][]byte
	kinds    []byte
	multikey bool
}

// buildIndexes adds indexes to a collection. It returns when they are complete.
func (e *Engine) buildIndexes(ctx context.Context, c *collection, specs []bson.Raw) error {
	done, err := c.takeBuildTurn(ctx)
	if err != nil {
		return err
	}
	defer done()
	// Who had the turn before may have built the same.
	if specs, err = newIndexes(c.load(), specs); err != nil || len(specs) == 0 {
		return err
	}
	if c.count.Load() <= buildAtOnce {
		return e.buildLocked(ctx, c, specs)
	}
	b := &indexBuild{e: e, c: c, specs: specs}
	if err := e.ddl(ctx, b.begin); err != nil {
		return err
	}
	err = errors.Join(b.fill(ctx), b.snap.Close())
	if err == nil {
		err = e.ddl(ctx, b.finish)
	}
	if err != nil {
		return errors.Join(err, b.undo())
	}
	return nil
}

// takeBuildTurn waits until no other build runs on the collection.
func (c *collection) takeBuildTurn(ctx context.Context) (done func(), err error) {
	c.makeTurn.Do(func() { c.buildTurn = make(chan struct{}, 1) })
	select {
	case c.buildTurn <- struct{}{}:
		return func() { <-c.buildTurn }, nil
	case <-ctx.Done():
		return nil, interrupted(ctx.Err())
	}
}

func (b *indexBuild) begin(u *unit) error {
	if b.c.dropped.Load() {
		return droppedMeanwhile(b.c.load())
	}
	// A transaction that wrote before knows nothing of the new indexes.
	if err := u.waitForTransactions(b.c); err != nil {
		return err
	}
	m := b.c.load().clone()
	if len(m.indexes)+len(b.specs) > maxIndexes {
		return tooManyIndexes(m)
	}
	for _, spec := range b.specs {
		d, err := defineIndex(spec)
		if err != nil {
			return err
		}
		d.ID = b.e.catalog.newID()
		b.list = append(b.list, &indexState{Definition: d, cells: cells{counts: map[string]*cell{}}})
	}
	m.building = append(slices.Clone(m.building), b.list...)
	b.c.meta.Store(m)
	b.snap, b.applied = b.e.db.Snapshot(), b.e.applied.Load()
	return nil
}

// fill writes the keys of all documents.
func (b *indexBuild) fill(ctx context.Context) error {
	s := newScan(b.c, b.snap, access{})
	defer s.Close()
	for {
		rec, doc, ok, err := s.next(ctx)
		if err != nil {
			return err
		}
		if ok {
			if err := b.add(rec, doc); err != nil {
				return err
			}
		}
		if !ok || len(b.group) >= buildGroupDocuments || b.size >= buildGroupBytes {
			if err := b.flush(ctx); err != nil || !ok {
				return err
			}
		}
	}
}

func (b *indexBuild) add(rec storage.RecordID, doc bson.Raw) (err error) {
	if err := b.count(doc); err != nil {
		return err
	}
	it := buildItem{rec: rec, doc: slices.Clone(doc)}
	if it.keys, err = b.keysOf(&b.gen, it.doc); err != nil {
		// It counts only if the document is still so.
		it.keys = nil
	}
	b.group, b.size = append(b.group, it), b.size+len(doc)
	return nil
}

// count counts a document in the counted indexes.
func (b *indexBuild) count(doc bson.Raw) error {
	for _, ix := range b.list {
		if !ix.Counted {
			continue
		}
		keys, kinds, multikey, err := cellsOf(&b.gen, ix, doc)
		if err != nil {
			return err
		}
		if multikey {
			ix.multikey.Store(true)
		}
		if b.counted == nil {
			b.counted = cellChanges{}
		}
		for _, k := range keys {
			b.counted.add(ix, k, kinds, 1)
		}
	}
	return nil
}

func (b *indexBuild) keysOf(gen *index.Generator, doc bson.Raw) ([]buildKeys, error) {
	all := make([]buildKeys, len(b.list))
	for i, ix := range b.list {
		if ix.Counted {
			continue
		}
		k := &all[i]
		err := ix.CheckAmbiguous(doc)
		if err != nil {
			return nil, err
		}
		if k.keys, k.kinds, k.multikey, err = documentKeys(gen, ix, doc); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// flush writes the keys of the group; it waits for transactions that hold them.
func (b *indexBuild) flush(ctx context.Context) error {
	for {
		err := b.write()
		var held *blocked
		if !errors.As(err, &held) {
			b.group, b.size = b.group[:0], 0
			return err
		}
		select {
		case <-ctx.Done():
			return interrupted(ctx.Err())
		case <-held.by.done:
		}
	}
}

func (b *indexBuild) write() error {
	e := b.e
	e.write.Lock()
	defer e.write.Unlock()
	if err := e.usable(); err != nil {
		return err
	}
	if b.c.dropped.Load() {
		return droppedMeanwhile(b.c.load())
	}
	for _, ix := range b.list {
		if err := ix.failed.Load(); err != nil {
			return err
		}
	}
	u := &unit{e: e, r: e.db, b: e.db.NewBatch(), seen: map[string]struct{}{}}
	u.w = u.b
	same := e.applied.Load() == b.applied
	for i := range b.group {
		if err := b.writeOne(u, &b.group[i], same); err != nil {
			return errors.Join(err, u.b.Close())
		}
	}
	wait, err := e.db.Apply(u.b, false)
	if err != nil {
		return e.breakDown(err)
	}
	return wait()
}

// writeOne writes the keys of the present version of a document; same tells
// that nothing has changed since the build began.
func (b *indexBuild) writeOne(u *unit, it *buildItem, same bool) error {
	doc, keys := it.doc, it.keys
	if !same {
		now, ok, err := u.document(b.c, it.rec)
		if err != nil || !ok {
			return err
		}
		if !bytes.Equal(now, doc) {
			doc, keys = now, nil
		}
	}
	if keys == nil {
		var err error
		if keys, err = b.keysOf(&b.e.gen, doc); err != nil {
			return err
		}
	}
	for i, ix := range b.list {
		if ix.Counted {
			continue
		}
		if err := b.writeKeys(u, ix, &keys[i], it.rec, doc); err != nil {
			return err
		}
	}
	return nil
}

func (b *indexBuild) writeKeys(u *unit, ix *indexState, k *buildKeys, rec storage.RecordID, doc bson.Raw) error {
	if k.multikey {
		ix.multikey.Store(true)
	}
	for _, key := range k.keys {
		if ix.Unique {
			if by := b.e.pending[string(key)]; by != nil {
				return &blocked{by}
			}
			other, taken, err := u.holds(key)
			if err != nil {
				return err
			}
			if taken && other != rec {
				return u.duplicate(b.c.load(), ix, key, doc)
			}
		}
		if err := u.addKey(ix, key, k.kinds, rec); err != nil {
			return err
		}
	}
	return nil
}

// finish makes the indexes readable.
func (b *indexBuild) finish(u *unit) error {
	if b.c.dropped.Load() {
		return droppedMeanwhile(b.c.load())
	}
	for _, ix := range b.list {
		if err := ix.failed.Load(); err != nil {
			return err
		}
		if ix.Unique || ix.PrepareUnique { // an open transaction may yet bring a duplicate
			if err := u.waitForTransactions(b.c); err != nil {
				return err
			}
		}
		ix.readyAt = b.e.log.Last() + 1
	}
	if err := u.countAll(b.counted); err != nil {
		return err
	}
	m := b.without()
	m.indexes = append(m.indexes, b.list...)
	if err := b.c.saveCatalog(u.b, m); err != nil {
		return err
	}
	if err := u.record(m, indexEntry(oplog.CreateIndexes, b.c, m, b.specs), nil, nil); err != nil {
		return err
	}
	u.after = append(u.after, func() { b.c.reindexed(m, u.last) })
	return nil
}

// without is the collection's state without the indexes of the build.
func (b *indexBuild) without() *meta {
	m := b.c.load().clone()
	m.building = slices.DeleteFunc(slices.Clone(m.building), func(x *indexState) bool { return slices.Contains(b.list, x) })
	return m
}

// undo takes the indexes away again.
func (b *indexBuild) undo() error {
	b.e.write.Lock()
	defer b.e.write.Unlock()
	b.c.meta.Store(b.without())
	batch := b.e.db.NewBatch()
	for _, ix := range b.list {
		lower, upper := storage.IndexRange(ix.ID)
		if err := batch.DeleteRange(lower, upper); err != nil {
			return errors.Join(err, batch.Close())
		}
	}
	wait, err := b.e.db.Apply(batch, false)
	if err != nil {
		return b.e.breakDown(err)
	}
	return wait()
}

// fail notes why a build cannot succeed; the write that found out goes on.
func (ix *indexState) fail(err error) error {
	var m *mongoerr.Error
	if !errors.As(err, &m) {
		return err
	}
	ix.failed.CompareAndSwap(nil, m)
	return nil
}
