package events

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// feed gives one consumer the rows of a subscription in order: those handed over
// in memory while they follow on what it has, else pages of the log. It never
// reads beyond what is published, so a half-written batch is never seen.
type feed struct {
	st    store.Store
	db    string
	id    string // of the subscription; "": all of the database
	limit int    // bytes that may wait in memory; the log keeps the rest
	brief bool   // the consumer takes no row whose image is gone
	wake  chan struct{}
	ring  func() // in place of wake, nil: none

	// mem is where the rows of the next page go, nil: each has memory of its own; the
	// consumer resets it when it is done with them. There rows that are whole are made
	// those of SUBSCRIBE if shaped is set.
	mem    *arena
	shaped bool

	budget *budget // shared with others

	mu        sync.Mutex
	rows      []bson.Raw
	bytes     int
	lent      int    // bytes that the consumer took and counts as held
	dropped   bool   // nothing is counted any more
	complete  string // rows up to it were taken, or wait in rows
	published string // rows up to it are in the log and may be missing here
}

// newFeed makes the feed of the rows after a position.
func newFeed(st store.Store, b *budget, db, id, after, published string, limit int) *feed {
	return &feed{st: st, budget: b, db: db, id: id, limit: limit, wake: make(chan struct{}, 1), complete: after, published: published}
}

// offer hands over what was published of the subscription up to a position. It
// is called in order, with all rows of the subscription; batches without any
// may be left out.
func (f *feed) offer(to string, rows []bson.Raw) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.dropped && f.complete >= f.published && f.fits(rows) {
		for _, r := range rows {
			if position(r) > f.complete {
				f.rows = append(f.rows, r)
				f.bytes += len(r)
				f.budget.take(len(r))
			}
		}
		f.complete = max(f.complete, to)
	}
	f.published = max(f.published, to)
	if len(rows) > 0 || f.complete < f.published {
		f.poke()
	}
}

// behind tells a feed of rows that another gateway put into the log.
func (f *feed) behind(published string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.published = max(f.published, published); f.complete < f.published {
		f.poke()
	}
}

func (f *feed) fits(rows []bson.Raw) bool {
	more := 0
	for _, r := range rows {
		more += len(r)
	}
	return f.bytes+more <= f.limit && f.budget.room(f.bytes, more)
}

// drop ends the feed with what waits in it.
func (f *feed) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.budget.give(f.bytes + f.lent)
	f.rows, f.bytes, f.lent, f.dropped = nil, 0, 0, true
}

// hold counts bytes that the consumer holds beside what waits here, fewer where n is
// negative.
func (f *feed) hold(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dropped {
		return
	}
	if f.lent += n; n > 0 {
		f.budget.take(n)
	} else {
		f.budget.give(-n)
	}
}

// tell has the consumer told of what comes.
func (f *feed) tell(ring func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ring = ring
}

