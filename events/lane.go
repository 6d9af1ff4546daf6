package events

import (
	"container/heap"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// item is an event that is not settled yet.
type item struct {
	Delivery
	key     string
	who     interaction // who told whom; its texts are parts of the row
	eventMS int64
	began   time.Time // of the first send
	queued  time.Time // when it came into its lane
	next    time.Time // not before
	dead    bool      // it has a dead letter from before a rewind
	lost    bool      // an image of it is gone
	putOff  bool      // its row says so; that need not have spent an attempt
	heavy   int       // bytes of its images, which the row names only: they are read for each send
	settled bool
	size    int
	coll    string // of the event, "": of the database; with to, a part of the row
	to      string // the other collection of a rename
	ddl     bool   // a change of the schema, where the order counts
	counted bool   // by the barrier
}

// lane holds the events of one ordering key, in order; the first of them may be
// under way.
type lane struct {
	queue   []*item
	first   [1]*item // where the queue begins: most hold one event at a time
	flying  int      // so many at the front are under way
	landed  int      // so many of them are back
	blocked bool     // on_dead_letter = block_key
}

// lanes are the unsettled events of a dispatcher. They are used by its loop only.
type lanes struct {
	byKey   map[string]*lane
	spare   *lane    // an empty one
	ready   laneHeap // may be sent now: by position
	waiting laneHeap // by the time of the next send
	order   []*item  // those from the first unsettled one on, as they came: by position
	room    [1]*item // where order begins: most subscriptions have one event at a time
	count   int
	bytes   int
	budget  *budget // shared with others
	blocked int
	barrier barrier
}

func newLanes(b *budget) *lanes {
	return &lanes{
		budget:  b,
		byKey:   map[string]*lane{},
		ready:   laneHeap{less: func(a, b *item) bool { return a.Position < b.Position }},
		waiting: laneHeap{less: func(a, b *item) bool { return a.next.Before(b.next) }},
	}
}

// laneHeap orders idle lanes by their first item.
type laneHeap struct {
	lanes []*lane
	less  func(a, b *item) bool
}

func (h *laneHeap) Len() int           { return len(h.lanes) }
func (h *laneHeap) Less(i, j int) bool { return h.less(h.lanes[i].queue[0], h.lanes[j].queue[0]) }
func (h *laneHeap) Swap(i, j int)      { h.lanes[i], h.lanes[j] = h.lanes[j], h.lanes[i] }
func (h *laneHeap) Push(x any)         { h.lanes = append(h.lanes, x.(*lane)) }
func (h *laneHeap) Pop() any {
	last := len(h.lanes) - 1
	ln := h.lanes[last]
	h.lanes[last] = nil
	h.lanes = h.lanes[:last]
	return ln
}

func (l *lanes) lane(key string) *lane {
	ln := l.byKey[key]
	if ln != nil {
		return ln
	}
	if ln = l.spare; ln == nil {
		ln = &lane{}
	}
	l.spare = nil
	l.byKey[key] = ln
	return ln
}

func (l *lanes) add(it *item) {
	l.order = append(l.order, it)
	l.count++
	l.bytes += it.size
	l.budget.take(it.size)
	l.admit(it)
}

// enter puts an event into its lane.
func (l *lanes) enter(it *item) {
	ln := l.lane(it.key)
	ln.queue = append(ln.queue, it)
	if len(ln.queue) == 1 {
		l.idle(ln)
	}
}

// idle puts a lane where it waits for its turn.
func (l *lanes) idle(ln *lane) {
	switch {
	case ln.blocked || len(ln.queue) == 0:
	case ln.queue[0].next.IsZero():
		heap.Push(&l.ready, ln)
	default:
		heap.Push(&l.waiting, ln)
	}
}

// block holds a key's events back.
func (l *lanes) block(key string) {
	ln := l.lane(key)
	if ln.blocked {
		return
	}
	ln.blocked = true
	l.blocked++
	for _, it := range slices.Clone(ln.queue) {
		l.uncount(it)
	}
}

// drop ends the lanes with all that is in them.
func (l *lanes) drop() {
	l.budget.give(l.bytes)
	l.bytes = 0
}

// due moves the lanes whose time has come to those that are ready.
func (l *lanes) due(now time.Time) {
	for l.waiting.Len() > 0 && !l.waiting.lanes[0].queue[0].next.After(now) {
		heap.Push(&l.ready, heap.Pop(&l.waiting))
	}
}

// sentTogether bounds the bytes of events that are sent together, but for a single one.
const sentTogether = 16 << 20

// take appends events to be sent together, the oldest first, at most n. An event
// that failed before goes alone.
func (l *lanes) take(out []*item, n int) []*item {
	left := sentTogether
	full := func(it *item) bool { return len(out) > 0 && it.size+it.heavy > left }
	for len(out) < n && l.ready.Len() > 0 {
		ln := l.ready.lanes[0]
		if ln.queue[0].Attempt > 1 && len(out) > 0 || full(ln.queue[0]) {
			return out
		}
		heap.Pop(&l.ready)
		for _, it := range ln.queue {
			if len(out) == n || ln.flying > 0 && (it.Attempt > 1 || !it.next.IsZero()) || full(it) {
				break
			}
			ln.flying++
			left -= it.size + it.heavy
			out = append(out, it)
			if it.Attempt > 1 {
				return out
			}
		}
	}
	return out
}

// waitsBehind tells whether an event of the same key waits for one under way.
func (l *lanes) waitsBehind(it *item) bool {
	if len(l.barrier.held) > 0 {
		return true
	}
	ln := l.byKey[it.key]
	return ln != nil && ln.flying > 0 && len(ln.queue) > ln.flying
}

// settle ends an event's stay.
func (l *lanes) settle(it *item) {
	it.settled = true
	l.count--
	l.bytes -= it.size
	l.budget.give(it.size)
	l.forget()
	l.release(it)
	l.uncount(it)
}

// release brings an event back that was under way.
func (l *lanes) release(it *item) {
	ln := l.byKey[it.key]
	if ln.landed++; ln.landed < ln.flying {
		return
	}
	ln.compact()
	if len(ln.queue) == 0 && !ln.blocked {
		delete(l.byKey, it.key)
		l.spare = ln
		return
	}
	l.idle(ln)
}

// compact drops what is settled of those that were under way.
func (ln *lane) compact() {
	at := ln.flying
	for i := ln.flying - 1; i >= 0; i-- {
		if it := ln.queue[i]; !it.settled {
			at--
			ln.queue[at] = it
		}
	}
	clear(ln.queue[:at])
	if ln.queue = ln.queue[at:]; len(ln.queue) == 0 {
		ln.queue = ln.first[:0]
	}
	ln.flying, ln.landed = 0, 0
}

// lowest is the lowest unsettled position, "": none.
func (l *lanes) lowest() string {
	if len(l.order) == 0 {
		return ""
	}
	return l.order[0].Position
}

// forget lets go of the settled events before the first unsettled one.
func (l *lanes) forget() {
	n := 0
	for n < len(l.order) && l.order[n].settled {
		l.order[n] = nil
		n++
	}
	if n == len(l.order) {
		l.order = l.room[:0]
	} else {
		l.order = l.order[n:]
	}
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
	var buf [96]byte
	return string(value.AppendSortKey(append(append(buf[:0], e.Coll...), 0), e.Key, false))
}
