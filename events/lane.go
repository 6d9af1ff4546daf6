package events

import (
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// item is an event that is not settled yet.
type item struct {
	Delivery
	key      string
	eventMS  int64
	queuedMS int64
	next     time.Time // not before
	lastErr  string
	size     int
}

// lane holds the events of one ordering key, in order; one of them is under way
// at most.
type lane struct {
	queue   []*item
	busy    bool
	blocked bool // on_dead_letter = block_key
}

// lanes are the unsettled events of a dispatcher. They are used by its loop only.
type lanes struct {
	byKey map[string]*lane
	count int
	bytes int
}

func newLanes() *lanes { return &lanes{byKey: map[string]*lane{}} }

func (l *lanes) add(it *item) {
	ln := l.byKey[it.key]
	if ln == nil {
		ln = &lane{}
		l.byKey[it.key] = ln
	}
	ln.queue = append(ln.queue, it)
	l.count++
	l.bytes += it.size
}

// settle removes the head of a lane.
func (l *lanes) settle(it *item) {
	ln := l.byKey[it.key]
	ln.queue = ln.queue[1:]
	ln.busy = false
	l.count--
	l.bytes -= it.size
	if len(ln.queue) == 0 && !ln.blocked {
		delete(l.byKey, it.key)
	}
}

// ready takes the heads that may be sent now, at most n, and tells when the
// next one may be.
func (l *lanes) ready(now time.Time, n int) (out []*item, again time.Time) {
	for _, ln := range l.byKey {
		if ln.busy || ln.blocked || len(ln.queue) == 0 {
			continue
		}
		head := ln.queue[0]
		if head.next.After(now) {
			if again.IsZero() || head.next.Before(again) {
				again = head.next
			}
			continue
		}
		if len(out) == n {
			return out, now
		}
		ln.busy = true
		out = append(out, head)
	}
	return out, again
}

// release lets a lane's head be taken again.
func (l *lanes) release(it *item) { l.byKey[it.key].busy = false }

// lowest is the lowest unsettled position, "": none.
func (l *lanes) lowest() string {
	low := ""
	for _, ln := range l.byKey {
		if len(ln.queue) > 0 && (low == "" || ln.queue[0].Position < low) {
			low = ln.queue[0].Position
		}
	}
	return low
}

// orderingKey gives the lane of a row.
func orderingKey(s *Spec, paths []path, row bson.Raw, position string) string {
	switch s.PreserveOrder {
	case "strict":
		return ""
	case "false":
		return position
	}
	e := rowEvent(row)
	if len(paths) > 0 {
		var b strings.Builder
		for _, p := range paths {
			v := p.in(&e)
			if v.IsMissing() {
				return defaultKey(&e)
			}
			b.Write(value.AppendSortKey(nil, v, false))
		}
		return b.String()
	}
	return defaultKey(&e)
}

// defaultKey is namespace and document key; DDL goes by its collection.
func defaultKey(e *Event) string {
	return e.Coll + "\x00" + string(value.AppendSortKey(nil, e.Key, false))
}
