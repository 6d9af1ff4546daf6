package engine

import (
	"context"
	"errors"
	"hash/maphash"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/update"
	"weir/engine/value"
	"weir/store"
)

// updateGroupSize is how many updates by _id are applied together at most.
const updateGroupSize = 64

// leadingID gives the value of a filter that begins with {_id: value}; alone
// tells that this is all of it.
func leadingID(filter bson.Raw) (id value.Value, alone, ok bool) {
	it := value.Walk(filter)
	if !it.Next() || it.Key() != "_id" {
		return id, false, false
	}
	id = it.Value()
	switch id.Kind() {
	case bson.TypeObjectID, bson.TypeInt32, bson.TypeInt64, bson.TypeString, bson.TypeBinary, bson.TypeDateTime, bson.TypeBoolean:
		return id, !it.Next(), true
	}
	return id, false, false
}

// groupable tells whether an operation may share a unit with others: an update
// of one document by its _id.
func groupable(op *store.WriteOp) bool {
	if op.Kind != store.Update || op.Multi || !op.Hint.IsZero() || op.Collation != nil || op.ArrayFilters != nil {
		return false
	}
	_, _, ok := leadingID(op.Filter)
	return ok
}

// updateGroupLen is how many of the first operations go together, one as well: each
// _id once, because an operation does not see what its own unit has changed before it.
func updateGroupLen(ops []store.WriteOp) int {
	if !groupable(&ops[0]) {
		return 0
	}
	if len(ops) == 1 || !groupable(&ops[1]) {
		return 1
	}
	var seen idSet
	seed := maphash.MakeSeed()
	var buf [96]byte
	for n := range ops {
		if n == updateGroupSize || !groupable(&ops[n]) {
			return n
		}
		id, _, _ := leadingID(ops[n].Filter)
		if !seen.add(maphash.Bytes(seed, value.AppendSortKey(buf[:0], id, false))) {
			return n
		}
	}
	return len(ops)
}

// idSet holds the hashes of the _ids of a group.
type idSet [2 * updateGroupSize]uint64

// add tells whether a hash was not there yet. Two values may have the same: then a
// group ends early.
func (s *idSet) add(hash uint64) bool {
	hash = max(hash, 1) // 0: free
	for i := hash % uint64(len(s)); ; i = (i + 1) % uint64(len(s)) {
		switch s[i] {
		case 0:
			s[i] = hash
			return true
		case hash:
			return false
		}
	}
}

// groupMemory is what a group of updates needs, to be used again.
type groupMemory struct {
	ops     []updateOp
	updates update.Memory
	read    []byte // a document
}

func (m *groupMemory) reset() {
	clear(m.ops)
	m.ops = m.ops[:0]
	m.updates.Reset()
	if cap(m.read) > recentChunk {
		m.read = nil
	}
}

// errApart says that the operations of a group are to run one by one, so that
// each has the outcome that it has alone.
var errApart = errors.New("run the operations one by one")

// updateGroup runs the updates of a group as one unit, which costs one batch of
// the storage in place of one each. ok is false, and nothing has happened, when
// one of them fails or meets a transaction: then they run one by one. base is the
// number of the first operation.
func (w *writer) updateGroup(ctx context.Context, ns store.Namespace, ops []store.WriteOp, base int, res *store.WriteResult) (ok bool) {
	c, err := w.existing(ns)
	if err != nil || c == nil || c.load().collation != nil || len(c.load().building) > 0 || c.load().capped.bytes > 0 || c.load().idIndex().Collation != nil {
		return false
	}
	memory, _ := w.e.groups.Get().(*groupMemory)
	if memory == nil {
		memory = &groupMemory{}
	}
	defer func() {
		memory.reset()
		w.e.groups.Put(memory)
	}()
	for i := range ops {
		op, err := w.compileByID(ns, &ops[i], &memory.updates)
		if err != nil || op.update.Stamps() {
			return false
		}
		memory.ops = append(memory.ops, op)
	}
	var done store.WriteResult
	err = w.do(ctx, func(u *unit) error {
		done = store.WriteResult{}
		u.seen = map[string]struct{}{}
		for i := range memory.ops {
			if err := u.updateByID(w, c, memory, base, i, &done); err != nil {
				return errApart
			}
		}
		return nil
	})
	if err != nil {
		return false
	}
	res.Matched += done.Matched
	res.Modified += done.Modified
	res.Upserted = append(res.Upserted, done.Upserted...)
	w.e.counters.update.Add(int64(len(ops)))
	return true
}

// compileByID compiles an update whose filter names an _id; the filter itself
// only where there is more to it, or the update looks at it.
func (w *writer) compileByID(ns store.Namespace, op *store.WriteOp, m *update.Memory) (updateOp, error) {
	c, err := w.compileUpdate(ns, op, filterSpec{raw: op.Filter}, m)
	if err != nil {
		return c, err
	}
	if _, alone, _ := leadingID(op.Filter); alone && c.update.IsPlain() && !op.Upsert {
		return c, nil
	}
	c.filter, err = w.e.compileFilter(op.Filter, nil, nil)
	return c, err
}

// findID finds a document by _id as it is now, outside of transactions; it may be
// read into memory.
func (u *unit) findID(c *collection, id value.Value, memory *[]byte) (storage.RecordID, bson.Raw, error) {
	var key [96]byte
	ix := c.load().idIndex()
	if rec, doc, ok := c.recent.find(u.e, ix.AppendKey(storage.AppendIndexPrefix(key[:0], ix.ID), []value.Value{id})); ok {
		return rec, doc, nil
	}
	rec, doc, err := findID(u.r, c, ix, id, (*memory)[:0])
	if doc != nil {
		*memory = doc
	}
	return rec, doc, err
}

// updateByID applies the ith update of a group to the document that its filter
// {_id: value} names.
func (u *unit) updateByID(w *writer, c *collection, m *groupMemory, base, i int, done *store.WriteResult) error {
	op := &m.ops[i]
	id, alone, _ := leadingID(op.filter.raw)
	rec, doc, err := u.findID(c, id, &m.read)
	if err == nil && doc != nil && !alone {
		var ok bool
		if ok, err = op.filter.matches(doc); !ok {
			doc = nil
		}
	}
	if err != nil || doc == nil && !op.upsert {
		return err
	}
	if doc == nil {
		return u.upsertByID(w, c, op, base+i, done)
	}
	done.Matched++
	r, err := op.update.Apply(op.filter.context, doc, op.filter.matcher)
	if err != nil || !r.Changed {
		return err
	}
	done.Modified++
	_, err = u.replace(w, c, rec, doc, r.Doc, r.Description)
	return err
}

// upsertByID inserts what an update makes of its filter.
func (u *unit) upsertByID(w *writer, c *collection, op *updateOp, number int, done *store.WriteResult) error {
	doc, err := op.update.Upsert(op.filter.context, op.filter.matcher)
	if err != nil {
		return err
	}
	if len(doc) > maxDocument {
		return errApart
	}
	if doc, err = u.insert(w, c, doc, number); err != nil {
		return err
	}
	done.Upserted = append(done.Upserted, store.Upserted{Index: number, ID: value.Lookup(doc, "_id").Clone().RawValue()})
	return nil
}
