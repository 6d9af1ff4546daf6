package sink

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"weir/events"
)

// Webhook posts events to a URL as Standard Webhooks
// (https://www.standardwebhooks.com): headers webhook-id, webhook-timestamp and
// webhook-signature. It follows no redirect.
type Webhook struct {
	client  *http.Client
	own     bool // the client is of this webhook alone
	url     string
	secrets []events.Secret
	headers map[string]string
	payload payload
	batch   bool
	clock   func() time.Time
	log     *slog.Logger // nil: nobody is told
	circle  circle
}

// AddressPolicy tells whether an address may be connected to.
type AddressPolicy func(netip.Addr) bool

// PublicOnly allows what is reachable from everywhere, and the given prefixes.
func PublicOnly(allowed ...netip.Prefix) AddressPolicy {
	return func(a netip.Addr) bool {
		a = a.Unmap()
		for _, p := range allowed {
			if p.Contains(a) {
				return true
			}
		}
		return !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsLinkLocalMulticast() && !a.IsMulticast() && !a.IsUnspecified()
	}
}

// errRefusedAddress is an address that the policy refuses.
var errRefusedAddress = errors.New("the address is private; allow it with --allow-private-targets or --allow-target CIDR")

// A connection of HTTP/2 that says nothing for quietFor is asked whether it lives, and
// given up when there is no answer within answerWithin. A send that timed out leaves the
// connection as it is: without this, one that the network lost takes all the retries, for
// as long as the kernel sends again.
const quietFor, answerWithin = 15 * time.Second, 10 * time.Second

// NewClient makes the HTTP client that the webhooks of a gateway share, but those whose
// connection has a ca. The policy is asked for the address that is connected to, after names are
// resolved, so that no name can lead around it.
func NewClient(policy AddressPolicy) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if !policy(ap.Addr()) {
			return fmt.Errorf("%s: %w", ap.Addr(), errRefusedAddress)
		}
		return nil
	}}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64, MaxConnsPerHost: 256, IdleConnTimeout: 90 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
			HTTP2: &http.HTTP2Config{SendPingTimeout: quietFor, PingTimeout: answerWithin},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// NewWebhook makes the sink of a subscription.
func NewWebhook(client *http.Client, s *events.Spec, c *events.Connection, clock func() time.Time) (*Webhook, error) {
	w := &Webhook{
		client: client, url: s.Target.Name, secrets: s.Secrets, headers: s.Headers,
		payload: payload{format: s.PayloadFormat}, batch: s.Batch, clock: clock,
	}
	if c == nil {
		return w, nil
	}
	if c.Settings.CA != "" {
		if err := w.trust(c); err != nil {
			return nil, err
		}
	}
	return w, w.use(c)
}

// trust gives the webhook a client like the shared one that trusts the authorities of a
// connection and no others.
func (w *Webhook) trust(c *events.Connection) error {
	cfg, err := tlsConfig(c, nil)
	if err != nil {
		return err
	}
	shared, ok := w.client.Transport.(*http.Transport)
	if !ok {
		return fmt.Errorf("ca of connection %s: the client is none of NewClient", c.Name)
	}
	transport := shared.Clone()
	transport.TLSClientConfig = cfg
	client := *w.client
	client.Transport = transport
	w.client, w.own = &client, true
	return nil
}

// use takes base URL, headers and secret of a connection; those of the
// subscription come first.
func (w *Webhook) use(c *events.Connection) error {
	base, err := url.Parse(c.Address())
	if err == nil {
		base, err = base.Parse(w.url)
	}
	if err != nil {
		return fmt.Errorf("resolve the target against connection %s: %w", c.Name, trimURLError(err))
	}
	headers := c.Headers()
	if headers == nil {
		headers = map[string]string{}
	}
	maps.Copy(headers, w.headers)
	w.url, w.headers = base.String(), headers
	if c.Credentials.Secret != "" && len(w.secrets) == 0 {
		w.secrets = []events.Secret{{Key: c.Credentials.Secret}}
	}
	return nil
}

// Close closes what no other webhook shares.
func (w *Webhook) Close() error {
	if w.own {
		w.client.CloseIdleConnections()
	}
	return nil
}

// Deliver posts one event, or a batch as one array.
func (w *Webhook) Deliver(ctx context.Context, ds []events.Delivery) error {
	req, err := w.request(ctx, ds)
	if err != nil {
		return &events.SinkError{Class: events.FailTerminal, Err: fmt.Errorf("make the request for %s: %w", describe(ds), trimURLError(err))}
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return &events.SinkError{Class: events.FailRetry, Err: fmt.Errorf("POST %s: %w", events.MaskURL(w.url), trimURLError(err))}
	}
	defer func() { _ = resp.Body.Close() }()
	const maxAnswer = 64 << 10
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return w.judge(resp, body, ds)
}

// trimURLError drops the method and URL that net/http puts in front.
func trimURLError(err error) error {
	var u interface{ Unwrap() error }
	if errors.As(err, &u) {
		if inner := u.Unwrap(); inner != nil {
			return inner
		}
	}
	return err
}

