package events

import (
	"sync/atomic"
	"time"
)

// serverClock tells the server's time from the gateway's clock and the difference
// between the two, which every heartbeat measures anew: ages and lags are
// differences to times that the server gave, and the gateway's clock may be wrong.
type serverClock struct {
	ahead atomic.Int64 // nanoseconds by which the server's clock is ahead
}

// observe takes a time of the server that lies between the sending of a question
// and its answer, both by the gateway's clock.
func (c *serverClock) observe(server, sent, answered time.Time) {
	c.ahead.Store(int64(server.Sub(sent.Add(answered.Sub(sent) / 2))))
}

// at gives the server's time at a time of the gateway's clock.
func (c *serverClock) at(local time.Time) time.Time {
	return local.Add(time.Duration(c.ahead.Load()))
}
