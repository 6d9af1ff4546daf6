package events

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// Notifications reach the sessions of other gateways through a collection: each
// gateway writes what it sends there, in order, as soon as another one listens to
// anything, and polls for what the others wrote. A gateway that begins to listen
// says so in its row of event_gateways, and waits until everybody has seen it: from
// then on nothing is missed that a living gateway sends.

const (
	noticePoll = 200 * time.Millisecond
	// noticeStale is how old a look at the other gateways may be; after that they
	// count as listening.
	noticeStale = time.Second
	// noticeWait is how long a gateway that begins to listen waits.
	noticeWait   = noticeStale + noticePoll
	noticeKept   = 5 * time.Minute
	noticesMost  = 1000 // in a document
	noticesBytes = 4 << 20
)

// notice is a notification on its way to other gateways.
type notice struct {
	Database string `bson:"d"`
	Channel  string `bson:"c"`
	Payload  string `bson:"p"`
}

// notices are what a gateway sends to others and hears of them.
type notices struct {
	sender string // names this process among those that write
	wake   chan struct{}
	hears  sync.Mutex // one look for notifications at a time

	mu      sync.Mutex
	queue   []notice
	queued  uint64             // so many were ever put into queue
	written uint64             // so many of them are written
	moved   chan struct{}      // closed when written moves
	listens bool               // somebody has listened here
	others  bool               // another gateway listens, as of looked
	looked  time.Time          // zero: never
	heard   map[string]hearing // by sender
	n       uint64             // documents written; of the writer
}

// hearing is how far a sender was heard.
type hearing struct {
	last string    // id of the last document
	seen time.Time // when it was there, or was heard
}

func newNotices(gateway string, started time.Time) notices {
	return notices{sender: fmt.Sprintf("%s@%x", gateway, started.UnixNano()), wake: make(chan struct{}, 1), moved: make(chan struct{}), heard: map[string]hearing{}}
}

