package events

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// The clients of a gateway that follow collections of a database (SUBSCRIBE TO a
// collection) share one change stream. Each has a queue of bounded size. One that does
// not take its rows in time is let go: it reads on by a stream of its own when it asks
// again (collectiontail.go), so that it neither holds up the others nor loses anything
// that the oplog has.

// sharedTails are the shared streams, by database.
type sharedTails struct {
	mu sync.Mutex // comes before that of a stream
	of map[string]*sharedTail
}

// sharedTail is the stream of a database.
type sharedTail struct {
	m    *Manager
	db   string
	r    *reader // of run alone
	gone func()  // takes it off the list of open streams

	mu      sync.Mutex
	members map[string][]*tailQueue // by collection
	wanted  []string                // collections, sorted
	asked   map[string]time.Time    // when somebody asked for one last
	open    []string                // those that the stream gives all of from upTo on
	upTo    string                  // the members have all up to it
	cut     context.CancelFunc      // ends a wait for events
	changed chan struct{}           // closed, and replaced, when open changes or it ends
}

// tailQueue is what waits for a client.
type tailQueue struct {
	of     *sharedTail
	coll   string
	budget *budget
	wake   chan struct{}

	mu    sync.Mutex
	rows  []tailedRow
	bytes int
	upTo  string // all up to it was taken, or waits in rows
	lost  bool   // nothing is added any more
	err   error  // why
}

// tailRoute wants all that tails of some collections show.
func tailRoute(ctx context.Context, lang Language, db string, collections []string) (*route, error) {
	spec := NewSpec(db, "")
	spec.ID, spec.Collections = "tail", collections
	spec.EventTypes = append(spec.EventTypes, "ddl")
	return compileRoute(ctx, lang, spec)
}

// tailBatch reads the next events, none after a while, and tells up to which position
// there are no others before what follows. They are valid until the next call; tookOn
// is to be called when they are taken.
func (r *reader) tailBatch(ctx context.Context) (upTo string, err error) {
	if err := r.readOn(ctx); err != nil {
		return "", err
	}
	r.heard()
	if len(r.events) == 0 {
		r.stats.idle(passedTime(r.stream))
		return before(scanned(r.stream)), nil
	}
	r.events = joinFragments(r.events)
	last := r.number(r.state.LastPos)
	if err := r.lookUp(ctx); err != nil {
		return "", err
	}
	r.state.LastPos = last
	r.stats.batch(r.events, r.clock())
	return last, nil
}

// joinPatience is how long a client waits at most until the shared stream gives the
// events of its collection; then it has one of its own for a while.
const joinPatience = 2 * time.Second

