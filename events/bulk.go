package events

import (
	"context"
	"errors"
	"sync"
	"time"

	"weir/store"
)

// Bounds of a bulk write.
const (
	bulkOps  = 5000
	bulkTime = 30 * time.Second
)

// Where nobody waits for a write, others are given time to come together with it,
// so that the disk is there for those who do.
const (
	bulkPace  = 5 * time.Millisecond
	bulkPaced = 64 // operations that wait for no others
	// bulkWithin is how long they may wait for the disk: it is asked for by the
	// reader and by clients all the time.
	bulkWithin = 5 * time.Millisecond
)

// bulk gathers the durable writes of many dispatchers to one collection: while
// one write is under way the next ones wait and then go together, so that a
// thousand subscriptions wait for the disk together and not one after another.
type bulk struct {
	st    store.Store
	coll  string
	spawn func(func()) // runs a function beside, for as long as the manager runs

	mu      sync.Mutex
	writing bool
	queue   []bulkPart
	all     []store.WriteOp // memory of run
	ops     int             // in queue
	hurry   chan struct{}   // somebody waits for what is in queue, or it is much
	awaited bool            // somebody waits for what is in queue
}

// bulkPart is what one dispatcher writes.
type bulkPart struct {
	ops  []store.WriteOp
	done func(error)
}

// errUnmatched says that an operation of a part found no document.
var errUnmatched = errors.New("a row to update is not there")

// write runs operations that do not depend on each other. Every one must find
// its document, else the result is errUnmatched. It does not end with a context:
// what is written is written.
func (b *bulk) write(ops []store.WriteOp) error {
	if len(ops) == 0 {
		return nil
	}
	ended := make(chan error, 1)
	b.submit(ops, true, func(err error) { ended <- err })
	return <-ended
}

// submit is write that does not wait: done is told of the end and must not block.
// It may take a moment more unless it is urgent.
func (b *bulk) submit(ops []store.WriteOp, urgent bool, done func(error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = append(b.queue, bulkPart{ops, done})
	b.awaited = b.awaited || urgent
	if b.ops += len(ops); urgent || b.ops >= bulkPaced {
		b.wakeUp()
	}
	if !b.writing {
		b.writing = true
		b.spawn(b.run)
	}
}

// urge tells that somebody waits for what was submitted.
func (b *bulk) urge() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.awaited = true
	b.wakeUp()
}

func (b *bulk) wakeUp() {
	select {
	case b.hurry <- struct{}{}:
	default:
	}
}

// run writes until nothing waits.
func (b *bulk) run() {
	timer := time.NewTimer(bulkPace)
	defer timer.Stop()
	for {
		select {
		case <-b.hurry:
		case <-timer.C:
		}
		parts, within := b.take()
		if len(parts) == 0 {
			return
		}
		b.writeParts(parts, within)
		timer.Reset(bulkPace)
	}
}

// take takes the parts of one write, which is to be durable within a time; none:
// there is nothing to write.
func (b *bulk) take() (parts []bulkPart, within time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, ops := 0, 0
	for n < len(b.queue) && (n == 0 || ops+len(b.queue[n].ops) <= bulkOps) {
		ops += len(b.queue[n].ops)
		n++
	}
	parts = b.queue[:n:n]
	if b.queue = b.queue[n:]; len(b.queue) == 0 {
		b.queue = nil
	}
	if !b.awaited {
		within = bulkWithin
	}
	if b.ops -= ops; len(b.queue) > 0 { // there was too much for one write
		b.wakeUp()
	} else {
		b.awaited = false
	}
	b.writing = n > 0
	return parts, within
}

// writeParts writes parts together. When something is wrong each is written alone,
// so that each has an outcome of its own: the writes of a part can be repeated.
func (b *bulk) writeParts(parts []bulkPart, within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), bulkTime)
	defer cancel()
	all := parts[0].ops
	if len(parts) > 1 {
		all = b.all[:0]
		for _, p := range parts {
			all = append(all, p.ops...)
		}
		defer func() {
			clear(all)
			b.all = all
		}()
	}
	err := b.send(ctx, all, within)
	for _, p := range parts {
		end := err
		if err != nil && len(parts) > 1 {
			end = b.send(ctx, p.ops, 0)
		}
		p.done(end)
	}
}

func (b *bulk) send(ctx context.Context, ops []store.WriteOp, within time.Duration) error {
	res, err := b.st.Write(ctx, ns(b.coll), ops, store.WriteOptions{Durable: true, Unordered: true, Within: within})
	if err == nil {
		err = res.Err()
	}
	if err == nil && res.Matched < int64(len(ops)) {
		err = errUnmatched
	}
	return err
}
