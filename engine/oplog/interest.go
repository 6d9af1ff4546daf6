package oplog

// Scope is what a reader of the log is interested in: a collection, with an
// empty Coll a database, with both empty everything.
type Scope struct{ DB, Coll string }

// interest knows which scopes have news, so that a reader is woken only by
// what concerns it, and need not read what does not: the cost of a change
// grows with its readers, not with all. It is guarded by the log's mutex.
type interest struct {
	pending []note           // appended, not yet durable, in order of time
	last    map[Scope]uint64 // cluster time of the newest durable entry
	all     uint64           // of one that concerns every scope
	floor   uint64           // before that nothing is known
	gates   map[Scope]*gate
}

// note is an entry's place and what it concerns.
type note struct {
	ts    uint64
	scope Scope
	every bool // all scopes
}

// gate wakes the readers of a scope.
type gate struct {
	open    chan struct{}
	waiting int
}

// maxScopes bounds the memory of interest; beyond, it begins anew.
const maxScopes = 10_000

func (i *interest) note(ts uint64, e *Entry) {
	n := note{ts: ts, scope: Scope{e.DB, e.Coll}}
	switch e.Kind {
	case Insert, Update, Replace, Delete:
	case Noop:
		return
	default: // a rename concerns two collections, the end of a database many
		n.every = true
	}
	if k := len(i.pending); k > 0 && i.pending[k-1] == n {
		return
	}
	i.pending = append(i.pending, n)
}

// publish takes over the notes up to ts and wakes who they concern.
func (i *interest) publish(ts uint64) {
	n := 0
	for ; n < len(i.pending) && i.pending[n].ts <= ts; n++ {
		p := &i.pending[n]
		if p.every {
			i.all = p.ts
			for s := range i.gates {
				i.wake(s)
			}
			continue
		}
		if q := n + 1; q < len(i.pending) && i.pending[q].ts <= ts && i.pending[q].scope == p.scope && !i.pending[q].every {
			continue // the next one says it, too
		}
		for _, s := range [...]Scope{p.scope, {DB: p.scope.DB}, {}} {
			i.last[s] = p.ts
			i.wake(s)
		}
	}
	i.pending = append(i.pending[:0], i.pending[n:]...)
	if len(i.last) > maxScopes {
		i.last, i.floor = map[Scope]uint64{}, ts
	}
}

func (i *interest) wake(s Scope) {
	if g := i.gates[s]; g != nil {
		close(g.open)
		delete(i.gates, s)
	}
}

// news tells whether there may be entries of a scope behind after.
func (i *interest) news(s Scope, after uint64) bool {
	return after < i.floor || after < i.all || after < i.last[s]
}

// News tells whether there may be durable entries of a scope behind a cluster
// time, and up to which time that is known.
func (l *Log) News(s Scope, after uint64) (news bool, durable uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.interest.news(s, after), l.durable.Load()
}

// WaitFor returns a channel that is closed when there are durable entries of
// a scope behind after, and what to call when nobody waits any longer.
func (l *Log) WaitFor(s Scope, after uint64) (news <-chan struct{}, stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.interest.news(s, after) {
		open := make(chan struct{})
		close(open)
		return open, func() {}
	}
	g := l.interest.gates[s]
	if g == nil {
		g = &gate{open: make(chan struct{})}
		l.interest.gates[s] = g
	}
	g.waiting++
	return g.open, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if g.waiting--; g.waiting == 0 && l.interest.gates[s] == g {
			delete(l.interest.gates, s)
		}
	}
}
