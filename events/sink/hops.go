package sink

import (
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// A receiver that writes back into what is watched makes events go round. Only it can
// tell that a document comes of another event: it stores the header weir-hops as
// metadata.hops of what it writes, and the event of that is sent with one more.
const (
	headerHops = "weir-hops"
	hopsWarned = 16 // from so many on it looks like a circle
	warnEvery  = time.Minute
)

// hops is how many deliveries a change comes of, this one included.
func (c *change) hops() int64 {
	for _, doc := range [...]value.Value{c.full, c.before} {
		if !doc.IsDocument() {
			continue
		}
		meta := value.Lookup(doc.Doc(), "metadata")
		if meta.Kind() != bson.TypeEmbeddedDocument {
			continue
		}
		if v := value.Lookup(meta.Doc(), "hops"); v.IsNumber() {
			if n, ok := v.Integral(); ok && n > 0 && n < 1<<32 {
				return n + 1
			}
		}
	}
	return 1
}

// circle warns now and then of events that seem to go round.
type circle struct{ warned atomic.Int64 }

func (w *Webhook) warnHops(id string, hops int64) {
	if hops < hopsWarned || w.log == nil {
		return
	}
	now := w.clock().UnixNano()
	if last := w.circle.warned.Load(); now-last < int64(warnEvery) || !w.circle.warned.CompareAndSwap(last, now) {
		return
	}
	w.log.Warn("events seem to go round: what the receiver writes comes back to it", "event", id, "hops", hops)
}
