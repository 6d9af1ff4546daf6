package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/store"
)

// A write by key holds values that were computed from the row as it was. So it
// may be done again only while the row is that: its committed state is read at
// the savepoint, while the transaction keeps others from changing it, and
// compared before the replay. Other writes compute anew.

// image is the committed state of a document that a write names by its key.
type image struct {
	id  value.Value
	sum [sha256.Size]byte // zero: there is none
}

// imageBatch is how many documents are read at once.
const imageBatch = 1000

// guard reads the images of the writes that have none yet.
func (l *writeLog) guard(ctx context.Context, committed store.Queryer) error {
	for i := l.guarded; i < len(l.writes); i++ {
		w := &l.writes[i]
		if w.ns == catalog.KeyLocks {
			continue // what they hold is nothing to anybody
		}
		ids := w.keys()
		if len(ids) == 0 {
			continue
		}
		sums, err := sumsOf(ctx, committed, w.ns, ids)
		if err != nil {
			return err
		}
		w.images = make([]image, len(ids))
		for j, id := range ids {
			w.images[j] = image{id, sums[idText(id)]}
		}
	}
	l.guarded = len(l.writes)
	return nil
}

// keys are the _ids of the documents that the write changes by them.
func (w *loggedWrite) keys() []value.Value {
	var ids []value.Value
	for _, op := range w.ops {
		if op.Kind == store.Insert || op.Multi {
			continue
		}
		it := value.Walk(op.Filter)
		if !it.Next() || it.Key() != "_id" {
			continue
		}
		id := it.Value()
		if id.IsDocument() {
			if eq := value.Lookup(id.Doc(), "$eq"); !eq.IsMissing() {
				id = eq
			}
		}
		ids = append(ids, id)
	}
	return ids
}

// unchanged tells whether the documents of the first n writes are as they were.
func (l *writeLog) unchanged(ctx context.Context, tx store.Queryer, n int) (bool, error) {
	for _, w := range l.writes[:n] {
		ids := make([]value.Value, len(w.images))
		for i := range w.images {
			ids[i] = w.images[i].id
		}
		sums, err := sumsOf(ctx, tx, w.ns, ids)
		if err != nil {
			return false, err
		}
		for _, x := range w.images {
			if sums[idText(x.id)] != x.sum {
				return false, nil
			}
		}
	}
	return true, nil
}

// idText tells keys apart.
func idText(id value.Value) string {
	return string(append([]byte{byte(id.Kind())}, id.AppendPayload(nil)...))
}

// sumsOf reads documents by their keys; those that are not there have no sum.
func sumsOf(ctx context.Context, q store.Queryer, ns store.Namespace, ids []value.Value) (map[string][sha256.Size]byte, error) {
	sums := map[string][sha256.Size]byte{}
	for len(ids) > 0 {
		n := min(len(ids), imageBatch)
		var b value.Builder
		b.Open(bson.TypeEmbeddedDocument, "$match")
		b.Open(bson.TypeEmbeddedDocument, "_id")
		b.Add("$in", value.ArrayFrom(ids[:n]))
		b.Close()
		b.Close()
		cur, err := q.Aggregate(ctx, ns, []bson.Raw{b.Doc()}, store.AggregateOptions{})
		if err != nil {
			return nil, err
		}
		for {
			doc, err := cur.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, errors.Join(err, cur.Close())
			}
			sums[idText(value.Lookup(doc, "_id"))] = sha256.Sum256(doc)
		}
		if err := cur.Close(); err != nil {
			return nil, err
		}
		ids = ids[n:]
	}
	return sums, nil
}
