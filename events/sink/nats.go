package sink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"weir/events"
)

// NATS publishes events to a subject that a JetStream stream covers. The header
// Nats-Msg-Id lets the stream drop what comes again within its duplicate window.
type NATS struct {
	conn    *nats.Conn
	js      jetstream.JetStream
	subject string
	window  time.Duration // dedupe_window
	payload payload
	refused atomic.Bool // the server did not take the credentials when it was tried last
}

// NewNATS makes the sink of a subscription. It tries to connect while ctx lasts, and
// goes on beside where that fails.
func NewNATS(ctx context.Context, s *events.Spec, c *events.Connection) (*NATS, error) {
	n := &NATS{subject: s.Target.Name, window: s.DedupeWindow, payload: payload{format: s.PayloadFormat}}
	first := &firstDial{}
	opts := []nats.Option{nats.Name("weir " + s.ID), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(500 * time.Millisecond), nats.SetCustomDialer(first),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { n.refused.Store(unauthorized(err)) })}
	if c.Settings.Username != "" {
		opts = append(opts, nats.UserInfo(c.Settings.Username, c.Credentials.Password))
	}
	if c.Credentials.Token != "" {
		opts = append(opts, nats.Token(c.Credentials.Token))
	}
	cfg, err := tlsConfig(c, nil)
	if err != nil {
		return nil, err
	}
	if cfg != nil {
		opts = append(opts, nats.Secure(cfg))
	}
	stop := context.AfterFunc(ctx, first.give)
	conn, err := nats.Connect(c.Address(), opts...)
	stop()
	first.done()
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	n.conn, n.js = conn, js
	return n, nil
}

// firstDial dials. While the client connects for the first time, which takes no
// context, give ends what it waits for.
type firstDial struct {
	mu     sync.Mutex
	conn   net.Conn // of the first time
	given  bool
	passed bool // the first time is over
}

// Dial implements nats.CustomDialer.
func (d *firstDial) Dial(network, address string) (net.Conn, error) {
	const longest = 2 * time.Second
	conn, err := net.DialTimeout(network, address, longest)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.passed:
	case d.given:
		_ = conn.Close()
	default:
		d.conn = conn
	}
	return conn, nil
}

func (d *firstDial) give() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.given = true; d.conn != nil && !d.passed {
		_ = d.conn.Close()
	}
}

func (d *firstDial) done() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn, d.passed = nil, true
}

// Close closes the connection.
func (n *NATS) Close() error {
	n.conn.Close()
	return nil
}

// waits is the hint where a broker is not there.
const waits = "Its events are tried again, max_retry_attempts times; more of them wait while the breaker is open."

// Verify implements events.Verifier: a stream takes the subject, and drops what comes
// again for as long as dedupe_window says. The window is the stream's own; others may
// rely on it, so it is not changed from here.
func (n *NATS) Verify(ctx context.Context) *events.Problem {
	if !n.conn.IsConnected() {
		text := "NATS cannot be reached"
		if err := n.conn.LastError(); err != nil {
			text += ": " + err.Error()
		}
		return &events.Problem{Text: text, Hint: waits}
	}
	name, err := n.js.StreamNameBySubject(ctx, n.subject)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return &events.Problem{Text: fmt.Sprintf("no JetStream stream takes the subject %s yet", n.subject), Hint: "Events wait until there is one: nats stream add --subjects " + n.subject}
	case err != nil:
		return &events.Problem{Text: "NATS cannot be asked for the stream of " + n.subject + ": " + err.Error(), Hint: waits}
	}
	stream, err := n.js.Stream(ctx, name)
	if err != nil {
		return nil
	}
	if has := stream.CachedInfo().Config.Duplicates; has < n.window {
		return &events.Problem{Option: "dedupe_window", Text: fmt.Sprintf("the duplicate window of stream %s is %s, which is shorter than dedupe_window = %s", name, has, n.window),
			Hint: fmt.Sprintf("Widen it with nats stream edit %s --dupe-window=%s, or set a shorter dedupe_window.", name, n.window)}
	}
	return nil
}

// Deliver publishes events in order and waits until all of them are stored.
func (n *NATS) Deliver(ctx context.Context, ds []events.Delivery) error {
	acks := make([]jetstream.PubAckFuture, len(ds))
	for i := range ds {
		msg, err := n.message(&ds[i])
		if err != nil {
			return &events.SinkError{Class: events.FailTerminal, Err: err}
		}
		if acks[i], err = n.js.PublishMsgAsync(msg); err != nil {
			return n.failed(err)
		}
	}
	for _, a := range acks {
		select {
		case <-a.Ok():
		case err := <-a.Err():
			return n.failed(err)
		case <-ctx.Done():
			return n.failed(ctx.Err())
		}
	}
	return nil
}

func (n *NATS) message(d *events.Delivery) (*nats.Msg, error) {
	body, err := n.payload.one(d)
	if err != nil {
		return nil, err
	}
	msg := nats.NewMsg(n.subject)
	msg.Data = body
	msg.Header.Set(jetstream.MsgIDHeader, d.ID)
	if n.payload.format == "cloudevents_binary" {
		msg.Header.Set("content-type", typeJSON)
	}
	n.payload.binary(d, func(name, v string) { msg.Header.Set("ce-"+name, headerValue(v)) })
	for header, column := range passedOn {
		if v := rowText(d.Row, column); v != "" && !strings.ContainsFunc(v, isControl) {
			msg.Header.Set(header, v)
		}
	}
	return msg, nil
}

// passedOn are the headers that carry an event's ids.
var passedOn = map[string]string{"traceparent": "trace_parent", "x-correlation-id": "correlation_id", "x-causation-id": "causation_id"}

// unauthorized tells that the server does not take the credentials. What it says
// while the client reconnects comes as text.
func unauthorized(err error) bool {
	return err != nil && strings.Contains(strings.ToLower(err.Error()), "authorization violation")
}

func (n *NATS) failed(err error) error {
	class, reason := events.FailRetry, ""
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		class, reason = events.FailTerminal, events.ReasonLarge
	case errors.Is(err, nats.ErrBadSubject):
		class = events.FailTerminal
	case !n.conn.IsConnected() && (n.refused.Load() || unauthorized(n.conn.LastError())):
		class, err = events.FailAuth, nats.ErrAuthorization
	case !n.conn.IsConnected() && n.conn.LastError() != nil:
		err = fmt.Errorf("%w: %w", err, n.conn.LastError()) // why: it refuses TLS, say
	}
	return &events.SinkError{Class: class, Reason: reason, Err: fmt.Errorf("NATS %s: %w", n.subject, err)}
}