// judge turns an answer into a verdict.
func (w *Webhook) judge(resp *http.Response, body []byte, ds []events.Delivery) error {
	if resp.StatusCode/100 == 2 {
		return w.partial(resp, body, ds)
	}
	e := &events.SinkError{
		Class: classOf(resp.StatusCode), Status: resp.StatusCode, RetryAfter: w.retryAfter(resp),
		Excerpt: strings.ToValidUTF8(string(body), "\uFFFD"), Err: fmt.Errorf("HTTP %s", resp.Status),
	}
	return e
}

// classOf gives the class of an HTTP status.
func classOf(status int) events.FailureClass {
	switch {
	case status == http.StatusGone:
		return events.FailGone
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests, status >= 500:
		return events.FailRetry
	}
	return events.FailTerminal
}

// partial reads the ids that a 2xx answer to a batch says failed.
func (w *Webhook) partial(resp *http.Response, body []byte, ds []events.Delivery) error {
	if !w.batch || !strings.HasPrefix(resp.Header.Get("Content-Type"), typeJSON) {
		return nil
	}
	var answer struct {
		Failed []string `json:"failed"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Failed) == 0 {
		return nil
	}
	return &events.SinkError{Class: events.FailRetry, Status: resp.StatusCode, Failed: answer.Failed,
		Err: fmt.Errorf("the receiver refused %d of %d events", len(answer.Failed), len(ds))}
}

// retryAfter reads seconds, however many, or a date.
func (w *Webhook) retryAfter(resp *http.Response) time.Duration {
	h := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if n, err := strconv.ParseInt(h, 10, 64); n > 0 && (err == nil || errors.Is(err, strconv.ErrRange)) {
		return time.Duration(min(n, int64(math.MaxInt64/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(h); err == nil {
		return max(0, t.Sub(w.clock()))
	}
	return 0
}

func (w *Webhook) request(ctx context.Context, ds []events.Delivery) (*http.Request, error) {
	body, contentType, id, err := w.body(ds)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	h := req.Header
	h.Set("User-Agent", "Weir")
	for k, v := range w.headers {
		h.Set(k, v)
	}
	h.Set("Content-Type", contentType)
	now := w.clock()
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	h.Set("webhook-signature", w.sign(id, now, body))
	if len(ds) == 1 {
		w.oneHeaders(h, &ds[0])
	}
	return req, nil
}

// body gives the body, its type and the webhook-id, which names exactly this
// list of events and is the same when the list is sent again.
func (w *Webhook) body(ds []events.Delivery) (body []byte, contentType, id string, err error) {
	contentType = typeJSON
	if w.batch {
		if w.payload.format == "cloudevents" {
			contentType = typeCloudEventBatch
		}
		body, err = w.payload.many(ds)
		return body, contentType, batchID(ds), err
	}
	if w.payload.format == "cloudevents" {
		contentType = typeCloudEvent
	}
	body, err = w.payload.one(&ds[0])
	return body, contentType, ds[0].ID, err
}

func batchID(ds []events.Delivery) string {
	if len(ds) == 1 {
		return ds[0].ID
	}
	h := sha256.New()
	for i := range ds {
		_, _ = io.WriteString(h, ds[i].ID+"\n")
	}
	return ds[0].ID + "+" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

// oneHeaders passes on the ids of a single event.
func (w *Webhook) oneHeaders(h http.Header, d *events.Delivery) {
	c := changeOf(d.Row)
	for _, a := range [...]attribute{{"Traceparent", c.trace}, {"X-Correlation-Id", c.correlation}, {"X-Causation-Id", c.causation}} {
		if a.value != "" && !strings.ContainsFunc(a.value, isControl) {
			h[a.name] = []string{a.value}
		}
	}
	hops := c.hops()
	h.Set(headerHops, strconv.FormatInt(hops, 10))
	w.warnHops(d.ID, hops)
	if d.Redrive > 0 {
		h.Set("weir-redrive", strconv.Itoa(d.Redrive))
	}
	w.payload.binary(d, func(name, v string) { h.Set("ce-"+name, headerValue(v)) })
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// sign makes the signatures of all secrets that are valid now.
func (w *Webhook) sign(id string, now time.Time, body []byte) string {
	var out []string
	for _, s := range w.secrets {
		if !s.Until.IsZero() && now.After(s.Until) {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Key, "whsec_"))
		if err != nil {
			continue
		}
		out = append(out, Sign(key, id, now, body))
	}
	return strings.Join(out, " ")
}

// Sign is a signature of Standard Webhooks: v1 and the HMAC-SHA-256 of
// "id.timestamp.body" in base64.
func Sign(key []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	head := make([]byte, 0, 96)
	head = append(strconv.AppendInt(append(append(head, id...), '.'), at.Unix(), 10), '.')
	_, _ = mac.Write(head)
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
