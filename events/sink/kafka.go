package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"weir/engine/value"
	"weir/events"
)

// Kafka produces events to a topic, idempotently, with the document key as the
// record's key, so that a document's events stay in one partition.
type Kafka struct {
	client  renewed[*kgo.Client]
	topic   string
	payload payload
	doubt   doubts
}

// NewKafka makes the sink of a subscription.
func NewKafka(s *events.Spec, c *events.Connection) (*Kafka, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(c.Settings.Brokers...), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.AllowAutoTopicCreation(), kgo.DisableClientMetrics(),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.RequestTimeoutOverhead(answerTime(s)), kgo.ProduceRequestTimeout(answerTime(s))}
	if c.Settings.ClientID != "" {
		opts = append(opts, kgo.ClientID(c.Settings.ClientID))
	}
	if c.Settings.Username != "" {
		opts = append(opts, kgo.SASL(saslMechanism(c)))
	}
	cfg, err := tlsConfig(c, nil)
	if err != nil {
		return nil, err
	}
	if cfg != nil {
		opts = append(opts, kgo.DialTLSConfig(cfg))
	}
	k := &Kafka{topic: s.Target.Name, payload: payload{format: s.PayloadFormat}}
	k.client.make, k.client.close = func() (*kgo.Client, error) { return kgo.NewClient(opts...) }, (*kgo.Client).Close
	if _, _, err := k.client.get(); err != nil {
		return nil, fmt.Errorf("connection %s: %w", c.Name, err)
	}
	return k, nil
}

// answerTime is for how long a broker may be silent before its connection is given
// up: about as long as a send may take.
func answerTime(s *events.Spec) time.Duration {
	const least, most = time.Second, 10 * time.Second
	return max(least, min(most, time.Duration(s.TimeoutMS)*time.Millisecond))
}

func saslMechanism(c *events.Connection) sasl.Mechanism {
	user, pass := c.Settings.Username, c.Credentials.Password
	switch c.Settings.SASLMechanism {
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: pass}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: pass}.AsSha512Mechanism()
	}
	return plain.Auth{User: user, Pass: pass}.AsMechanism()
}

// Close closes the client.
func (k *Kafka) Close() error {
	k.client.end()
	return nil
}

// Verify implements events.Verifier: a broker answers.
func (k *Kafka) Verify(ctx context.Context) *events.Problem {
	client, _, err := k.client.get()
	if err == nil {
		err = client.Ping(ctx)
	}
	if err == nil {
		return nil
	}
	return &events.Problem{Text: "Kafka cannot be reached: " + err.Error(), Hint: waits}
}

// Deliver produces events in order and waits until all of them are stored, and no
// longer than ctx. What may have reached the broker by then is not given up by the
// client, which goes on under the same sequence numbers: the broker takes it once, at
// its place. It is in doubt, and waited for when it is to be sent again; so are those
// of the same send that are stored.
func (k *Kafka) Deliver(ctx context.Context, ds []events.Delivery) error {
	records := make([]*kgo.Record, len(ds))
	for i := range ds {
		r, err := k.record(&ds[i])
		if err != nil {
			return &events.SinkError{Class: events.FailTerminal, Err: err}
		}
		records[i] = r
	}
	client, _, err := k.client.get()
	if err == nil {
		err = k.produce(ctx, client, ds, records)
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = cause(client, err)
	}
	class, reason := events.FailRetry, ""
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		class = events.FailAuth
	case errors.Is(err, kerr.MessageTooLarge):
		class, reason = events.FailTerminal, events.ReasonLarge
	case errors.Is(err, kerr.InvalidTopicException):
		class = events.FailTerminal
	}
	return &events.SinkError{Class: class, Reason: reason, Err: fmt.Errorf("kafka %s: %w", k.topic, err)}
}

func (k *Kafka) produce(ctx context.Context, client *kgo.Client, ds []events.Delivery, records []*kgo.Record) error {
	sent := make([]*produced, len(records))
	for i, r := range records {
		if sent[i] = k.doubt.of(ds[i].ID); sent[i] != nil {
			continue
		}
		p := &produced{done: make(chan struct{})}
		sent[i] = p
		client.Produce(ctx, r, func(_ *kgo.Record, err error) { p.err = err; close(p.done) })
	}
	var first error
	for _, p := range sent {
		select {
		case <-p.done:
		default:
			select {
			case <-p.done:
			case <-ctx.Done():
				first = cmp.Or(first, ctx.Err())
				continue
			}
		}
		first = cmp.Or(first, p.err)
	}
	if first != nil { // all of them will be asked for again, those that are stored, too
		for i, p := range sent {
			k.doubt.keep(ds[i].ID, p)
		}
	}
	return first
}

// produced is a record that was given to the client.
type produced struct {
	done chan struct{} // closed when the client knows
	err  error         // then
}

// doubts are the records of sends that failed, which may be stored all the same, by
// event id.
type doubts struct {
	mu   sync.Mutex
	byID map[string]*produced
}

// of takes the record of an event for another send to wait for it; nil: there is none,
// or it is known not to be stored.
func (d *doubts) of(id string) *produced {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.byID[id]
	delete(d.byID, id)
	if p == nil {
		return nil
	}
	select {
	case <-p.done:
		if p.err != nil {
			return nil
		}
	default:
	}
	return p
}

// keep remembers a record. Of those that are not asked for again, as their events
// were given up, only so many are remembered as sends may be under way.
func (d *doubts) keep(id string, p *produced) {
	const most = 10_000
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byID == nil {
		d.byID = map[string]*produced{}
	}
	for other, p := range d.byID {
		if len(d.byID) < most {
			break
		}
		select {
		case <-p.done:
			delete(d.byID, other)
		default:
		}
	}
	d.byID[id] = p
}

// pingTime bounds the question why nothing is produced.
const pingTime = time.Second

// cause finds why records were not produced in time: the client goes on trying
// and keeps the reason to itself. Where the broker does not answer, the question
// ends with the client.
func cause(client *kgo.Client, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	answer := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), pingTime)
		defer cancel()
		answer <- client.Ping(ctx)
	}()
	select {
	case why := <-answer:
		if why != nil && !errors.Is(why, context.DeadlineExceeded) {
			return why
		}
	case <-time.After(pingTime):
	}
	return err
}

func (k *Kafka) record(d *events.Delivery) (*kgo.Record, error) {
	body, err := k.payload.one(d)
	if err != nil {
		return nil, err
	}
	r := &kgo.Record{Topic: k.topic, Key: []byte(keyText(value.Lookup(d.Row, "document_key"))), Value: body,
		Headers: []kgo.RecordHeader{{Key: "weir-id", Value: []byte(d.ID)}, {Key: "weir-position", Value: []byte(d.Position)}}}
	if k.payload.format == "cloudevents_binary" {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "content-type", Value: []byte(typeJSON)})
	}
	k.payload.binary(d, func(name, v string) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "ce_" + name, Value: []byte(v)})
	})
	for header, column := range passedOn {
		if v := rowText(d.Row, column); v != "" {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: header, Value: []byte(v)})
		}
	}
	return r, nil
}
