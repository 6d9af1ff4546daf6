package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"weir/sqlerr"
)

// conn is one connection and its state machine.
type conn struct {
	srv     *Server
	nc      net.Conn // what is read and written: raw or TLS
	raw     net.Conn
	tls     *tls.Conn
	in      *input
	out     *output
	session Session
	writer  Writer
	charset *charset // the client's encoding; nil: UTF-8
	pid     uint32
	key     []byte

	batch    bool // messages of the extended protocol came since the last Sync
	skipping bool // an error was sent, skip to Sync

	ctx        context.Context // of the connection, as the parent of statements'
	terminate  context.CancelCauseFunc
	woke       atomic.Bool // Wake was called
	terminated atomic.Bool
	reason     atomic.Pointer[sqlerr.Error] // why it was terminated

	mu       sync.Mutex
	running  bool // a statement runs: only then Cancel acts
	stmt     context.Context
	cancel   context.CancelCauseFunc
	watchdog *time.Timer
}

var (
	errTerminated = errors.New("wire: terminated")
	errClientGone = errors.New("wire: the client is gone")
)

// serve runs a connection to its end.
func (s *Server) serve(ctx context.Context, nc net.Conn) {
	c := &conn{srv: s, nc: nc, raw: nc}
	c.in = &input{conn: nc}
	c.out = &output{w: nc, srv: s}
	c.ctx, c.terminate = context.WithCancelCause(context.WithoutCancel(ctx))
	defer c.terminate(nil)
	stop := context.AfterFunc(ctx, func() { c.Terminate(nil) })
	defer stop()
	defer c.close()
	defer c.survive()
	err := c.start(c.ctx)
	if err == nil {
		c.in.woken = c.wakened
		err = c.loop()
	}
	c.farewell(err)
}

// survive keeps a bug in one connection from ending the others.
func (c *conn) survive() {
	if p := recover(); p != nil {
		c.srv.opts.Logger.Error("connection panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		c.farewell(fatal(sqlerr.InternalError, "internal error: %v", p))
	}
}

// farewell sends a fatal error if there is one for the client.
func (c *conn) farewell(err error) {
	if c.terminated.Load() {
		err = c.reason.Load()
	}
	var e *sqlerr.Error
	if errors.As(err, &e) {
		_ = c.nc.SetWriteDeadline(time.Now().Add(5 * time.Second))
		c.out.buf = append(c.out.buf, c.errorMessage(e)...)
		_ = c.out.flush()
	}
}

func (c *conn) close() {
	c.mu.Lock()
	if c.watchdog != nil {
		c.watchdog.Stop()
	}
	c.mu.Unlock()
	if c.session != nil {
		c.session.Close()
	}
	if c.key != nil {
		c.srv.unregister(c)
	}
	c.out.release()
	_ = c.nc.Close()
}

// loop answers messages until the connection ends.
func (c *conn) loop() error {
	for {
		typ, body, err := c.in.message(c.srv.opts.MaxMessage)
		switch {
		case c.terminated.Load():
			return errTerminated
		case err == errMessageLength:
			return fatal(sqlerr.ProtocolViolation, "invalid message length")
		case err != nil:
			return err
		}
		if err := c.handle(typ, body); err != nil {
			return err
		}
		if !c.batch {
			c.in.shrink()
		}
	}
}

// handle answers one message. It gives an error only if the connection is to
// end; errors of statements are sent from here.
func (c *conn) handle(typ byte, body []byte) error {
	act, known := actions[typ]
	switch {
	case typ == 'X':
		return errDone
	case !known:
		return fatal(sqlerr.ProtocolViolation, "invalid frontend message type %d", typ)
	case c.skipping && typ != 'S':
		return nil
	}
	if act.extended {
		c.batch = true
	}
	err := act.do(c, body)
	var end *connError
	if err == nil || errors.As(err, &end) || isFatal(err) {
		return err
	}
	if c.fail(err) {
		return errTerminated
	}
	if act.extended {
		// The client may wait for the answer to a Flush that is now skipped.
		c.skipping = true
		return c.out.flush()
	}
	return c.finish()
}

// action is what a message type does. An error of an extended message skips
// to the next Sync; of the others it is followed by ReadyForQuery.
type action struct {
	do       func(c *conn, body []byte) error
	extended bool
}

var actions = map[byte]action{
	'Q': {do: (*conn).query},
	'P': {do: (*conn).parse, extended: true},
	'B': {do: (*conn).bind, extended: true},
	'D': {do: (*conn).describe, extended: true},
	'E': {do: (*conn).execute, extended: true},
	'C': {do: (*conn).closeNamed, extended: true},
	'H': {do: (*conn).flush},
	'S': {do: (*conn).sync},
	'F': {do: (*conn).functionCall},
	// What is left of a COPY that failed.
	'd': {do: (*conn).ignore},
	'c': {do: (*conn).ignore},
	'f': {do: (*conn).ignore},
}

func (c *conn) ignore([]byte) error { return nil }

func (c *conn) functionCall([]byte) error {
	return sqlerr.Unsupported(0, "Call the function in a SELECT.", "the function call protocol is not supported")
}

// connError is a failure of the connection itself: nothing can be sent.
type connError struct{ err error }

func (e *connError) Error() string { return fmt.Sprintf("wire: connection: %v", e.err) }
func (e *connError) Unwrap() error { return e.err }

// begin gives the context of what runs now; until end, Cancel acts on it.
func (c *conn) begin() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stmt == nil || c.stmt.Err() != nil {
		c.stmt, c.cancel = context.WithCancelCause(c.ctx)
	}
	c.running = true
	return c.stmt
}

func (c *conn) end() {
	c.mu.Lock()
	c.running = false
	c.mu.Unlock()
}

// drop releases the statements' context between batches.
func (c *conn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel(nil)
		c.stmt, c.cancel = nil, nil
	}
}

// Cancel implements Control. What is not running now is not cancelled later.
func (c *conn) Cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		c.cancel(context.Canceled)
	}
}

// Terminate implements Control.
func (c *conn) Terminate(reason *sqlerr.Error) {
	if reason == nil {
		reason = sqlerr.New(sqlerr.AdminShutdown, "terminating connection due to administrator command")
	}
	end := *reason
	end.Severity = "FATAL"
	if !c.reason.CompareAndSwap(nil, &end) {
		return
	}
	c.terminated.Store(true)
	c.terminate(errTerminated)
	_ = c.raw.SetReadDeadline(longAgo)
	// A client that does not read must not hold the connection for ever.
	_ = c.raw.SetWriteDeadline(time.Now().Add(5 * time.Second))
}

// Wake implements Control.
func (c *conn) Wake() {
	if !c.woke.Swap(true) {
		_ = c.raw.SetReadDeadline(longAgo)
	}
}

// wakened is called by the reader when Wake or Terminate interrupted it.
func (c *conn) wakened() error {
	if c.terminated.Load() {
		return errTerminated
	}
	_ = c.raw.SetReadDeadline(time.Time{})
	c.woke.Store(false)
	if c.terminated.Load() {
		return errTerminated
	}
	if c.batch || c.skipping || c.running || c.session.TxStatus() != 'I' {
		return nil
	}
	c.sendNotifications()
	return c.out.flush()
}

// prefixConn hands a TLS server the bytes that were read before it.
type prefixConn struct {
	net.Conn
	in *input
}

func (p *prefixConn) Read(b []byte) (int, error) { return p.in.Read(b) }
