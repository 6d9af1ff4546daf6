package events

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// outcome is what became of an event, to be written to its row.
type outcome struct {
	it         *item
	status     string
	started    time.Time
	finished   time.Time
	err        *SinkError
	deadReason string
}

// settle takes the end of a send: successes leave their lanes, failures wait or die.
func (d *dispatcher) settle(ctx context.Context, r result) error {
	if r.err != nil && ctx.Err() != nil {
		return ctx.Err() // the send was cut off by us; it says nothing about the receiver
	}
	d.sending--
	d.breaker.done(r.err == nil || answered(r.err), r.probe, r.finished)
	if r.err != nil && len(r.items) > 1 && r.err.Failed == nil {
		d.split(r)
		return nil
	}
	d.take(r)
	return nil
}

// answered tells whether a failure is about the events rather than the endpoint.
func answered(f *SinkError) bool {
	return f.Reason != "" || f.Class == FailTerminal || f.Failed != nil
}

// split lets the events of a failed batch be taken again, each alone, so that
// only the one that cannot be delivered spends its attempts.
func (d *dispatcher) split(r result) {
	for _, it := range r.items {
		d.lanes.release(it)
	}
	d.alone = len(r.items)
}

// take records the outcome of each event of a send.
func (d *dispatcher) take(r result) {
	for _, it := range r.items {
		o := outcome{it: it, started: r.started, finished: r.finished, err: r.err, status: StatusCompleted}
		if r.err != nil && (r.err.Failed == nil || slices.Contains(r.err.Failed, it.ID)) {
			o.status, o.deadReason = d.fail(it, r)
		} else {
			o.err = nil
		}
		d.pending = append(d.pending, o)
	}
}

// fail decides what becomes of a failed event.
func (d *dispatcher) fail(it *item, r result) (status, reason string) {
	if r.probe && r.err.Reason == "" {
		it.next = r.finished
		return StatusRetrying, ""
	}
	v, reason := judge(d.spec, r.err, it.Attempt, it.eventMS, r.finished)
	switch v {
	case verdictDead:
		return StatusFailed, reason
	case verdictSuspend:
		d.gone = r.err
		it.next = r.finished
		return StatusRetrying, ""
	}
	it.next = r.finished.Add(retryDelay(d.spec, it.Attempt, r.err.RetryAfter, jitter))
	it.Attempt++
	return StatusRetrying, ""
}

// flush writes the outcomes: dead letters before the rows that become failed,
// then the rows, then the cursor. Only then do the events leave their lanes.
func (d *dispatcher) flush(ctx context.Context) error {
	if len(d.pending) == 0 {
		return nil
	}
	if err := d.writeDead(ctx); err != nil {
		return err
	}
	if err := d.writeRows(ctx); err != nil {
		return err
	}
	outcomes := d.pending
	d.pending = nil
	pause := false
	for _, o := range outcomes {
		pause = d.leave(o) || pause
	}
	d.settled(outcomes)
	if err := d.advance(ctx); err != nil {
		return err
	}
	switch {
	case d.gone != nil:
		return d.suspend(ctx, "endpoint_gone", d.gone.Error())
	case pause:
		return d.suspend(ctx, "dead_letter", "on_dead_letter = pause")
	}
	return nil
}

// leave takes a settled event out of its lane; true: the subscription is to pause.
func (d *dispatcher) leave(o outcome) bool {
	if o.status == StatusRetrying {
		d.lanes.release(o.it)
		return false
	}
	if o.status == StatusFailed && d.spec.OnDeadLetter == "block_key" {
		d.lanes.byKey[o.it.key].blocked = true
	}
	d.lanes.settle(o.it)
	return o.status == StatusFailed && d.spec.OnDeadLetter == "pause"
}

func (d *dispatcher) writeRows(ctx context.Context) error {
	ops := make([]store.WriteOp, 0, len(d.pending))
	for _, o := range d.pending {
		if o.status == StatusCompleted && d.spec.Tracking == "summary" && o.it.Attempt == 1 {
			continue
		}
		ops = append(ops, store.WriteOp{
			Kind: store.Update, Filter: marshal(bson.D{{Key: "_id", Value: o.it.ID}}), Update: documentValue(marshal(d.rowUpdate(o))),
		})
	}
	if len(ops) == 0 {
		return nil
	}
	res, err := d.st.Write(ctx, ns(collLog), ops, store.WriteOptions{Durable: true, Unordered: true})
	if err == nil {
		err = res.Err()
	}
	if err != nil {
		return fmt.Errorf("record outcomes: %w", err)
	}
	return nil
}

