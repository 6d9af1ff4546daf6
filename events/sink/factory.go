package sink

import (
	"context"
	"net/http"
	"time"

	"weir/events"
	"weir/sqlerr"
	"weir/store"
)

// Factory opens sinks.
type Factory struct {
	Store  store.Store
	Notify Notifier
	Client *http.Client // of all webhooks
	Now    func() time.Time
}

// Open is an events.SinkFactory.
func (f Factory) Open(_ context.Context, s *events.Spec) (events.Sink, error) {
	switch s.Target.Kind {
	case events.TargetWebhook:
		return NewWebhook(f.Client, s, f.Now), nil
	case events.TargetCollection:
		return NewCollection(f.Store, s), nil
	case events.TargetNotify:
		return NewNotify(f.Notify, s), nil
	}
	return nil, sqlerr.Unsupported(0, "Deliver to a webhook, a COLLECTION or NOTIFY, or read the events with PULL.", "a %s target is not supported", s.Target.Kind)
}
