package sink

import (
	"context"
	"unsafe"

	"weir/events"
)

// maxNotify is PostgreSQL's bound of a payload in bytes.
const maxNotify = 8000

// Notifier sends a notification to the sessions of a database that listen on a channel.
type Notifier func(database, channel, payload string)

// Notify sends `{"id": …, "ns": "db.coll", "op": …, "key": …}` to a channel. It
// is a hint: whoever listens at that moment gets it.
type Notify struct {
	send     Notifier
	relayed  func(context.Context) error
	database string
	channel  string
}

// NewNotify makes the sink of a subscription.
func NewNotify(send Notifier, relayed func(context.Context) error, s *events.Spec) *Notify {
	return &Notify{send: send, relayed: relayed, database: s.Database, channel: s.Target.Name}
}

// Close has nothing to do.
func (n *Notify) Close() error { return nil }

// Deliver notifies of each event, and waits until the other gateways can see it.
func (n *Notify) Deliver(ctx context.Context, ds []events.Delivery) error {
	for i := range ds {
		payload, err := notifyPayload(&ds[i])
		if err != nil {
			return &events.SinkError{Class: events.FailTerminal, Err: err}
		}
		n.send(n.database, n.channel, payload)
	}
	if n.relayed == nil {
		return nil
	}
	return n.relayed(ctx)
}

// notifyPayload makes the payload; a key that is too long is left out.
func notifyPayload(d *events.Delivery) (string, error) {
	c := headOf(d.Row)
	dst := append(appendText(append(make([]byte, 0, 160), `{"id":`...), d.ID), `,"ns":`...)
	dst = append(appendText(append(appendText(dst, c.db+"."+c.coll), `,"op":`...), c.op), `,"key":`...)
	if !c.key.IsDocument() {
		return string(append(dst, "null}"...)), nil
	}
	full, err := appendJSON(dst, c.key)
	if err == nil && len(full)+1 > maxNotify {
		return string(dst) + `null,"truncated":true}`, nil
	}
	full = append(full, '}')
	return unsafe.String(&full[0], len(full)), err // nobody changes it any more
}
