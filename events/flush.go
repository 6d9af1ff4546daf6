package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// errFenced ends a part whose lease or cursor another gateway took.
var errFenced = errors.New("another gateway took over")

// flush writes the outcomes that are known beside the loop, one batch after the
// other, while other events are being sent. Only when a batch is written do its
// events leave their lanes, so that neither a later event of their keys nor the
// cursor can pass what is not recorded. It tells whether it began to.
func (d *dispatcher) flush(ctx context.Context, g *errgroup.Group) bool {
	if len(d.pending) == 0 || d.flushing != nil {
		return false
	}
	batch := d.pending
	d.flushing, d.pending, d.easy = batch, nil, false
	if slices.ContainsFunc(batch, func(o outcome) bool { return o.status != StatusCompleted || o.it.dead }) {
		g.Go(func() error {
			d.wroteRows(d.record(ctx, batch))
			return nil
		})
		return true
	}
	d.step(StepAttempted)
	d.step(StepBuried)
	d.recordRows(batch)
	return true
}

// awaited tells whether something cannot go on before a batch is recorded: a later
// event of one of its keys, or all when there is no room.
func (d *dispatcher) awaited(batch []outcome) bool {
	if d.lanes.count >= unsettledMax || d.lanes.bytes >= unsettledSize {
		return true
	}
	return slices.ContainsFunc(batch, func(o outcome) bool { return d.lanes.waitsBehind(o.it) })
}

// recordRows is record of events that were all delivered: only their rows are to
// be written, which needs nobody to wait for it.
func (d *dispatcher) recordRows(batch []outcome) {
	ops := d.memory.rowOps(d, batch)
	if len(ops) == 0 {
		d.step(StepRecorded)
		d.wroteRows(nil)
		return
	}
	urgent := d.awaited(batch)
	d.easy = !urgent
	d.outcomes.submit(ops, urgent, d.rowsWritten)
}

// rowsWritten takes the end of the write that recordRows began.
func (d *dispatcher) rowsWritten(err error) {
	if err = recordError(err); err == nil {
		d.step(StepRecorded)
	}
	d.wroteRows(err)
}

// record writes outcomes: attempts and dead letters before the rows that become
// failed, then the rows.
func (d *dispatcher) record(ctx context.Context, batch []outcome) error {
	if err := d.writeAttempts(ctx, batch); err != nil {
		return err
	}
	d.step(StepAttempted)
	if err := d.writeDead(ctx, batch); err != nil {
		return err
	}
	d.step(StepBuried)
	if err := d.writeRows(ctx, batch); err != nil {
		return err
	}
	d.step(StepRecorded)
	return nil
}

// recorded takes a batch out of the lanes that is written.
func (d *dispatcher) recorded(ctx context.Context, err error) error {
	batch := d.flushing
	if d.flushing = nil; err != nil {
		return err
	}
	pause := false
	for _, o := range batch {
		pause = d.leave(o) || pause
	}
	d.settled(batch)
	defer d.reuse(batch)
	if err := d.tellBlocked(ctx); err != nil {
		return err
	}
	switch {
	case d.gone != nil && slices.ContainsFunc(batch, func(o outcome) bool { return o.err == d.gone }):
		reason := "endpoint_gone"
		if d.gone.Class == FailAuth {
			reason = "auth"
		}
		return d.crew.apart(func() error { return d.suspend(ctx, reason, d.gone.Error()) })
	case pause:
		return d.crew.apart(func() error { return d.suspend(ctx, "dead_letter", "on_dead_letter = pause") })
	}
	return nil
}

// reuse takes the memory of a batch that is done for the next.
func (d *dispatcher) reuse(batch []outcome) {
	if clear(batch); d.pending == nil {
		d.pending = batch[:0]
	}
}

// flushLast writes what is known when the dispatcher ends.
func (d *dispatcher) flushLast(ctx context.Context) error {
	if d.flushing != nil {
		if err := d.recorded(ctx, <-d.flushed); err != nil {
			return err
		}
	}
	d.flushing, d.pending = d.pending, nil
	return d.recorded(ctx, d.record(ctx, d.flushing))
}

