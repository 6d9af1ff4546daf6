package sink

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"weir/events"
	"weir/store"
)

// Factory opens sinks.
type Factory struct {
	Store  store.Store
	Apart  bool // the log is in another store
	Notify Notifier
	// Relayed waits until other gateways can see what Notify sent; nil: there are none.
	Relayed func(context.Context) error
	Client  *http.Client // of all webhooks
	Now     func() time.Time
	Log     *slog.Logger // nil: nobody is told of what looks wrong
}

// Open is an events.SinkFactory.
func (f Factory) Open(ctx context.Context, s *events.Spec, c *events.Connection) (events.Sink, error) {
	if c == nil && s.Connection != "" {
		return nil, fmt.Errorf("connection %s does not exist", s.Connection)
	}
	switch s.Target.Kind {
	case events.TargetWebhook:
		w, err := NewWebhook(f.Client, s, c, f.Now)
		if err != nil {
			return nil, err
		}
		if f.Log != nil {
			w.log = f.Log.With("subscription", s.ID)
		}
		return w, nil
	case events.TargetCollection:
		if c != nil {
			return NewElsewhere(s, c), nil
		}
		target := NewCollection(f.Store, s)
		target.apart = f.Apart
		return target, nil
	case events.TargetNotify:
		return NewNotify(f.Notify, f.Relayed, s), nil
	}
	if c == nil {
		return nil, fmt.Errorf("a %s target needs a connection", s.Target.Kind)
	}
	switch s.Target.Kind {
	case events.TargetRedis, events.TargetRedisChannel:
		return NewRedis(s, c)
	case events.TargetNATS:
		return NewNATS(ctx, s, c)
	case events.TargetKafka:
		return NewKafka(s, c)
	}
	return nil, fmt.Errorf("no sink takes %s targets", s.Target.Kind)
}
