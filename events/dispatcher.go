package events

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
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
	handedOver    = 8 << 20 // bytes of rows that wait before the lanes
	pageRows      = 1000
	pageRowsTight = 100  // where many hold much
	flushRows     = 1000 // outcomes written at once
)

// How often the cursor is written while events are settled. It may lag: what is
// settled says so itself, but with tracking = summary, where the cursor says it.
const (
	cursorEvery   = 2 * time.Second
	cursorEvents  = 10_000
	summaryEvery  = 100 * time.Millisecond
	summaryEvents = 1000
)

// dispatcher delivers the events of one subscription from the log, in order per
// key. Its turn owns its state; sends run beside it.
type dispatcher struct {
	st      store.Store
	spec    *Spec
	version int32 // of the definition
	sink    Sink
	project Projection
	breaker *breaker
	shard   int    // of spec.DeliveryShards
	lease   *lease // of the shard's cursor; nil: the reader's covers it
	gateway string
	log     *slog.Logger
	clock   func() time.Time
	suspend func(ctx context.Context, reason, detail string) error
	budget  *budget
	settled func(outcomes []outcome) // counters
	join    func(after string) *feed // begins the feed of the subscription's rows

	transactions *transactions // of a sink that has outcomes recorded with what it writes

	outcomes, cursors *bulk
	crew              *crew
	step              func(Step)

	turn    *turn
	memory  rowMemory  // of what is being written
	sent    []Delivery // memory of deliver, where nobody is waited for
	chosen  []*item    // likewise of send
	feed    *feed
	results chan result // of sends
	order   []path      // ordering_key
	epoch   int64
	donePos string // all rows up to it are settled, as stored
	readPos string // all rows up to it are in lanes or settled
	lanes   *lanes
	pending []outcome // not written yet
	sending int

	flushing []outcome   // being written, nil: nothing is
	easy     bool        // nothing waits for the end of that
	awaits   atomic.Bool // something does: the turn is to be rung
	flushed  chan error  // the end of that
	batch    int         // so many events go into a delivery at most
	gone     *SinkError  // the receiver said that it is gone
	moving   string      // where the cursor is being moved, "": nowhere
	moved    chan error  // the end of that
	saved    time.Time   // of the cursor
	unsaved  int         // events settled since

	blocked int // keys, as stored for the monitoring functions
}

// result is the end of a send.
type result struct {
	items    []*item
	started  time.Time
	finished time.Time
	probe    bool
	recorded bool // the outcome is in the log already
	err      *SinkError
}

// Run delivers until ctx ends or the subscription is suspended. What is under
// way when it ends is sent again by the next run, with the same id.
func (d *dispatcher) Run(ctx context.Context) error {
	defer func() { _ = d.sink.Close() }()
	defer func() { d.transactions.end(context.WithoutCancel(ctx)) }()
	err := d.load(ctx)
	defer d.lanes.drop()
	if err != nil {
		return err
	}
	sendCtx, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var g errgroup.Group
	err = d.loop(ctx, sendCtx, &g)
	grace := time.AfterFunc(sendGrace, cut)
	_ = g.Wait()
	grace.Stop()
	d.awaitWrites()
	d.drainResults()
	if ctx.Err() == nil {
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
	defer cancel()
	if err := d.flushLast(last); err != nil {
		return err
	}
	return d.saveCursor(last)
}

// awaitWrites waits for what is being written; its end is still to be taken.
func (d *dispatcher) awaitWrites() {
	if d.flushing != nil {
		d.flushed <- <-d.flushed
	}
	if d.moving != "" {
		d.moved <- <-d.moved
	}
}

// sendGrace is how long sends may end that are under way when a dispatcher stops;
// what is cut off is sent again.
const sendGrace = 500 * time.Millisecond

// lastWrites bounds what is written when a part ends.
const lastWrites = 2 * time.Second

// drainResults takes the successes among the sends that ended meanwhile; what
// was cut off says nothing about the receiver.
func (d *dispatcher) drainResults() {
	for {
		select {
		case r := <-d.results:
			if r.probe {
				d.breaker.cancel()
			}
			if r.err == nil {
				d.take(r)
			}
		default:
			return
		}
	}
}

// load takes the cursor, which fences an earlier owner, and reads its position.
func (d *dispatcher) load(ctx context.Context) error {
	d.lanes, d.results, d.pending, d.sending = newLanes(d.budget), make(chan result, inFlight), nil, 0
	d.flushing, d.flushed = nil, make(chan error, 1)
	d.moving, d.moved, d.saved = "", make(chan error, 1), d.clock().Add(-rand.N(cursorEvery)) // not all at the same time
	d.order, d.batch, d.gone, d.unsaved = makePaths(d.spec.OrderingKey), d.largest(), nil, 0
	doc, err := d.takeCursor(ctx)
	if err != nil {
		return fmt.Errorf("take the cursor %s: %w", d.cursor(), err)
	}
	d.epoch = value.Lookup(doc, "epoch").AsInt64()
	d.donePos = strings.Clone(text(value.Lookup(doc, "done_pos")))
	d.readPos = d.donePos
	if d.blocked = 0; !value.Lookup(doc, "blocked").IsMissing() {
		d.blocked = int(value.Lookup(doc, "blocked").AsInt64())
	}
	if err := d.loadBlocked(ctx); err != nil {
		return err
	}
	if err := d.loadTransactions(ctx, doc); err != nil {
		return err
	}
	d.feed = d.join(d.donePos)
	return nil
}

// takeCursor reads the cursor. Where the reader's lease covers the dispatcher, a
// new epoch fences an earlier owner.
func (d *dispatcher) takeCursor(ctx context.Context) (bson.Raw, error) {
	if d.lease != nil {
		return d.leased(ctx)
	}
	reply, err := command(ctx, d.st, bson.D{
		{Key: "findAndModify", Value: collCursors}, {Key: "query", Value: bson.D{{Key: "_id", Value: d.cursor()}}},
		{Key: "update", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "epoch", Value: int64(1)}}}, {Key: "$set", Value: bson.D{{Key: "owner", Value: d.gateway}}}}},
		{Key: "upsert", Value: true}, {Key: "new", Value: true}, durably,
	})
	return value.Lookup(reply, "value").Doc(), err
}