// leave takes a settled event out of its lane; true: the subscription is to pause.
func (d *dispatcher) leave(o outcome) bool {
	if o.status == StatusRetrying {
		o.it.putOff = true
		d.lanes.release(o.it)
		return false
	}
	d.unsaved++
	failed := o.status == StatusFailed
	if failed && d.spec.OnDeadLetter == "block_key" {
		d.lanes.block(o.it.key)
	}
	d.lanes.settle(o.it)
	return failed && d.spec.OnDeadLetter == "pause"
}

// summarised tells of an outcome that the cursor records (tracking = summary).
// The cursor of a shard says nothing about the events of others.
func (d *dispatcher) summarised(o *outcome) bool {
	return d.lease == nil && o.status == StatusCompleted && d.spec.Tracking == "summary" && !o.it.putOff && !o.it.dead
}

func (d *dispatcher) writeRows(ctx context.Context, batch []outcome) error {
	if err := recordError(d.outcomes.write(d.memory.rowOps(d, batch))); err != nil {
		return err
	}
	var closed []string
	for i := range batch {
		if o := &batch[i]; o.it.dead && o.status == StatusCompleted {
			closed = append(closed, o.it.ID)
		}
	}
	return d.closeDead(ctx, closed)
}

// rowMemory holds the updates of the rows of a batch, until they are written.
type rowMemory struct {
	ops   []store.WriteOp
	bytes []byte
}

// Bounds of what is kept for the next batch: there are many dispatchers.
const (
	keptRowOps   = 64
	keptRowBytes = 32 << 10
)

// rowOps are the updates of the rows of a batch; they are valid until the next call.
func (m *rowMemory) rowOps(d *dispatcher, batch []outcome) []store.WriteOp {
	if cap(m.ops) > keptRowOps || cap(m.bytes) > keptRowBytes {
		*m = rowMemory{}
	}
	m.ops, m.bytes = m.ops[:0], m.bytes[:0]
	for i := range batch {
		if o := &batch[i]; !o.recorded && !d.summarised(o) {
			at := len(m.bytes)
			m.bytes = appendRowFilter(m.bytes, o)
			middle := len(m.bytes)
			m.bytes = d.appendRowUpdate(m.bytes, o)
			m.ops = append(m.ops, store.WriteOp{Kind: store.Update, Filter: bson.Raw(m.bytes[at:middle:middle]), Update: documentValue(slices.Clip(m.bytes[middle:]))})
		}
	}
	return m.ops
}

// recordError is the error of writing outcomes: rows that are gone are those of a
// subscription that was dropped.
func recordError(err error) error {
	if err == nil || errors.Is(err, errUnmatched) {
		return nil
	}
	return fmt.Errorf("record outcomes: %w", err)
}

// errOvertaken ends a dispatcher that met rows which are settled already: another
// one delivered them, or a commit went through that was not heard of. It begins
// anew from what the log says.
var errOvertaken = errors.New("events were settled meanwhile")

// recordSent completes the rows of a delivery in its transaction. Only rows that
// are not settled are: of two dispatchers that deliver an event one goes through.
func (d *dispatcher) recordSent(ctx context.Context, q store.Queryer, r *result) error {
	ops := make([]store.WriteOp, len(r.items))
	for i, it := range r.items {
		filter := marshal(bson.D{{Key: "_id", Value: it.ID}, {Key: "processing_status", Value: unsettledStatus.RawValue()}})
		o := outcome{it: it, status: StatusCompleted, started: r.started, finished: r.finished}
		ops[i] = store.WriteOp{Kind: store.Update, Filter: filter, Update: documentValue(d.appendRowUpdate(nil, &o))}
	}
	res, err := q.Write(ctx, ns(collLog), ops, store.WriteOptions{Durable: true})
	if err == nil {
		err = res.Err()
	}
	if err == nil && res.Matched < int64(len(ops)) {
		err = errOvertaken
	}
	return err
}

