package events

import (
	"context"
	"sync"
	"time"
)

// recount is a result that takes long to find: it is found beside those who ask,
// who get the last one, and rests for twenty times as long as finding it took. Who asks
// when nobody has for a while, or when there is none, waits a little for a new one.
type recount[T any] struct {
	mu    sync.Mutex
	value T
	known bool
	found chan struct{} // closed when the one that is looked for is there; nil: none is
	due   time.Time
	asked time.Time
	epoch int // how often the last one was forgotten
}

const (
	// The pace of a recount.
	recountRest  = 20
	recountEvery = time.Second
	// recountIdle is after what time without questions the last result is told to nobody
	// who can have a new one within recountPatience.
	recountIdle     = 5 * time.Second
	recountPatience = 500 * time.Millisecond
)

// get gives the last result; false: there is none yet. Where it is old, another is
// looked for.
func (r *recount[T]) get(ctx context.Context, m *Manager, find func(context.Context) (T, error)) (T, bool) {
	if found := r.look(m, find); found != nil {
		patience := time.NewTimer(recountPatience)
		defer patience.Stop()
		select {
		case <-found:
		case <-patience.C:
		case <-ctx.Done():
		}
	}
	return r.last()
}

// look looks for another result where the last one is old; found is to be waited for.
func (r *recount[T]) look(m *Manager, find func(context.Context) (T, error)) (found <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	idle := now.Sub(r.asked) > recountIdle
	r.asked = now
	if r.found == nil && !now.Before(r.due) {
		epoch := r.epoch
		r.found = make(chan struct{})
		if !m.beside(func(ctx context.Context) {
			from := time.Now()
			v, err := find(ctx)
			if err != nil && ctx.Err() == nil {
				m.log.Warn("a count for the monitoring failed; it is tried again", "error", err)
			}
			r.put(v, err, from, epoch)
		}) {
			r.found = nil
		}
	}
	if idle || !r.known {
		return r.found
	}
	return nil
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
	r.epoch++
}

// put keeps a result, unless it was begun before the one of its time was forgotten.
func (r *recount[T]) put(v T, err error, from time.Time, epoch int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if epoch == r.epoch {
		r.due = time.Now().Add(max(recountEvery, recountRest*time.Since(from)))
		if err == nil {
			r.value, r.known = v, true
		}
	}
	if r.found != nil {
		close(r.found)
		r.found = nil
	}
}

// wait gives the last result, or finds the first.
func (r *recount[T]) wait(ctx context.Context, m *Manager, find func(context.Context) (T, error)) (T, error) {
	r.mu.Lock()
	known, epoch := r.known, r.epoch
	r.mu.Unlock()
	if known {
		if v, known := r.get(ctx, m, find); known {
			return v, nil
		}
	}
	from := time.Now()
	v, err := find(ctx)
	r.put(v, err, from, epoch)
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
