package remote

import (
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"weir/store"
)

// batchSize bounds what one reply of the server holds, so that a long result
// streams in little memory.
const batchSize = 5000

func aggregate(ctx context.Context, client *mongo.Client, clock *clusterClock, ns store.Namespace, pipeline []bson.Raw, opts store.AggregateOptions) (store.Cursor, error) {
	if pipeline == nil {
		pipeline = []bson.Raw{}
	}
	ao := aggregateOptions(opts)
	if opts.MaxTime > 0 { // the driver makes maxTimeMS of it
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, opts.MaxTime)
		defer cancel()
	}
	do := options.Database()
	if opts.Primary && mongo.SessionFromContext(ctx) == nil {
		do.SetReadPreference(readpref.Primary())
	}
	var sess *mongo.Session
	if !opts.After.IsZero() && mongo.SessionFromContext(ctx) == nil {
		do.SetReadConcern(readconcern.Majority())
		var err error
		if sess, err = sessionAt(client, clock, opts.After); err != nil {
			return nil, convert(err)
		}
		ctx = mongo.NewSessionContext(ctx, sess)
	}
	db := client.Database(ns.DB, do)
	var cur *mongo.Cursor
	var err error
	if ns.Coll == "" {
		cur, err = db.Aggregate(ctx, pipeline, ao)
	} else {
		cur, err = db.Collection(ns.Coll).Aggregate(ctx, pipeline, ao)
	}
	if err != nil {
		if sess != nil {
			sess.EndSession(ctx)
		}
		return nil, convert(err)
	}
	return &cursor{cur: cur, sess: sess, own: sess != nil}, nil
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
	sess   *mongo.Session // of a transaction, or of its own; else nil
	own    bool
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
	ctx := context.Background()
	if c.own {
		defer c.sess.EndSession(ctx)
		ctx = mongo.NewSessionContext(ctx, c.sess)
	}
	return convert(c.cur.Close(ctx))
}
