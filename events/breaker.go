package events

import (
	"sync"
	"time"
)

// Limits of a breaker.
const (
	breakerFailures = 20
	probeFirst      = time.Second
	probeLongest    = 60 // times the first
)

// breaker stops sending to an endpoint that fails again and again, and lets one
// probe through at a time. All subscriptions of an endpoint share it.
type breaker struct {
	first time.Duration // before the first probe

	mu       sync.Mutex
	failures int
	delay    time.Duration
	until    time.Time // of the open breaker
	probing  bool
}

// admit tells whether a send may go ahead now, and else when to ask again. A
// probe must be followed by done or cancel.
func (b *breaker) admit(now time.Time) (ok, probe bool, again time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < breakerFailures {
		return true, false, time.Time{}
	}
	if b.probing || now.Before(b.until) {
		return false, false, maxTime(b.until, now.Add(100*time.Millisecond))
	}
	b.probing = true
	return true, true, time.Time{}
}

// cancel ends a probe that told nothing.
func (b *breaker) cancel() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}

// done takes the outcome of a send.
func (b *breaker) done(success, probe bool, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
	if success {
		b.failures, b.delay = 0, 0
		return
	}
	b.failures++
	if b.failures == breakerFailures {
		b.delay = b.first
	} else if probe {
		b.delay = min(2*b.delay, probeLongest*b.first)
	}
	if b.failures >= breakerFailures {
		b.until = now.Add(b.delay)
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
