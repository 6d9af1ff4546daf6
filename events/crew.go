package events

import (
	"container/heap"
	"runtime"
	"sync"
	"time"
)

// crew does the work of many that mostly wait: each has a turn, which a few
// goroutines take one after the other when there is something to do. With a thousand
// dispatchers that costs much less than a goroutine each, woken for every event.
type crew struct {
	spawn func(func()) // runs a function beside

	mu      sync.Mutex
	queue   []*turn // that have something to do, in the order in which they were rung
	working int     // goroutines
	most    int

	alarms alarms
	timer  *time.Timer // for the first of alarms
}

// turn is the work of one.
type turn struct {
	crew *crew
	work func() (wait time.Duration, more bool) // does all that there is to do, then tells how long nothing is
	done chan struct{}                          // closed when work wants no more

	state turnState // guarded by the crew
	due   time.Time // when it is to be rung
	alarm time.Time // when that is looked at, which may be earlier; zero: never
	place int       // among the alarms
}

type turnState uint8

const (
	turnResting turnState = iota
	turnQueued
	turnWorking
	turnRung  // at work, and rung meanwhile
	turnEnded // wants no more
)

// crewSlice is how long turns are taken before others are let onto the processor.
// When all processors are busy that takes a while: who waits for a turn notices.
const crewSlice = 2 * time.Millisecond

// newCrew makes a crew. It leaves half of the processors to those who read and write.
func newCrew(spawn func(func())) *crew {
	return &crew{spawn: spawn, most: max(1, runtime.GOMAXPROCS(0)/2)}
}

// add gives work its turn, the first one when it is rung.
func (c *crew) add(work func() (wait time.Duration, more bool)) *turn {
	return &turn{crew: c, work: work, done: make(chan struct{})}
}

// ring has the turn come soon. It never waits.
func (t *turn) ring() {
	c := t.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rung(t)
}

func (c *crew) rung(t *turn) {
	switch t.state {
	case turnResting:
		t.state = turnQueued
		c.queue = append(c.queue, t)
		c.call()
	case turnWorking:
		t.state = turnRung
	}
}

// call has another goroutine work where there is need and room for one.
func (c *crew) call() {
	if len(c.queue) > 0 && c.working < c.most {
		c.working++
		c.spawn(c.run)
	}
}

// apart runs what may take long, or waits for others, within a turn: somebody else
// works meanwhile.
func (c *crew) apart(f func() error) error {
	c.mu.Lock()
	c.working--
	c.call()
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.working++
		c.mu.Unlock()
	}()
	return f()
}

// run takes turns until none is left.
func (c *crew) run() {
	for since := time.Now(); ; {
		t := c.next()
		if t == nil {
			return
		}
		wait, more := t.work()
		now := time.Now()
		if c.rest(t, wait, more, now); now.Sub(since) > crewSlice {
			runtime.Gosched()
			since = time.Now()
		}
	}
}

func (c *crew) next() *turn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 || c.working > c.most {
		c.working--
		c.call()
		return nil
	}
	t := c.queue[0]
	c.queue[0] = nil
	if c.queue = c.queue[1:]; len(c.queue) == 0 {
		c.queue = nil
	}
	t.state = turnWorking
	return t
}

// rest ends a turn now that is to come again at the latest after wait.
func (c *crew) rest(t *turn, wait time.Duration, more bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	again := t.state == turnRung
	if t.state = turnResting; !more {
		t.state = turnEnded
		close(t.done)
		return
	}
	if again {
		c.rung(t)
		return
	}
	t.due = now.Add(wait)
	switch {
	case t.alarm.IsZero():
		t.alarm = t.due
		heap.Push(&c.alarms, t)
	case t.due.Before(t.alarm):
		t.alarm = t.due
		heap.Fix(&c.alarms, t.place)
	default:
		return // then it is looked at again
	}
	if t.place == 0 {
		c.arm()
	}
}

// arm has the first alarm go off at its time.
func (c *crew) arm() {
	if len(c.alarms) == 0 {
		return
	}
	wait := max(time.Millisecond, time.Until(c.alarms[0].alarm))
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, c.goOff)
	} else {
		c.timer.Reset(wait)
	}
}

// goOff rings whose time has come.
func (c *crew) goOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for len(c.alarms) > 0 && !c.alarms[0].alarm.After(now) {
		t := c.alarms[0]
		switch {
		case t.state == turnResting && t.due.After(now):
			t.alarm = t.due
			heap.Fix(&c.alarms, 0)
			continue
		case t.state == turnResting:
			c.rung(t)
		}
		t.alarm = time.Time{}
		heap.Pop(&c.alarms)
	}
	c.arm()
}

// alarms are turns by the time at which they are looked at.
type alarms []*turn

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].alarm.Before(a[j].alarm) }
func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

func (a *alarms) Push(x any) {
	t := x.(*turn)
	t.place = len(*a)
	*a = append(*a, t)
}

func (a *alarms) Pop() any {
	last := len(*a) - 1
	t := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	return t
}
