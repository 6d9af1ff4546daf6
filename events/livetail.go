package events

import (
	"context"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/sqlerr"
)

// Bounds of a live tail: the bytes that wait for it in memory, and the rows that
// it reads at a time when it fell behind these.
const (
	tailBytes = 4 << 20
	tailPage  = 200
)

// tail is a client that follows a subscription's rows. One that is slow is
// brought back to the log; nothing is kept for it but a bounded part.
type tail struct {
	m        *Manager
	db, id   string
	feed     *feed
	rows     []bson.Raw
	progress bool
	last     string // position of the last row given
	until    string // first position that is not wanted, "": none
}

func (m *Manager) tailSubscription(ctx context.Context, s *found, o tailOptions) (func(context.Context, time.Duration) (bson.Raw, error), func(), error) {
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
	t := &tail{m: m, db: s.Spec.Database, id: s.ID, feed: m.follow(s.Spec.Database, s.ID, after, tailBytes), progress: o.progress, until: o.to}
	return t.next, func() { m.leave(t.db, t.feed) }, nil
}

// next gives a row, nil after wait without one, or a row of progress.
func (t *tail) next(ctx context.Context, wait time.Duration) (bson.Raw, error) {
	end := time.Now().Add(wait)
	for {
		row, err := t.take(ctx)
		if row != nil || err != nil {
			return row, err
		}
		left := time.Until(end)
		if wait == 0 || left <= 0 {
			return t.idle(ctx, wait)
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

// take gives a row that is there.
func (t *tail) take(ctx context.Context) (bson.Raw, error) {
	if len(t.rows) == 0 {
		rows, _, err := t.feed.take(ctx, tailPage)
		if err != nil {
			return nil, err
		}
		if t.rows = rows; len(rows) == 0 {
			return nil, t.gone()
		}
	}
	row := t.rows[0]
	t.rows = t.rows[1:]
	if t.last = position(row); t.until != "" && t.last >= t.until {
		return nil, io.EOF
	}
	return tailRow(row), nil
}

func (t *tail) gone() error {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	if t.m.subs[t.id] == nil {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "the event subscription was dropped")
	}
	return nil
}

// idle is what a client gets when there is nothing.
func (t *tail) idle(ctx context.Context, wait time.Duration) (bson.Raw, error) {
	if t.until != "" && wait > 0 {
		now, err := t.m.operationTime(ctx)
		if err != nil {
			return nil, err
		}
		const readLag = 2 // seconds in which the reader sees what is written
		if now.T > readLag && string(appendPosition(nil, bson.Timestamp{T: now.T - readLag}, 0)) > t.until {
			return nil, io.EOF
		}
	}
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
