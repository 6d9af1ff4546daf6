package events

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// A reader does not wait for the disk: while one batch becomes durable, the next is
// read and its rows are made. What few events there are it writes to the log itself,
// where they wait for the save that lets them be seen and makes them durable; one
// save is for all that came together meanwhile. The rows of many events are written
// beside it, too: on one journal one batch at a time, elsewhere those of the next while what
// comes before is saved, as each of these waits for a majority of the servers. Either way
// batches are saved in order, and so are their rows written: who acknowledges up to a
// position has seen all rows before it.

const (
	// A batch of so many events, or bytes of them, is not written by the reader.
	pipelined      = 100
	pipelinedBytes = 1 << 20
	// ahead is how many smaller batches may wait to be saved.
	ahead = 4
	// allUnder is more than there are ever batches under way.
	allUnder = 1 << 30
)

// staged is a batch whose rows are made.
type staged struct {
	out     routed
	written bool          // its rows are in the log
	logging chan error    // its rows are being written beside; nil: they are not
	before  chan struct{} // closed when those of the batch before are in the log; nil: they are
	logged  chan struct{} // the same of its own
	begun   bool          // its save has begun, which durable waits for, and it was handed over
	last    string        // position of its last event
	passed  string        // up to which the stream was read
	token   bson.Raw
	time    bson.Timestamp
	waiting int64         // its share of the writer's room
	durable func() error  // must be called unless it is nil
	free    func()        // gives the memory of the batch back
	done    chan struct{} // closed when all before is written; then there is nothing else here
}

// writer is the other half of the pipeline.
type writer struct {
	work  chan *staged
	room  *semaphore.Weighted // of batches that wait; one of many events takes all of it
	under *semaphore.Weighted // what is routed and not on the disk goes by the routes; setRoutes takes all of it
	busy  bool                // something was given to it that may not be on the disk; of who gives
	later atomic.Int32        // batches that were given to it and whose save had not begun
	rows  chan struct{}       // closed when all rows that were given to it are in the log; nil: they are; of who gives
	some  []*staged           // memory of writeStaged
}

// runBatches reads, routes and writes until something fails. worked is called
// after each batch that is published.
func (r *reader) runBatches(ctx context.Context, worked func()) error {
	g, gctx := errgroup.WithContext(ctx)
	r.writer.work, r.writer.room, r.writer.busy = make(chan *staged, ahead+1), semaphore.NewWeighted(ahead), false
	r.writer.rows = nil
	r.writer.later.Store(0)
	g.Go(func() error { return r.writeStaged(gctx, worked) })
	g.Go(func() error { return r.awaitWider(gctx) })
	silence := r.recovery.silence
	g.Go(func() error { return r.watchdog(gctx, silence) })
	g.Go(func() error {
		defer close(r.writer.work)
		return r.readBatches(gctx, worked)
	})
	err := g.Wait()
	for s := range r.writer.work { // is read again
		err = errors.Join(err, r.drop(s))
	}
	return err
}

// writeStaged writes and publishes what is handed over.
func (r *reader) writeStaged(ctx context.Context, worked func()) error {
	for s := range r.writer.work {
		some := r.gather(s)
		err := r.write(ctx, some)
		if err == nil {
			worked()
		}
		for _, s := range some {
			if s.done != nil && err == nil {
				close(s.done)
			}
			if s.done == nil && !s.begun {
				r.writer.later.Add(-1)
			}
			err = errors.Join(err, r.drop(s))
		}
		if clear(some); err != nil {
			return err
		}
	}
	return nil
}

// gather takes what waits to be saved together with a batch.
func (r *reader) gather(s *staged) []*staged {
	some := append(r.writer.some[:0], s)
	for {
		r.writer.room.Release(s.waiting)
		if s.done != nil || !s.written || s.begun {
			break
		}
		select {
		case next, ok := <-r.writer.work:
			if ok {
				s, some = next, append(some, next)
				continue
			}
		default:
		}
		break
	}
	r.writer.some = some
	return some
}

// hand gives a batch to the writer.
func (r *reader) hand(ctx context.Context, s *staged) error {
	switch {
	case s.done != nil:
	case s.written:
		s.waiting = 1
	default: // it may be large: none is to wait behind the one that is written
		s.waiting = ahead
	}
	if err := r.writer.room.Acquire(ctx, s.waiting); err != nil {
		return errors.Join(err, r.drop(s))
	}
	if r.writer.busy = s.done == nil; r.writer.busy && !s.begun {
		r.writer.later.Add(1)
	}
	if s.done == nil && !s.written {
		s.before, s.logged = r.writer.rows, make(chan struct{})
		r.writer.rows = s.logged
		if !r.st.Capabilities().OrderedJournal {
			s.logging = make(chan error, 1)
			go func() { s.logging <- r.logRows(ctx, s) }() // ends with drop
		}
	}
	r.writer.work <- s
	return nil
}

// drop ends what stage began.
func (r *reader) drop(s *staged) (err error) {
	if s.durable != nil {
		err, s.durable = s.durable(), nil
	}
	if s.logging != nil {
		err = errors.Join(err, <-s.logging)
		s.logging = nil
	}
	if s.done == nil {
		s.free()
		r.writer.under.Release(1)
	}
	return err
}

// logRows writes the rows of a batch behind those of the batch before.
func (r *reader) logRows(ctx context.Context, s *staged) error {
	if s.before != nil {
		select {
		case <-s.before:
		case <-ctx.Done(): // they may never be
			return ctx.Err()
		}
	}
	err := r.writeRows(ctx, s.out)
	if err == nil && s.logged != nil {
		close(s.logged)
	}
	return err
}

