package events

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"weir/engine/value"
	"weir/store"
)

// Bounds of a dispatcher.
const (
	inFlight      = 16     // sends under way at once
	unsettledMax  = 10_000 // events in lanes; the log buffers the rest
	unsettledSize = 32 << 20
	pageRows      = 1000
	flushRows     = 200 // outcomes written at once
)

// dispatcher delivers the events of one subscription from the log, in order per
// key. One goroutine owns its state; sends run beside it.
type dispatcher struct {
	st      store.Store
	spec    *Spec
	sink    Sink
	project Projection
	breaker *breaker
	gateway string
	log     *slog.Logger
	clock   func() time.Time
	suspend func(ctx context.Context, reason, detail string) error
	settled func(outcomes []outcome) // counters

	wake    chan struct{} // new rows are published, or rows were changed by a statement
	results chan result   // of sends
	order   []path        // ordering_key
	epoch   int64
	donePos string // all rows up to it are settled
	readPos string // all rows up to it are in lanes or settled
	lanes   *lanes
	pending []outcome
	sending int
	alone   int        // so many events of a failed batch are sent one by one
	gone    *SinkError // the receiver said that it is gone
}

// result is the end of a send.
type result struct {
	items    []*item
	started  time.Time
	finished time.Time
	probe    bool
	err      *SinkError
}

// Wake tells that there may be something to do.
func (d *dispatcher) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends or the subscription is suspended. What is under
// way when it ends is sent again by the next run, with the same id.
func (d *dispatcher) Run(ctx context.Context) error {
	defer func() { _ = d.sink.Close() }()
	if err := d.load(ctx); err != nil {
		return err
	}
	g, sendCtx := errgroup.WithContext(ctx)
	err := d.loop(sendCtx, g)
	_ = g.Wait()
	if ctx.Err() != nil {
		d.drainResults()
		return d.flush(context.WithoutCancel(ctx))
	}
	return err
}

func (d *dispatcher) drainResults() {
	for {
		select {
		case r := <-d.results:
			if r.err == nil {
				d.take(r)
			}
		default:
			return
		}
	}
}

func (d *dispatcher) loop(ctx context.Context, g *errgroup.Group) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := d.fill(ctx); err != nil {
			return err
		}
		again := d.send(ctx, g)
		if err := d.flush(ctx); err != nil {
			return err
		}
		timer.Reset(waitUntil(again, d.clock()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.wake:
		case <-timer.C:
		case r := <-d.results:
			if err := d.takeAll(ctx, r); err != nil {
				return err
			}
		}
	}
}

func waitUntil(again, now time.Time) time.Duration {
	const longest = 5 * time.Second
	if again.IsZero() {
		return longest
	}
	return max(0, min(again.Sub(now), longest))
}

// takeAll takes a result and those that came meanwhile.
func (d *dispatcher) takeAll(ctx context.Context, r result) error {
	for {
		if err := d.settle(ctx, r); err != nil {
			return err
		}
		if len(d.pending) >= flushRows {
			return nil
		}
		select {
		case r = <-d.results:
		default:
			return nil
		}
	}
}

// load takes the cursor's lease and reads its position.
func (d *dispatcher) load(ctx context.Context) error {
	d.lanes, d.results = newLanes(), make(chan result, inFlight)
	d.order = makePaths(d.spec.OrderingKey)
	reply, err := command(ctx, d.st, bson.D{
		{Key: "findAndModify", Value: collCursors}, {Key: "query", Value: bson.D{{Key: "_id", Value: d.cursorID()}}},
		{Key: "update", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "epoch", Value: int64(1)}}}, {Key: "$set", Value: bson.D{{Key: "owner", Value: d.gateway}}}}},
		{Key: "upsert", Value: true}, {Key: "new", Value: true},
	})
	if err != nil {
		return fmt.Errorf("take the cursor of %s: %w", d.spec.ID, err)
	}
	doc := value.Lookup(reply, "value").Doc()
	d.epoch = value.Lookup(doc, "epoch").AsInt64()
	d.donePos = strings.Clone(text(value.Lookup(doc, "done_pos")))
	d.readPos = d.donePos
	return nil
}

func (d *dispatcher) cursorID() string { return d.spec.ID + ":0" }

