package events

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
)

// defaultTestEvents is how many events TEST looks at.
const defaultTestEvents = 10

// test is TEST EVENT_SUBSCRIPTION: what the last logged events would send, and,
// with SEND, what the receiver answers.
func (c *call) test(ctx context.Context, n *ast.TestEventSubscription) error {
	s, err := c.use(n.Name)
	if err != nil {
		return err
	}
	limit := int64(defaultTestEvents)
	if n.Last != nil {
		if limit, err = countOf(ctx, c.lang, n.Last, sqlerr.InvalidParameterValue, "ON LAST", limit); err != nil || limit == 0 {
			return err
		}
	}
	var sink Sink
	if s.Spec.Target.Kind != TargetNone && s.Spec.Target.Kind != TargetPull {
		if sink, err = c.m.openSink(ctx, s.Spec); err != nil {
			return err
		}
		defer func() { _ = sink.Close() }()
	}
	t := &tester{sink: sink, send: n.Send}
	if s.Spec.Transform != "" {
		if t.project, err = c.m.lang.Projection(ctx, s.Spec.Transform); err != nil {
			return err
		}
	}
	return queryWhole(ctx, c.m.st, collLog, []bson.D{
		{{Key: "$match", Value: bson.D{{Key: "subscription_id", Value: s.ID}}}},
		{{Key: "$sort", Value: bson.D{{Key: "subscription_id", Value: -1}, {Key: "position", Value: -1}}}}, {{Key: "$limit", Value: limit}},
	}, func(row bson.Raw) error {
		result, payload := t.try(ctx, row)
		c.row(bson.D{{Key: "event_id", Value: text(value.Lookup(row, "_id"))}, {Key: "result", Value: result}, {Key: "payload", Value: payload}})
		return nil
	})
}

// Previewer is a sink that tells what it would send for an event.
type Previewer interface {
	Preview(d *Delivery) (string, error)
}

// tester shows what events come to, and sends them where that is asked for.
type tester struct {
	sink    Sink // nil: the events are only logged
	project Projection
	send    bool
}

func (t *tester) try(ctx context.Context, row bson.Raw) (result, payload string) {
	d := Delivery{ID: text(value.Lookup(row, "_id")), Position: position(row), Row: row, Attempt: 1}
	if t.project != nil {
		body, err := t.project.Apply(row)
		if err != nil {
			return "transform_error: " + err.Error(), ""
		}
		d.Body = body
	}
	payload, err := t.preview(&d)
	switch {
	case err != nil:
		return err.Error(), payload
	case t.sink == nil:
		return "would be logged", payload
	case !t.send:
		return "would be sent", payload
	}
	if err := t.sink.Deliver(ctx, []Delivery{d}); err != nil {
		return err.Error(), payload
	}
	return "delivered", payload
}

func (t *tester) preview(d *Delivery) (string, error) {
	if p, ok := t.sink.(Previewer); ok {
		return p.Preview(d)
	}
	of := d.Row
	if d.Body != nil {
		of = d.Body
	}
	text, err := bson.MarshalExtJSON(of, false, false)
	return string(text), err
}