// poke wakes the consumer.
func (f *feed) poke() {
	if f.ring != nil {
		f.ring()
		return
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take gives the next rows, at most n, and the position up to which the consumer
// has all of them. No rows and no error: there are none now. Where the log is to be
// read, apart does it.
func (f *feed) take(ctx context.Context, n int, apart func(func() error) error) (rows []bson.Raw, upTo string, err error) {
	f.mu.Lock()
	if len(f.rows) > 0 {
		defer f.mu.Unlock()
		return f.takeHeld(n)
	}
	after, published := f.complete, f.published
	f.mu.Unlock()
	if after >= published {
		return nil, after, nil
	}
	err = apart(func() (err error) {
		rows, upTo, err = f.page(ctx, after, published, n)
		return err
	})
	return rows, upTo, err
}

func (f *feed) takeHeld(n int) ([]bson.Raw, string, error) {
	n = min(n, len(f.rows))
	rows := f.rows[:n:n]
	for _, r := range rows {
		f.bytes -= len(r)
		f.budget.give(len(r))
	}
	f.rows = f.rows[n:]
	if len(f.rows) > 0 {
		return rows, position(rows[n-1]), nil
	}
	f.rows = nil
	return rows, f.complete, nil
}

// page reads the rows of the log between two positions.
func (f *feed) page(ctx context.Context, after, published string, n int) (rows []bson.Raw, upTo string, err error) {
	rows, more, named, err := f.logPage(ctx, after, published, n)
	if err == nil && named {
		err = f.makeWhole(ctx, rows)
	}
	if err != nil {
		return nil, after, fmt.Errorf("read the event log: %w", err)
	}
	upTo = published
	if more {
		upTo = strings.Clone(position(rows[len(rows)-1]))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.complete = max(f.complete, upTo)
	return rows, upTo, nil
}

// pageBytes bounds a page of the log in bytes, but for its last row.
const pageBytes = 4 << 20

// makeWhole reads the images that rows name, but for those of heavy ones.
func (f *feed) makeWhole(ctx context.Context, rows []bson.Raw) error {
	lost, err := makeWhole(ctx, f.st, rows, heavyRow)
	if err == nil && lost > 0 && f.brief {
		return errBodyGone
	}
	return err
}

// logPage reads rows by position; more tells that there are others, named that some
// have images elsewhere. Rows of several subscriptions may share a position: then
// all of them are given, so that a page ends behind them.
func (f *feed) logPage(ctx context.Context, after, upTo string, n int) (rows []bson.Raw, more, named bool, err error) {
	of, index, order := bson.E{Key: "subscription_id", Value: f.id}, "subscription_position", asc("subscription_id", "position")
	if f.id == "" {
		of, index, order = bson.E{Key: "database_name", Value: f.db}, "position", asc("position")
	}
	p := page{left: pageBytes, mem: f.mem, shaped: f.shaped}
	if f.budget.tight() {
		p.left = budgetFloor
	}
	err = p.read(ctx, f.st, n, index, bson.D{{Key: "$match", Value: bson.D{of, {Key: "position", Value: bson.D{{Key: "$gt", Value: after}, {Key: "$lte", Value: upTo}}}}}}, bson.D{{Key: "$sort", Value: order}})
	if more = len(p.rows) == n || p.left <= 0; err != nil || f.id != "" || !more {
		return p.rows, more, p.named, err
	}
	last := position(p.rows[len(p.rows)-1])
	p.rows = slices.DeleteFunc(p.rows, func(r bson.Raw) bool { return position(r) == last })
	p.left = math.MaxInt
	err = p.read(ctx, f.st, math.MaxInt32, index, bson.D{{Key: "$match", Value: bson.D{of, {Key: "position", Value: last}}}})
	return p.rows, true, p.named, err
}

// page gathers rows.
type page struct {
	rows   []bson.Raw
	left   int    // bytes
	mem    *arena // of the rows, nil: their own
	shaped bool   // made rows of SUBSCRIBE in it
	named  bool   // a row names images that are elsewhere
}

// errFull ends the reading of a page.
var errFull = errors.New("the page is full")

func (p *page) read(ctx context.Context, st store.Store, n int, index string, stages ...bson.D) error {
	pipeline := []bson.Raw{}
	for _, s := range append(stages, bson.D{{Key: "$limit", Value: int64(n)}}) {
		pipeline = append(pipeline, marshal(s))
	}
	// The index is known; a server would try several each time.
	err := drainBy(ctx, st, ns(collLog), pipeline, store.AggregateOptions{Hint: indexHint(index)}, p.add)
	if errors.Is(err, errFull) {
		return nil
	}
	return err
}

// indexHint names the index that a query is to use.
func indexHint(name string) bson.RawValue {
	return bson.RawValue{Type: bson.TypeString, Value: value.String(name).AppendPayload(nil)}
}

func (p *page) add(row bson.Raw) error {
	elsewhere := apart(row)
	p.rows = append(p.rows, p.copy(row, elsewhere == 0))
	if elsewhere > heavyRow {
		elsewhere = 0 // it is read when it is its turn
	}
	p.named = p.named || elsewhere > 0
	if p.left -= len(row) + elsewhere; p.left <= 0 {
		return errFull
	}
	return nil
}

// copy copies a row into the page. One that is not whole is not shaped yet.
func (p *page) copy(row bson.Raw, whole bool) bson.Raw {
	switch {
	case p.mem == nil:
		return slices.Clone(row)
	case p.shaped && whole:
		return p.mem.keep(appendShaped(p.mem.room(len(row)+shapedRoom), row))
	}
	return p.mem.keep(append(p.mem.room(len(row)), row...))
}

func position(row bson.Raw) string { return text(value.Lookup(row, "position")) }
