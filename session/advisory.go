package session

import (
	"sync"

	"weir/sqlerr"
	"weir/sqlfunc"
)

// locks are the advisory locks of this gateway. Sessions of other gateways do
// not see them.
type locks struct {
	mu   sync.Mutex
	held map[lockKey]*lock
}

// lockKey is a lock's key within its database.
type lockKey struct {
	database string
	key      sqlfunc.LockKey
}

// lock is held by one session exclusively or by several together. A session
// never waits for itself.
type lock struct {
	holders map[*Session]*holds
	freed   chan struct{} // closed when a holder lets go
}

// holds count how often a session has a lock.
type holds struct{ exclusive, shared int }

func newLocks() *locks { return &locks{held: map[lockKey]*lock{}} }

// try takes a lock, or gives what is closed when it may be free.
func (l *locks) try(s *Session, k lockKey, shared bool) (wait <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.held[k]
	if x == nil {
		x = &lock{holders: map[*Session]*holds{}, freed: make(chan struct{})}
		l.held[k] = x
	}
	for other, h := range x.holders {
		if other != s && (!shared || h.exclusive > 0) {
			return x.freed
		}
	}
	if x.holders[s] == nil {
		x.holders[s] = &holds{}
	}
	if shared {
		x.holders[s].shared++
	} else {
		x.holders[s].exclusive++
	}
	return nil
}

// release lets go once; false: the session does not have the lock so.
func (l *locks) release(s *Session, k lockKey, shared bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.held[k]
	if x == nil || x.holders[s] == nil {
		return false
	}
	h := x.holders[s]
	count := &h.exclusive
	if shared {
		count = &h.shared
	}
	if *count == 0 {
		return false
	}
	if *count--; *count > 0 {
		return true
	}
	if h.exclusive == 0 && h.shared == 0 {
		delete(x.holders, s)
	}
	close(x.freed)
	x.freed = make(chan struct{})
	if len(x.holders) == 0 {
		delete(l.held, k)
	}
	return true
}

// heldLock is a lock that a session took.
type heldLock struct {
	key    lockKey
	shared bool
}

// Lock implements sqlfunc.Locks.
func (y *system) Lock(key sqlfunc.LockKey, shared, transaction, wait bool) (bool, error) {
	s := y.s
	k := lockKey{s.start.Database, key}
	for {
		freed := s.h.locks.try(s, k, shared)
		if freed == nil {
			break
		}
		if !wait {
			return false, nil
		}
		select {
		case <-freed:
		case <-s.env.done:
			return false, sqlerr.New(sqlerr.QueryCanceled, "canceling statement due to user request")
		}
	}
	if transaction {
		s.tx.locks = append(s.tx.locks, heldLock{k, shared})
	} else {
		s.locks = append(s.locks, heldLock{k, shared})
	}
	return true, nil
}

// Unlock implements sqlfunc.Locks: for locks of the session, not of its transaction.
func (y *system) Unlock(key sqlfunc.LockKey, shared bool) bool {
	s := y.s
	h := heldLock{lockKey{s.start.Database, key}, shared}
	for i := range s.locks {
		if s.locks[i] == h {
			s.locks = append(s.locks[:i], s.locks[i+1:]...)
			return s.h.locks.release(s, h.key, shared)
		}
	}
	s.warn(sqlerr.ObjectNotInPrerequisiteState, "you don't own a lock of type %s", lockMode(shared))
	return false
}

func lockMode(shared bool) string {
	if shared {
		return "ShareLock"
	}
	return "ExclusiveLock"
}

// UnlockAll implements sqlfunc.Locks.
func (y *system) UnlockAll() { y.s.unlock(&y.s.locks) }

func (s *Session) unlock(list *[]heldLock) {
	for _, h := range *list {
		s.h.locks.release(s, h.key, h.shared)
	}
	*list = nil
}
