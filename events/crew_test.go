package events

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// testCrew is a crew whose goroutines are waited for.
func testCrew(most int) (*crew, *sync.WaitGroup) {
	var g sync.WaitGroup
	c := newCrew(func(f func()) { g.Go(f) })
	c.most = most
	return c, &g
}

// A turn comes for whatever was rung before it, is never taken twice at the same time,
// and not again when it has ended.
func TestCrewTakesEveryRing(t *testing.T) {
	c, g := testCrew(3)
	const turns, rings = 20, 2000
	var asked, answered [turns]atomic.Int64
	var atWork [turns]atomic.Bool
	all := make([]*turn, turns)
	for i := range all {
		all[i] = c.add(func() (time.Duration, bool) {
			if !atWork[i].CompareAndSwap(false, true) {
				t.Error("a turn is taken twice at the same time")
			}
			answered[i].Store(asked[i].Load())
			atWork[i].Store(false)
			return time.Hour, answered[i].Load() < rings
		})
	}
	var ringers sync.WaitGroup
	for i := range all {
		ringers.Go(func() {
			for range rings {
				asked[i].Add(1)
				all[i].ring()
			}
		})
	}
	ringers.Wait()
	for i, one := range all {
		<-one.done
		require.EqualValues(t, rings, answered[i].Load())
		one.ring()
	}
	g.Wait()
	require.Zero(t, c.working)
}

// While a turn waits for something, the others go on; and a turn comes by itself when
// its time has come.
func TestCrewGoesOnBesideWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := testCrew(1)
		held := make(chan struct{})
		slow := c.add(func() (time.Duration, bool) {
			return 0, c.apart(func() error { <-held; return nil }) != nil
		})
		times := 0
		began := time.Now()
		quick := c.add(func() (time.Duration, bool) {
			times++
			return time.Second, times < 5
		})
		slow.ring()
		quick.ring()
		<-quick.done
		require.Equal(t, 4*time.Second, time.Since(began).Round(10*time.Millisecond))
		close(held)
		<-slow.done
		g.Wait()
	})
}

// A turn that is to come sooner than it said before comes sooner.
func TestCrewWakesAtTheEarlierTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := testCrew(1)
		waits := []time.Duration{time.Minute, time.Second, 2 * time.Second}
		var at []time.Duration
		began := time.Now()
		one := c.add(func() (time.Duration, bool) {
			at = append(at, time.Since(began).Round(100*time.Millisecond))
			wait := waits[0]
			waits = waits[1:]
			return wait, len(waits) > 0
		})
		one.ring()
		time.Sleep(10 * time.Second)
		one.ring()
		<-one.done
		g.Wait()
		require.Equal(t, []time.Duration{0, 10 * time.Second, 11 * time.Second}, at)
	})
}
