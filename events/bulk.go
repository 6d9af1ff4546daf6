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

// bulk gathers the durable writes of many dispatchers to one collection: while
// one write is under way the next ones wait and then go together, so that a
// thousand subscriptions wait for the disk together and not one after another.
type bulk struct {
	st   store.Store
	coll string

	mu      sync.Mutex
	writing bool
	queue   []*bulkPart
}

// bulkPart is what one dispatcher writes.
type bulkPart struct {
	ops  []store.WriteOp
	turn chan bool // true: it is this one's turn to write; false: it is written
	err  error
}

// errUnmatched says that an operation of a part found no document.
var errUnmatched = errors.New("a row to update is not there")

// write runs operations that do not depend on each other. Every one must find
// its document, else the result is errUnmatched.
func (b *bulk) write(ctx context.Context, ops []store.WriteOp) error {
	if len(ops) == 0 {
		return nil
	}
	part := &bulkPart{ops: ops, turn: make(chan bool, 1)}
	b.mu.Lock()
	b.queue = append(b.queue, part)
	if b.writing {
		b.mu.Unlock()
		if first := <-part.turn; !first {
			return part.err
		}
		b.mu.Lock()
	}
	b.writing = true
	parts := b.take()
	b.mu.Unlock()
	b.run(ctx, parts)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range parts {
		if p != part {
			p.turn <- false
		}
	}
	if b.writing = len(b.queue) > 0; b.writing {
		b.queue[0].turn <- true
	}
	return part.err
}

// take takes the parts of one write; the first of the queue is among them.
func (b *bulk) take() (parts []*bulkPart) {
	ops := 0
	for len(b.queue) > 0 && (ops == 0 || ops+len(b.queue[0].ops) <= bulkOps) {
		ops += len(b.queue[0].ops)
		parts = append(parts, b.queue[0])
		b.queue = b.queue[1:]
	}
	return parts
}

// run writes parts together. When something is wrong each is written alone, so
// that each has an outcome of its own: the writes of a part can be repeated.
func (b *bulk) run(ctx context.Context, parts []*bulkPart) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bulkTime)
	defer cancel()
	all := parts[0].ops
	if len(parts) > 1 {
		all = nil
		for _, p := range parts {
			all = append(all, p.ops...)
		}
	}
	err := b.send(ctx, all)
	for _, p := range parts {
		if p.err = err; err != nil && len(parts) > 1 {
			p.err = b.send(ctx, p.ops)
		}
	}
}

func (b *bulk) send(ctx context.Context, ops []store.WriteOp) error {
	res, err := b.st.Write(ctx, ns(b.coll), ops, store.WriteOptions{Durable: true, Unordered: true})
	if err == nil {
		err = res.Err()
	}
	if err == nil && res.Matched < int64(len(ops)) {
		err = errUnmatched
	}
	return err
}
