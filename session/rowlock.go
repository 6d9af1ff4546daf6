package session

import (
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/store"
)

// MongoDB has no locks of rows. Those that SELECT … FOR UPDATE takes are kept
// here, for the sessions of this gateway: who writes a row that another session
// has locked waits as for a row that is written. Other gateways and programs do
// not see them; what they change meanwhile ends the transaction with 40001 when
// it writes the row.
//
//	rowlock.go        the locks, and who waits for whom
//	rowlock_query.go  SELECT … FOR UPDATE
//	rowlock_guard.go  writes

// rowLocks are the locks of all sessions.
type rowLocks struct {
	mu    sync.Mutex
	held  map[store.Namespace]map[string]*rowLock
	waits map[*Session]waiting
}

// rowLock is one row's.
type rowLock struct {
	holders map[*Session]ast.LockStrength
	freed   chan struct{} // closed when a holder lets go
}

// waiting is what a session waits for: it may have been let go since.
type waiting struct {
	row      rowID
	strength ast.LockStrength
	wrote    bool // it has written what others may wait for
}

func newRowLocks() *rowLocks {
	return &rowLocks{held: map[store.Namespace]map[string]*rowLock{}, waits: map[*Session]waiting{}}
}

// rowID names a row.
type rowID struct {
	ns  store.Namespace
	key string
}

// rowIDOf names a row by its _id, which results tell as text if it is an ObjectId.
func rowIDOf(ns store.Namespace, id value.Value) rowID {
	switch {
	case id.Kind() == bson.TypeObjectID:
		return rowID{ns, "t" + id.AsObjectID().Hex()}
	case id.IsString():
		return rowID{ns, "t" + id.Str()}
	}
	return rowID{ns, "v" + string(value.AppendSortKey(nil, id, false))}
}

// conflicts tells whether two sessions cannot have a row's lock together.
func conflicts(a, b ast.LockStrength) bool {
	if a > b {
		a, b = b, a
	}
	switch a {
	case ast.ForUpdate:
		return true
	case ast.ForNoKeyUpdate:
		return b != ast.ForKeyShare
	}
	return false
}

// heldRow is a lock that a session has; before is what it had of it, -1: nothing.
type heldRow struct {
	row    rowID
	before ast.LockStrength
}

const notHeld = ast.LockStrength(-1)

// try takes a row's lock, or gives what is closed when one of those who have it
// lets go.
func (l *rowLocks) try(s *Session, r rowID, strength ast.LockStrength) (taken *heldRow, freed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rows := l.held[r.ns]
	if rows == nil {
		rows = map[string]*rowLock{}
		l.held[r.ns] = rows
	}
	x := rows[r.key]
	if x == nil {
		x = &rowLock{holders: map[*Session]ast.LockStrength{}, freed: make(chan struct{})}
		rows[r.key] = x
	}
	if x.others(s, strength) != nil {
		return nil, x.freed
	}
	before, own := x.holders[s]
	switch {
	case own && before <= strength: // it has this one, or a stronger
		return nil, nil
	case !own:
		before = notHeld
	}
	x.holders[s] = strength
	return &heldRow{r, before}, nil
}

// others are the sessions whose locks conflict.
func (x *rowLock) others(s *Session, strength ast.LockStrength) []*Session {
	var by []*Session
	for o, has := range x.holders {
		if o != s && conflicts(has, strength) {
			by = append(by, o)
		}
	}
	return by
}

// free tells whether a session may write a row.
func (l *rowLocks) free(s *Session, r rowID, strength ast.LockStrength) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.held[r.ns][r.key]
	return x == nil || len(x.others(s, strength)) == 0
}

// any tells whether a session other than s may have locks of a collection.
func (l *rowLocks) any(ns store.Namespace) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held[ns]) > 0
}

// release takes locks back, the last first.
func (l *rowLocks) release(s *Session, rows []heldRow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(rows) - 1; i >= 0; i-- {
		r := rows[i]
		x := l.held[r.row.ns][r.row.key]
		if x == nil {
			continue
		}
		if x.holders[s] = r.before; r.before == notHeld {
			delete(x.holders, s)
		}
		close(x.freed)
		x.freed = make(chan struct{})
		if len(x.holders) == 0 {
			delete(l.held[r.row.ns], r.row.key)
		}
		if len(l.held[r.row.ns]) == 0 {
			delete(l.held, r.row.ns)
		}
	}
}

// wait notes that a session waits for a row; it is refused where who has it waits
// for the session.
func (l *rowLocks) wait(s *Session, r rowID, strength ast.LockStrength) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits[s] = waiting{r, strength, s.tx.store != nil && len(s.tx.log.writes) > 0}
	if l.reaches(s, s, map[*Session]bool{}) {
		delete(l.waits, s)
		return sqlerr.New(sqlerr.DeadlockDetected, "deadlock detected").WithHint("Lock rows in the same order everywhere.")
	}
	return nil
}

// reaches tells whether a session waits for another, or for one that does.
func (l *rowLocks) reaches(from, to *Session, seen map[*Session]bool) bool {
	w, ok := l.waits[from]
	x := l.held[w.row.ns][w.row.key]
	if !ok || x == nil || seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(x.others(from, w.strength), func(o *Session) bool { return o == to || l.reaches(o, to, seen) })
}

func (l *rowLocks) waited(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waits, s)
}

// deadlockAfter is how long a session waits for a row that is written before it
// looks whether who may have written it waits for it.
const deadlockAfter = time.Second

// blocks tells whether a session that has written rows waits for s.
func (l *rowLocks) blocks(s *Session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for o, w := range l.waits {
		if o != s && w.wrote && l.reaches(o, s, map[*Session]bool{}) {
			return true
		}
	}
	return false
}
