package events

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// heavyTimes is how much memory the send of a heavy event takes in relation to its
// images: them, the row that they are put into, and what the target gets of that,
// which is longer.
const heavyTimes = 4

// errUnread ends a dispatcher that cannot read the images of an event: that says
// nothing about the receiver.
var errUnread = errors.New("the images of an event cannot be read")

// makeHeavy gives the heavy events of a delivery their images, when there is room
// for them, in rows of its own: those that wait go without. release gives the memory
// back when the delivery ended.
func (d *dispatcher) makeHeavy(ctx context.Context, batch []Delivery, items []*item) (release func(), err error) {
	release = func() {}
	var at []int
	var rows []bson.Raw
	size := 0
	for i, it := range items {
		if it.heavy > 0 {
			at, rows, size = append(at, i), append(rows, it.Row), size+it.heavy
		}
	}
	if len(rows) == 0 {
		return release, nil
	}
	if release, err = d.budget.reserve(ctx, budgetSends, heavyTimes*size); err != nil {
		return release, err
	}
	if _, err := makeWhole(ctx, d.st, rows, math.MaxInt); err != nil {
		return release, fmt.Errorf("%w: %w", errUnread, err)
	}
	for i, j := range at {
		items[j].lost = len(bodiesOf(rows[i])) > 0
		batch[j].Row = rows[i]
	}
	return release, nil
}

// heavyKey finds the ordering key of a heavy event, which may be in its images.
func (d *dispatcher) heavyKey(ctx context.Context, it *item) error {
	release, err := d.budget.reserve(ctx, budgetSends, heavyTimes*it.heavy)
	defer release()
	if err != nil {
		return err
	}
	row := []bson.Raw{it.Row}
	if _, err := makeWhole(ctx, d.st, row, math.MaxInt); err != nil {
		return fmt.Errorf("%w: %w", errUnread, err)
	}
	it.key = strings.Clone(orderingKey(d.spec, d.order, row[0], it.Position))
	return nil
}

// deliver sends items as one delivery.
func (d *dispatcher) deliver(ctx context.Context, items []*item, probe bool) result {
	r := result{items: items, started: d.clock(), probe: probe}
	timeout := time.Duration(d.spec.TimeoutMS) * time.Millisecond
	var batch []Delivery
	if d.spec.Target.Kind == TargetNotify {
		batch = d.sent[:0]
	}
	for _, it := range items {
		batch = append(batch, it.Delivery)
	}
	if d.spec.Target.Kind != TargetNotify { // which tells of events without their images
		release, err := d.makeHeavy(ctx, batch, items)
		defer release()
		if err != nil {
			r.err, r.finished = asSinkError(err), d.clock()
			return r
		}
		r.started = d.clock()
	}
	for i, it := range items {
		if reason, err := d.prepare(it, &batch[i]); err != nil {
			r.err = &SinkError{Reason: reason, Err: err, Failed: []string{it.ID}}
			r.finished = d.clock()
			return r
		}
	}
	if d.spec.Target.Kind == TargetNotify { // that does not wait for anybody
		d.sent = batch
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	d.step(StepSending)
	err := d.hand(ctx, batch, &r)
	d.step(StepSent)
	if r.finished.IsZero() {
		r.finished = d.clock()
	}
	if err != nil {
		r.err = asSinkError(err)
	}
	return r
}

// hand gives a batch to the sink; one that can has the outcome recorded with it.
func (d *dispatcher) hand(ctx context.Context, batch []Delivery, r *result) error {
	if s, ok := d.sink.(Settler); ok {
		ok, err := s.Settle(ctx, batch, d.transactions.begin, func(ctx context.Context, q store.Queryer) error {
			r.finished = d.clock()
			return d.recordSent(ctx, q, r)
		})
		if ok {
			r.recorded = err == nil
			return err
		}
	}
	return d.sink.Deliver(ctx, batch)
}

// prepare transforms an event; reason is that of its dead letter when it cannot be sent.
func (d *dispatcher) prepare(it *item, sent *Delivery) (reason string, err error) {
	switch {
	case it.lost:
		return reasonImage, errBodyGone
	case d.project == nil || it.Body != nil:
		return "", nil
	}
	if sent.Body, err = d.project.Apply(sent.Row); it.heavy == 0 {
		it.Body = sent.Body
	}
	return reasonTransform, err
}
