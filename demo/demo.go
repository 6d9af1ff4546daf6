// Package demo is the shop that `weir demo` shows: a data set (data.go), the
// business that goes on in it (activity.go), the subscriptions that watch it
// (subscriptions.go), and a webhook receiver that fails now and then
// (receiver.go). Everything is drawn from one seed.
//
// It writes through a store.Store and knows no SQL but the text of its
// subscriptions.
package demo

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// Database is the database of the demo.
const Database = "shop"

// insert writes documents in chunks.
func insert(ctx context.Context, st store.Store, coll string, docs []any) error {
	const chunk = 500
	for len(docs) > 0 {
		n := min(chunk, len(docs))
		ops := make([]store.WriteOp, n)
		for i, d := range docs[:n] {
			raw, err := bson.Marshal(d)
			if err != nil {
				return fmt.Errorf("encode a document of %s: %w", coll, err)
			}
			ops[i] = store.WriteOp{Kind: store.Insert, Document: raw}
		}
		if err := write(ctx, st, coll, ops); err != nil {
			return err
		}
		docs = docs[n:]
	}
	return nil
}

func write(ctx context.Context, st store.Store, coll string, ops []store.WriteOp) error {
	res, err := st.Write(ctx, store.Namespace{DB: Database, Coll: coll}, ops, store.WriteOptions{})
	if err == nil {
		err = res.Err()
	}
	if err != nil {
		return fmt.Errorf("write to %s: %w", coll, err)
	}
	return nil
}

// update sets fields of one document by operators.
func update(ctx context.Context, st store.Store, coll string, id any, operators bson.D) error {
	filter, err := bson.Marshal(bson.D{{Key: "_id", Value: id}})
	if err != nil {
		return err
	}
	u, err := bson.Marshal(operators)
	if err != nil {
		return err
	}
	return write(ctx, st, coll, []store.WriteOp{{
		Kind: store.Update, Filter: filter, Update: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: u},
	}})
}

// remove deletes one document.
func remove(ctx context.Context, st store.Store, coll string, id any) error {
	filter, err := bson.Marshal(bson.D{{Key: "_id", Value: id}})
	if err != nil {
		return err
	}
	return write(ctx, st, coll, []store.WriteOp{{Kind: store.Delete, Filter: filter}})
}
