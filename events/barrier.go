package events

import (
	"slices"
	"strings"
)

// A change of the schema is a barrier over all lanes of its collection: it is sent when
// all earlier events of the collection are settled, and the later ones are sent when it
// is. A rename is one over both its collections, the drop of a database over all. What
// is blocked by a dead letter (on_dead_letter = block_key) holds nothing up.
type barrier struct {
	on      bool           // there are such changes: else nothing is counted
	open    map[string]int // events in lanes, by collection: unsettled, and not blocked
	ddl     map[string]int // such changes among them
	all     int            // all of open
	changes int            // all of ddl
	wide    int            // drops of the database among them
	held    []*item        // not in lanes yet, by position
	before  *seen          // of those
}

// isDocumentEvent tells an event of a document from a change of the schema.
func isDocumentEvent(op string) bool {
	switch op {
	case "insert", "update", "replace", "delete", "read":
		return true
	}
	return false
}

// isWide tells of a change that is one of all collections.
func (it *item) isWide() bool { return it.ddl && it.coll == "" }

// colls are the collections that are counted for an event.
func (it *item) colls() []string {
	if it.to == "" || it.to == it.coll {
		return []string{it.coll}
	}
	return []string{it.coll, it.to}
}

// beginBarrier counts what is in lanes already, before the first change comes.
func (l *lanes) beginBarrier(first *item) {
	b := &l.barrier
	*b = barrier{on: true, open: map[string]int{}, ddl: map[string]int{}, before: newSeen()}
	for _, it := range l.order {
		if it != first && !it.settled && !l.byKey[it.key].blocked {
			b.count(it, 1)
		}
	}
}

// count takes an event in or out.
func (b *barrier) count(it *item, n int) {
	it.counted = n > 0
	b.all += n
	if it.ddl {
		b.changes += n
	}
	if it.isWide() {
		b.wide += n
		return
	}
	for _, c := range it.colls() {
		if _, known := b.open[c]; !known {
			c = strings.Clone(c) // the row goes
		}
		b.open[c] += n
		if it.ddl {
			b.ddl[c] += n
		}
	}
}

// may tells whether nothing in lanes is in the way of an event.
func (b *barrier) may(it *item) bool {
	switch {
	case b.wide > 0:
		return false
	case it.isWide():
		return b.all == 0
	}
	counts := b.ddl
	if it.ddl {
		counts = b.open
	}
	return !slices.ContainsFunc(it.colls(), func(c string) bool { return counts[c] > 0 })
}

// admit puts an event into its lane, or holds it.
func (l *lanes) admit(it *item) {
	b := &l.barrier
	switch {
	case !b.on && !it.ddl:
		l.enter(it)
		return
	case !b.on:
		l.beginBarrier(it)
	}
	if !b.may(it) || b.before.meets(it) {
		b.held = append(b.held, it)
		b.before.add(it)
		return
	}
	l.enterCounted(it)
}

func (l *lanes) enterCounted(it *item) {
	if ln := l.byKey[it.key]; ln == nil || !ln.blocked {
		l.barrier.count(it, 1)
	}
	l.enter(it)
}

// uncount takes an event out that is settled or blocked, and lets in what waited for it.
func (l *lanes) uncount(it *item) {
	b := &l.barrier
	was := it.counted
	if it.counted = false; !b.on || !was {
		return
	}
	b.count(it, -1)
	if free := it.ddl || b.all == 0 || slices.ContainsFunc(it.colls(), func(c string) bool { return b.open[c] == 0 }); !free {
		return
	}
	for _, c := range it.colls() {
		if b.open[c] == 0 {
			delete(b.open, c)
			delete(b.ddl, c)
		}
	}
	l.letIn()
}

// letIn goes through what is held, in order: who meets nothing before it enters.
func (l *lanes) letIn() {
	b := &l.barrier
	held := b.held
	var left []*item
	before := newSeen()
	for _, it := range held {
		if !b.may(it) || before.meets(it) {
			left = append(left, it)
			before.add(it)
			continue
		}
		l.enterCounted(it)
	}
	b.held, b.before = left, before
	b.on = b.changes > 0 || len(left) > 0
}

// seen is what is to be known of the held events before one.
type seen struct {
	any, ddl  map[string]bool
	wide, all bool // a change of all collections; anything
}

func newSeen() *seen { return &seen{any: map[string]bool{}, ddl: map[string]bool{}} }

func (s *seen) add(it *item) {
	s.all, s.wide = true, s.wide || it.isWide()
	for _, c := range it.colls() {
		s.any[c] = true
		s.ddl[c] = s.ddl[c] || it.ddl
	}
}

// meets tells whether an event waits for any of those: it or that is a change of the
// schema, and both are of a collection.
func (s *seen) meets(it *item) bool {
	switch {
	case s.wide:
		return true
	case it.isWide():
		return s.all
	}
	of := s.ddl
	if it.ddl {
		of = s.any
	}
	return slices.ContainsFunc(it.colls(), func(c string) bool { return of[c] })
}
