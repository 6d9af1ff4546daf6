package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/engine/update"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// updateOp is one statement of an update command.
type updateOp struct {
	filter filterSpec
	update *update.Update
	multi  bool
	upsert bool
	sort   bson.Raw // findAndModify
	hint   bson.RawValue
	// supplied makes the document of an upsert in place of update; nil: update does.
	supplied *update.Update
}

// updateResult is what an update statement did.
type updateResult struct {
	matched, modified int64
	upserted          value.Value
	before, after     bson.Raw // of the last document
}

// updateSome updates what the statement names, or inserts when it upserts.
func (w *writer) updateSome(ctx context.Context, ns store.Namespace, op updateOp, stmt int) (res updateResult, err error) {
	c, err := w.existing(ns)
	if err != nil {
		return res, err
	}
	if c == nil {
		if !op.upsert {
			return res, nil
		}
		if c, err = w.collection(ns); err != nil {
			return res, err
		}
	}
	t, err := w.target(ctx, c, op.filter, op.sort, op.hint)
	if err != nil {
		return res, err
	}
	for {
		if err := w.updateMatches(ctx, t, op, stmt, &res); err != nil || res.matched > 0 || !op.upsert {
			return res, err
		}
		again, err := w.upsert(ctx, t, op, stmt, &res)
		if err != nil || !again {
			return res, err
		}
	}
}

func (w *writer) updateMatches(ctx context.Context, t *target, op updateOp, stmt int, res *updateResult) error {
	var after bson.Raw
	var changed bool
	op.filter.context.Attend(ctx)
	return t.each(ctx, w, op.multi, func(u *unit, rec storage.RecordID, doc bson.Raw) error {
		if op.update.Stamps() {
			next := w.e.log.Next()
			op.filter.context.ClusterTime = value.Timestamp(uint32(next>>32), uint32(next))
		}
		r, err := op.update.Apply(op.filter.context, doc, op.filter.matcher)
		if err != nil {
			return err
		}
		res.before, after, changed = doc, r.Doc, r.Changed
		if !changed {
			after = doc
			return nil
		}
		changed = true
		if after, err = u.replace(w, t.c, rec, doc, r.Doc, r.Description); err != nil {
			return err
		}
		if op.multi {
			return nil
		}
		return w.retry.save(u, stmt, w.updateOutcome(writeOutcome{n: 1, modified: 1}, doc, after))
	}, func() {
		res.matched++
		if changed {
			res.modified++
		}
		res.after = after
	})
}

func (w *writer) updateOutcome(o writeOutcome, before, after bson.Raw) writeOutcome {
	if w.replyOf != nil {
		o.reply = w.replyOf(before, after, o.upserted)
	}
	return o
}

// replace writes a document's new version; desc is nil for a whole new document.
func (u *unit) replace(w *writer, c *collection, rec storage.RecordID, before, after bson.Raw, desc *update.Description) (bson.Raw, error) {
	m := c.load()
	if c.dropped.Load() {
		return nil, u.droppedMeanwhile(m)
	}
	if desc == nil || !desc.Flat() {
		if err := checkUpdated(before, after); err != nil {
			return nil, err
		}
	}
	if err := w.validate(u.e, m, before, after); err != nil {
		return nil, err
	}
	var buf [13]byte
	key := storage.AppendDocumentKey(buf[:0], c.id, rec)
	if err := u.claimDocument(c, key); err != nil {
		return nil, err
	}
	plan, err := u.planKeys(c, m, rec, before, after)
	if err != nil {
		return nil, err
	}
	if err := u.w.Set(key, after); err != nil {
		return nil, err
	}
	if err := u.writeKeys(c, m, rec, plan); err != nil {
		return nil, err
	}
	u.adjust(c, 0, int64(len(after)-len(before)))
	c.recent.changed(rec)
	entry := oplog.Entry{Kind: oplog.Replace, DB: m.ns.DB, Coll: m.ns.Coll, UUID: c.uuid, Doc: after}
	if desc != nil {
		if entry.Kind, entry.Doc = oplog.Update, nil; u.tx != nil || !u.e.unlogged(&entry) {
			entry.Doc = desc.Document()
		}
	}
	return after, u.record(m, &entry, before, after)
}

func checkUpdated(before, after bson.Raw) error {
	if len(after) > maxDocument {
		return mongoerr.New(17419, "Resulting document after update is larger than %d", maxDocument)
	}
	if depthOver(after, maxStoredDepth) {
		return mongoerr.New(mongoerr.Overflow, "cannot insert document because it exceeds %d levels of nesting", maxStoredDepth)
	}
	if !value.Equal(value.Lookup(before, "_id"), value.Lookup(after, "_id")) {
		return mongoerr.New(mongoerr.ImmutableField,
			"Performing an update on the path '_id' would modify the immutable field '_id'")
	}
	return nil
}

// upsert inserts what the statement makes of its filter. again tells that a
// document turned up meanwhile that the statement has to update.
func (w *writer) upsert(ctx context.Context, t *target, op updateOp, stmt int, res *updateResult) (again bool, err error) {
	err = w.do(ctx, func(u *unit) error {
		again = false
		if _, _, found, err := t.first(ctx, u.r); err != nil || found {
			again = found
			return err
		}
		how := op.update
		if op.supplied != nil {
			how = op.supplied
		}
		doc, err := how.Upsert(op.filter.context, op.filter.matcher)
		if err != nil {
			return err
		}
		if len(doc) > maxDocument {
			return mongoerr.New(17420, "Document to upsert is larger than %d", maxDocument)
		}
		save := w.retry
		w.retry = nil // the insert's outcome is not the statement's
		w.asIs = true
		doc, err = u.insert(w, t.c, doc, stmt)
		w.retry, w.asIs = save, false
		if err != nil {
			return err
		}
		res.upserted, res.after = value.Lookup(doc, "_id"), doc
		return w.retry.save(u, stmt, w.updateOutcome(writeOutcome{n: 1, upserted: res.upserted}, nil, doc))
	})
	return again, err
}