// joinNow has a client take part from the present on: events that come after it returns
// are given to it.
func (c *collectionTail) joinNow(ctx context.Context) error {
	patience := time.NewTimer(joinPatience)
	defer patience.Stop()
	for {
		changed := c.m.tails.join(c, true)
		if c.queue != nil {
			return nil
		}
		if changed == nil {
			if err := c.open(ctx, nil); err != nil {
				return err
			}
			c.join()
			return nil
		}
		select {
		case <-changed:
		case <-patience.C:
			return c.readAlone(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// join has a client take part that has a stream of its own, if that is as far as the
// shared one; where there is none, its own becomes it.
func (c *collectionTail) join() {
	c.m.tails.join(c, false)
	if c.queue == nil || c.own == nil {
		return
	}
	c.own.close()
	c.own = nil
}

// join makes a client a member. Where it cannot be one yet, it has the stream opened for
// its collection; changed is closed when there is a reason to ask again, nil: there is
// no stream. now tells that it does not want what is past for the others.
func (s *sharedTails) join(c *collectionTail, now bool) (changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.of[c.db]
	if h == nil {
		if c.own != nil {
			s.begin(c)
		}
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked[c.coll] = time.Now()
	if now && slices.Contains(h.open, c.coll) {
		c.at = max(c.at, h.upTo)
	}
	switch {
	case !slices.Contains(h.open, c.coll):
		if i, found := slices.BinarySearch(h.wanted, c.coll); !found {
			h.wanted = slices.Insert(slices.Clone(h.wanted), i, c.coll)
			h.interrupt()
		}
	case c.at >= h.upTo:
		h.add(c)
	}
	return h.changed
}

// begin makes the client's own stream the shared one.
func (s *sharedTails) begin(c *collectionTail) {
	h := &sharedTail{m: c.m, db: c.db, r: c.own.r, gone: c.own.closed, members: map[string][]*tailQueue{}, asked: map[string]time.Time{},
		wanted: []string{c.coll}, open: []string{c.coll}, upTo: c.at, changed: make(chan struct{})}
	h.r.wait = idleWait
	if !c.m.beside(h.run) {
		return
	}
	if s.of == nil {
		s.of = map[string]*sharedTail{}
	}
	c.own.shown.shared.Store(h)
	s.of[c.db], c.own = h, nil
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(c)
}

// add is called under mu.
func (h *sharedTail) add(c *collectionTail) {
	q := &tailQueue{of: h, coll: c.coll, budget: &h.m.budget, wake: make(chan struct{}, 1), upTo: c.at}
	h.members[c.coll] = append(h.members[c.coll], q)
	c.queue = q
}

// interrupt ends a wait for events. It is called under mu.
func (h *sharedTail) interrupt() {
	if h.cut != nil {
		h.cut()
	}
}

// leave takes a client out.
func (q *tailQueue) leave() {
	h := q.of
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.members[q.coll] = slices.DeleteFunc(h.members[q.coll], func(o *tailQueue) bool { return o == q }); len(h.members[q.coll]) == 0 {
		delete(h.members, q.coll)
	}
	if len(h.members) == 0 {
		h.interrupt()
	}
	q.end(nil)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.budget.give(q.bytes)
	q.rows, q.bytes = nil, 0
}

// run reads for as long as there are members.
func (h *sharedTail) run(ctx context.Context) {
	defer h.gone()
	defer h.r.close()
	const longest = 5 * time.Second
	delay, failing := 50*time.Millisecond, time.Time{}
	for h.goesOn() {
		rctx, cut := context.WithCancel(ctx)
		err := h.widen(rctx, cut)
		if err == nil {
			err = h.read(rctx)
		}
		h.mu.Lock()
		h.cut = nil
		h.mu.Unlock()
		interrupted := rctx.Err() != nil
		cut()
		if err == nil {
			delay, failing = 50*time.Millisecond, time.Time{}
			continue
		}
		h.r.close()
		switch {
		case ctx.Err() != nil:
			h.end(ctx.Err())
			return
		case interrupted:
			continue
		case failing.IsZero():
			failing = time.Now()
		}
		h.r.stats.reopened(err)
		if isHistoryLost(err) || time.Since(failing) > stallAfter {
			h.end(err)
			return
		}
		h.r.log.Warn("the change stream of live tails failed; it will be reopened", "error", err, "delay", delay)
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
		delay = min(2*delay, longest)
	}
}

// goesOn tells whether somebody is left; else it has ended.
func (h *sharedTail) goesOn() bool {
	s := &h.m.tails
	s.mu.Lock()
	defer s.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.members) > 0 {
		return true
	}
	h.finish(nil)
	return false
}

// end lets all members go. Those that are only behind read on by themselves.
func (h *sharedTail) end(err error) {
	s := &h.m.tails
	s.mu.Lock()
	defer s.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.finish(err)
}

// finish is called under the mutexes of both.
func (h *sharedTail) finish(err error) {
	for _, list := range h.members {
		for _, q := range list {
			q.end(err)
		}
	}
	h.members = map[string][]*tailQueue{}
	close(h.changed)
	if h.m.tails.of[h.db] == h {
		delete(h.m.tails.of, h.db)
	}
}

// forgotten is after what time a collection is left out that nobody asks for.
const forgotten = 10 * time.Second

// collections are those that the stream gives.
func (h *sharedTail) collections() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

// widen has the stream give what is wanted, and of what nobody wants any more nothing
// that has to be looked up. It notes how to end a wait.
func (h *sharedTail) widen(ctx context.Context, cut context.CancelFunc) error {
	h.mu.Lock()
	h.cut = cut
	if slices.Equal(h.wanted, h.open) {
		h.wanted = slices.DeleteFunc(slices.Clone(h.wanted), func(coll string) bool {
			return len(h.members[coll]) == 0 && time.Since(h.asked[coll]) > forgotten
		})
	}
	wanted := h.wanted
	same := slices.Equal(wanted, h.open)
	h.mu.Unlock()
	if !same {
		rt, err := tailRoute(ctx, h.m.lang, h.db, wanted)
		if err != nil {
			return err
		}
		if err := h.r.setRoutes(ctx, []*route{rt}); err != nil {
			return err
		}
		if !h.r.covers() {
			h.r.close()
		}
	}
	if h.r.stream == nil {
		if err := h.r.watch(ctx); err != nil {
			return err
		}
	}
	if same {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = wanted
	close(h.changed)
	h.changed = make(chan struct{})
	return nil
}

// read gives the next events to the members.
func (h *sharedTail) read(ctx context.Context) error {
	r := h.r
	upTo, err := r.tailBatch(ctx)
	if err != nil {
		return err
	}
	h.offer(r.events, upTo)
	return r.tookOn(ctx)
}

func (h *sharedTail) offer(events []Event, upTo string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var rows []tailedRow
	for i := range events {
		e := &events[i]
		for _, named := range [...]string{e.Coll, e.To} {
			list := h.members[named]
			if len(list) == 0 {
				continue
			}
			coll := list[0].coll // the name of the event is in memory that is used again
			if rows = appendTailed(rows[:0], e, coll, ""); len(rows) > 0 {
				h.members[coll] = slices.DeleteFunc(list, func(q *tailQueue) bool { return !q.add(rows) })
			}
		}
	}
	h.upTo = max(h.upTo, upTo)
	for coll, list := range h.members {
		if len(list) == 0 {
			delete(h.members, coll)
		}
		for _, q := range list {
			q.passed(h.upTo)
		}
	}
}

// add puts rows into the queue; false: the client takes no part any more.
func (q *tailQueue) add(rows []tailedRow) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if rows[0].at <= q.upTo {
		return true
	}
	size := 0
	for _, r := range rows {
		size += len(r.row)
	}
	if q.lost = len(q.rows) > 0 && (q.bytes+size > tailBytes || !q.budget.room(q.bytes, size)); q.lost {
		q.poke()
		return false
	}
	q.rows = append(q.rows, rows...)
	q.bytes += size
	q.budget.take(size)
	q.upTo = rows[0].at
	q.lost = rows[len(rows)-1].row == nil
	q.poke()
	return !q.lost
}

// passed notes how far the stream is.
func (q *tailQueue) passed(upTo string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.upTo = max(q.upTo, upTo)
}

// end ends the queue; err is what the client is told, nil: it reads on by itself.
func (q *tailQueue) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	q.lost, q.err = true, err
	q.poke()
}

func (q *tailQueue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take gives what waits, and its bytes, which still count; none after a while. lost tells
// that nothing comes behind it.
func (q *tailQueue) take(ctx context.Context, wait time.Duration) (rows []tailedRow, held int, upTo string, lost bool, err error) {
	if rows, held, upTo, lost, err = q.taken(); len(rows) > 0 || lost || wait <= 0 {
		return rows, held, upTo, lost, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil, 0, upTo, false, ctx.Err()
	case <-q.wake:
	case <-timer.C:
	}
	return q.taken()
}

func (q *tailQueue) taken() (rows []tailedRow, held int, upTo string, lost bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	rows, held = q.rows, q.bytes
	q.rows, q.bytes = nil, 0
	if len(rows) == 0 {
		err = q.err
	}
	return rows, held, q.upTo, q.lost, err
}
