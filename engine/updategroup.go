package engine

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
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
// of one document by its _id that inserts none.
func groupable(op *store.WriteOp) bool {
	if op.Kind != store.Update || op.Multi || op.Upsert || !op.Hint.IsZero() || op.Collation != nil || op.ArrayFilters != nil {
		return false
	}
	_, _, ok := leadingID(op.Filter)
	return ok
}

// updateGroupLen is how many of the first operations go together: each _id once,
// because an operation does not see what its own unit has changed before it.
func updateGroupLen(ops []store.WriteOp) int {
	if len(ops) < 2 || !groupable(&ops[0]) || !groupable(&ops[1]) {
		return 0
	}
	seen := make(map[string]struct{}, min(len(ops), updateGroupSize))
	var key []byte
	for n := range ops {
		if n == updateGroupSize || !groupable(&ops[n]) {
			return n
		}
		id, _, _ := leadingID(ops[n].Filter)
		key = value.AppendSortKey(key[:0], id, false)
		if _, twice := seen[string(key)]; twice {
			return n
		}
		seen[string(key)] = struct{}{}
	}
	return len(ops)
}

// errApart says that the operations of a group are to run one by one, so that
// each has the outcome that it has alone.
var errApart = errors.New("run the operations one by one")

// updateGroup runs the updates of a group as one unit, which costs one batch of
// the storage in place of one each. ok is false, and nothing has happened, when
// one of them fails or meets a transaction: then they run one by one.
func (w *writer) updateGroup(ctx context.Context, ns store.Namespace, ops []store.WriteOp, res *store.WriteResult) (ok bool) {
	c, err := w.existing(ns)
	if err != nil || c == nil || c.load().collation != nil || len(c.load().building) > 0 || c.load().idIndex().Collation != nil {
		return false
	}
	compiled := make([]updateOp, len(ops))
	for i := range ops {
		if compiled[i], err = w.compileByID(ns, &ops[i]); err != nil || compiled[i].update.Stamps() {
			return false
		}
	}
	var matched, modified int64
	err = w.do(ctx, func(u *unit) error {
		matched, modified = 0, 0
		u.seen = make(map[string]struct{}, len(ops))
		for i := range compiled {
			found, changed, err := u.updateByID(w, c, &compiled[i])
			if err != nil {
				return errApart
			}
			if found {
				matched++
			}
			if changed {
				modified++
			}
		}
		return nil
	})
	if err != nil {
		return false
	}
	res.Matched += matched
	res.Modified += modified
	w.e.counters.update.Add(int64(len(ops)))
	return true
}

// compileByID compiles an update whose filter names an _id; the filter itself
// only where there is more to it, or the update looks at it.
func (w *writer) compileByID(ns store.Namespace, op *store.WriteOp) (updateOp, error) {
	c, err := w.compileUpdate(ns, op, filterSpec{raw: op.Filter})
	if err != nil {
		return c, err
	}
	if _, alone, _ := leadingID(op.Filter); alone && c.update.IsPlain() {
		return c, nil
	}
	c.filter, err = w.e.compileFilter(op.Filter, nil, nil)
	return c, err
}

// findID finds a document by _id as it is now, outside of transactions.
func (u *unit) findID(c *collection, id value.Value) (storage.RecordID, bson.Raw, error) {
	var key [96]byte
	ix := c.load().idIndex()
	if rec, doc, ok := c.recent.find(u.e, ix.AppendKey(storage.AppendIndexPrefix(key[:0], ix.ID), []value.Value{id})); ok {
		return rec, doc, nil
	}
	return findID(u.r, c, ix, id)
}

// updateByID applies an update to the document that its filter {_id: value} names.
func (u *unit) updateByID(w *writer, c *collection, op *updateOp) (found, changed bool, err error) {
	id, alone, _ := leadingID(op.filter.raw)
	rec, doc, err := u.findID(c, id)
	if err != nil || doc == nil {
		return false, false, err
	}
	if !alone {
		if ok, err := op.filter.matches(doc); err != nil || !ok {
			return false, false, err
		}
	}
	r, err := op.update.Apply(op.filter.context, doc, op.filter.matcher)
	if err != nil {
		return true, false, err
	}
	if !r.Changed && !op.replace {
		return true, false, nil
	}
	if op.update.IsPipeline() && logSize(r.Description) > len(r.Doc) {
		r.Description = nil
	}
	_, err = u.replace(w, c, rec, doc, r.Doc, r.Description)
	return true, true, err
}
