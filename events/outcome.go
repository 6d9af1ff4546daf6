package events

import (
	"context"
	"errors"
	"slices"
	"time"
)

// outcome is what became of an event, to be written to its row.
type outcome struct {
	it         *item
	status     string
	attempt    int // the send that this is about
	started    time.Time
	finished   time.Time
	err        *SinkError
	deadReason string
	recorded   bool // in the transaction of its delivery
}

// settle takes the end of a send: successes leave their lanes, failures wait or die.
func (d *dispatcher) settle(ctx context.Context, r result) error {
	d.sending--
	if r.err != nil && ctx.Err() != nil {
		if r.probe {
			d.breaker.cancel()
		}
		return ctx.Err() // the send was cut off by us; it says nothing about the receiver
	}
	if r.err != nil && (errors.Is(r.err, errOvertaken) || errors.Is(r.err, errUnread)) {
		return r.err
	}
	d.breaker.done(r.err == nil || answered(r.err), r.probe, r.finished)
	switch {
	case r.err == nil:
		d.batch = min(2*d.batch, d.largest())
	case (r.err.Reason == reasonTransform || r.err.Reason == reasonImage) && len(r.items) > 1:
		d.takeOneOf(r)
		return nil
	case len(r.items) > 1 && r.err.Failed == nil && !classify(d.spec, r.err).suspends():
		d.halve(r)
		return nil
	}
	d.take(r)
	return nil
}

// answered tells whether a failure is about the events rather than the endpoint.
func answered(f *SinkError) bool {
	return f.Reason != "" || f.Class == FailTerminal || f.Failed != nil
}

// halve lets the events of a failed batch be taken again in smaller ones, so
// that only an event that is sent alone spends its attempts.
func (d *dispatcher) halve(r result) {
	d.batch = max(1, len(r.items)/2)
	for _, it := range r.items {
		d.lanes.release(it)
	}
}

// takeOneOf ends the one event of an unsent batch that could not be prepared.
func (d *dispatcher) takeOneOf(r result) {
	for _, it := range r.items {
		if slices.Contains(r.err.Failed, it.ID) {
			d.take(result{items: []*item{it}, started: r.started, finished: r.finished, err: r.err})
		} else {
			d.lanes.release(it)
		}
	}
}

// errTooOld is the failure of an event that max_age ends.
var errTooOld = &SinkError{Class: FailTerminal, Err: errors.New("the event is older than max_age")}

// take records the outcome of each event of a send.
func (d *dispatcher) take(r result) {
	for _, it := range r.items {
		if it.began.IsZero() {
			it.began = r.started
		}
		o := outcome{it: it, attempt: it.Attempt, started: r.started, finished: r.finished, err: r.err, status: StatusCompleted, recorded: r.recorded}
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
	if r.probe && r.err.Reason == "" && !classify(d.spec, r.err).suspends() {
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
