package events

import (
	"context"
	"errors"
	"io"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// bucketCursor adds the minutes of event_stats up to the rows of
// EVENT_STATS(bucket). Minutes come by subscription and time.
type bucketCursor struct {
	minutes store.Cursor
	width   int64 // milliseconds
	open    *statsBucket
	ended   bool
}

// statsBucket is a row in the making.
type statsBucket struct {
	id            string
	at            int64
	counts        []int64 // of bucketCounters
	lag, delivery digest
}

// Next implements store.Cursor.
func (c *bucketCursor) Next(ctx context.Context) (bson.Raw, error) {
	for !c.ended {
		doc, err := c.minutes.Next(ctx)
		if errors.Is(err, io.EOF) {
			c.ended = true
			break
		}
		if err != nil {
			return nil, err
		}
		id, at := text(value.Lookup(doc, "subscription_id")), value.Lookup(doc, "bucket").AsDate()
		at -= at % c.width
		done := c.open
		if done != nil && done.id == id && done.at == at {
			done.add(doc)
			continue
		}
		c.open = &statsBucket{id: strings.Clone(id), at: at, counts: make([]int64, len(bucketCounters))}
		c.open.add(doc)
		if done != nil {
			return done.row(), nil
		}
	}
	if c.open == nil {
		return nil, io.EOF
	}
	last := c.open
	c.open = nil
	return last.row(), nil
}

// Close implements store.Cursor.
func (c *bucketCursor) Close() error { return c.minutes.Close() }

func (b *statsBucket) add(doc bson.Raw) {
	for i, name := range bucketCounters {
		b.counts[i] += value.Lookup(doc, name).AsInt64()
	}
	b.lag.addStored(value.Lookup(doc, "lag"))
	b.delivery.addStored(value.Lookup(doc, "delivery"))
}

func (b *statsBucket) row() bson.Raw {
	d := bson.D{{Key: "bucket", Value: bson.DateTime(b.at)}, {Key: "subscription_id", Value: b.id}}
	for i, name := range bucketCounters {
		d = append(d, bson.E{Key: name, Value: b.counts[i]})
	}
	for _, q := range []struct {
		name  string
		of    digest
		share float64
	}{{"lag_p50_ms", b.lag, 0.5}, {"lag_p99_ms", b.lag, 0.99}, {"delivery_p50_ms", b.delivery, 0.5}, {"delivery_p99_ms", b.delivery, 0.99}} {
		if ms, ok := q.of.quantile(q.share); ok {
			d = append(d, bson.E{Key: q.name, Value: ms})
		}
	}
	return marshal(d)
}
