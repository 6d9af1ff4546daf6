package storage

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrDown is what a closed DB answers, if Options.Down names no other error.
var ErrDown = errors.New("the store is closed")

// gate lets uses in until it is shut. Pebble must not be called once it is
// closed, nor closed under a call, an iterator or a snapshot.
type gate struct {
	down  func() error
	inUse atomic.Int64
	shut  atomic.Bool
}

// enter begins a use; leave ends it. After an error there is nothing to end.
func (g *gate) enter() error {
	g.inUse.Add(1)
	if g.shut.Load() {
		g.inUse.Add(-1)
		return g.down()
	}
	return nil
}

func (g *gate) leave() { g.inUse.Add(-1) }

// close lets nobody in any more and waits until all have left, or gives up.
func (g *gate) close(patience time.Duration) error {
	g.shut.Store(true)
	for pause := time.Duration(0); g.inUse.Load() != 0; time.Sleep(pause) {
		if patience -= pause; patience <= 0 {
			return fmt.Errorf("the store stays open: it is read in %d places", g.inUse.Load())
		}
		pause = min(2*pause+10*time.Microsecond, 10*time.Millisecond)
	}
	return nil
}
