package events

import (
	"context"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
)

// Bounds of a live tail: the bytes that wait for it in memory, and the rows that
// it reads at a time when it fell behind these.
const (
	tailBytes = 4 << 20
	tailPage  = 1000
)

// tail is a client that follows a subscription's rows. One that is slow is
// brought back to the log; nothing is kept for it but a bounded part.
type tail struct {
	m        *Manager
	db, id   string
	feed     *feed
	rows     []bson.Raw
	held     int            // bytes of these
	mem      [2]arena       // of these, and of the rows behind them
	turn     int            // which of the two the next rows go to
	ahead    chan aheadPage // of the rows behind these, nil: nobody reads them yet
	release  func()         // of the heavy row that was given last, nil: it was none
	progress bool
	last     []byte // position of the last row given
	until    string // first position that is not wanted, "": none
	span     span
	retained time.Duration // how long the log keeps what is settled

	// makes gives the rows of a row of the log, none: it is not wanted. Without it
	// rows are shaped.
	makes func(row bson.Raw) ([]bson.Raw, error)
	made  []bson.Raw
	buf   []byte    // of a row that is shaped as it is given
	fresh time.Time // when it had all that there was
}

// tailLog follows the rows of a subscription, "": of all of a database. Without
// makes they are given as SUBSCRIBE shows them.
func (m *Manager) tailLog(ctx context.Context, db, id string, retained time.Duration, o tailOptions, makes func(bson.Raw) ([]bson.Raw, error)) (func(context.Context, time.Duration) (bson.Raw, error), func(), error) {
	after := ""
	switch {
	case o.from != "":
		after = before(o.from)
	case !o.snapshot:
		now, err := m.operationTime(ctx)
		if err != nil {
			return nil, nil, err
		}
		after = endOf(now)
	}
	t := &tail{m: m, db: db, id: id, feed: m.follow(db, id, after, tailBytes), progress: o.progress, until: o.to, span: o.span, retained: retained, makes: makes, fresh: m.clock()}
	t.feed.brief, t.feed.shaped = true, makes == nil
	return t.next, func() {
		t.done()
		m.leave(t.db, t.feed)
	}, nil
}

// next gives a row, nil after wait without one, or a row of progress. The row is
// valid until the next call.
func (t *tail) next(ctx context.Context, wait time.Duration) (bson.Raw, error) {
	var end time.Time
	for {
		row, err := t.take(ctx)
		if row != nil || err != nil {
			return row, err
		}
		switch done, err := t.reached(ctx); {
		case err != nil:
			return nil, err
		case done:
			return nil, io.EOF
		}
		if end.IsZero() {
			end = time.Now().Add(wait)
		}
		left := time.Until(end)
		if wait == 0 || left <= 0 {
			return t.idle(wait)
		}
		if t.until != "" {
			left = min(left, untilEvery)
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-t.feed.wake:
		case <-timer.C:
		}
		timer.Stop()
		if err != nil {
			return nil, err
		}
	}
}

// done lets go of the row that was given last, if it is heavy.
func (t *tail) done() {
	if t.release != nil {
		t.release()
		t.release = nil
	}
	if cap(t.buf) > mostChunk {
		t.buf = nil
	}
}

// take gives a row that is there.
func (t *tail) take(ctx context.Context) (bson.Raw, error) {
	if len(t.made) == 0 {
		t.done()
	}
	for len(t.made) == 0 {
		row, err := t.logged(ctx)
		if row == nil || err != nil {
			return nil, err
		}
		at, shaped := shapedAt(row)
		if !shaped {
			at = position(row)
		}
		t.last = append(t.last[:0], at...)
		if t.until != "" && at >= t.until {
			return nil, io.EOF
		}
		if t.span != (span{}) && !t.span.holds(value.Lookup(row, "event_timestamp").AsDate()) {
			continue
		}
		if shaped {
			return row, nil
		}
		t.done()
		if row, t.release, err = wholeRow(ctx, t.m.st, &t.m.budget, budgetTails, row); err != nil {
			return nil, err
		}
		if t.makes == nil {
			t.buf = appendShaped(t.buf[:0], row)
			return t.buf, nil
		}
		if t.made, err = t.makes(row); err != nil {
			return nil, err
		}
	}
	row := t.made[0]
	t.made = t.made[1:]
	return row, nil
}

// logged gives the next row of the log.
func (t *tail) logged(ctx context.Context) (bson.Raw, error) {
	if len(t.rows) == 0 {
		if err := t.expired(); err != nil {
			return nil, err
		}
		rows, err := t.page(ctx)
		if err != nil {
			return nil, err
		}
		if t.rows = rows; len(rows) == 0 {
			return nil, t.gone()
		}
	}
	row := t.rows[0]
	t.rows = t.rows[1:]
	return row, nil
}

