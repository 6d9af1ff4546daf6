package events

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// loop has the dispatcher's turn come whenever there is something to do.
func (d *dispatcher) loop(ctx, sendCtx context.Context, g *errgroup.Group) (err error) {
	d.turn = d.crew.add(func() (wait time.Duration, more bool) {
		wait, err = d.work(ctx, sendCtx, g)
		return wait, err == nil
	})
	d.feed.tell(d.turn.ring)
	defer context.AfterFunc(ctx, d.turn.ring)()
	d.turn.ring()
	<-d.turn.done
	return err
}

// work does what there is to do and tells for how long there is nothing.
func (d *dispatcher) work(ctx, sendCtx context.Context, g *errgroup.Group) (wait time.Duration, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := d.takeWritten(ctx); err != nil {
			return 0, err
		}
		if err := d.takeResults(ctx); err != nil {
			return 0, err
		}
		if err := d.advance(ctx); err != nil {
			return 0, err
		}
		if err := d.fill(ctx); err != nil {
			return 0, err
		}
		again := d.send(sendCtx, g)
		if d.flush(ctx, g) && d.lanes.ready.Len() > 0 && d.sending < d.parallel() {
			continue // what was full has room now
		}
		// Whoever ends a write rings where it is awaited; it may have ended just now.
		d.awaits.Store(d.flushing != nil && !d.patient())
		if d.awaits.Load() && len(d.flushed) > 0 || len(d.results) > 0 && len(d.pending) < flushRows {
			continue
		}
		return d.waitUntil(again, d.clock()), nil
	}
}

// takeWritten takes the ends of writes that have come.
func (d *dispatcher) takeWritten(ctx context.Context) error {
	if d.moving != "" {
		select {
		case err := <-d.moved:
			if err := d.cursorMoved(err); err != nil {
				return err
			}
		default:
		}
	}
	if d.flushing == nil {
		return nil
	}
	select {
	case err := <-d.flushed:
		return d.recorded(ctx, err)
	default:
		return nil
	}
}

// patient tells that nothing waits for the outcomes that are being written: with a
// thousand subscriptions it is worth much that each is woken once for an event, and
// takes the end of its write together with the next one.
func (d *dispatcher) patient() bool {
	return d.easy && len(d.pending) == 0 && d.lanes.count < unsettledMax && d.lanes.bytes < unsettledSize
}

// easyWait is after what time at the latest the end of a write is taken.
const easyWait = 50 * time.Millisecond

func (d *dispatcher) waitUntil(again, now time.Time) time.Duration {
	const longest = 5 * time.Second
	wait := longest
	if !again.IsZero() {
		wait = min(wait, again.Sub(now))
	}
	if d.flushing != nil && d.patient() {
		wait = min(wait, easyWait)
	}
	if d.unsaved > 0 && d.moving == "" {
		every, _ := d.cursorPace()
		wait = min(wait, every-now.Sub(d.saved))
	}
	return max(0, wait)
}

// takeResults takes the ends of sends that have come.
func (d *dispatcher) takeResults(ctx context.Context) error {
	for d.sending > 0 && len(d.pending) < flushRows {
		select {
		case r := <-d.results:
			if err := d.settle(ctx, r); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// wroteRows takes the end of a write of outcomes, from whoever wrote them.
func (d *dispatcher) wroteRows(err error) {
	t := d.turn // it may be another one as soon as the end is taken
	if d.flushed <- err; d.awaits.Load() {
		t.ring()
	}
}
