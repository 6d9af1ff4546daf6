package events

import (
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// counters are what a subscription's events came to. The stored totals are of
// all gateways and processes; the rest is of this one since the last save.
type counters struct {
	mu     sync.Mutex
	now    tally // since the last save
	stored totals
	last   lasts

	seen   map[interaction]bool // in a minute
	minute int64
}

// tally counts events; durations are in microseconds.
type tally struct {
	total, delivered, failed, retried, bytes int64
	timed, duration, longest, shortest       int64
	kinds                                    map[kind]*int64
	pairs                                    interactions
	lag                                      digest // from the change to the end of its delivery
	delivery                                 digest // of a send
}

// kind is what is counted apart: an operation on a collection.
type kind struct{ op, coll string }

// maxKinds bounds what is counted apart between two saves.
const maxKinds = 1000

func (t *tally) empty() bool { return t.total+t.delivered+t.failed+t.retried == 0 }

func (t *tally) took(d time.Duration) {
	us := d.Microseconds()
	t.timed++
	t.duration += us
	t.longest = max(t.longest, us)
	if t.timed == 1 || us < t.shortest {
		t.shortest = us
	}
}

// saw counts a kind, whose names may share the bytes of a row.
func (t *tally) saw(k kind) {
	if t.kinds == nil {
		t.kinds = map[kind]*int64{}
	}
	n := t.kinds[k]
	if n == nil && len(t.kinds) < maxKinds {
		n = new(int64)
		t.kinds[kind{strings.Clone(k.op), strings.Clone(k.coll)}] = n
	}
	if n != nil {
		*n++
	}
}

// totals are the stored part.
type totals struct {
	Total       int64     `bson:"events_total"`
	Delivered   int64     `bson:"delivered_total"`
	Failed      int64     `bson:"failed_total"`
	LastError   string    `bson:"last_error"`
	LastEvent   time.Time `bson:"last_event_at"`
	LastSuccess time.Time `bson:"last_success_at"`
	Position    string    `bson:"position"`
}

// lasts are the latest happenings.
type lasts struct {
	err            string
	event, success time.Time
	position       string
}

// unsaved is what is to be added to the stored totals.
type unsaved struct {
	tally
	lasts
}

// stamps are the fields that are set rather than added.
func (u unsaved) stamps() bson.D {
	set := bson.D{}
	add := func(key string, v any, ok bool) {
		if ok {
			set = append(set, bson.E{Key: "counters." + key, Value: v})
		}
	}
	add("last_error", u.err, u.err != "")
	add("last_event_at", u.event, !u.event.IsZero())
	add("last_success_at", u.success, !u.success.IsZero())
	add("position", u.position, u.position != "")
	if len(set) == 0 {
		set = bson.D{{Key: "counters.saved", Value: true}}
	}
	return set
}

// unsaved takes what was counted since the last call.
func (c *counters) unsaved() unsaved {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := unsaved{c.now, c.last}
	c.add(u.tally)
	c.now = tally{}
	return u
}

func (c *counters) add(t tally) {
	c.stored.Total += t.total
	c.stored.Delivered += t.delivered
	c.stored.Failed += t.failed
}

// received counts rows that were logged. Rows that no sink takes are delivered
// by being there; lean ones may name their images.
func (c *counters) received(rows []bson.Raw, lean, delivered bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	serverMS := now.UnixMilli()
	c.now.total += int64(len(rows))
	for i, r := range rows {
		c.now.bytes += int64(len(r))
		if lean {
			c.now.bytes += int64(apart(r))
		}
		f := readFacts(r)
		c.now.saw(f.kind)
		if t := c.interaction(f.who, now); t != nil {
			t.n++
			t.lastMS = max(t.lastMS, f.eventMS)
			if delivered && !f.failed {
				t.timed++
			}
		}
		switch {
		case f.failed:
			c.now.failed++
			c.last.err = strings.Clone(f.err)
		case delivered:
			c.now.delivered++
			c.last.success = now
			c.now.took(0)
			c.now.lag.add(1000 * (serverMS - f.eventMS))
		}
		if i == len(rows)-1 {
			c.last.position = strings.Clone(f.position)
		}
	}
	c.last.event = now
}

// settled counts outcomes.
func (c *counters) settled(outcomes []outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range outcomes {
		c.now.took(o.finished.Sub(o.started))
		c.now.delivery.add(o.finished.Sub(o.started).Microseconds())
		if t := c.interaction(o.it.who, o.finished); t != nil {
			t.timed++
			t.duration += o.finished.Sub(o.started).Microseconds()
		}
		if o.status == StatusCompleted {
			c.now.lag.add(1000 * (o.finished.UnixMilli() - o.it.eventMS))
		}
		switch o.status {
		case StatusCompleted:
			c.now.delivered++
			c.last.success = o.finished
		case StatusFailed:
			c.now.failed++
			c.last.err = o.err.Error()
		case StatusRetrying:
			c.now.retried++
			c.last.err = o.err.Error()
		}
	}
}

// done counts events that were delivered without a dispatcher: those that a reader
// acknowledged, and dead letters that were sent again.
func (c *counters) done(n int64, now time.Time) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.delivered += n
	c.last.success = now
}

// interaction gives the tally of an interaction, nil: none is kept.
func (c *counters) interaction(who interaction, now time.Time) *interactionTally {
	if who.source == "" || who.target == "" {
		return nil
	}
	if minute := now.Unix() / 60; minute != c.minute || c.seen == nil {
		c.minute, c.seen = minute, map[interaction]bool{}
	}
	return c.now.pairs.of(who, c.seen)
}

// read gives the totals as they are now.
func (c *counters) read() totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.stored
	t.Total += c.now.total
	t.Delivered += c.now.delivered
	t.Failed += c.now.failed
	if c.last.err != "" {
		t.LastError = c.last.err
	}
	if !c.last.event.IsZero() {
		t.LastEvent = c.last.event
	}
	if !c.last.success.IsZero() {
		t.LastSuccess = c.last.success
	}
	if c.last.position != "" {
		t.Position = c.last.position
	}
	return t
}

// facts are what is counted of a row; its texts are parts of the row.
type facts struct {
	kind     kind
	who      interaction
	eventMS  int64
	position string
	failed   bool // without a send
	err      string
}

// readFacts reads a row as far as they stand, in the order in which it is written.
func readFacts(row bson.Raw) (f facts) {
	for it := value.Walk(row); it.Next(); {
		switch it.Key() {
		case "position":
			f.position = it.Value().Str()
		case "event_type":
			f.kind.op = it.Value().Str()
		case "collection_name":
			f.kind.coll = it.Value().Str()
		case "event_timestamp":
			f.eventMS = it.Value().AsDate()
		case "processing_status":
			f.failed = it.Value().Str() == StatusFailed
		case "last_error":
			f.err = it.Value().Str()
		case "source_service":
			f.who.source = it.Value().Str()
		case "target_service":
			f.who.target = it.Value().Str()
		case "interaction_type":
			f.who.kind = it.Value().Str()
			return f
		case "full_document", "update_description", "size_bytes":
			return f
		}
	}
	return f
}
