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

// lines are the open connections to the servers of a deployment.
type lines struct {
	mu   sync.Mutex
	open map[*line]struct{}
}

type line struct {
	net.Conn
	of      *lines
	address string
}

// watch has a client keep its connections in lines.
func (l *lines) watch(co *options.ClientOptions) {
	l.open = map[*line]struct{}{}
	co.SetDialer(l)
	co.SetServerMonitor(&event.ServerMonitor{ServerHeartbeatFailed: func(e *event.ServerHeartbeatFailedEvent) {
		var n net.Error
		if errors.Is(e.Failure, context.DeadlineExceeded) || errors.As(e.Failure, &n) && n.Timeout() {
			address, _, _ := strings.Cut(e.ConnectionID, "[")
			l.cut(address)
		}
	}})
}

// DialContext implements options.Dialer.
func (l *lines) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	n := &line{Conn: c, of: l, address: address}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[n] = struct{}{}
	return n, nil
}

func (n *line) Close() error {
	n.of.mu.Lock()
	delete(n.of.open, n)
	n.of.mu.Unlock()
	return n.Conn.Close()
}

// cut closes the connections to a server.
func (l *lines) cut(address string) {
	l.mu.Lock()
	var all []*line
	for n := range l.open {
		if n.address == address {
			all = append(all, n)
		}
	}
	l.mu.Unlock()
	for _, n := range all {
		_ = n.Close()
	}
}