// closeDead closes the dead letters of events that a rewind brought through.
func (d *dispatcher) closeDead(ctx context.Context, ids []string) error {
	var ops []store.WriteOp
	for _, id := range ids {
		ops = append(ops, updateOp(bson.D{{Key: "_id", Value: id}, {Key: "status", Value: "open"}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: "redriven"}, {Key: "last_attempt_at", Value: d.clock()}}}}, false))
	}
	return d.write(ctx, collDead, ops)
}

// write runs operations that do not depend on each other.
func (d *dispatcher) write(ctx context.Context, coll string, ops []store.WriteOp) error {
	if len(ops) == 0 {
		return nil
	}
	res, err := d.st.Write(ctx, ns(coll), ops, store.WriteOptions{Durable: true, Unordered: true})
	if err == nil {
		err = res.Err()
	}
	return err
}

// appendRowFilter appends what finds an event's row. One that is settled stays so:
// whoever comes with a failure then went to sleep, and others delivered the event.
func appendRowFilter(dst []byte, o *outcome) []byte {
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "_id", value.String(o.it.ID))
	if o.status != StatusCompleted {
		dst = value.AppendElement(dst, "processing_status", unsettledStatus)
	}
	return value.EndDocument(dst, start)
}

// unsettledStatus is the condition that an event is not settled.
var unsettledStatus = value.Document(marshal(bson.D{{Key: "$in", Value: bson.A{StatusQueued, StatusProcessing, StatusRetrying}}}))

// appendRowUpdate appends the update of an event's row, in BSON: there is one per event.
func (d *dispatcher) appendRowUpdate(dst []byte, o *outcome) []byte {
	start, dst := value.BeginDocument(slices.Grow(dst, 384))
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "$set")
	set, dst := value.BeginDocument(dst)
	add := func(key string, v value.Value) { dst = value.AppendElement(dst, key, v) }
	add("processing_status", value.String(o.status))
	add("processing_started_at", value.Date(o.started.UnixMilli()))
	add("processing_duration_ms", value.Double(float64(o.finished.Sub(o.started).Microseconds())/1000))
	add("retry_count", value.Int32(int32(max(0, o.it.Attempt-1))))
	add("processed_by", value.String(d.gateway))
	if o.err != nil {
		add("last_error", value.String(o.err.Error()))
	}
	if o.status == StatusRetrying {
		add("next_attempt_at", value.Date(o.it.next.UnixMilli()))
		add("first_attempt_at", value.Date(o.it.began.UnixMilli()))
		return value.EndDocument(value.EndDocument(dst, set), start)
	}
	add("processing_completed_at", value.Date(o.finished.UnixMilli()))
	add("expire_at", value.Date(o.finished.Add(d.spec.Retention).UnixMilli()))
	if o.status == StatusFailed {
		add("dead_lettered", value.Bool(d.spec.DeadLetters))
	}
	dst = value.EndDocument(dst, set)
	if o.it.putOff {
		dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "$unset")
		unset, rest := value.BeginDocument(dst)
		dst = value.EndDocument(value.AppendElement(rest, "next_attempt_at", value.String("")), unset)
	}
	return value.EndDocument(dst, start)
}

// Retention of what is kept of failures.
const (
	deadRetention    = 30 * Day
	attemptRetention = 7 * Day
)

// excerptLen bounds what is kept of a receiver's answer.
const excerptLen = 1024

