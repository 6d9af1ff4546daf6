package remote

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A network may lose what it carries and tell nobody, as when a router forgets its
// connections. The driver then dials anew for its heartbeat and, when that goes well,
// leaves the other connections be: who waits for an answer on one of them would wait
// for ever. So all connections to a server end when a heartbeat had no answer.

// heartbeatEvery is how often a server is to be heard of; a heartbeat has no answer
// when that and ConnectTimeout have passed.
const heartbeatEvery = 5 * time.Second

// connections are the open ones to the servers of a deployment.
type connections struct {
	mu   sync.Mutex
	open map[*connection]struct{}
}

// connection is an open one, and to whom.
type connection struct {
	net.Conn
	of      *connections
	address string
}

// watch has a client keep its connections in them.
func (s *connections) watch(co *options.ClientOptions) {
	s.open = map[*connection]struct{}{}
	co.SetDialer(s)
	co.SetServerMonitor(&event.ServerMonitor{ServerHeartbeatFailed: func(e *event.ServerHeartbeatFailedEvent) {
		var n net.Error
		if errors.Is(e.Failure, context.DeadlineExceeded) || errors.As(e.Failure, &n) && n.Timeout() {
			address, _, _ := strings.Cut(e.ConnectionID, "[")
			s.cut(address)
		}
	}})
}

// DialContext implements options.Dialer.
func (s *connections) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	n := &connection{Conn: c, of: s, address: address}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[n] = struct{}{}
	return n, nil
}

func (c *connection) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// cut closes the connections to a server.
func (s *connections) cut(address string) {
	s.mu.Lock()
	var all []*connection
	for n := range s.open {
		if n.address == address {
			all = append(all, n)
		}
	}
	s.mu.Unlock()
	for _, n := range all {
		_ = n.Close()
	}
}
