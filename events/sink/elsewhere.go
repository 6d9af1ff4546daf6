package sink

import (
	"context"
	"sync"

	"weir/events"
	"weir/store/remote"
)

// Elsewhere is a Collection in another deployment, that of a connection to
// MONGODB. It connects with the first delivery, so that a deployment that is
// away is a failed send like any other. The writes of a delivery are one
// transaction there; an event that comes again changes nothing.
type Elsewhere struct {
	spec *events.Spec
	uri  string

	mu    sync.Mutex
	store *remote.Store
}

// NewElsewhere makes the sink of a subscription.
func NewElsewhere(s *events.Spec, c *events.Connection) *Elsewhere {
	return &Elsewhere{spec: s, uri: c.Address()}
}

// Deliver implements events.Sink.
func (e *Elsewhere) Deliver(ctx context.Context, ds []events.Delivery) error {
	st, err := e.connect(ctx)
	if err != nil {
		return &events.SinkError{Class: events.FailRetry, Err: err}
	}
	return NewCollection(st, e.spec).Deliver(ctx, ds)
}

func (e *Elsewhere) connect(ctx context.Context) (*remote.Store, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.store != nil {
		return e.store, nil
	}
	st, err := remote.Open(ctx, e.uri, remote.Options{AppName: "weir " + e.spec.ID})
	if err != nil {
		return nil, err
	}
	e.store = st
	return st, nil
}

// Close implements events.Sink.
func (e *Elsewhere) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.store == nil {
		return nil
	}
	return e.store.Close()
}
