package events

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
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
		if limit, err = c.limit(ctx, n.Last); err != nil || limit == 0 {
			return err
		}
	}
	var sink Sink
	if n.Send && s.Spec.Target.Kind != TargetNone && s.Spec.Target.Kind != TargetPull {
		if sink, err = c.m.openSink(ctx, s.Spec); err != nil {
			return err
		}
		defer func() { _ = sink.Close() }()
	}
	return query(ctx, c.m.st, collLog, []bson.D{
		{{Key: "$match", Value: bson.D{{Key: "subscription_id", Value: s.ID}}}},
		{{Key: "$sort", Value: bson.D{{Key: "subscription_id", Value: -1}, {Key: "position", Value: -1}}}}, {{Key: "$limit", Value: limit}},
	}, func(row bson.Raw) error {
		result := "would be sent"
		id := text(value.Lookup(row, "_id"))
		if sink != nil {
			result = "delivered"
			if err := sink.Deliver(ctx, []Delivery{{ID: id, Position: text(value.Lookup(row, "position")), Row: row, Attempt: 1}}); err != nil {
				result = err.Error()
			}
		}
		payload, err := bson.MarshalExtJSON(row, false, false)
		if err != nil {
			return err
		}
		c.row(bson.D{{Key: "event_id", Value: id}, {Key: "result", Value: result}, {Key: "payload", Value: string(payload)}})
		return nil
	})
}
