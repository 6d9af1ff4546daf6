package demo

import (
	"context"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// Open loads the data set unless the store has it already, from an earlier demo
// on the same directory.
func (d *Data) Open(ctx context.Context, st store.Store) error {
	colls, err := st.Collections(ctx, Database)
	if err != nil {
		return fmt.Errorf("look for the demo's data: %w", err)
	}
	for _, c := range colls {
		if c.Name == "shipments" { // the last one that Load writes
			return d.recall(ctx, st)
		}
	}
	return d.Load(ctx, st)
}

// recall finds what the activity must know of a data set that was loaded before.
func (d *Data) recall(ctx context.Context, st store.Store) error {
	d.makeProducts()
	err := each(ctx, st, "users", `{"_id": 1}`, func(doc bson.Raw) {
		d.users = append(d.users, value.Lookup(doc, "_id").AsObjectID())
	})
	if err != nil {
		return err
	}
	return each(ctx, st, "orders", `{"order_no": 1}`, func(doc bson.Raw) {
		d.nextNo = max(d.nextNo, int(value.Lookup(doc, "order_no").AsInt64())+1)
	})
}

func each(ctx context.Context, st store.Store, coll, projection string, f func(bson.Raw)) error {
	var stage bson.D
	if err := bson.UnmarshalExtJSON([]byte(`{"$project": `+projection+`}`), false, &stage); err != nil {
		return err
	}
	raw, err := bson.Marshal(stage)
	if err != nil {
		return err
	}
	cur, err := st.Aggregate(ctx, store.Namespace{DB: Database, Coll: coll}, []bson.Raw{raw}, store.AggregateOptions{})
	if err != nil {
		return fmt.Errorf("read %s: %w", coll, err)
	}
	defer func() { _ = cur.Close() }()
	for {
		doc, err := cur.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", coll, err)
		}
		f(doc)
	}
}
