package opmsg

import (
	"bufio"
	"context"
	"errors"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"weir/engine"
	"weir/engine/value"
	"weir/mongoerr"
)

// conn is one client connection.
type conn struct {
	s    *Server
	c    net.Conn
	r    *bufio.Reader
	sess *engine.Session
	next int32
	buf  []byte
}

func (s *Server) newConn(c net.Conn) *conn {
	sess := s.e.NewSession()
	sess.Remote = c.RemoteAddr().String()
	return &conn{s: s, c: c, r: bufio.NewReaderSize(c, 16<<10), sess: sess}
}

// run answers requests until the client goes away or sends garbage. Reading
// goes on while a command runs, so that the end of the connection ends it, too.
func (c *conn) run(ctx context.Context) {
	defer c.sess.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group := errgroup.Group{}
	requests := make(chan *message)
	group.Go(func() error {
		defer cancel()
		for {
			m, err := read(c.r)
			if err != nil {
				if errors.Is(err, errProtocol) {
					c.s.opts.Logger.Warn("close a connection", "remote", c.sess.Remote, "error", err)
				}
				return err
			}
			select {
			case requests <- m:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	c.answerAll(ctx, requests)
	cancel()
	_ = c.c.Close()
	_ = group.Wait()
}

func (c *conn) answerAll(ctx context.Context, requests <-chan *message) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-requests:
			if err := c.answer(ctx, m); err != nil {
				return
			}
		}
	}
}

// answer runs one request and writes its reply or replies.
func (c *conn) answer(ctx context.Context, m *message) error {
	reply, err := c.reply(ctx, m)
	if err != nil || m.flags&flagMoreToCome != 0 {
		return err
	}
	await, waits := awaited(m)
	if !waits {
		return c.exhaust(ctx, m, reply)
	}
	// An awaitable hello is answered when the topology changes, which it never
	// does here, or when its time is over.
	for to := m.id; ; to = c.next {
		if err := pause(ctx, await); err != nil {
			return err
		}
		if reply, err = c.reply(ctx, m); err != nil {
			return err
		}
		if m.flags&flagExhaust == 0 {
			return c.write(m, to, 0, reply)
		}
		if err := c.write(m, to, flagMoreToCome, reply); err != nil {
			return err
		}
	}
}

// exhaust writes the reply, and those of a getMore that wants all batches
// without asking for each: the same getMore runs until the cursor ends.
func (c *conn) exhaust(ctx context.Context, m *message, reply bson.Raw) error {
	for to := m.id; ; to = c.next {
		if m.flags&flagExhaust == 0 || !goesOn(m, reply) {
			return c.write(m, to, 0, reply)
		}
		err := c.write(m, to, flagMoreToCome, reply)
		if err == nil {
			reply, err = c.reply(ctx, m)
		}
		if err != nil {
			return err
		}
	}
}

// goesOn tells whether a reply is of a getMore whose cursor has more.
func goesOn(m *message, reply bson.Raw) bool {
	it := value.Walk(m.body)
	if m.bad != nil || !it.Next() || it.Key() != "getMore" {
		return false
	}
	cursor := value.Lookup(reply, "cursor")
	return cursor.IsDocument() && value.Lookup(cursor.Doc(), "id").AsInt64() != 0
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// awaited tells how long a hello with a topologyVersion wants to wait.
func awaited(m *message) (time.Duration, bool) {
	it := value.Walk(m.body)
	if m.bad != nil || !it.Next() || !isHello(it.Key()) {
		return 0, false
	}
	wait := value.Lookup(m.body, "maxAwaitTimeMS")
	if !wait.IsNumber() || wait.AsInt64() < 0 || !value.Lookup(m.body, "topologyVersion").IsDocument() {
		return 0, false
	}
	return time.Duration(wait.AsInt64()) * time.Millisecond, true
}

func isHello(name string) bool { return name == "hello" || strings.EqualFold(name, "ismaster") }

func (c *conn) write(m *message, to int32, flags uint32, doc bson.Raw) error {
	c.next++
	var err error
	if c.buf, err = m.frame(c.buf, c.next, to, flags, doc); err != nil {
		return err
	}
	_, err = c.c.Write(c.buf)
	if cap(c.buf) > 1<<20 {
		c.buf = nil
	}
	return err
}

// reply runs the command and gives its reply document. An error ends the connection.
func (c *conn) reply(ctx context.Context, m *message) (bson.Raw, error) {
	doc, err := c.run1(ctx, m)
	if err == nil {
		return doc, nil
	}
	var e *mongoerr.Error
	if errors.As(err, &e) {
		return errorReply(c.s.e, e), nil
	}
	return nil, err
}

// run1 runs the command. A panic in it is a bug, but one client's command must
// not end the others' connections.
func (c *conn) run1(ctx context.Context, m *message) (reply bson.Raw, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.s.opts.Logger.Error("a command panicked", "panic", p, "stack", string(debug.Stack()))
			reply, err = nil, mongoerr.New(mongoerr.InternalError, "internal error: %v", p)
		}
	}()
	if m.bad != nil {
		return nil, m.bad
	}
	if m.op == opQuery {
		return c.query(ctx, m)
	}
	db := value.Lookup(m.body, "$db")
	if !db.IsString() {
		return nil, mongoerr.New(40571, "OP_MSG requests require a $db argument")
	}
	if err := c.uniqueSequences(m); err != nil {
		return nil, err
	}
	return c.s.e.RunCommand(ctx, c.sess, db.Str(), m.body, m.seqs)
}

func (c *conn) uniqueSequences(m *message) error {
	for i, s := range m.seqs {
		if !value.Lookup(m.body, s.Name).IsMissing() {
			return mongoerr.New(40621, "Duplicate field between body and document sequence %s", s.Name)
		}
		for _, o := range m.seqs[:i] {
			if o.Name == s.Name {
				return mongoerr.New(40621, "Duplicate document sequence: %s", s.Name)
			}
		}
	}
	return nil
}

// query answers OP_QUERY, which only the first hello may still use.
func (c *conn) query(ctx context.Context, m *message) (bson.Raw, error) {
	if !strings.HasSuffix(m.collection, ".$cmd") {
		return queryFailure(), nil
	}
	body := m.body
	if q := value.Lookup(body, "$query"); q.IsDocument() {
		body = q.Doc()
	}
	name := ""
	if it := value.Walk(body); it.Next() {
		name = it.Key()
	}
	if !isHello(name) {
		return nil, mongoerr.New(352, "Unsupported OP_QUERY command: %s. The client driver may require an upgrade.", name)
	}
	return c.s.e.RunCommand(ctx, c.sess, "admin", body, nil)
}
