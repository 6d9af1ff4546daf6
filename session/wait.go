package session

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"weir/mongoerr"
	"weir/sqlerr"
	"weir/store"
)

// Where PostgreSQL's writers wait for the one who has the row, MongoDB ends the
// transaction with a write conflict. At READ COMMITTED a statement then waits
// here and is run again: by itself when it has a transaction of its own, else in
// a new transaction of the store that first does again what the block has
// written (see replay.go).

// longestWait is longer than a transaction of the store lives.
const longestWait = 70 * time.Second

// attempts is a statement that may have to be run again, and what the
// transaction was before it.
type attempts struct {
	began time.Time
	n     int

	logged, checks, queued, notices int
}

func (s *Session) attempt() *attempts {
	return &attempts{
		began: time.Now(), logged: len(s.tx.log.writes), checks: len(s.tx.deferred.checks), queued: len(s.tx.onCommit), notices: len(s.notices),
	}
}

// isConflict tells whether a transaction that began anew could succeed.
func isConflict(err error) bool {
	var m *mongoerr.Error
	return errors.As(err, &m) && m.HasLabel("TransientTransactionError") && !m.HasLabel("UnknownTransactionCommitResult")
}

// wait gives the others time, more each time; nil: try again.
func (s *Session) wait(ctx context.Context, a *attempts, cause error) error {
	waited := time.Since(a.began)
	if d := s.duration("lock_timeout"); d > 0 && waited > d {
		return sqlerr.New(sqlerr.LockNotAvailable, "canceling statement due to lock timeout").Because(cause)
	}
	if waited > longestWait {
		return cause
	}
	if waited > deadlockAfter && s.h.rows.blocks(s) {
		return sqlerr.New(sqlerr.DeadlockDetected, "deadlock detected").WithHint("Lock rows in the same order everywhere.").Because(cause)
	}
	most := min(time.Millisecond<<min(a.n, 10), 50*time.Millisecond)
	a.n++
	if a.n == 1 && s.tx.store != nil {
		return nil // what it conflicted with may be done long since
	}
	select {
	case <-ctx.Done():
		return cause
	case <-time.After(rand.N(most)):
		return nil
	}
}

// readCommitted tells whether statements may see what others commit meanwhile.
func (s *Session) readCommitted() bool {
	level := s.tx.isolation
	if s.tx.status == 'I' {
		level = s.set.value("default_transaction_isolation")
	}
	return level != "repeatable read" && level != "serializable"
}

// resume brings a new transaction of the store to where the statement began
// that met a conflict. It gives the error to tell the client if it cannot.
func (s *Session) resume(ctx context.Context, a *attempts, cause error) (store.Queryer, error) {
	t := &s.tx
	if !isConflict(cause) || t.store == nil || !s.readCommitted() || !t.log.repeatable(a.logged) {
		return nil, cause
	}
	t.log.truncate(a.logged)
	t.deferred.checks = t.deferred.checks[:min(a.checks, len(t.deferred.checks))]
	t.onCommit, t.notified = t.onCommit[:min(a.queued, len(t.onCommit))], nil
	s.notices = s.notices[:min(a.notices, len(s.notices))]
	for {
		t.deferred.known = nil // it was of the transaction that ends
		_ = t.store.Abort(context.WithoutCancel(ctx))
		if err := s.wait(ctx, a, cause); err != nil {
			return nil, err
		}
		err := s.again(ctx, a.logged, true, "Rows that the transaction had changed or read were changed by others while it waited.")
		switch {
		case err == nil:
			return t.store, nil
		case !isConflict(err):
			return nil, err
		}
		cause = err
	}
}

// until runs something that writes in the transaction until it meets no conflict.
func (s *Session) until(ctx context.Context, f func() error) error {
	if s.tx.store == nil || !s.readCommitted() {
		return f()
	}
	if err := s.tx.log.guard(ctx, s.access.Store); err != nil {
		return err
	}
	for a := s.attempt(); ; {
		err := f()
		if err == nil {
			return nil
		}
		if _, err := s.resume(ctx, a, err); err != nil {
			return err
		}
	}
}
