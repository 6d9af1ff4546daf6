package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// deleteOp is one statement of a delete command.
type deleteOp struct {
	filter filterSpec
	multi  bool
	sort   bson.Raw // findAndModify
	hint   bson.RawValue
}

// deleteSome deletes what the statement names. removed is the last deleted document.
func (w *writer) deleteSome(ctx context.Context, ns store.Namespace, op deleteOp, stmt int) (n int64, removed bson.Raw, err error) {
	c, err := w.existing(ns)
	if err != nil || c == nil {
		return 0, nil, err
	}
	t, err := w.target(ctx, c, op.filter, op.sort, op.hint)
	if err != nil {
		return 0, nil, err
	}
	err = t.each(ctx, w, op.multi, func(u *unit, rec storage.RecordID, doc bson.Raw) error {
		if err := u.remove(c, c.load(), rec, doc); err != nil {
			return err
		}
		removed = doc
		if op.multi {
			return nil
		}
		return w.retry.save(u, stmt, w.deleteOutcome(doc))
	}, func() { n++ })
	return n, removed, err
}

// deleteOutcome is what a repeated delete answers.
func (w *writer) deleteOutcome(doc bson.Raw) writeOutcome {
	o := writeOutcome{n: 1}
	if w.replyOf != nil {
		o.reply = w.replyOf(doc, nil, value.Value{})
	}
	return o
}

// remove deletes one document and records that.
func (u *unit) remove(c *collection, m *meta, rec storage.RecordID, doc bson.Raw) error {
	if err := u.erase(c, m, rec, doc); err != nil {
		return err
	}
	entry := oplog.Entry{Kind: oplog.Delete, DB: m.ns.DB, Coll: m.ns.Coll, UUID: c.uuid}
	return u.record(m, &entry, doc, nil)
}

// erase deletes one document with its index entries, without an oplog entry.
func (u *unit) erase(c *collection, m *meta, rec storage.RecordID, doc bson.Raw) error {
	if c.dropped.Load() {
		return u.droppedMeanwhile(m)
	}
	var buf [13]byte
	key := storage.AppendDocumentKey(buf[:0], c.id, rec)
	if err := u.claimDocument(c, key); err != nil {
		return err
	}
	plan, err := u.planKeys(c, m, rec, doc, nil)
	if err != nil {
		return err
	}
	if err := u.w.Delete(key); err != nil {
		return err
	}
	if err := u.writeKeys(c, m, rec, plan); err != nil {
		return err
	}
	u.adjust(c, -1, -int64(len(doc)))
	c.recent.changed(rec)
	return nil
}

// existing finds the collection of a write that does not create one.
func (w *writer) existing(ns store.Namespace) (*collection, error) {
	if err := checkNamespace(ns); err != nil {
		return nil, err
	}
	c := w.e.collection(w.tx, ns)
	if c != nil && c.load().view != nil {
		return nil, mongoerr.New(mongoerr.CommandNotSupportedOnView, "Namespace %s is a view, not a collection", ns)
	}
	if w.tx != nil {
		return c, w.tx.writable(ns, c)
	}
	return c, nil
}
