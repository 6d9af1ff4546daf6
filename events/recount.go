package events

import (
	"context"
	"sync"
	"time"
)

// recount is a result that takes long to find: it is found beside those who ask,
// who get the last one, and rests for twenty times as long as finding it took.
type recount[T any] struct {
	mu    sync.Mutex
	value T
	known bool
	busy  bool
	due   time.Time
}

// The pace of a recount.
const (
	recountRest  = 20
	recountEvery = time.Second
)

// get gives the last result; false: there is none yet. Where it is old, another is
// looked for.
func (r *recount[T]) get(m *Manager, find func(context.Context) (T, error)) (T, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.busy && !time.Now().Before(r.due) {
		r.busy = m.beside(func(ctx context.Context) {
			from := time.Now()
			v, err := find(ctx)
			if err != nil && ctx.Err() == nil {
				m.log.Warn("a count for the monitoring failed; it is tried again", "error", err)
			}
			r.put(v, err, from)
		})
	}
	return r.value, r.known
}

// last gives the last result, false: there is none.
func (r *recount[T]) last() (T, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.value, r.known
}

// forget drops the last result: much has changed at once.
func (r *recount[T]) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	var none T
	r.value, r.known, r.due = none, false, time.Time{}
}

func (r *recount[T]) put(v T, err error, from time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy, r.due = false, time.Now().Add(max(recountEvery, recountRest*time.Since(from)))
	if err == nil {
		r.value, r.known = v, true
	}
}

// wait gives the last result, or finds the first.
func (r *recount[T]) wait(ctx context.Context, m *Manager, find func(context.Context) (T, error)) (T, error) {
	if _, known := r.last(); known {
		v, _ := r.get(m, find)
		return v, nil
	}
	from := time.Now()
	v, err := find(ctx)
	r.put(v, err, from)
	return v, err
}

// beside runs f in the group of Run; false: it has ended.
func (m *Manager) beside(f func(ctx context.Context)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.group == nil || m.ctx.Err() != nil {
		return false
	}
	ctx := m.ctx
	m.group.Go(func() error { f(ctx); return nil })
	return true
}