// rowsLogged tells that all rows that were given to the writer are in the log.
func (r *reader) rowsLogged() bool {
	if r.writer.rows == nil {
		return true
	}
	select {
	case <-r.writer.rows:
		r.writer.rows = nil
		return true
	default:
		return false
	}
}

// settle waits until all that was handed over is published.
func (r *reader) settle(ctx context.Context) error {
	if !r.writer.busy {
		return nil
	}
	s := &staged{done: make(chan struct{})}
	if err := r.hand(ctx, s); err != nil {
		return err
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeBatch is R2 to R6 of a batch, or what leads there.
func (r *reader) writeBatch(ctx context.Context, worked func()) error {
	if len(r.events) == 0 {
		if err := r.settle(ctx); err != nil {
			return err
		}
		return r.saveIdle(ctx)
	}
	r.step(StepRead)
	if r.drops() {
		return r.writeDrops(ctx, worked)
	}
	s, err := r.stage(ctx)
	if err != nil {
		return err
	}
	if len(r.events) < pipelined && len(r.arena) < pipelinedBytes && r.rowsLogged() {
		if err := r.writeAhead(ctx, s); err != nil {
			return errors.Join(err, r.drop(s))
		}
	}
	return r.hand(ctx, s)
}

// writeAhead is R4, and where the journal keeps the order and all before is being
// saved, R6 and the begin of R5: it asks for the disk at once.
func (r *reader) writeAhead(ctx context.Context, s *staged) (err error) {
	if err := r.writeRows(ctx, s.out); err != nil {
		return err
	}
	s.written = true
	if r.writer.later.Load() > 0 || !r.st.Capabilities().OrderedJournal {
		return nil
	}
	if s.durable, err = r.beginSave(ctx, s.last, s.token, s.time, true); err != nil {
		return err
	}
	s.begun = true
	r.handOver(s)
	return nil
}

// handOver is R6 of batches whose save has begun. On an ordered journal it does not
// wait for the disk: what is delivered is recorded behind the rows. Where the power
// fails between, neither is there, and the stretch is read again with the same
// positions and ids. Elsewhere the begin of a save is its end.
func (r *reader) handOver(some ...*staged) {
	r.step(StepSaved)
	for _, s := range some {
		if s.done == nil {
			r.publish(published{database: r.db, to: s.last, rows: s.out.rows, lean: s.out.lean})
		}
	}
	r.step(StepPublished)
	// The next batch takes milliseconds where many come: those who deliver this one
	// would wait for it on this processor while another one is busy.
	runtime.Gosched()
}

// writeDrops is writeBatch of one that ends subscriptions: nothing else is under
// way meanwhile.
func (r *reader) writeDrops(ctx context.Context, worked func()) error {
	if err := r.settle(ctx); err != nil {
		return err
	}
	worked()
	s, err := r.stage(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = r.drop(s) }()
	if err := r.suspendDropped(ctx); err != nil {
		return err
	}
	return r.write(ctx, []*staged{s})
}

// stage is R2 and R3: the rows of the batch that was read. It is under way from
// then on: routes do not change before it is published.
func (r *reader) stage(ctx context.Context) (*staged, error) {
	free, err := r.reserve(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.writer.under.Acquire(ctx, 1); err != nil {
		free()
		return nil, err
	}
	out, last, err := r.routeBatch(ctx, r.numbered)
	if err != nil {
		r.writer.under.Release(1)
		free()
		return nil, err
	}
	r.numbered = last
	r.stats.batch(r.events, r.clock())
	last = max(last, r.recovery.skip)
	return &staged{out: out, last: last, passed: max(last, r.reached()), token: r.token(), time: r.stream.OperationTime(), free: free}, nil
}

// write is R4 to R6 of batches that are saved together.
func (r *reader) write(ctx context.Context, some []*staged) error {
	var last *staged
	for _, s := range some {
		if s.done != nil {
			continue
		}
		last = s
		switch {
		case s.written:
		case s.logging != nil:
			err := <-s.logging
			if s.logging = nil; err != nil {
				return err
			}
		default:
			if err := r.logRows(ctx, s); err != nil {
				return err
			}
		}
	}
	if last == nil {
		return nil
	}
	if !last.begun {
		wait, err := r.beginSave(ctx, last.last, last.token, last.time, r.st.Capabilities().OrderedJournal)
		if err != nil {
			return err
		}
		last.durable = wait
		r.handOver(some...)
	}
	if last.durable != nil {
		err := last.durable()
		if last.durable = nil; err != nil {
			return err
		}
	}
	r.passed.Store(last.passed)
	r.hasRoom(ctx)
	return nil
}

// writeRows is R4: the rows are in the log, and before them the images that they
// name; on one journal the save that follows makes them durable.
func (r *reader) writeRows(ctx context.Context, out routed) error {
	if len(out.bodies) > 0 {
		if err := writeBodies(ctx, r.st, out.bodies); err != nil {
			return fmt.Errorf("write the images of events: %w", err)
		}
		r.step(StepBodies)
	}
	if err := insertAll(ctx, r.st, collDead, out.dead); err != nil {
		return fmt.Errorf("write dead letters: %w", err)
	}
	if err := insertAhead(ctx, r.st, collLog, out.docs); err != nil {
		return fmt.Errorf("write to the event log: %w", err)
	}
	r.step(StepLogged)
	return nil
}
