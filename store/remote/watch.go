package remote

import (
	"context"
	"io"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/store"
)

// await is how long the server holds an empty getMore open. The driver fixes it
// when the stream is opened, so Next rounds its wait up to this.
const await = 500 * time.Millisecond

// Watch opens a change stream in a session of its own, whose operation time
// tells how far the server has come.
func (s *Store) Watch(ctx context.Context, scope store.Namespace, pipeline []bson.Raw, opts store.WatchOptions) (store.ChangeStream, error) {
	client, err := s.streamClient()
	if err != nil {
		return nil, err
	}
	sess, err := client.StartSession(options.Session().SetCausalConsistency(false))
	if err != nil {
		return nil, convert(err)
	}
	if pipeline == nil {
		pipeline = []bson.Raw{}
	}
	wo := watchOptions(opts)
	sctx := mongo.NewSessionContext(ctx, sess)
	var cs *mongo.ChangeStream
	switch {
	case opts.Cluster:
		cs, err = client.Watch(sctx, pipeline, wo)
	case scope.Coll == "":
		cs, err = client.Database(scope.DB).Watch(sctx, pipeline, wo)
	default:
		cs, err = client.Database(scope.DB).Collection(scope.Coll).Watch(sctx, pipeline, wo)
	}
	if err != nil {
		sess.EndSession(ctx)
		return nil, convert(err)
	}
	s.clock.observe(sess.ClusterTime())
	return &changeStream{cs: cs, sess: sess, clock: &s.clock, id: cs.ID()}, nil
}

func watchOptions(opts store.WatchOptions) *options.ChangeStreamOptionsBuilder {
	wo := options.ChangeStream().SetMaxAwaitTime(await)
	if opts.ResumeAfter != nil {
		wo.SetResumeAfter(opts.ResumeAfter)
	}
	if opts.StartAfter != nil {
		wo.SetStartAfter(opts.StartAfter)
	}
	if opts.StartAtOperationTime != nil {
		wo.SetStartAtOperationTime(opts.StartAtOperationTime)
	}
	if opts.FullDocument != store.ImageDefault {
		wo.SetFullDocument(options.FullDocument(opts.FullDocument))
	}
	if opts.FullDocumentBeforeChange != store.ImageDefault {
		wo.SetFullDocumentBeforeChange(options.FullDocument(opts.FullDocumentBeforeChange))
	}
	if opts.ShowExpandedEvents {
		wo.SetShowExpandedEvents(true)
	}
	if opts.BatchSize > 0 {
		wo.SetBatchSize(opts.BatchSize)
	}
	return wo
}

type changeStream struct {
	cs      *mongo.ChangeStream
	sess    *mongo.Session
	clock   *clusterClock
	closed  bool
	id      int64 // of the server's cursor
	resumed int64
}

func (c *changeStream) Next(ctx context.Context, maxAwait time.Duration) (bson.Raw, error) {
	sctx := mongo.NewSessionContext(ctx, c.sess)
	deadline := time.Now().Add(maxAwait)
	for {
		asks := c.cs.RemainingBatchLength() == 0
		some := c.cs.TryNext(sctx)
		if asks {
			c.clock.observe(c.sess.ClusterTime())
		}
		if id := c.cs.ID(); id != 0 && id != c.id {
			c.id = id
			c.resumed++
		}
		if some {
			return c.cs.Current, nil
		}
		if err := c.cs.Err(); err != nil {
			return nil, convert(err)
		}
		if c.cs.ID() == 0 {
			return nil, io.EOF
		}
		if !time.Now().Before(deadline) {
			return nil, nil
		}
	}
}

// Resumed tells how often the driver opened the stream anew, after an election or
// where a connection broke.
func (c *changeStream) Resumed() int64 { return c.resumed }

func (c *changeStream) Buffered() int         { return c.cs.RemainingBatchLength() }
func (c *changeStream) ResumeToken() bson.Raw { return slices.Clone(c.cs.ResumeToken()) }

func (c *changeStream) OperationTime() bson.Timestamp {
	if t := c.sess.OperationTime(); t != nil {
		return *t
	}
	return bson.Timestamp{}
}

func (c *changeStream) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := c.cs.Close(ctx)
	c.sess.EndSession(ctx)
	return convert(err)
}
