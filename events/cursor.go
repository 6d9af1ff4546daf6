package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// advance writes the cursor now and then while events are settled.
func (d *dispatcher) advance(ctx context.Context) error {
	every, events := d.cursorPace()
	if d.unsaved == 0 || d.moving != "" || d.unsaved < events && d.clock().Sub(d.saved) < every {
		return nil
	}
	if d.spec.Tracking == "summary" {
		return d.crew.apart(func() error { return d.saveCursor(ctx) })
	}
	if op, ok := d.moveCursor(); ok {
		t := d.turn
		d.cursors.submit([]store.WriteOp{op}, false, func(err error) {
			d.moved <- err
			t.ring()
		})
	}
	return nil
}

// cursorPace is how often the cursor is written.
func (d *dispatcher) cursorPace() (every time.Duration, events int) {
	if d.spec.Tracking == "summary" {
		return summaryEvery, summaryEvents
	}
	return cursorEvery, cursorEvents
}

// moveCursor is the update that moves the cursor to the position below which all
// is settled; false: it is there already.
func (d *dispatcher) moveCursor() (op store.WriteOp, ok bool) {
	d.saved, d.unsaved = d.clock(), 0
	done := d.readPos
	if low := d.lanes.lowest(); low != "" && low <= done {
		done = before(low)
	}
	if done <= d.donePos {
		return op, false
	}
	d.moving = done
	return d.cursorOp(done), true
}

// cursorOp is the update of the cursor under the epoch, in BSON: every subscription
// that has events writes one every other second.
func (d *dispatcher) cursorOp(done string) store.WriteOp {
	var filter, update value.Builder
	filter.Add("_id", value.String(d.cursor()))
	filter.Add("epoch", value.Int64(d.epoch))
	update.Open(bson.TypeEmbeddedDocument, "$set")
	update.Add("done_pos", value.String(done))
	update.Add("saved_at", value.Date(d.saved.UnixMilli()))
	update.Close()
	return store.WriteOp{Kind: store.Update, Filter: filter.Doc(), Update: documentValue(update.Doc())}
}

// cursorMoved takes the end of a move of the cursor.
func (d *dispatcher) cursorMoved(err error) error {
	done := d.moving
	d.moving = ""
	switch {
	case errors.Is(err, errUnmatched):
		return errFenced
	case err != nil:
		return fmt.Errorf("move the cursor %s: %w", d.cursor(), err)
	}
	d.donePos = done
	d.step(StepMoved)
	return nil
}

// saveCursor moves the cursor and waits for it.
func (d *dispatcher) saveCursor(ctx context.Context) error {
	if d.moving != "" {
		if err := d.cursorMoved(<-d.moved); err != nil {
			return err
		}
	}
	op, ok := d.moveCursor()
	if !ok {
		return nil
	}
	if err := d.completeSummary(ctx, d.moving); err != nil {
		d.moving = ""
		return err
	}
	return d.cursorMoved(d.cursors.write([]store.WriteOp{op}))
}

// completeSummary completes the rows below the cursor at once (tracking = summary).
// All there is settled: a row that is to be retried says what a gateway wrote that had
// lost the lease.
func (d *dispatcher) completeSummary(ctx context.Context, done string) error {
	if d.spec.Tracking != "summary" || d.lease != nil {
		return nil
	}
	op := updateOp(bson.D{{Key: "subscription_id", Value: d.spec.ID}, {Key: "position", Value: bson.D{{Key: "$gt", Value: d.donePos}, {Key: "$lte", Value: done}}},
		{Key: "processing_status", Value: bson.D{{Key: "$in", Value: bson.A{StatusQueued, StatusRetrying}}}}}, bson.D{{Key: "$set", Value: bson.D{{Key: "processing_status", Value: StatusCompleted},
		{Key: "processing_completed_at", Value: d.saved}, {Key: "processed_by", Value: d.gateway}, {Key: "expire_at", Value: d.saved.Add(d.spec.Retention)}}}}, false)
	op.Multi = true
	if err := d.write(ctx, collLog, []store.WriteOp{op}); err != nil {
		return fmt.Errorf("complete the events of %s: %w", d.spec.ID, err)
	}
	return nil
}

// before gives a position just below p: its ordinal's predecessor, or the end
// of the cluster time before it.
func before(p string) string {
	t, ordinal, ok := ParsePosition(p)
	switch {
	case !ok:
		return ""
	case ordinal > 0:
		ordinal--
	case t.I > 0:
		t.I, ordinal = t.I-1, ^uint32(0)
	default:
		t.T, t.I, ordinal = t.T-1, ^uint32(0), ^uint32(0)
	}
	return string(appendPosition(nil, t, ordinal))
}
