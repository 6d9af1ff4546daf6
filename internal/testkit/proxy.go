package testkit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
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
	Lost         // what open connections carry is lost from now on, and nobody is told; new ones are refused
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
	command func(name string) Fate
	losses  int           // so often connections were lost
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

// Fate is what becomes of a command that a client of MongoDB sends: one of the
// functions may be called in the place of what would come next, which then does not
// come. The zero value lets it go its way.
type Fate struct {
	Instead  func() // of the command
	Answered func() // instead of its answer, when the server has given it
}

// Judge has the proxy, which stands in front of a MongoDB, ask for the fate of each
// command by its name. It is to be called before clients connect.
func (p *Proxy) Judge(f func(name string) Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.command = f
}

// Set has all connections, open and new ones, meet a fault from now on.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault = f; f == Lost {
		p.losses++
	}
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
		if f, _, _ := p.state(); f == Refuse || f == Lost || !p.keep(c) {
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
	l := p.link()
	copied := l.copy
	if l.command != nil {
		copied = l.copyCommands
	}
	var both sync.WaitGroup
	end := func() {
		_ = client.Close()
		_ = server.Close()
	}
	both.Go(func() { defer end(); copied(server, client) })
	both.Go(func() { defer end(); l.copy(client, server) })
	both.Wait()
}

func (p *Proxy) link() *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &link{proxy: p, command: p.command, left: resetAfter, losses: p.losses}
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
	proxy   *Proxy
	command func(name string) Fate // nil: bytes are bytes
	losses  int                    // of the proxy, when it was opened

	mu       sync.Mutex
	left     int    // bytes before a reset
	answered func() // called in the place of the next answer
}

func (l *link) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if f := l.insteadOfAnswer(); n > 0 && f != nil {
			f()
			return
		}
		if n > 0 && !l.pass(to, buf[:n]) || err != nil {
			return
		}
	}
}

// insteadOfAnswer is what the last command wants called, nil: nothing.
func (l *link) insteadOfAnswer() func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answered
}

// copyCommands is copy of what a client of MongoDB sends, message by message.
func (l *link) copyCommands(to, from net.Conn) {
	for {
		message, err := readMessage(from)
		if err != nil {
			return
		}
		fate := l.command(commandName(message))
		if fate.Instead != nil {
			fate.Instead()
			return
		}
		l.mu.Lock()
		l.answered = fate.Answered
		l.mu.Unlock()
		if !l.pass(to, message) {
			return
		}
	}
}

// The layout of OP_MSG as drivers send it: a header, flags, and a first section that
// is the command; its first field has the command's name.
const (
	headerLen  = 16
	opMsg      = 2013
	nameOffset = headerLen + 4 + 1 + 4 + 1
	maxMessage = 48 << 20
)

func readMessage(from net.Conn) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n < headerLen || n > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	message := append(make([]byte, 0, n), size[:]...)[:n]
	_, err := io.ReadFull(from, message[len(size):])
	return message, err
}

// commandName is the name of the command in a message, "": there is none.
func commandName(message []byte) string {
	if len(message) < nameOffset || binary.LittleEndian.Uint32(message[12:]) != opMsg {
		return ""
	}
	name, _, _ := bytes.Cut(message[nameOffset:], []byte{0})
	return string(name)
}

// pass writes bytes as the fault of the moment has it, false: the connection ends.
func (l *link) pass(to net.Conn, b []byte) bool {
	for len(b) > 0 {
		if !l.proxy.held() {
			return false
		}
		if l.lost() {
			return true
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

// lost tells whether the connection was open when they were lost.
func (l *link) lost() bool {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	return l.proxy.losses > l.losses
}

// take gives how many of n bytes may pass before the reset.
func (l *link) take(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = min(n, l.left)
	l.left -= n
	return n
}
