package opmsg

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"golang.org/x/sync/errgroup"

	"weir/engine"
)

// Options of a Server. The zero value works.
type Options struct {
	Logger *slog.Logger // nil: discard
	// MaxConnections refuses further connections; 0: no limit.
	MaxConnections int
	// Host is the address that hello names; "": the listener's.
	Host string
	// TLS encrypts all connections; nil: none.
	TLS *tls.Config
}

// Server answers MongoDB clients from an engine.
type Server struct {
	e    *engine.Engine
	opts Options
}

// NewServer makes a server; Serve runs it.
func NewServer(e *engine.Engine, opts Options) *Server {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{e: e, opts: opts}
}

// Serve answers the connections of l until ctx ends, then closes l and all
// connections and returns when everything has ended.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	host := s.opts.Host
	if host == "" {
		host = l.Addr().String()
	}
	s.e.SetHost(host)
	if s.opts.TLS != nil {
		l = tls.NewListener(l, s.opts.TLS)
	}
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	open := &connections{}
	group.Go(func() error {
		<-ctx.Done()
		open.closeAll()
		return nil
	})
	group.Go(func() error { return s.accept(ctx, l, group, open) })
	err := group.Wait()
	if errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (s *Server) accept(ctx context.Context, l net.Listener, group *errgroup.Group, open *connections) error {
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("accept a connection: %w", err)
		}
		if !open.add(c, s.opts.MaxConnections) {
			_ = c.Close()
			continue
		}
		conn := s.newConn(c)
		group.Go(func() error {
			defer open.remove(c)
			conn.run(ctx)
			return nil
		})
	}
}

// connections are the open ones, to be closed at the end.
type connections struct {
	mu     sync.Mutex
	all    map[net.Conn]struct{}
	closed bool
}

func (c *connections) add(conn net.Conn, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || limit > 0 && len(c.all) >= limit {
		return false
	}
	if c.all == nil {
		c.all = map[net.Conn]struct{}{}
	}
	c.all[conn] = struct{}{}
	return true
}

func (c *connections) remove(conn net.Conn) {
	_ = conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, conn)
}

func (c *connections) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.all {
		_ = conn.Close()
	}
}
