package events

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// budget bounds the bytes that the readers, dispatchers and live tails of a gateway
// hold in memory together. The log keeps the rest.
//
// Small rows are counted as they come (take, give): who holds little may always have
// more. What is large waits for its turn (reserve) until it has room. One large thing
// of each kind may always pass, so that nobody waits for what cannot end; and what is
// held for long, by a receiver that stalls, is not waited for any more.
type budget struct {
	limit    int64
	patience time.Duration // 0: budgetPatience
	used     atomic.Int64
	waiting  atomic.Int32 // reservations

	mu    sync.Mutex
	kinds [budgetKinds]struct {
		out   int            // reservations that are held and count
		queue []*reservation // that wait, in order
	}
}

// budgetKind is who makes a reservation. A kind does not wait for what others hold
// where nothing of its own is held: a reader never waits for receivers.
type budgetKind int

const (
	budgetReaders budgetKind = iota
	budgetSends
	budgetTails
	budgetKinds
)

const (
	// budgetLimit is the limit of a gateway.
	budgetLimit = 64 << 20
	// budgetFloor is what a consumer may always hold, so that none waits for others.
	budgetFloor = 128 << 10
	// budgetPatience is for how long a reservation counts: longer than a send takes
	// by default.
	budgetPatience = time.Minute
	// itemOverhead is about what an event in a lane holds beside its row.
	itemOverhead = 512
)

func (b *budget) take(n int) { b.used.Add(int64(n)) }

func (b *budget) give(n int) {
	if b.used.Add(-int64(n)); b.waiting.Load() > 0 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.admit()
	}
}

// room tells whether a consumer that holds so many bytes may take so many more.
func (b *budget) room(held, more int) bool {
	return held+more <= budgetFloor || b.used.Load()+int64(more) <= b.limit
}

// tight tells that consumers should take little at a time.
func (b *budget) tight() bool { return b.used.Load() > b.limit/4 }

// reservation is the memory of something large.
type reservation struct {
	b       *budget
	kind    budgetKind
	bytes   int64
	granted chan struct{}
	expiry  *time.Timer
	counts  bool
}

// reserve waits until so many bytes have room; release gives them back, and may be
// called again.
func (b *budget) reserve(ctx context.Context, kind budgetKind, n int) (release func(), err error) {
	r := &reservation{b: b, kind: kind, bytes: int64(n), granted: make(chan struct{})}
	b.mu.Lock()
	k := &b.kinds[kind]
	k.queue = append(k.queue, r)
	b.waiting.Add(1)
	b.admit()
	b.mu.Unlock()
	select {
	case <-r.granted:
		return r.release, nil
	case <-ctx.Done():
		r.release()
		return func() {}, ctx.Err()
	}
}

// admit grants the reservations that have room. It is called under mu.
func (b *budget) admit() {
	for i := range b.kinds {
		k := &b.kinds[i]
		for len(k.queue) > 0 && (k.out == 0 || b.used.Load()+k.queue[0].bytes <= b.limit) {
			r := k.queue[0]
			k.queue[0] = nil
			k.queue = k.queue[1:]
			b.waiting.Add(-1)
			b.used.Add(r.bytes)
			k.out++
			r.counts = true
			wait := b.patience
			if wait == 0 {
				wait = budgetPatience
			}
			r.expiry = time.AfterFunc(wait, r.release)
			close(r.granted)
		}
	}
}

// release ends a reservation, or the wait for it.
func (r *reservation) release() {
	b := r.b
	b.mu.Lock()
	defer b.mu.Unlock()
	k := &b.kinds[r.kind]
	if r.counts {
		r.counts = false
		r.expiry.Stop()
		k.out--
		b.used.Add(-r.bytes)
	} else {
		for i, o := range k.queue {
			if o == r {
				k.queue = append(k.queue[:i], k.queue[i+1:]...)
				b.waiting.Add(-1)
				break
			}
		}
	}
	b.admit()
}
