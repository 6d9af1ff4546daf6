package engine

import (
	"context"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

const (
	maxDocument     = 16 << 20
	maxStoredDepth  = 180
	insertGroupSize = 64 // documents of one unit
	insertGroupData = 1 << 20
)

// insertMany inserts documents in order and calls done with every outcome. An
// error of the whole command comes back; stop at the first failed document is
// done's choice.
func (w *writer) insertMany(ctx context.Context, ns store.Namespace, docs []bson.Raw, done func(i int, err error) bool) error {
	c, err := w.collection(ns)
	if mongoerr.CodeOf(err) == mongoerr.CommandNotSupportedOnView {
		for i := 0; i < len(docs) && done(i, err); i++ {
		}
		return nil
	}
	if err != nil {
		return err
	}
	for at := 0; at < len(docs); {
		n := groupLen(docs[at:])
		if c.load().capped.bytes > 0 {
			n = 1 // trimming must see what was inserted before
		}
		inserted, failed, err := w.insertGroup(ctx, c, docs[at:at+n], at)
		if err != nil {
			return err
		}
		for i := range inserted {
			done(at+i, nil)
		}
		at += inserted
		if failed != nil {
			if !done(at, failed) {
				return nil
			}
			at++
		}
		if ctx.Err() != nil {
			return interrupted(ctx.Err())
		}
	}
	return nil
}

func groupLen(docs []bson.Raw) int {
	n, size := 0, 0
	for n < len(docs) && n < insertGroupSize && (n == 0 || size < insertGroupData) {
		size += len(docs[n])
		n++
	}
	return n
}

// insertGroup inserts documents up to the first that fails.
func (w *writer) insertGroup(ctx context.Context, c *collection, docs []bson.Raw, base int) (inserted int, failed, err error) {
	if len(docs) == 1 && w.joint(c) {
		if failed, err, ok := w.insertJointly(c, docs[0], base); ok {
			if err == nil && failed == nil {
				inserted = 1
			}
			return inserted, failed, err
		}
	}
	err = w.do(ctx, func(u *unit) error {
		inserted, failed = 0, nil
		if len(docs) > 1 && u.tx == nil {
			u.seen = make(map[string]struct{}, len(docs))
		}
		for i, doc := range docs {
			_, err := u.insert(w, c, doc, base+i)
			if wait := (*blocked)(nil); errors.As(err, &wait) {
				if inserted > 0 {
					return nil // the rest comes in the next group
				}
				return err
			}
			if err != nil {
				if isFatal(err) || u.tx != nil && mongoerr.CodeOf(err) == mongoerr.WriteConflict {
					return err
				}
				failed = err
				return nil
			}
			inserted++
		}
		return nil
	})
	return inserted, failed, err
}

// isFatal tells errors of the engine from errors of a document.
func isFatal(err error) bool {
	var m *mongoerr.Error
	return !errors.As(err, &m)
}

// insert adds one document. Nothing is written when it fails.
func (u *unit) insert(w *writer, c *collection, doc bson.Raw, stmt int) (bson.Raw, error) {
	m := c.load()
	if c.dropped.Load() {
		return nil, u.droppedMeanwhile(m)
	}
	doc, err := u.e.prepareInsert(doc, !w.asIs)
	if err != nil {
		return nil, err
	}
	if err := w.validate(u.e, m, nil, doc); err != nil {
		return nil, err
	}
	rec, err := c.allocate(u.e.db)
	if err != nil {
		return nil, err
	}
	plan, err := u.planKeys(c, m, rec, nil, doc)
	if err != nil {
		return nil, err
	}
	var key [13]byte
	set := u.w.Set
	if u.tx != nil {
		doc, set = u.tx.ws.Keep(doc), u.tx.ws.SetKept
	}
	if err := set(storage.AppendDocumentKey(key[:0], c.id, rec), doc); err != nil {
		return nil, err
	}
	if err := u.writeKeys(c, m, rec, plan); err != nil {
		return nil, err
	}
	u.adjust(c, 1, int64(len(doc)))
	u.keepRecent(c, m, rec, plan, doc)
	entry := oplog.Entry{Kind: oplog.Insert, DB: m.ns.DB, Coll: m.ns.Coll, UUID: c.uuid, Doc: doc}
	if err := u.record(m, &entry, nil, doc); err != nil {
		return nil, err
	}
	if err := w.retry.save(u, stmt, writeOutcome{n: 1}); err != nil {
		return nil, err
	}
	return doc, u.trimCapped(c, m)
}

func (u *unit) droppedMeanwhile(m *meta) error {
	if u.tx != nil {
		return writeConflict()
	}
	return droppedMeanwhile(m)
}

func droppedMeanwhile(m *meta) error {
	return mongoerr.New(mongoerr.OperationFailed, "collection dropped: %s", m.ns)
}

// prepareInsert checks a document and puts _id in front, making one if needed.
// stamp gives timestamps of zero the time of now.
func (e *Engine) prepareInsert(doc bson.Raw, stamp bool) (bson.Raw, error) {
	if len(doc) > maxDocument {
		return nil, mongoerr.New(mongoerr.BadValue, "object to insert too large. size in bytes: %d, max size: %d", len(doc), maxDocument)
	}
	first, stamps := true, false
	var id value.Value
	hasID := false
	for it := value.Walk(doc); it.Next(); first = false {
		v := it.Value()
		if (v.IsDocument() || v.IsArray()) && depthOver(v.Doc(), maxStoredDepth-1) {
			return nil, mongoerr.New(mongoerr.Overflow, "cannot insert document because it exceeds %d levels of nesting", maxStoredDepth)
		}
		if it.Key() == "_id" {
			if hasID {
				return nil, mongoerr.New(mongoerr.BadValue, "can't have multiple _id fields in one document")
			}
			if err := checkID(v); err != nil {
				return nil, err
			}
			id, hasID = v, true
			if first {
				first = false
				continue
			}
			stamps = true // to be moved
		}
		if stamp && isZeroStamp(v) {
			stamps = true
		}
	}
	if hasID && !stamps {
		return doc, nil
	}
	if !hasID {
		id = value.ObjectID(bson.NewObjectID())
	}
	return e.rebuildInsert(doc, id, stamp), nil
}

func isZeroStamp(v value.Value) bool {
	if v.Kind() != bson.TypeTimestamp {
		return false
	}
	t, i := v.AsTimestamp()
	return t == 0 && i == 0
}

func (e *Engine) rebuildInsert(doc bson.Raw, id value.Value, stamp bool) bson.Raw {
	start, dst := value.BeginDocument(make([]byte, 0, len(doc)+24))
	dst = value.AppendElement(dst, "_id", id)
	for it := value.Walk(doc); it.Next(); {
		if it.Key() != "_id" {
			dst = e.appendStamped(dst, &it, stamp)
		}
	}
	return value.EndDocument(dst, start)
}

func (e *Engine) appendStamped(dst []byte, it *value.Iter, stamp bool) []byte {
	if stamp && isZeroStamp(it.Value()) {
		now := e.log.Last() + 1
		return value.AppendElement(dst, it.Key(), value.Timestamp(uint32(now>>32), uint32(now)))
	}
	return append(dst, it.Element()...)
}

// stampedReplacement is the argument of an update, stamped if it is a replacement.
func (e *Engine) stampedReplacement(doc bson.Raw) bson.Raw {
	for it := value.Walk(doc); it.Next(); {
		if strings.HasPrefix(it.Key(), "$") {
			return doc
		}
		if isZeroStamp(it.Value()) {
			return e.stamped(doc)
		}
	}
	return doc
}

// stamped is a replacement document with the time of now for timestamps of zero.
func (e *Engine) stamped(doc bson.Raw) bson.Raw {
	start, dst := value.BeginDocument(make([]byte, 0, len(doc)))
	for it := value.Walk(doc); it.Next(); {
		dst = e.appendStamped(dst, &it, it.Key() != "_id")
	}
	return value.EndDocument(dst, start)
}

// checkID refuses values that cannot be an _id.
func checkID(v value.Value) error {
	switch v.Kind() {
	case bson.TypeArray, bson.TypeRegex, bson.TypeUndefined:
		return mongoerr.New(mongoerr.BadValue, "can't use %s for _id", idKinds[v.Kind()])
	case bson.TypeEmbeddedDocument:
		return checkStorableID(v.Doc())
	}
	return nil
}

var idKinds = map[bson.Type]string{bson.TypeArray: "an array", bson.TypeRegex: "a regex", bson.TypeUndefined: "a undefined"}

func checkStorableID(doc bson.Raw) error {
	for it := value.Walk(doc); it.Next(); {
		if strings.HasPrefix(it.Key(), "$") {
			return mongoerr.New(mongoerr.DollarPrefixedFieldName,
				"_id fields may not contain '$'-prefixed fields: %s is not valid for storage.", it.Key())
		}
		if it.Kind() == bson.TypeEmbeddedDocument {
			if err := checkStorableID(it.Value().Doc()); err != nil {
				return err
			}
		}
	}
	return nil
}

// depthOver tells whether documents are nested more than limit deep.
func depthOver(doc bson.Raw, limit int) bool {
	if limit == 0 {
		return true
	}
	for it := value.Walk(doc); it.Next(); {
		if k := it.Kind(); k == bson.TypeEmbeddedDocument || k == bson.TypeArray {
			if depthOver(it.Value().Doc(), limit-1) {
				return true
			}
		}
	}
	return false
}

// trimCapped deletes the oldest documents of a capped collection beyond its limits.
func (u *unit) trimCapped(c *collection, m *meta) error {
	if m.capped.bytes == 0 {
		return nil
	}
	count, size := c.count.Load(), c.size.Load()
	if d := u.stats[c]; d != nil {
		count, size = count+d.count, size+d.size
	}
	over := func() bool {
		return count > 1 && (size > m.capped.bytes || m.capped.documents > 0 && count > m.capped.documents)
	}
	if !over() {
		return nil
	}
	lower, upper := storage.DocumentRange(c.id)
	it, err := u.r.Iter(lower, upper, false)
	if err != nil {
		return err
	}
	defer it.Close()
	for over() && it.Next() {
		v, err := it.Value()
		if err != nil {
			return err
		}
		rec, doc := storage.RecordOf(it.Key()), bson.Raw(append([]byte(nil), v...))
		if err := u.erase(c, m, rec, doc); err != nil {
			return err
		}
		count, size = count-1, size-int64(len(doc))
	}
	return it.Err()
}