// fill reads a page of the log into the lanes while they have room.
func (d *dispatcher) fill(ctx context.Context) error {
	for d.lanes.count < unsettledMax && d.lanes.bytes < unsettledSize {
		n, err := d.readPage(ctx)
		if err != nil || n < pageRows {
			return err
		}
	}
	return nil
}

func (d *dispatcher) readPage(ctx context.Context) (n int, err error) {
	match := bson.D{{Key: "subscription_id", Value: d.spec.ID}}
	if d.readPos != "" {
		match = append(match, bson.E{Key: "position", Value: bson.D{{Key: "$gt", Value: d.readPos}}})
	} else {
		match = append(match, bson.E{Key: "position", Value: bson.D{{Key: "$gt", Value: ""}}})
	}
	err = query(ctx, d.st, collLog, []bson.D{
		{{Key: "$match", Value: match}},
		{{Key: "$sort", Value: bson.D{{Key: "subscription_id", Value: 1}, {Key: "position", Value: 1}}}},
		{{Key: "$limit", Value: int64(pageRows)}},
	}, func(row bson.Raw) error {
		n++
		d.queue(slices.Clone(row))
		return nil
	})
	if err != nil {
		return n, fmt.Errorf("read the event log: %w", err)
	}
	return n, nil
}

// queue puts a row of the log into its lane unless it is settled.
func (d *dispatcher) queue(row bson.Raw) {
	it := &item{}
	it.Row, it.size, it.Attempt = row, len(row), 1
	status := ""
	for w := value.Walk(row); w.Next(); {
		switch v := w.Value(); w.Key() {
		case "_id":
			it.ID = v.Str()
		case "position":
			it.Position = v.Str()
		case "processing_status":
			status = v.Str()
		case "retry_count":
			it.Attempt = int(v.AsInt64()) + 1
		case "next_attempt_at":
			it.next = time.UnixMilli(v.AsDate())
		case "event_timestamp":
			it.eventMS = v.AsDate()
		case "queued_at":
			it.queuedMS = v.AsDate()
		}
	}
	d.readPos = it.Position
	if status == StatusCompleted || status == StatusFailed || status == StatusSkipped {
		return
	}
	it.key = orderingKey(d.spec, d.order, row, it.Position)
	d.lanes.add(it)
}

// send starts the sends that may start now and tells when to look again.
func (d *dispatcher) send(ctx context.Context, g *errgroup.Group) time.Time {
	for d.sending < inFlight {
		now := d.clock()
		ok, probe, again := d.breaker.admit(now)
		if !ok {
			return again
		}
		items, again := d.lanes.ready(now, d.batchLimit(probe))
		if len(items) == 0 {
			if probe {
				d.breaker.done(false, true, now)
			}
			return again
		}
		slices.SortFunc(items, func(a, b *item) int { return strings.Compare(a.Position, b.Position) })
		d.start(ctx, g, items, probe)
	}
	return time.Time{}
}

func (d *dispatcher) batchLimit(probe bool) int {
	if !d.spec.Batch || probe {
		return 1
	}
	if d.alone > 0 {
		d.alone--
		return 1
	}
	return d.spec.BatchSize
}

func (d *dispatcher) start(ctx context.Context, g *errgroup.Group, items []*item, probe bool) {
	d.sending++
	g.Go(func() error {
		d.results <- d.deliver(ctx, items, probe)
		return nil
	})
}

// deliver sends items as one delivery.
func (d *dispatcher) deliver(ctx context.Context, items []*item, probe bool) result {
	r := result{items: items, started: d.clock(), probe: probe}
	timeout := time.Duration(d.spec.TimeoutMS) * time.Millisecond
	batch := make([]Delivery, len(items))
	for i, it := range items {
		if err := d.transform(it); err != nil {
			r.err = &SinkError{Reason: "transform_error", Err: err, Failed: []string{it.ID}}
			r.finished = d.clock()
			return r
		}
		batch[i] = it.Delivery
	}
	sctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := d.sink.Deliver(sctx, batch)
	r.finished = d.clock()
	if err != nil {
		r.err = asSinkError(err)
	}
	return r
}

func (d *dispatcher) transform(it *item) error {
	if d.project == nil || it.Body != nil {
		return nil
	}
	body, err := d.project.Apply(it.Row)
	it.Body = body
	return err
}
