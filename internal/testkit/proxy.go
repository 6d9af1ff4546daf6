package testkit

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Fault is what a Proxy does to the connections through it.
type Fault int

// The faults of a Proxy.
const (
	Pass   Fault = iota
	Refuse       // closes connections at once
	Stall        // accepts connections and bytes, and passes nothing on
	Reset        // passes a few bytes of every connection, then resets it
	Slow         // passes a few bytes at a time
)

// The measures of the faults.
const (
	resetAfter = 600 // bytes of a connection, both ways together
	slowBytes  = 256
	slowEvery  = 2 * time.Millisecond
)

// Proxy stands in front of a TCP server and spoils its connections on demand.
type Proxy struct {
	target string
	ln     net.Listener

	mu      sync.Mutex
	fault   Fault
	changed chan struct{} // closed when the fault changes
	conns   map[net.Conn]struct{}
	done    bool
	group   sync.WaitGroup
}

// StartProxy runs a proxy in front of an address until the test ends.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{target: target, ln: ln, changed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	p.group.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is where clients connect.
func (p *Proxy) Addr() net.Addr { return p.ln.Addr() }

// Set has all connections, open and new ones, meet a fault from now on.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	close(p.changed)
	p.changed = make(chan struct{})
	if f == Refuse {
		for c := range p.conns {
			_ = c.Close()
		}
	}
}

// Fault is what connections meet now.
func (p *Proxy) Fault() Fault {
	f, _, _ := p.state()
	return f
}

func (p *Proxy) state() (Fault, chan struct{}, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.changed, p.done
}

func (p *Proxy) close() {
	_ = p.ln.Close()
	p.mu.Lock()
	p.done = true
	close(p.changed)
	p.changed = make(chan struct{})
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.group.Wait()
}

// keep remembers a connection, false: the proxy has ended.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.done {
		p.conns[c] = struct{}{}
	}
	return !p.done
}

func (p *Proxy) forget(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *Proxy) accept() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		if f, _, _ := p.state(); f == Refuse || !p.keep(c) {
			_ = c.Close()
			continue
		}
		p.group.Go(func() { p.serve(c) })
	}
}

// serve joins a client to the server until either end or a fault parts them.
func (p *Proxy) serve(client net.Conn) {
	defer p.forget(client)
	if !p.held() {
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.forget(server)
	var both sync.WaitGroup
	l := &link{proxy: p, left: resetAfter}
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			l.copy(way[1], way[0])
			_ = client.Close()
			_ = server.Close()
		})
	}
	both.Wait()
}

// held waits while the proxy stalls, false: it has ended.
func (p *Proxy) held() bool {
	for {
		f, changed, done := p.state()
		if done || f != Stall {
			return !done
		}
		<-changed
	}
}

// link is a connection through a proxy.
type link struct {
	proxy *Proxy
	mu    sync.Mutex
	left  int // bytes before a reset
}

func (l *link) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !l.pass(to, buf[:n]) || err != nil {
			return
		}
	}
}

// pass writes bytes as the fault of the moment has it, false: the connection ends.
func (l *link) pass(to net.Conn, b []byte) bool {
	for len(b) > 0 {
		if !l.proxy.held() {
			return false
		}
		n := len(b)
		switch f, _, _ := l.proxy.state(); f {
		case Refuse:
			return false
		case Slow:
			n = min(n, slowBytes)
			time.Sleep(slowEvery)
		case Reset:
			if n = l.take(n); n == 0 {
				if c, ok := to.(*net.TCPConn); ok {
					_ = c.SetLinger(0)
				}
				return false
			}
		}
		if _, err := to.Write(b[:n]); err != nil {
			return false
		}
		b = b[n:]
	}
	return true
}

// take gives how many of n bytes may pass before the reset.
func (l *link) take(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = min(n, l.left)
	l.left -= n
	return n
}
