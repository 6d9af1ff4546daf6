package events

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"time"

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

// bucketCursor adds what was counted up to the rows of EVENT_STATS(bucket). It comes
// from the sums of event_rollups and from the minutes that are in none of them yet.
type bucketCursor struct {
	parts []statsPart     // one after the other; each is read in the order of time
	width int64           // milliseconds
	upTo  int64           // the sums go at least so far; 0: there are none
	ids   map[string]bool // whose rows are wanted; nil: all that come
	open  func(context.Context, statsPart) (store.Cursor, error)

	from   store.Cursor // the part that is read
	read   minuteReader
	at     int64 // of what came last
	rows   map[bucketID]*statsBucket
	summed map[string]int64 // how far the sums of a subscription go beyond upTo
	done   []*statsBucket
}

// bucketID is a row of EVENT_STATS().
type bucketID struct {
	id string
	at int64
}

// statsPart is a stretch of time whose counts are read from buckets of one width.
type statsPart struct {
	width    time.Duration
	from, to time.Time // zero: no bound
}

// statsBucket is a row in the making.
type statsBucket struct {
	id            string
	at            int64
	counts        []int64 // of bucketCounters
	lag, delivery digest
}

func newStatsBucket(id string, at int64) *statsBucket {
	return &statsBucket{id: strings.Clone(id), at: at, counts: make([]int64, len(bucketCounters))}
}

// statsParts tells where the counts between two times are read for rows of a width:
// from the widest sums that it is a multiple of, as far as these go.
func statsParts(upTo time.Time, width time.Duration, low, high time.Time) []statsPart {
	if i := slices.IndexFunc(rollupLevels, func(l time.Duration) bool { return width%l != 0 }); i != 0 && !upTo.IsZero() {
		if i < 0 {
			i = len(rollupLevels)
		}
		parts := []statsPart{{rollupLevels[i-1], low, high}}
		if from := later(low, upTo); high.IsZero() || from.Before(high) {
			parts = append(parts, statsPart{time.Minute, from, high})
		}
		return parts
	}
	return []statsPart{{time.Minute, low, high}}
}

// Next implements store.Cursor.
func (c *bucketCursor) Next(ctx context.Context) (bson.Raw, error) {
	for len(c.done) == 0 {
		doc, width, err := c.next(ctx)
		if errors.Is(err, io.EOF) {
			if c.end(math.MaxInt64); len(c.done) == 0 {
				return nil, io.EOF
			}
			break
		}
		if err != nil {
			return nil, err
		}
		c.add(doc, width)
	}
	row := c.done[0].row()
	c.done = c.done[1:]
	return row, nil
}

// add adds a bucket to its row.
func (c *bucketCursor) add(doc bson.Raw, width time.Duration) {
	id, at := text(value.Lookup(doc, "subscription_id")), value.Lookup(doc, "bucket").AsDate()
	switch {
	case c.ids != nil && !c.ids[id]:
		return
	case width > time.Minute:
		if to := value.Lookup(doc, "summed_to").AsDate(); to > c.upTo {
			c.summed[strings.Clone(id)] = to
		}
	case at < c.summed[id]:
		return // it is in there
	}
	if at -= at % c.width; at > c.at {
		c.end(at)
		c.at = at
	}
	b := c.rows[bucketID{id, at}]
	if b == nil {
		b = newStatsBucket(id, at)
		c.rows[bucketID{b.id, at}] = b
	}
	c.read.add(b, doc)
}

// end ends the rows that began before a time, but those that minutes are still added to.
func (c *bucketCursor) end(before int64) {
	if before < math.MaxInt64 && c.upTo > 0 {
		before = min(before, c.upTo-c.upTo%c.width)
	}
	for k, b := range c.rows {
		if k.at < before {
			c.done = append(c.done, b)
			delete(c.rows, k)
		}
	}
}

// next gives the next bucket of all parts, and its width.
func (c *bucketCursor) next(ctx context.Context) (bson.Raw, time.Duration, error) {
	for len(c.parts) > 0 {
		if c.from == nil {
			from, err := c.open(ctx, c.parts[0])
			if err != nil {
				return nil, 0, err
			}
			c.from = from
		}
		doc, err := c.from.Next(ctx)
		if !errors.Is(err, io.EOF) {
			return doc, c.parts[0].width, err
		}
		if err := c.Close(); err != nil {
			return nil, 0, err
		}
		c.parts = c.parts[1:]
	}
	return nil, 0, io.EOF
}

// Close implements store.Cursor.
func (c *bucketCursor) Close() error {
	if c.from == nil {
		return nil
	}
	err := c.from.Close()
	c.from = nil
	return err
}

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
