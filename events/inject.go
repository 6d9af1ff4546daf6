package events

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// injection asks a reader for a place in its stream: the rows get positions
// behind all that the stream has passed, so that dispatchers meet them in turn.
type injection struct {
	after bson.Timestamp // the stream must have passed it
	// rows makes the rows for positions of a cluster time from an ordinal on, and
	// gives the ordinal behind the last one.
	rows func(ctx context.Context, at bson.Timestamp, ordinal uint32) (routed, uint32, error)
	done chan error
}

// injectWait is how long the reader waits for events while something is to be
// injected.
const injectWait = 5 * time.Millisecond

// errReaderEnded tells that the reader of an injection is gone.
var errReaderEnded = errors.New("the reader ended")

// inject hands an injection to the reader and waits until its rows are published.
func (r *reader) inject(ctx context.Context, in *injection) error {
	in.done = make(chan error, 1)
	select {
	case r.injections <- in:
	case <-r.ended:
		return errReaderEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-in.done:
		return err
	case <-r.ended:
		return errReaderEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takeInjections runs between two batches: nothing of the stream is under way.
func (r *reader) takeInjections(ctx context.Context) error {
	if len(r.rest) > 0 {
		return nil
	}
	for r.injecting == nil {
		select {
		case r.injecting = <-r.injections:
		default:
			if r.wait = idleWait; r.hurried.Load() > 0 {
				r.wait = injectWait
			}
			return nil
		}
	}
	r.wait = injectWait
	if err := r.settle(ctx); err != nil {
		return err
	}
	at, ordinal, passed := r.place(r.injecting.after)
	if !passed {
		return nil
	}
	in := r.injecting
	r.injecting = nil
	return r.injectRows(ctx, in, at, ordinal)
}

// place gives the first free position behind what the stream has passed; false:
// it has not passed a time yet.
func (r *reader) place(after bson.Timestamp) (at bson.Timestamp, ordinal uint32, passed bool) {
	here := max(r.state.LastPos, scanned(r.stream))
	at, ordinal, _ = ParsePosition(here)
	return at, ordinal + 1, here > string(appendPosition(nil, after, 0))
}

// injectRows gives back only what ends the reader; the injection learns all.
func (r *reader) injectRows(ctx context.Context, in *injection, at bson.Timestamp, ordinal uint32) error {
	if err := r.writer.under.Acquire(ctx, 1); err != nil {
		in.done <- err
		return err
	}
	defer r.writer.under.Release(1)
	r.rows = nil
	out, next, err := in.rows(ctx, at, ordinal)
	if err != nil || len(out.docs) == 0 {
		in.done <- err
		return nil
	}
	err = r.writeInjected(ctx, out, string(appendPosition(nil, at, next-1)))
	in.done <- err
	return err
}

// writeInjected is R4 to R6 of an injection.
func (r *reader) writeInjected(ctx context.Context, out routed, to string) error {
	if err := r.writeRows(ctx, out); err != nil {
		return err
	}
	if err := r.save(ctx, to); err != nil {
		return err
	}
	r.numbered = to
	r.publish(published{database: r.db, to: to, rows: out.rows})
	return nil
}