// loadBlocked finds the keys that open dead letters block.
func (d *dispatcher) loadBlocked(ctx context.Context) error {
	err := eachBlocked(ctx, d.st, d.spec, func(key string) {
		if !d.elsewhere(key) {
			d.lanes.block(key)
		}
	})
	if err != nil {
		return err
	}
	return d.tellBlocked(ctx)
}

// tellBlocked stores how many keys are blocked where that has changed: every gateway
// shows it.
func (d *dispatcher) tellBlocked(ctx context.Context) error {
	if d.blocked == d.lanes.blocked {
		return nil
	}
	err := d.crew.apart(func() error {
		_, err := updateOne(ctx, d.st, collCursors, bson.D{{Key: "_id", Value: d.cursor()}}, bson.D{{Key: "$set", Value: bson.D{{Key: "blocked", Value: int64(d.lanes.blocked)}}}}, false)
		return err
	})
	if err != nil {
		return fmt.Errorf("store the blocked keys of %s: %w", d.cursor(), err)
	}
	d.blocked = d.lanes.blocked
	return nil
}

// fill brings rows into the lanes while they have room.
func (d *dispatcher) fill(ctx context.Context) error {
	for d.lanes.count < unsettledMax && d.lanes.bytes < unsettledSize && d.budget.room(d.lanes.bytes, 1) {
		page := pageRows
		if d.budget.tight() {
			page = pageRowsTight
		}
		rows, upTo, err := d.feed.take(ctx, page, d.crew.apart)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			d.step(StepTaken)
		}
		for _, r := range rows {
			if err := d.queue(ctx, r); err != nil {
				return err
			}
		}
		if d.readPos = max(d.readPos, upTo); len(rows) == 0 {
			return nil
		}
	}
	return nil
}

// queue puts a row of the log into its lane unless it is settled.
func (d *dispatcher) queue(ctx context.Context, row bson.Raw) error {
	it := &item{}
	it.Row, it.size, it.Attempt, it.queued = row, len(row)+itemOverhead, 1, d.clock()
	status := ""
	var e Event // as far as the default key goes
	for w := value.Walk(row); w.Next(); {
		switch v := w.Value(); w.Key() {
		case "collection_name":
			e.Coll = v.Str()
		case "document_key":
			e.Key = v
		case "_id":
			it.ID = v.Str()
		case "position":
			it.Position = v.Str()
		case "event_type":
			it.ddl = d.spec.PreserveOrder == "true" && !isDocumentEvent(v.Str())
		case "to":
			it.to = text(value.Lookup(v.Doc(), "coll"))
		case "processing_status":
			status = v.Str()
		case "retry_count":
			it.Attempt = int(v.AsInt64()) + 1
		case "next_attempt_at":
			it.next = time.UnixMilli(v.AsDate())
		case "event_timestamp":
			it.eventMS = v.AsDate()
		case "first_attempt_at":
			it.began = time.UnixMilli(v.AsDate())
		case "dead_lettered":
			it.dead = v.AsBool()
		case "source_service":
			it.who.source = v.Str()
		case "target_service":
			it.who.target = v.Str()
		case "interaction_type":
			it.who.kind = v.Str()
		case fieldBodies:
			it.lost = true // the others were read with the page
		case fieldBodyBytes:
			if n := int(v.AsInt64()); n > heavyRow {
				it.heavy, it.lost = n, false
			}
		}
	}
	if status == StatusCompleted || status == StatusFailed || status == StatusSkipped {
		return nil
	}
	it.putOff, it.coll = status == StatusRetrying, e.Coll
	switch {
	case d.spec.PreserveOrder != "strict" && d.spec.PreserveOrder != "false" && len(d.order) == 0:
		it.key = defaultKey(&e)
	case it.heavy > 0 && len(d.order) > 0:
		if err := d.crew.apart(func() error { return d.heavyKey(ctx, it) }); err != nil {
			return err
		}
	default:
		it.key = orderingKey(d.spec, d.order, row, it.Position)
	}
	if d.elsewhere(it.key) {
		d.unsaved++ // the cursor moves on
		return nil
	}
	if d.lanes.add(it); d.flushing != nil && d.lanes.waitsBehind(it) {
		d.easy = false
		d.outcomes.urge()
	}
	return nil
}

