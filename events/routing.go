package events

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// routed is what a batch comes to.
type routed struct {
	docs   []bson.Raw            // rows of the log
	bodies []bson.Raw            // images that docs and dead name
	dead   []bson.Raw            // dead letters of events that no send can help
	rows   map[string][]bson.Raw // by subscription_id: docs, all whole

	events int // so many of the batch it has; the others are for the next one
	bytes  int // of all rows, and of images

	routes []*route // that have rows
	lean   bool     // rows name images: they are to be read from the log
}

// route makes the log's rows of the events of a batch. Rows are handed over, so
// each batch has its own bytes.
func (r *reader) route() routed {
	out := routed{docs: make([]bson.Raw, 0, len(r.events))}
	r.rows = make([]byte, 0, len(r.arena)+rowOverhead*len(r.events))
	now := r.clock()
	nowMS := now.UnixMilli()
	position := make([]byte, 0, positionLen)
	for i := range r.events {
		if out.bytes > batchRows && !r.whole {
			break
		}
		out.events++
		e := &r.events[i]
		if position = appendPosition(position[:0], e.Time, e.Ordinal); string(position) <= r.recovery.skip {
			continue
		}
		r.labels.read, e.labels = false, &r.labels
		first, dead := len(out.docs), len(out.dead)
		if r.apart = nil; len(e.Raw) > bodyLarge && !r.whole {
			r.apart = &sharing{position: string(position), db: r.db, at: now, made: map[string]bool{}}
		}
		at := "" // made once of all who want the event
		for _, rt := range r.candidates(e) {
			if rt.after < string(position) && (rt.until == "" || string(position) <= rt.until) {
				if at == "" {
					at = string(position)
				}
				r.routeOne(&out, rt, e, at, nowMS)
			}
		}
		e.labels = nil
		if r.apart != nil {
			out.lean = out.lean || len(out.docs) > first
			for _, b := range r.apart.bodies {
				out.bytes += len(b)
			}
			out.bodies, r.apart, r.wide = append(out.bodies, r.apart.bodies...), nil, nil
			continue
		}
		if n := len(out.docs) - first; !r.whole && (n > 1 || n == 1 && len(out.docs[first]) > bodyAlone) {
			out.share(first, dead, sharing{position: string(position), db: r.db, at: now})
		}
	}
	r.rows = nil
	out.rows = make(map[string][]bson.Raw, len(out.routes))
	for _, rt := range out.routes {
		out.rows[rt.spec.ID], rt.rows = rt.rows, nil
	}
	return out
}

// candidates are the routes that may want an event. Filters cannot be asked of one
// that was read without its images; a collection that is renamed is of two names.
func (r *reader) candidates(e *Event) []*route {
	if e.To != "" {
		return r.router.routes
	}
	if r.recovery.bare > 0 {
		return r.router.of(e.Op, e.Coll).all
	}
	return r.router.find(e)
}

// batchRows bounds the bytes of the rows that are made of events together, but for
// those of the last one: an event may be wanted by any number of subscriptions.
const batchRows = 32 << 20

// rowOverhead is about how much longer a row is than its event.
const rowOverhead = 512

// rowPiece is how much memory rows share at most, where a batch has more of them
// than events.
const rowPiece = 256 << 10

// routeOne adds the row of an event for a subscription that wants it.
func (r *reader) routeOne(out *routed, rt *route, e *Event, position string, nowMS int64) {
	e = rt.seen(e, &r.alone)
	lacking := r.lacking(rt, e)
	wanted, err := lacking, error(nil)
	if !lacking {
		wanted, err = rt.wants(e)
	}
	if err == nil && !wanted {
		return
	}
	dead := len(out.dead)
	row := r.row(rt, e, position, nowMS)
	if err == nil && rt.where != nil && !lacking {
		if wanted, err = rt.where.Match(row); err == nil && !wanted {
			if r.apart == nil {
				r.rows = r.rows[:len(r.rows)-len(row)] // where the next one goes
			}
			return
		}
	}
	switch {
	case lacking:
		row = out.bury(rt, row, stillborn{ReasonLarge, errTooLargeToRead}, r)
	case err != nil:
		row = out.bury(rt, row, stillborn{reasonFilter, err}, r)
	case rt.required(e):
		row = out.bury(rt, row, stillborn{reasonImage, errImageMissing}, r)
	case len(row) > maxRow && tooLarge(row):
		slim := *e
		slim.Full, slim.Before, slim.Update = noValue, noValue, noValue
		row = out.bury(rt, r.row(rt, &slim, position, nowMS), stillborn{ReasonLarge, errTooLarge}, r)
	}
	if r.apart != nil {
		row = r.apart.lean(row)
		for i := dead; i < len(out.dead); i++ {
			out.dead[i] = r.apart.lean(out.dead[i])
		}
	}
	out.docs = append(out.docs, row)
	out.bytes += len(row)
	if rt.rows == nil {
		out.routes = append(out.routes, rt)
	}
	rt.rows = append(rt.rows, row)
}

func (o *routed) bury(rt *route, row bson.Raw, s stillborn, r *reader) bson.Raw {
	failed, dead := rt.bury(row, s, r.clock())
	if dead != nil {
		o.dead = append(o.dead, dead)
	}
	return failed
}

// row makes the row of an event; that of a large one is valid until the next.
func (r *reader) row(rt *route, e *Event, position string, nowMS int64) bson.Raw {
	if r.apart != nil {
		r.wide = rt.appendRow(r.wide[:0], e, position, nowMS, r.gateway)
		return r.wide
	}
	// Rows are kept for as long as they wait. Another piece is begun before this one
	// would grow: those that were grown out of would be kept, too.
	if need := len(e.Raw) + rowOverhead; cap(r.rows)-len(r.rows) < need {
		r.rows = make([]byte, 0, max(need, min(rowPiece, len(r.arena)+rowOverhead*len(r.events))))
	}
	from := len(r.rows)
	r.rows = rt.appendRow(r.rows, e, position, nowMS, r.gateway)
	return bson.Raw(slices.Clip(r.rows[from:]))
}
