package remote

import (
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/store"
)

// batchSize bounds what one reply of the server holds, so that a long result
// streams in little memory.
const batchSize = 5000

func aggregate(ctx context.Context, client *mongo.Client, ns store.Namespace, pipeline []bson.Raw, opts store.AggregateOptions) (store.Cursor, error) {
	if pipeline == nil {
		pipeline = []bson.Raw{}
	}
	ao := aggregateOptions(opts)
	if opts.MaxTime > 0 { // the driver makes maxTimeMS of it
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, opts.MaxTime)
		defer cancel()
	}
	db := client.Database(ns.DB)
	var cur *mongo.Cursor
	var err error
	if ns.Coll == "" {
		cur, err = db.Aggregate(ctx, pipeline, ao)
	} else {
		cur, err = db.Collection(ns.Coll).Aggregate(ctx, pipeline, ao)
	}
	if err != nil {
		return nil, convert(err)
	}
	return &cursor{cur: cur}, nil
}

func aggregateOptions(opts store.AggregateOptions) *options.AggregateOptionsBuilder {
	ao := options.Aggregate().SetBatchSize(batchSize)
	if opts.BatchSize > 0 {
		ao.SetBatchSize(opts.BatchSize)
	}
	if opts.AllowDiskUse {
		ao.SetAllowDiskUse(true)
	}
	if opts.Let != nil {
		ao.SetLet(opts.Let)
	}
	if opts.Hint.Type != 0 {
		ao.SetHint(opts.Hint)
	}
	if opts.Collation != nil {
		ao.SetCollation(collation(opts.Collation))
	}
	if opts.Comment != "" {
		ao.SetComment(opts.Comment)
	}
	return ao
}

type cursor struct {
	cur    *mongo.Cursor
	sess   *mongo.Session // of a transaction, else nil
	closed bool
}

func (c *cursor) Next(ctx context.Context) (bson.Raw, error) {
	if c.sess != nil {
		ctx = mongo.NewSessionContext(ctx, c.sess)
	}
	if c.cur.Next(ctx) {
		return c.cur.Current, nil
	}
	if err := c.cur.Err(); err != nil {
		return nil, convert(err)
	}
	return nil, io.EOF
}

func (c *cursor) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return convert(c.cur.Close(context.Background()))
}
