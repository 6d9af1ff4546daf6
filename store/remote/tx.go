package remote

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"weir/store"
)

// tx is a transaction: a driver session bound to each call's context.
type tx struct {
	client *mongo.Client
	sess   *mongo.Session
	stays  bool // the session is not given back with the end
	ended  bool
}

// leave gives the session back.
func (t *tx) leave(ctx context.Context) {
	if !t.stays {
		t.sess.EndSession(context.WithoutCancel(ctx))
	}
}

func (t *tx) Aggregate(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, opts store.AggregateOptions) (store.Cursor, error) {
	c, err := aggregate(mongo.NewSessionContext(ctx, t.sess), t.client, nil, ns, pipeline, opts)
	if err != nil {
		return nil, err
	}
	c.(*cursor).sess = t.sess
	return c, nil
}

func (t *tx) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, opts store.WriteOptions) (store.WriteResult, error) {
	return write(mongo.NewSessionContext(ctx, t.sess), t.client, ns, ops, opts)
}

// commitPatience is for how long a commit is tried whose outcome is not known: an
// election takes less.
const commitPatience = 30 * time.Second

// Commit retries while the server says that the outcome is unknown: committing
// twice is harmless.
func (t *tx) Commit(ctx context.Context) error {
	if t.ended {
		return nil
	}
	t.ended = true
	defer t.leave(ctx)
	const longest = time.Second
	end := time.Now().Add(commitPatience)
	for delay := 20 * time.Millisecond; ; delay = min(2*delay, longest) {
		err := t.sess.CommitTransaction(ctx)
		var l mongo.LabeledError
		if err == nil || !errors.As(err, &l) || !l.HasErrorLabel("UnknownTransactionCommitResult") || time.Now().Add(delay).After(end) {
			return convert(err)
		}
		select {
		case <-ctx.Done():
			return convert(err)
		case <-time.After(delay):
		}
	}
}

func (t *tx) Abort(ctx context.Context) error {
	if t.ended {
		return nil
	}
	t.ended = true
	ctx = context.WithoutCancel(ctx)
	defer t.leave(ctx)
	return convert(t.sess.AbortTransaction(ctx))
}
