package events

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// Delivery is one event on its way to a sink: its row of the log.
type Delivery struct {
	ID       string // event_id: the same over retries, failover and redrive
	Position string
	Row      bson.Raw
	Body     bson.Raw // what a transform made of it, nil: none
	Attempt  int      // 1 for the first send
	Redrive  int      // how often it was redriven
}

// Sink takes events. Deliver returns nil when all were taken, and otherwise a
// *SinkError where the answer says more than that it failed. It is called from
// several goroutines.
type Sink interface {
	Deliver(ctx context.Context, events []Delivery) error
	Close() error
}

// Settler is a sink in the store that also holds the log: it takes events and has
// their outcome recorded in one transaction, so that each is taken exactly once.
// begin begins a transaction; record may be called again, in another one, after a
// conflict. ok is false when the store has no transactions; then nothing was done.
type Settler interface {
	Sink
	Settle(ctx context.Context, events []Delivery, begin func(context.Context) (store.Tx, error), record func(context.Context, store.Queryer) error) (ok bool, err error)
}

// Verifier is a sink that can tell whether the other end honours what a subscription
// relies on; nil: it does.
type Verifier interface {
	Verify(ctx context.Context) *Problem
}

// Problem is what a Verifier found.
type Problem struct {
	Option     string // that is not honoured, "": none is
	Text, Hint string
}

// FailureClass says what to do after a failed delivery.
type FailureClass uint8

// The classes: retried by the subscription's policy; ended after few sends; the
// receiver is gone for good, or does not take the credentials, both of which
// suspend the subscription: a person must look at it.
const (
	FailRetry FailureClass = iota
	FailTerminal
	FailGone
	FailAuth
)

// SinkError is a receiver's answer that is not a success.
type SinkError struct {
	Class      FailureClass
	Status     int           // HTTP status, 0: no answer
	RetryAfter time.Duration // asked for by the receiver, 0: not
	Excerpt    string        // the beginning of its answer
	Failed     []string      // ids that failed; nil: all of them
	Reason     string        // of the dead letter, when it can only be one: too_large …
	Err        error
}

func (e *SinkError) Error() string { return e.Err.Error() }
func (e *SinkError) Unwrap() error { return e.Err }

// asSinkError gives a failure of any kind as a SinkError.
func asSinkError(err error) *SinkError {
	var s *SinkError
	if errors.As(err, &s) {
		return s
	}
	return &SinkError{Class: FailRetry, Err: err}
}

// SinkFactory opens the sink of a subscription; the connection is nil when it
// uses none.
type SinkFactory func(ctx context.Context, s *Spec, c *Connection) (Sink, error)
