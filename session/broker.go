package session

import (
	"context"
	"sync"

	"weir/wire"
)

// maxPending bounds the notifications that wait for a client that does not read.
const maxPending = 100_000

// Broker hands notifications to the sessions of this process that listen.
// Channels belong to a database.
type Broker struct {
	elsewhere Elsewhere // set before anybody listens; nil: there is no other process

	mu       sync.Mutex
	channels map[channel]map[*mailbox]struct{}
}

type channel struct{ database, name string }

// mailbox keeps a session's notifications until its connection sends them.
type mailbox struct {
	wake    func()
	mu      sync.Mutex
	pending []wire.Notification
}

// Elsewhere are the sessions of other processes on the same store.
type Elsewhere interface {
	// Relay sends them a notification. It does not wait.
	Relay(database, channel, payload string)
	// Hear is called when a session here is about to listen: when it returns, the
	// other processes send what they notify of.
	Hear(ctx context.Context) error
}

// NewBroker makes a broker.
func NewBroker() *Broker { return &Broker{channels: map[channel]map[*mailbox]struct{}{}} }

// Join has the broker know of other processes.
func (b *Broker) Join(e Elsewhere) { b.elsewhere = e }

// Notify sends to all who listen on a channel, in other processes too; pid names
// the sender, 0 for the gateway itself.
func (b *Broker) Notify(database, name, payload string, pid uint32) {
	b.NotifyHere(database, name, payload, pid)
	if b.elsewhere != nil {
		b.elsewhere.Relay(database, name, payload)
	}
}

// NotifyHere sends to the sessions of this process that listen on a channel.
func (b *Broker) NotifyHere(database, name, payload string, pid uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for m := range b.channels[channel{database, name}] {
		m.put(wire.Notification{ProcessID: pid, Channel: name, Payload: payload})
	}
}

// Listeners counts the sessions that listen on a channel.
func (b *Broker) Listeners(database, name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.channels[channel{database, name}])
}

func (m *mailbox) put(n wire.Notification) {
	m.mu.Lock()
	if len(m.pending) < maxPending {
		m.pending = append(m.pending, n)
	}
	m.mu.Unlock()
	m.wake()
}

func (m *mailbox) take() []wire.Notification {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.pending
	m.pending = nil
	return n
}

func (b *Broker) listen(c channel, m *mailbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.channels[c] == nil {
		b.channels[c] = map[*mailbox]struct{}{}
	}
	b.channels[c][m] = struct{}{}
}

func (b *Broker) unlisten(c channel, m *mailbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.channels[c], m)
	if len(b.channels[c]) == 0 {
		delete(b.channels, c)
	}
}
