package sink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"weir/events"
)

// Redis appends events to a stream, or publishes them to a channel.
type Redis struct {
	client  renewed[*redis.Client]
	key     string
	channel bool
	window  time.Duration
	payload payload
}

// quietClient keeps the client from writing to standard error, once for the process.
var quietClient = sync.OnceFunc(logging.Disable)

// addOnce appends to the stream KEYS[1] unless the event was appended within the
// dedupe window, which KEYS[2] remembers. It is remembered afterwards: what a script
// did before its error stays, and an event that could not be appended is not there.
var addOnce = redis.NewScript(`
if redis.call('EXISTS', KEYS[2]) == 1 then
  return ''
end
local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
return id`)

// NewRedis makes the sink of a subscription.
func NewRedis(s *events.Spec, c *events.Connection) (*Redis, error) {
	o, err := redis.ParseURL(c.Address())
	if err != nil {
		return nil, fmt.Errorf("url of connection %s: %w", c.Name, err)
	}
	if c.Settings.Username != "" {
		o.Username = c.Settings.Username
	}
	if c.Credentials.Password != "" {
		o.Password = c.Credentials.Password
	}
	if o.TLSConfig, err = tlsConfig(c, o.TLSConfig); err != nil {
		return nil, err
	}
	o.MaxRetries, o.DialerRetries = -1, 1                                 // the dispatcher retries, and tells of failures
	o.ContextTimeoutEnabled, o.ReadTimeout, o.WriteTimeout = true, -1, -1 // processing_timeout_ms goes
	quietClient()
	r := &Redis{key: s.Target.Name, channel: s.Target.Kind == events.TargetRedisChannel,
		window: s.DedupeWindow, payload: payload{format: s.PayloadFormat}}
	r.client.make = func() (*redis.Client, error) { return redis.NewClient(o), nil }
	r.client.close = func(c *redis.Client) { _ = c.Close() }
	return r, nil
}

// tlsConfig is nil where a connection asks for none.
func tlsConfig(c *events.Connection, given *tls.Config) (*tls.Config, error) {
	if !c.Settings.TLS && c.Settings.CA == "" {
		return given, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if given != nil {
		cfg = given.Clone()
	}
	if c.Settings.CA != "" {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM([]byte(c.Settings.CA)) {
			return nil, fmt.Errorf("ca of connection %s: no certificate in PEM form", c.Name)
		}
	}
	return cfg, nil
}

// Close closes the connection.
func (r *Redis) Close() error {
	r.client.end()
	return nil
}

// Deliver sends events in order through one pipeline.
func (r *Redis) Deliver(ctx context.Context, ds []events.Delivery) error {
	client, drop, err := r.client.get()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, drop)() // a read under way ends with its connection only
	err = r.send(ctx, client, ds)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err = addOnce.Load(ctx, client).Err(); err == nil {
			err = r.send(ctx, client, ds)
		}
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		drop()
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	var bad *events.SinkError
	if errors.As(err, &bad) {
		return bad
	}
	class := events.FailRetry
	switch {
	case refused(err):
		class = events.FailAuth
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		class = events.FailTerminal
	}
	return &events.SinkError{Class: class, Err: fmt.Errorf("redis %s: %w", r.key, err)}
}

// refused tells that the server does not take the credentials, or wants some: what is
// long is a protocol error to it before it has them.
func refused(err error) bool {
	return redis.HasErrorPrefix(err, "WRONGPASS") || redis.HasErrorPrefix(err, "NOAUTH") || redis.HasErrorPrefix(err, "NOPERM") ||
		strings.Contains(err.Error(), "Protocol error: unauthenticated")
}

// Verify implements events.Verifier: the server answers, and what is at the key is a
// stream where there is something.
func (r *Redis) Verify(ctx context.Context) *events.Problem {
	client, drop, err := r.client.get()
	if err != nil {
		return nil
	}
	defer context.AfterFunc(ctx, drop)()
	kind, err := client.Type(ctx, r.key).Result()
	switch {
	case err != nil && refused(err):
		return &events.Problem{Text: "Redis does not take the credentials: " + err.Error(), Hint: "An event that comes suspends the subscription; ALTER CONNECTION sets others."}
	case err != nil:
		return &events.Problem{Text: "Redis cannot be reached: " + err.Error(), Hint: waits}
	case !r.channel && kind != "none" && kind != "stream":
		return &events.Problem{Text: fmt.Sprintf("the key %s of Redis is a %s, no stream", r.key, kind), Hint: "Its events become dead letters; name another key, or delete that one."}
	}
	return nil
}

func (r *Redis) send(ctx context.Context, client *redis.Client, ds []events.Delivery) error {
	pipe := client.Pipeline()
	for i := range ds {
		d := &ds[i]
		body, err := r.payload.one(d)
		if err != nil {
			return &events.SinkError{Class: events.FailTerminal, Err: err}
		}
		if r.channel {
			pipe.Publish(ctx, r.key, body)
			continue
		}
		args := []any{max(1, r.window.Milliseconds()), "id", d.ID, "position", d.Position, "type", cloudEventType(rowText(d.Row, "event_type")), "body", body}
		r.payload.binary(d, func(name, v string) { args = append(args, "ce_"+name, v) })
		if trace := rowText(d.Row, "trace_parent"); trace != "" && r.payload.format == "cloudevents_binary" {
			args = append(args, "ce_traceparent", trace) // an entry has no other headers
		}
		addOnce.EvalSha(ctx, pipe, []string{r.key, "{" + r.key + "}:weir:" + d.ID}, args...)
	}
	_, err := pipe.Exec(ctx)
	return err
}