// writeAttempts records the sends that failed, for EVENT_ATTEMPTS().
func (d *dispatcher) writeAttempts(ctx context.Context, batch []outcome) error {
	var docs []bson.Raw
	for _, o := range batch {
		if o.err == nil || o.err == errTooOld {
			continue
		}
		n := o.attempt
		doc := bson.D{{Key: "_id", Value: fmt.Sprintf("%s:%d:%x", o.it.ID, n, o.started.UnixMicro())}, {Key: "event_id", Value: o.it.ID}, {Key: "subscription_id", Value: d.spec.ID},
			{Key: "attempt", Value: int32(n)}, {Key: "started_at", Value: o.started}, {Key: "duration_ms", Value: float64(o.finished.Sub(o.started).Microseconds()) / 1000},
			{Key: "outcome", Value: o.status}, {Key: "error", Value: o.err.Error()}, {Key: "response_excerpt", Value: truncate(o.err.Excerpt, excerptLen)},
			{Key: "gateway", Value: d.gateway}, {Key: "expire_at", Value: o.finished.Add(attemptRetention)}}
		if o.err.Status != 0 {
			doc = append(doc, bson.E{Key: "status_code", Value: int32(o.err.Status)})
		}
		docs = append(docs, marshal(doc))
	}
	if err := insertAll(ctx, d.st, collAttempts, docs); err != nil {
		return fmt.Errorf("record attempts: %w", err)
	}
	return nil
}

func (d *dispatcher) writeDead(ctx context.Context, batch []outcome) error {
	var ops []store.WriteOp
	for _, o := range batch {
		if o.status == StatusFailed && d.spec.DeadLetters {
			if err := d.slim(ctx, o.it); err != nil {
				return fmt.Errorf("write dead letters: %w", err)
			}
			ops = append(ops, d.deadLetter(o))
		}
	}
	if err := d.write(ctx, collDead, ops); err != nil {
		return fmt.Errorf("write dead letters: %w", err)
	}
	return nil
}

// slim gives an event that is too large for a dead letter its row as it is stored,
// which names its images.
func (d *dispatcher) slim(ctx context.Context, it *item) error {
	if len(it.Row) <= maxRow {
		return nil
	}
	return query(ctx, d.st, collLog, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: it.ID}}}}}, func(row bson.Raw) error {
		it.Row = slices.Clone(row)
		return nil
	})
}

// deadLetter keeps a full copy of the event with what went wrong. One that is
// there already, from before a rewind, takes the new failure.
func (d *dispatcher) deadLetter(o outcome) store.WriteOp {
	began := o.it.began
	if began.IsZero() {
		began = o.started
	}
	set := bson.D{{Key: "reason", Value: o.deadReason}, {Key: "attempts", Value: int32(o.it.Attempt)},
		{Key: "first_attempt_at", Value: began}, {Key: "last_attempt_at", Value: o.started},
		{Key: "last_error", Value: o.err.Error()}, {Key: "response_excerpt", Value: truncate(o.err.Excerpt, excerptLen)},
		{Key: "status", Value: "open"}, {Key: "expire_at", Value: o.finished.Add(deadRetention)}}
	if o.err.Status != 0 {
		set = append(set, bson.E{Key: "last_status", Value: int32(o.err.Status)})
	}
	row := o.it.Row
	if o.it.lost {
		row = nameless(row)
	}
	first := append(deadCopy(row), bson.E{Key: "redrive_count", Value: int32(0)}, bson.E{Key: "created_at", Value: o.finished})
	return updateOp(bson.D{{Key: "_id", Value: o.it.ID}}, bson.D{{Key: "$set", Value: set}, {Key: "$setOnInsert", Value: first}}, true)
}

// deadCopy is what a dead letter has of the event's row.
func deadCopy(raw bson.Raw) bson.D {
	var row, out bson.D
	if err := bson.Unmarshal(raw, &row); err != nil {
		return nil
	}
	for _, e := range row {
		switch e.Key {
		case "_id", "processing_status", "retry_count", "next_attempt_at", "first_attempt_at", "last_error", "processed_by", "expire_at",
			"processing_started_at", "processing_completed_at", "processing_duration_ms", "queued_at", "dead_lettered":
		default:
			out = append(out, e)
		}
	}
	return out
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// duplicate tells of an insert that is there already from an earlier try.
func duplicate(err error) bool { return errors.Is(err, mongoerr.Code(mongoerr.DuplicateKey)) }
