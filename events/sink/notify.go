package sink

import (
	"context"
	"encoding/json"

	"go.mongodb.org/mongo-driver/v2/bson"

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
	database string
	channel  string
}

// NewNotify makes the sink of a subscription.
func NewNotify(send Notifier, s *events.Spec) *Notify {
	return &Notify{send: send, database: s.Database, channel: s.Target.Name}
}

// Close has nothing to do.
func (n *Notify) Close() error { return nil }

// Deliver notifies of each event.
func (n *Notify) Deliver(_ context.Context, ds []events.Delivery) error {
	for i := range ds {
		payload, err := notifyPayload(&ds[i])
		if err != nil {
			return &events.SinkError{Class: events.FailTerminal, Err: err}
		}
		n.send(n.database, n.channel, payload)
	}
	return nil
}

// notification is the payload; a key that is too long is left out.
type notification struct {
	ID        string          `json:"id"`
	NS        string          `json:"ns"`
	Op        string          `json:"op"`
	Key       json.RawMessage `json:"key"`
	Truncated bool            `json:"truncated,omitempty"`
}

func notifyPayload(d *events.Delivery) (string, error) {
	c := changeOf(d.Row)
	n := notification{ID: d.ID, NS: c.db + "." + c.coll, Op: c.op, Key: json.RawMessage("null")}
	if c.key.IsDocument() {
		key, err := bson.MarshalExtJSON(c.key.Doc(), false, false)
		if err != nil {
			return "", err
		}
		n.Key = key
	}
	out, err := json.Marshal(n)
	if err == nil && len(out) > maxNotify {
		n.Key, n.Truncated = json.RawMessage("null"), true
		out, err = json.Marshal(n)
	}
	return string(out), err
}
