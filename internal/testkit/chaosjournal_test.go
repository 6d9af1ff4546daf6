package testkit_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// chaosJournal is what was done and what was wrong, in the order in which it was, for
// runs that fail.
type chaosJournal struct {
	began time.Time

	mu    sync.Mutex
	lines []string
}

// keepJournal begins a journal, which is logged if the test fails.
func keepJournal(t *testing.T) *chaosJournal {
	j := &chaosJournal{began: time.Now()}
	t.Cleanup(func() {
		if t.Failed() {
			j.mu.Lock()
			defer j.mu.Unlock()
			for _, l := range j.lines {
				t.Log(l)
			}
		}
	})
	return j
}

func (j *chaosJournal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf("%8.3f ", time.Since(j.began).Seconds())+fmt.Sprintf(format, args...))
}
