package sink

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/events"
)

// What TEST EVENT_SUBSCRIPTION shows: the body that each sink would send.
var (
	_ events.Previewer = (*Webhook)(nil)
	_ events.Previewer = (*Kafka)(nil)
	_ events.Previewer = (*NATS)(nil)
	_ events.Previewer = (*Redis)(nil)
	_ events.Previewer = (*Notify)(nil)
	_ events.Previewer = (*Collection)(nil)
	_ events.Previewer = (*Elsewhere)(nil)
	_ events.Verifier  = (*Kafka)(nil)
	_ events.Verifier  = (*NATS)(nil)
	_ events.Verifier  = (*Redis)(nil)
)

// Preview implements events.Previewer.
func (w *Webhook) Preview(d *events.Delivery) (string, error) {
	body, _, _, err := w.body([]events.Delivery{*d})
	return string(body), err
}

func (p payload) preview(d *events.Delivery) (string, error) {
	body, err := p.one(d)
	return string(body), err
}

// Preview implements events.Previewer.
func (k *Kafka) Preview(d *events.Delivery) (string, error) { return k.payload.preview(d) }

// Preview implements events.Previewer.
func (n *NATS) Preview(d *events.Delivery) (string, error) { return n.payload.preview(d) }

// Preview implements events.Previewer.
func (r *Redis) Preview(d *events.Delivery) (string, error) { return r.payload.preview(d) }

// Preview implements events.Previewer.
func (n *Notify) Preview(d *events.Delivery) (string, error) { return notifyPayload(d) }

// Preview implements events.Previewer.
func (c *Collection) Preview(d *events.Delivery) (string, error) {
	_, doc := c.document(d)
	text, err := bson.MarshalExtJSON(doc, false, false)
	return string(text), err
}

// Preview implements events.Previewer.
func (e *Elsewhere) Preview(d *events.Delivery) (string, error) {
	return NewCollection(nil, e.spec).Preview(d)
}