// aheadPage is what was read beside.
type aheadPage struct {
	rows []bson.Raw
	held int // bytes
	err  error
}

// aheadFrom is from how many rows on there are likely to be more.
const aheadFrom = 100

// page gives the next rows. While a client is given many, those behind them are
// read beside.
func (t *tail) page(ctx context.Context) (rows []bson.Raw, err error) {
	var p aheadPage
	if t.ahead != nil {
		select {
		case p = <-t.ahead:
			t.ahead = nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if len(p.rows) == 0 && p.err == nil {
		p = t.read(ctx)
	}
	t.feed.hold(-t.held)
	if t.held = p.held; len(p.rows) < aheadFrom || p.err != nil || t.m.budget.tight() {
		return p.rows, p.err
	}
	ahead := make(chan aheadPage, 1)
	if t.m.beside(func(ctx context.Context) { ahead <- t.read(ctx) }) {
		t.ahead = ahead
	}
	return p.rows, nil
}

// read reads the next rows, where those that were read before the last are given.
func (t *tail) read(ctx context.Context) (p aheadPage) {
	t.turn = 1 - t.turn
	t.feed.mem = &t.mem[t.turn]
	t.feed.mem.reset()
	p.rows, _, p.err = t.feed.take(ctx, tailPage, atOnce)
	for _, row := range p.rows {
		p.held += len(row)
	}
	t.feed.hold(p.held)
	return p
}

// expired ends a tail that was behind for so long that the log may no longer hold
// what comes next.
func (t *tail) expired() error {
	t.feed.mu.Lock()
	behind := t.feed.complete < t.feed.published
	t.feed.mu.Unlock()
	now := t.m.clock()
	if !behind {
		t.fresh = now
	}
	if len(t.last) > 0 && now.Sub(t.fresh) > t.retained {
		return overrun(string(t.last))
	}
	return nil
}

// overrun is the error of a client that fell behind what is kept. It carries
// where to resume.
func overrun(last string) error {
	at, _, _ := ParsePosition(last)
	return sqlerr.New(sqlerr.ConfigurationLimitExceeded, "the subscriber fell behind what is kept for it").
		WithDetail("The last row that it was given is at position %s.", last).
		WithHint("Resume with AS OF '%s' and leave out what is at or before that position.", time.Unix(int64(at.T), 0).UTC().Format(time.RFC3339))
}

func (t *tail) gone() error {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	if t.id != "" && t.m.subs[t.id] == nil {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "the event subscription was dropped")
	}
	return nil
}

// untilEvery is how often a tail looks whether its end has come.
const untilEvery = 50 * time.Millisecond

// reached tells whether no row before the end can come any more: the reader is
// past it, or, where another gateway reads, the server has been for a while.
func (t *tail) reached(ctx context.Context) (bool, error) {
	if t.until == "" {
		return false, nil
	}
	t.m.mu.Lock()
	run := t.m.scope[t.db]
	t.m.mu.Unlock()
	if run.alive() {
		passed, _ := run.it.passed.Load().(string)
		t.feed.mu.Lock()
		defer t.feed.mu.Unlock()
		return passed >= t.until && t.feed.complete >= t.feed.published && len(t.feed.rows) == 0, nil
	}
	now, err := t.m.operationTime(ctx)
	if err != nil {
		return false, err
	}
	const readLag = 5 // seconds in which another gateway's reader sees what is written
	return now.T > readLag && string(appendPosition(nil, bson.Timestamp{T: now.T - readLag}, 0)) > t.until, nil
}

// idle is what a client gets when there is nothing.
func (t *tail) idle(wait time.Duration) (bson.Raw, error) {
	if !t.progress || wait == 0 {
		return nil, nil
	}
	return progressRow(t.progressed()), nil
}

// progressed is how far the client has everything: where nothing waits for it,
// that is as far as the database's log is published.
func (t *tail) progressed() string {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	t.feed.mu.Lock()
	defer t.feed.mu.Unlock()
	if len(t.feed.rows) > 0 {
		return before(position(t.feed.rows[0]))
	}
	if t.feed.complete < t.feed.published {
		return t.feed.complete
	}
	return max(t.feed.complete, t.m.upTo[t.db])
}

// endOf gives the last position of a cluster time.
func endOf(t bson.Timestamp) string { return string(appendPosition(nil, t, ^uint32(0))) }

// atOnce does what takes long where it is asked for.
func atOnce(f func() error) error { return f() }
