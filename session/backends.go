package session

import (
	"net"
	"sort"
	"sync"
	"time"

	"weir/sqlerr"
)

// Backends are the open sessions by process id.
type Backends struct {
	mu   sync.Mutex
	open map[uint32]*Session
}

func newBackends() *Backends { return &Backends{open: map[uint32]*Session{}} }

func (b *Backends) add(s *Session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[s.start.ProcessID] = s
}

func (b *Backends) remove(s *Session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, s.start.ProcessID)
}

func (b *Backends) get(pid uint32) *Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open[pid]
}

// Cancel ends the statement that a session runs; false: there is no such session.
func (b *Backends) Cancel(pid uint32) bool {
	s := b.get(pid)
	if s != nil {
		s.start.Control.Cancel()
	}
	return s != nil
}

// Terminate ends a session; false: there is none.
func (b *Backends) Terminate(pid uint32) bool {
	s := b.get(pid)
	if s != nil {
		s.start.Control.Terminate(nil)
	}
	return s != nil
}

// Activity is a row of pg_stat_activity.
type Activity struct {
	PID             uint32
	User, Database  string
	ApplicationName string
	Client          net.Addr
	State           string // active, idle, idle in transaction, idle in transaction (aborted)
	Query           string
	BackendStart    time.Time
	XactStart       time.Time // zero: none
	QueryStart      time.Time
	StateChange     time.Time
}

// Activity lists the sessions by process id.
func (b *Backends) Activity() []Activity {
	b.mu.Lock()
	sessions := make([]*Session, 0, len(b.open))
	for _, s := range b.open {
		sessions = append(sessions, s)
	}
	b.mu.Unlock()
	list := make([]Activity, 0, len(sessions))
	for _, s := range sessions {
		list = append(list, s.activity.snapshot(s))
	}
	sort.Slice(list, func(i, j int) bool { return list[i].PID < list[j].PID })
	return list
}

// activity is what other sessions may see of one.
type activity struct {
	mu          sync.Mutex
	state       string
	query       string
	application string
	xactStart   time.Time
	queryStart  time.Time
	changed     time.Time
}

func (a *activity) snapshot(s *Session) Activity {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Activity{
		PID: s.start.ProcessID, User: s.start.User, Database: s.start.Database,
		ApplicationName: a.application, Client: s.start.Remote, State: a.state, Query: a.query,
		BackendStart: s.opened, XactStart: a.xactStart, QueryStart: a.queryStart, StateChange: a.changed,
	}
}

// begin records that a statement runs.
func (a *activity) begin(query string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state, a.query, a.queryStart, a.changed = "active", query, now, now
}

// end records that the session waits for its client.
func (a *activity) end(status byte, application string, xact, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch status {
	case 'T':
		a.state = "idle in transaction"
	case 'E':
		a.state = "idle in transaction (aborted)"
	default:
		a.state, xact = "idle", time.Time{}
	}
	a.xactStart, a.changed, a.application = xact, now, application
}

// idleTimeouts end a session whose client keeps silent for too long.
func (s *Session) idleTimeouts() {
	name, reason := "idle_session_timeout", sqlerr.New("57P05", "terminating connection due to idle-session timeout")
	if s.tx.status != 'I' {
		name, reason = "idle_in_transaction_session_timeout",
			sqlerr.New("25P03", "terminating connection due to idle-in-transaction timeout")
	}
	if s.idle != nil {
		s.idle.Stop()
		s.idle = nil
	}
	if wait := s.duration(name); wait > 0 {
		s.idle = time.AfterFunc(wait, func() { s.start.Control.Terminate(reason) })
	}
}
