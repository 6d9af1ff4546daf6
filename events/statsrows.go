package events

import (
	"context"
	"errors"
	"io"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/store"
)

// quantilesLate computes what the digests of a minute say, where a statement asks
// for it.
var quantilesLate = &catalog.Late{
	Fields: quantileColumns(),
	Mark:   "bucket",
	Fill: func(_ store.Queryer, rows store.Cursor) store.Cursor {
		return &quantileCursor{minutes: rows, read: newMinuteReader()}
	},
}

// quantiles are the columns that digests give.
var quantiles = []struct {
	column string
	of     func(*statsBucket) digest
	share  float64
}{
	{"lag_p50_ms", func(b *statsBucket) digest { return b.lag }, 0.5}, {"lag_p99_ms", func(b *statsBucket) digest { return b.lag }, 0.99},
	{"delivery_p50_ms", func(b *statsBucket) digest { return b.delivery }, 0.5}, {"delivery_p99_ms", func(b *statsBucket) digest { return b.delivery }, 0.99},
}

func quantileColumns() (names []string) {
	for _, q := range quantiles {
		names = append(names, q.column)
	}
	return names
}

// quantileCursor adds the quantiles to minutes of event_stats.
type quantileCursor struct {
	minutes store.Cursor
	read    minuteReader
	bucket  statsBucket
	buf     []byte
}

// Next implements store.Cursor.
func (c *quantileCursor) Next(ctx context.Context) (bson.Raw, error) {
	doc, err := c.minutes.Next(ctx)
	if err != nil {
		return nil, err
	}
	c.bucket.lag, c.bucket.delivery = c.bucket.lag[:0], c.bucket.delivery[:0]
	c.read.digests(&c.bucket, doc)
	start, dst := value.BeginDocument(c.buf[:0])
	dst = c.bucket.appendQuantiles(append(dst, doc[4:len(doc)-1]...))
	c.buf = value.EndDocument(dst, start)
	return c.buf, nil
}

// Close implements store.Cursor.
func (c *quantileCursor) Close() error { return c.minutes.Close() }

// bucketCursor adds the minutes of event_stats up to the rows of
// EVENT_STATS(bucket). Minutes come by subscription and time.
type bucketCursor struct {
	minutes store.Cursor
	width   int64 // milliseconds
	read    minuteReader
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
			c.read.add(done, doc)
			continue
		}
		c.open = &statsBucket{id: strings.Clone(id), at: at, counts: make([]int64, len(bucketCounters))}
		c.read.add(c.open, doc)
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

// minuteReader reads minutes of event_stats.
type minuteReader struct{ pick *value.Picker }

func newMinuteReader() minuteReader {
	return minuteReader{value.NewPicker(append([]string{"lag", "delivery"}, bucketCounters...))}
}

// add adds a minute to a bucket.
func (r minuteReader) add(b *statsBucket, doc bson.Raw) {
	for r.pick.Begin(doc); r.pick.Next(); {
		if at := r.pick.Slot(); at >= 2 {
			b.counts[at-2] += r.pick.Value().AsInt64()
		}
	}
	r.digests(b, doc)
}

// digests adds those of a minute to a bucket's.
func (r minuteReader) digests(b *statsBucket, doc bson.Raw) {
	for r.pick.Begin(doc); r.pick.Next(); {
		switch r.pick.Slot() {
		case 0:
			b.lag.addStored(r.pick.Value())
		case 1:
			b.delivery.addStored(r.pick.Value())
		}
	}
}

func (b *statsBucket) row() bson.Raw {
	start, dst := value.BeginDocument(make([]byte, 0, 320))
	dst = value.AppendElement(dst, "bucket", value.Date(b.at))
	dst = value.AppendElement(dst, "subscription_id", value.String(b.id))
	for i, name := range bucketCounters {
		dst = value.AppendElement(dst, name, value.Int64(b.counts[i]))
	}
	return value.EndDocument(b.appendQuantiles(dst), start)
}

func (b *statsBucket) appendQuantiles(dst []byte) []byte {
	for _, q := range quantiles {
		if ms, ok := q.of(b).quantile(q.share); ok {
			dst = value.AppendElement(dst, q.column, value.Double(ms))
		}
	}
	return dst
}
