package events

import (
	"context"
	"fmt"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"
)

// A reader that has much to do makes the rows of a batch while the rows of the one
// before are written; one batch is written at a time, in order. Where it is up
// with the stream, it writes each batch itself: that is soonest.

// pipelined is from how many events on a batch is handed to the writer.
const pipelined = 100

// staged is a batch whose rows are made.
type staged struct {
	out    routed
	last   string // position of its last event
	passed string // up to which the stream was read
	token  bson.Raw
	time   bson.Timestamp
	free   func()        // gives the memory of the batch back
	done   chan struct{} // closed when all before is written; then there is nothing else here
}

// writer is the other half of the pipeline.
type writer struct {
	work  chan *staged
	under sync.WaitGroup // batches that are routed and not written
	busy  bool           // something was handed over that may not be written; of who hands over
}

// runBatches reads, routes and writes until something fails. worked is called
// after each batch that is written.
func (r *reader) runBatches(ctx context.Context, worked func()) error {
	g, gctx := errgroup.WithContext(ctx)
	r.writer.work, r.writer.busy = make(chan *staged), false
	g.Go(func() error { return r.writeStaged(gctx, worked) })
	g.Go(func() error { return r.awaitWider(gctx) })
	silence := r.recovery.silence
	g.Go(func() error { return r.watchdog(gctx, silence) })
	g.Go(func() error {
		defer close(r.writer.work)
		return r.readBatches(gctx, worked)
	})
	return g.Wait()
}

// writeStaged writes what is handed over.
func (r *reader) writeStaged(ctx context.Context, worked func()) error {
	for s := range r.writer.work {
		if s.done != nil {
			close(s.done)
			continue
		}
		err := r.write(ctx, s)
		s.free()
		r.writer.under.Done()
		if err != nil {
			return err
		}
		worked()
	}
	return nil
}

// hand gives a batch to the writer, which takes it when the one before is written.
func (r *reader) hand(ctx context.Context, s *staged) error {
	r.writer.busy = s.done == nil
	select {
	case r.writer.work <- s:
		return nil
	case <-ctx.Done():
		if s.done == nil {
			s.free()
			r.writer.under.Done()
		}
		return ctx.Err()
	}
}

// settle waits until all that was handed over is written.
func (r *reader) settle(ctx context.Context) error {
	if !r.writer.busy {
		return nil
	}
	s := &staged{done: make(chan struct{})}
	if err := r.hand(ctx, s); err != nil {
		return err
	}
	<-s.done
	return nil
}

// writeBatch is R2 to R6 of a batch, or what leads there.
func (r *reader) writeBatch(ctx context.Context, worked func()) error {
	beside := len(r.events) >= pipelined && !r.drops()
	if !beside {
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
	if len(r.events) == 0 {
		return r.saveIdle(ctx)
	}
	r.step(StepRead)
	free, err := r.reserve(ctx)
	if err != nil {
		return err
	}
	r.batch.Lock()
	s, err := r.stage(ctx)
	if err != nil || !beside {
		defer r.batch.Unlock()
		defer free()
		if err == nil {
			err = r.suspendDropped(ctx)
		}
		if err == nil {
			err = r.write(ctx, s)
		}
		worked()
		return err
	}
	s.free = free
	r.writer.under.Add(1)
	r.batch.Unlock()
	return r.hand(ctx, s)
}

// stage is R2 and R3: the rows of the batch that was read.
func (r *reader) stage(ctx context.Context) (*staged, error) {
	out, last, err := r.routeBatch(ctx, r.numbered)
	if err != nil {
		return nil, err
	}
	r.numbered = last
	r.stats.batch(r.events, r.clock())
	last = max(last, r.recovery.skip)
	return &staged{out: out, last: last, passed: max(last, r.reached()), token: r.token(), time: r.stream.OperationTime()}, nil
}

// write is R4 to R6.
func (r *reader) write(ctx context.Context, s *staged) error {
	if err := r.writeRows(ctx, s.out); err != nil {
		return err
	}
	if err := r.saveAt(ctx, s.last, s.token, s.time); err != nil {
		return err
	}
	r.step(StepSaved)
	r.publish(published{database: r.db, to: s.last, rows: s.out.rows, lean: s.out.lean})
	r.step(StepPublished)
	r.passed.Store(s.passed)
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
