package events

import (
	"sync/atomic"
	"time"
)

// serverClock tells the server's time, which every heartbeat learns anew. All that is
// stored goes by it, for gateways with clocks of their own compare it: when an event
// is sent again, until when a statement holds a subscription, when a row may go.
// Between two heartbeats it goes on as the gateway's monotonic clock does, so that it
// takes no notice when somebody sets the gateway's clock.
type serverClock struct {
	local func() time.Time
	set   atomic.Pointer[clockSet]
}

// clockSet is what the server's time was at a time of the gateway's clock.
type clockSet struct {
	server, local time.Time
}

// clockSlack is by how much the server's time may be other than it was thought to be
// before the clock is set: small steps would only make durations wrong.
const clockSlack = 20 * time.Millisecond

// observe takes a time of the server that lies between the sending of a question
// and its answer, both by the gateway's clock.
func (c *serverClock) observe(server, sent, answered time.Time) {
	trip := answered.Sub(sent)
	local := sent.Add(trip / 2)
	if off := server.Sub(c.at(local)); c.set.Load() == nil || off.Abs() > trip/2+clockSlack {
		c.set.Store(&clockSet{server, local})
	}
}

// at gives the server's time at a time of the gateway's clock; before the first
// heartbeat they are taken to be the same.
func (c *serverClock) at(local time.Time) time.Time {
	if s := c.set.Load(); s != nil {
		return s.server.Add(local.Sub(s.local))
	}
	return local
}

// now is the server's time.
func (c *serverClock) now() time.Time { return c.at(c.local()) }