// send starts the sends that may start now and tells when to look again.
func (d *dispatcher) send(ctx context.Context, g *errgroup.Group) time.Time {
	now := d.clock()
	d.lanes.due(now)
	for d.sending < d.parallel() && len(d.pending) < flushRows {
		if d.lanes.ready.Len() == 0 {
			return d.nextDue()
		}
		if again := d.collecting(now); !again.IsZero() {
			return again
		}
		ok, probe, again := d.breaker.admit(now)
		if !ok {
			return again
		}
		inline := d.spec.Target.Kind == TargetNotify // it does not wait for anybody
		var items []*item
		if inline {
			items = d.chosen[:0]
		}
		items = d.dropAged(d.lanes.take(items, d.batchLimit(probe)), now)
		switch {
		case len(items) > 0 && inline:
			d.sending++
			_ = d.settle(ctx, d.deliver(ctx, items, probe))
			d.keep(items)
		case len(items) > 0:
			d.start(ctx, g, items, probe)
		case probe:
			d.breaker.cancel()
		}
	}
	return time.Time{}
}

// keep keeps the memory of a delivery for the next, where it is little.
func (d *dispatcher) keep(items []*item) {
	if clear(items); cap(items) <= keptRowOps {
		d.chosen = items
	}
	if clear(d.sent); cap(d.sent) > keptRowOps {
		d.sent = nil
	}
}

func (d *dispatcher) nextDue() time.Time {
	if d.lanes.waiting.Len() == 0 {
		return time.Time{}
	}
	return d.lanes.waiting.lanes[0].queue[0].next
}

// collecting tells until when a batch waits for more events, zero: not.
func (d *dispatcher) collecting(now time.Time) time.Time {
	if !d.spec.Batch || d.spec.BatchWaitMS == 0 || d.batch < d.spec.BatchSize || d.lanes.count >= d.spec.BatchSize {
		return time.Time{}
	}
	until := d.lanes.ready.lanes[0].queue[0].queued.Add(time.Duration(d.spec.BatchWaitMS) * time.Millisecond)
	if !until.After(now) {
		return time.Time{}
	}
	return until
}

// dropAged takes out events that are too old to be sent any more.
func (d *dispatcher) dropAged(items []*item, now time.Time) []*item {
	if d.spec.MaxAge == 0 {
		return items
	}
	return slices.DeleteFunc(items, func(it *item) bool {
		if now.UnixMilli()-it.eventMS <= d.spec.MaxAge.Milliseconds() {
			return false
		}
		it.Attempt-- // it is not sent this time
		d.pending = append(d.pending, outcome{it: it, status: StatusFailed, started: now, finished: now, deadReason: "max_age", err: errTooOld})
		return true
	})
}

func (d *dispatcher) batchLimit(probe bool) int {
	if d.largest() == 1 || probe {
		return 1
	}
	return d.batch
}

// localBatch is how many events go into a write or a round of notifications:
// where the receiver cannot tell, batches need not be asked for.
const localBatch = 500

// parallel is how many sends may be under way: a broker takes one batch after
// the other, so that events arrive in the order of the log.
func (d *dispatcher) parallel() int {
	switch d.spec.Target.Kind {
	case TargetKafka, TargetNATS, TargetRedis, TargetRedisChannel:
		return 1
	}
	return inFlight
}

// largest is how many events may go into one delivery.
func (d *dispatcher) largest() int {
	switch {
	case d.spec.Batch:
		return d.spec.BatchSize
	case d.spec.Target.Kind == TargetWebhook:
		return 1
	}
	return localBatch
}

func (d *dispatcher) start(ctx context.Context, g *errgroup.Group, items []*item, probe bool) {
	d.sending++
	g.Go(func() error {
		d.results <- d.deliver(ctx, items, probe)
		d.turn.ring()
		return nil
	})
}