func (d *dispatcher) rowUpdate(o outcome) bson.D {
	set := bson.D{
		{Key: "processing_status", Value: o.status}, {Key: "processing_started_at", Value: o.started},
		{Key: "processing_duration_ms", Value: float64(o.finished.Sub(o.started).Microseconds()) / 1000},
		{Key: "retry_count", Value: int32(o.it.Attempt - 1)}, {Key: "processed_by", Value: d.gateway},
	}
	unset := bson.D{}
	if o.err != nil {
		set = append(set, bson.E{Key: "last_error", Value: o.err.Error()})
	}
	if o.status == StatusRetrying {
		set = append(set, bson.E{Key: "next_attempt_at", Value: o.it.next})
	} else {
		set = append(set, bson.E{Key: "processing_completed_at", Value: o.finished}, bson.E{Key: "expire_at", Value: o.finished.Add(d.spec.Retention)})
		unset = append(unset, bson.E{Key: "next_attempt_at", Value: ""})
	}
	update := bson.D{{Key: "$set", Value: set}}
	if len(unset) > 0 {
		update = append(update, bson.E{Key: "$unset", Value: unset})
	}
	return update
}

// deadRetention is how long dead letters are kept.
const deadRetention = 30 * Day

// excerptLen bounds what is kept of a receiver's answer.
const excerptLen = 1024

func (d *dispatcher) writeDead(ctx context.Context) error {
	var docs []bson.Raw
	for _, o := range d.pending {
		if o.status == StatusFailed && d.spec.DeadLetters {
			docs = append(docs, d.deadLetter(o))
		}
	}
	if err := insertAll(ctx, d.st, collDead, docs); err != nil {
		return fmt.Errorf("write dead letters: %w", err)
	}
	return nil
}

// deadLetter is a full copy of the event with what went wrong.
func (d *dispatcher) deadLetter(o outcome) bson.Raw {
	var row bson.D
	if err := bson.Unmarshal(o.it.Row, &row); err != nil {
		row = nil
	}
	dead := bson.D{{Key: "_id", Value: o.it.ID}, {Key: "reason", Value: o.deadReason}, {Key: "attempts", Value: int32(o.it.Attempt)},
		{Key: "first_attempt_at", Value: o.started}, {Key: "last_attempt_at", Value: o.started},
		{Key: "last_error", Value: o.err.Error()}, {Key: "response_excerpt", Value: truncate(o.err.Excerpt, excerptLen)},
		{Key: "status", Value: "open"}, {Key: "redrive_count", Value: int32(o.it.Redrive)},
		{Key: "created_at", Value: o.finished}, {Key: "expire_at", Value: o.finished.Add(deadRetention)}}
	if o.err.Status != 0 {
		dead = append(dead, bson.E{Key: "last_status", Value: int32(o.err.Status)})
	}
	for _, e := range row {
		switch e.Key {
		case "_id", "processing_status", "retry_count", "next_attempt_at", "last_error", "processed_by", "expire_at",
			"processing_started_at", "processing_completed_at", "processing_duration_ms", "queued_at":
		default:
			dead = append(dead, e)
		}
	}
	return marshal(dead)
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// advance moves the cursor to the position below which all is settled.
func (d *dispatcher) advance(ctx context.Context) error {
	done := d.readPos
	if low := d.lanes.lowest(); low != "" && low <= done {
		done = before(low)
	}
	if done <= d.donePos {
		return nil
	}
	ok, err := updateOne(ctx, d.st, collCursors, bson.D{{Key: "_id", Value: d.cursorID()}, {Key: "epoch", Value: d.epoch}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "done_pos", Value: done}, {Key: "saved_at", Value: d.clock()}}}}, false)
	if err != nil {
		return fmt.Errorf("move the cursor of %s: %w", d.spec.ID, err)
	}
	if !ok {
		return errFenced
	}
	d.donePos = done
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