// Relay sends a notification to the sessions of other gateways. It waits for nobody.
func (m *Manager) Relay(database, channel, payload string) {
	n := &m.notices
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.others && time.Since(n.looked) < noticeStale {
		return
	}
	n.queue = append(n.queue, notice{strings.Clone(database), strings.Clone(channel), payload})
	n.queued++
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Relayed waits until the other gateways can see what was sent so far.
func (m *Manager) Relayed(ctx context.Context) error {
	n := &m.notices
	n.mu.Lock()
	upTo, written := n.queued, n.written
	n.mu.Unlock()
	if written >= upTo {
		return nil
	}
	return m.crew.apart(func() error { return n.await(ctx, upTo) })
}

// await waits until so many are written.
func (n *notices) await(ctx context.Context, upTo uint64) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.written < upTo {
		moved := n.moved
		n.mu.Unlock()
		var err error
		select {
		case <-moved:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if n.mu.Lock(); err != nil {
			return err
		}
	}
	return nil
}

// Hear is called when a session is about to listen. The first time it returns when
// the other gateways know.
func (m *Manager) Hear(ctx context.Context) error {
	if err := m.wait(ctx); err != nil {
		return err
	}
	n := &m.notices
	n.hears.Lock()
	defer n.hears.Unlock()
	n.mu.Lock()
	listens := n.listens
	n.mu.Unlock()
	if listens {
		return nil
	}
	if err := m.sayListening(ctx); err != nil {
		return err
	}
	gateways, err := m.liveGateways(ctx)
	if err != nil || len(gateways) == 1 {
		return err
	}
	select {
	case <-time.After(noticeWait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sayListening has this gateway hear what is sent from now on.
func (m *Manager) sayListening(ctx context.Context) error {
	n := &m.notices
	heard, now := map[string]hearing{}, time.Now()
	err := query(ctx, m.st, collNotices, []bson.D{{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$sender"}, {Key: "last", Value: bson.D{{Key: "$max", Value: "$_id"}}}}}}}, func(doc bson.Raw) error {
		heard[strings.Clone(text(value.Lookup(doc, "_id")))] = hearing{strings.Clone(text(value.Lookup(doc, "last"))), now}
		return nil
	})
	if err != nil {
		return fmt.Errorf("find where to listen from: %w", err)
	}
	delete(heard, n.sender)
	n.mu.Lock()
	n.listens, n.heard = true, heard
	n.mu.Unlock()
	return m.beat(ctx)
}

// exchange runs both directions until ctx ends.
func (m *Manager) exchange(ctx context.Context) error {
	m.within(func() { m.writeNotices(ctx) })
	tick := time.NewTicker(noticePoll)
	defer tick.Stop()
	for {
		if err := m.hearOthers(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn("the notifications of other gateways cannot be read; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// hearOthers looks who else listens, and for what the others sent.
func (m *Manager) hearOthers(ctx context.Context) error {
	n := &m.notices
	began := time.Now()
	others := false
	var senders []string
	err := query(ctx, m.st, collGateways, []bson.D{{{Key: "$match", Value: gatewayAlive}},
		{{Key: "$project", Value: bson.D{{Key: "sender", Value: 1}, {Key: "listens", Value: 1}}}}}, func(doc bson.Raw) error {
		if sender := text(value.Lookup(doc, "sender")); sender != n.sender {
			senders = append(senders, strings.Clone(sender))
			others = others || value.Lookup(doc, "listens").AsBool()
		}
		return nil
	})
	if err != nil {
		return err
	}
	n.hears.Lock()
	defer n.hears.Unlock()
	n.mu.Lock()
	n.others, n.looked = others, began
	listens := n.listens
	for _, s := range senders {
		h, known := n.heard[s]
		if !known {
			h.last = s // it began after this gateway: all of it is new
		}
		h.seen = began
		n.heard[s] = h
	}
	n.mu.Unlock()
	if !listens {
		return nil
	}
	return m.hearNotices(ctx)
}

// hearNotices hands over what was written by others since the last time.
func (m *Manager) hearNotices(ctx context.Context) error {
	n := &m.notices
	n.mu.Lock()
	var behind bson.A
	for sender, h := range n.heard {
		if time.Since(h.seen) > 2*noticeKept {
			delete(n.heard, sender) // it has ended, and what it wrote has expired
			continue
		}
		behind = append(behind, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: h.last}, {Key: "$lt", Value: sender + ";"}}}})
	}
	n.mu.Unlock()
	if len(behind) == 0 {
		return nil
	}
	return query(ctx, m.st, collNotices, []bson.D{{{Key: "$match", Value: bson.D{{Key: "$or", Value: behind}}}}, {{Key: "$sort", Value: bson.D{{Key: "_id", Value: 1}}}}}, func(raw bson.Raw) error {
		var doc struct {
			ID     string   `bson:"_id"`
			Sender string   `bson:"sender"`
			Items  []notice `bson:"items"`
		}
		if err := bson.Unmarshal(slices.Clone(raw), &doc); err != nil {
			return err
		}
		for _, it := range doc.Items {
			m.notify(it.Database, it.Channel, it.Payload)
		}
		n.mu.Lock()
		n.heard[doc.Sender] = hearing{doc.ID, time.Now()} // at once: what is behind it may fail
		n.mu.Unlock()
		return nil
	})
}

// writeNotices writes what is sent until ctx ends, then what is left.
func (m *Manager) writeNotices(ctx context.Context) {
	n := &m.notices
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
			defer cancel()
			for m.writeSome(last) {
			}
			return
		case <-n.wake:
			for m.writeSome(ctx) {
			}
		}
	}
}

// writeSome writes the notifications that wait, as many as a document holds; more:
// there are others. A failure of the store is tried again.
func (m *Manager) writeSome(ctx context.Context) (more bool) {
	const longest = time.Second
	n := &m.notices
	n.mu.Lock()
	some, size := 0, 0
	for some < len(n.queue) && some < noticesMost && size < noticesBytes {
		size += len(n.queue[some].Payload)
		some++
	}
	items := n.queue[:some:some]
	n.mu.Unlock()
	if some == 0 {
		return false
	}
	n.n++
	doc := marshal(bson.D{{Key: "_id", Value: fmt.Sprintf("%s:%016x", n.sender, n.n)}, {Key: "sender", Value: n.sender}, {Key: "items", Value: items},
		{Key: "expire_at", Value: m.clock().Add(noticeKept)}})
	for delay := 20 * time.Millisecond; ; delay = min(2*delay, longest) {
		err := insertAs(ctx, m.st, collNotices, []bson.Raw{doc}, store.WriteOptions{})
		if err == nil {
			break
		}
		m.log.Warn("notifications for other gateways cannot be written; it is tried again", "error", err, "delay", delay)
		select {
		case <-ctx.Done():
			n.n-- // what comes last is tried once more
			return false
		case <-time.After(delay):
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.queue = n.queue[some:]; len(n.queue) == 0 {
		n.queue = nil
	}
	n.written += uint64(some)
	close(n.moved)
	n.moved = make(chan struct{})
	return len(n.queue) > 0
}
