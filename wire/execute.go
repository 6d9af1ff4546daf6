package wire

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

func (c *conn) execute(body []byte) error {
	var m pgproto3.Execute
	if m.Decode(body) != nil {
		return malformed("Execute")
	}
	p, err := c.session.Portal(m.Portal)
	if err != nil {
		return err
	}
	limit := int(m.MaxRows)
	if m.MaxRows > math.MaxInt32 {
		limit = 0
	}
	defer c.end()
	return c.run(c.begin(), p, limit, true)
}

// lookAfter is how long a statement runs before its client is looked after.
const lookAfter = time.Second

// run fetches from a portal and tells how it ended.
func (c *conn) run(ctx context.Context, p Portal, limit int, extended bool) error {
	c.writer = Writer{c: c, exec: extended}
	if c.charset != nil {
		c.writer.cols = p.Columns()
	}
	c.watch()
	res, err := p.Fetch(ctx, &c.writer, limit)
	c.watchdog.Stop()
	if err != nil {
		return err
	}
	c.sendNotices()
	switch {
	case res.Empty:
		c.out.send(&pgproto3.EmptyQueryResponse{})
	case res.Suspended:
		c.out.send(&pgproto3.PortalSuspended{})
	default:
		c.out.send(&pgproto3.CommandComplete{CommandTag: []byte(res.Tag)})
	}
	return nil
}

// watch ends a long statement whose client has gone: nobody would read it.
func (c *conn) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watchdog == nil {
		c.watchdog = time.AfterFunc(lookAfter, c.look)
		return
	}
	c.watchdog.Reset(lookAfter)
}

func (c *conn) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.running:
	case gone(c.raw):
		c.terminate(errClientGone)
	default:
		c.watchdog.Reset(lookAfter)
	}
}
