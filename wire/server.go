package wire

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Options of a server; the zero value works.
type Options struct {
	TLS            *tls.Config // nil: no TLS
	RequireTLS     bool
	MaxConnections int           // 0: no limit
	StartupTimeout time.Duration // 0: one minute
	MaxMessage     int           // bytes; 0: 1 GiB
	Logger         *slog.Logger  // nil: discard
}

func (o Options) withDefaults() Options {
	if o.StartupTimeout <= 0 {
		o.StartupTimeout = time.Minute
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = 1 << 30
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Server accepts connections.
type Server struct {
	handler Handler
	opts    Options

	mu      sync.Mutex
	nextPID uint32
	conns   map[uint32]*conn // by process id
	buffers sync.Pool        // of *[]byte, write buffers between statements
}

// NewServer makes a server.
func NewServer(h Handler, o Options) *Server {
	var seed [4]byte
	_, _ = rand.Read(seed[:])
	return &Server{
		handler: h,
		opts:    o.withDefaults(),
		nextPID: 1000 + binary.BigEndian.Uint32(seed[:])%30000,
		conns:   map[uint32]*conn{},
	}
}

// Serve accepts connections until ctx ends, then terminates them and waits.
// Other listeners may be served at the same time.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for {
		nc, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = nc.Close()
			}
			return nil
		}
		if err != nil {
			if !pauseAfter(ctx, err) {
				return err
			}
			continue
		}
		wg.Go(func() { s.serve(ctx, nc) })
	}
}

// pauseAfter waits out an Accept error that passes, such as too many open files.
func pauseAfter(ctx context.Context, err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	var ne net.Error
	if !errors.As(err, &ne) {
		return false
	}
	select {
	case <-ctx.Done():
	case <-time.After(50 * time.Millisecond):
	}
	return true
}

// register gives a connection its process id and secret key; false: there are
// too many connections.
func (s *Server) register(c *conn, keyLen int) bool {
	c.key = make([]byte, keyLen)
	_, _ = rand.Read(c.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.MaxConnections > 0 && len(s.conns) >= s.opts.MaxConnections {
		return false
	}
	for {
		s.nextPID = s.nextPID&0x7fffffff + 1
		if s.conns[s.nextPID] == nil {
			break
		}
	}
	c.pid = s.nextPID
	s.conns[c.pid] = c
	return true
}

func (s *Server) unregister(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c.pid] == c {
		delete(s.conns, c.pid)
	}
}

// cancel acts on a CancelRequest. The requester is told nothing.
func (s *Server) cancel(body []byte) {
	if len(body) < 8 || len(body) > 4+256 {
		return
	}
	s.mu.Lock()
	c := s.conns[binary.BigEndian.Uint32(body)]
	s.mu.Unlock()
	if c != nil && subtle.ConstantTimeCompare(c.key, body[4:]) == 1 {
		c.Cancel()
	}
}

// Connections counts the connections that passed authentication.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}
