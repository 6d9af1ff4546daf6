package events

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// TestRecounts asks for a result that takes long to find: whoever asks again and again
// gets the last one at once, who comes after a pause a new one if there is one soon, and
// nobody what was begun before it was forgotten.
func TestRecounts(t *testing.T) {
	t.Parallel()
	m := &Manager{ctx: t.Context(), group: &errgroup.Group{}}
	var r recount[int]
	finds := make(chan int)
	find := func(ctx context.Context) (int, error) {
		select {
		case n := <-finds:
			return n, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	// later has the result be old, and nobody have asked for a time
	later := func(pause time.Duration) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.due, r.asked = time.Time{}, time.Now().Add(-pause)
	}
	get := func() (int, bool) { return r.get(t.Context(), m, find) }
	idle := func() {
		require.Eventually(t, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.found == nil }, time.Minute, time.Millisecond)
	}

	_, known := get()
	require.False(t, known, "it takes longer than who asks waits")
	finds <- 1
	idle()
	n, known := get()
	require.True(t, known)
	require.Equal(t, 1, n)

	later(0)
	n, _ = get()
	require.Equal(t, 1, n, "asked all the time: the last one")
	finds <- 2
	idle()

	later(time.Minute)
	go func() { finds <- 3 }()
	n, _ = get()
	require.Equal(t, 3, n, "after a pause: the next one")

	later(time.Minute)
	n, _ = get()
	require.Equal(t, 3, n, "after a pause, but it takes long")
	r.forget()
	finds <- 4 // counted before what it was forgotten for
	idle()
	_, known = r.last()
	require.False(t, known)
	go func() { finds <- 5 }()
	n, err := r.wait(t.Context(), m, find)
	require.NoError(t, err)
	require.Equal(t, 5, n)
}
