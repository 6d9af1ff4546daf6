package session

import (
	"sync"

	"weir/wire"
)

// maxPending bounds the notifications that wait for a client that does not read.
const maxPending = 100_000

// Broker hands notifications to the sessions of this process that listen.
// Channels belong to a database.
type Broker struct {
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

// NewBroker makes a broker.
func NewBroker() *Broker { return &Broker{channels: map[channel]map[*mailbox]struct{}{}} }

// Notify sends to all who listen on a channel; pid names the sender, 0 for the
// gateway itself.
func (b *Broker) Notify(database, name, payload string, pid uint32) {
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
