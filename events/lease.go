package events

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// defaultLease is how long a lease lasts without renewal.
const defaultLease = 15 * time.Second

// lease is the right to read a database, or to deliver a shard. It lives in the
// document of event_readers or event_cursors that also holds the checkpoint, so that a write of the
// checkpoint under the epoch is also the fence. Times are the server's; the
// holder goes by its own monotonic clock and stops early.
type lease struct {
	st    store.Store
	coll  string // of the document: event_readers, or event_cursors
	id    string
	owner string
	ttl   time.Duration
	epoch int64
	sent  time.Time // of the last renewal
}

// prepare makes the document unless it is there.
func (l *lease) prepare(ctx context.Context) error {
	if err := insertAll(ctx, l.st, l.coll, []bson.Raw{marshal(bson.D{{Key: "_id", Value: l.id}, {Key: "epoch", Value: int64(0)}})}); err != nil {
		return fmt.Errorf("make the document %s of %s: %w", l.id, l.coll, err)
	}
	return nil
}

// acquire takes the lease when it is free, expired or ours already; the document
// is nil when another gateway holds it.
func (l *lease) acquire(ctx context.Context) (bson.Raw, error) {
	l.sent = time.Now()
	free := bson.A{bson.D{{Key: "owner", Value: l.owner}}, bson.D{{Key: "expires_at", Value: nil}},
		bson.D{{Key: "$expr", Value: bson.D{{Key: "$lte", Value: bson.A{"$expires_at", "$$NOW"}}}}}}
	reply, err := command(ctx, l.st, bson.D{
		{Key: "findAndModify", Value: l.coll}, {Key: "query", Value: bson.D{{Key: "_id", Value: l.id}, {Key: "$or", Value: free}}},
		{Key: "update", Value: bson.A{bson.D{{Key: "$set", Value: bson.D{
			{Key: "owner", Value: bson.D{{Key: "$literal", Value: l.owner}}},
			{Key: "epoch", Value: bson.D{{Key: "$add", Value: bson.A{bson.D{{Key: "$ifNull", Value: bson.A{"$epoch", int64(0)}}}, int64(1)}}}},
			{Key: "expires_at", Value: bson.D{{Key: "$add", Value: bson.A{"$$NOW", l.ttl.Milliseconds()}}}},
		}}}}},
		{Key: "new", Value: true}, durably,
	})
	if err != nil {
		return nil, fmt.Errorf("take the lease %s of %s: %w", l.id, l.coll, err)
	}
	doc := value.Lookup(reply, "value")
	if !doc.IsDocument() {
		return nil, nil
	}
	l.epoch = value.Lookup(doc.Doc(), "epoch").AsInt64()
	return doc.Doc(), nil
}

// keep renews the lease until ctx ends. It returns errFenced when the lease was
// lost, or could not be renewed in time.
func (l *lease) keep(ctx context.Context) error {
	every := time.NewTicker(l.ttl / 3)
	defer every.Stop()
	for {
		stop := l.sent.Add(l.ttl * 4 / 5)
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		if err := l.renew(ctx, stop); err != nil {
			return err
		}
	}
}

func (l *lease) renew(ctx context.Context, stop time.Time) error {
	rctx, cancel := context.WithDeadline(ctx, stop)
	defer cancel()
	sent := time.Now()
	ok, err := l.set(rctx, bson.D{{Key: "$add", Value: bson.A{"$$NOW", l.ttl.Milliseconds()}}})
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil && !ok, time.Now().After(stop):
		return errFenced
	case err == nil:
		l.sent = sent
	}
	return nil // a failure of the store is tried again until it is too late
}

// set writes the time of expiry under the epoch.
func (l *lease) set(ctx context.Context, expires any) (bool, error) {
	op := store.WriteOp{Kind: store.Update, Filter: marshal(bson.D{{Key: "_id", Value: l.id}, {Key: "epoch", Value: l.epoch}}),
		Update: pipelineValue(bson.D{{Key: "$set", Value: bson.D{{Key: "expires_at", Value: expires}}}})}
	res, err := l.st.Write(ctx, ns(l.coll), []store.WriteOp{op}, store.WriteOptions{Durable: true})
	if err == nil {
		err = res.Err()
	}
	return res.Matched > 0, err
}

// release gives the lease back at once.
func (l *lease) release(ctx context.Context) {
	rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
	defer cancel()
	_, _ = l.set(rctx, nil) // else it expires
}

// pipelineValue is an update by a pipeline of one stage.
func pipelineValue(stage bson.D) bson.RawValue {
	t, raw, err := bson.MarshalValue(bson.A{stage})
	if err != nil {
		panic(fmt.Sprintf("events: encode an update: %v", err))
	}
	return bson.RawValue{Type: t, Value: raw}
}
