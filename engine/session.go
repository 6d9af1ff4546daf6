package engine

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// Session is one client connection.
type Session struct {
	e      *Engine
	ID     int64
	Remote string
	// hello holds what the client said about itself.
	appName string

	conversation *conversation // a login on its way
	login        *login        // nil: nobody
	greeted      bool          // it has sent its first hello
}

// NewSession starts a client connection.
func (e *Engine) NewSession() *Session {
	e.counters.connections.Add(1)
	return &Session{e: e, ID: e.counters.connectionsTotal.Add(1)}
}

// Close ends the connection. Its transactions live on until their time is
// over, for drivers may go on with them on another connection.
func (s *Session) Close() { s.e.counters.connections.Add(-1) }

type txnState uint8

const (
	txnNone txnState = iota
	txnRunning
	txnCommitted
	txnAborted
)

// logicalSession is a driver's session (lsid): its transaction numbers and its
// open transaction.
type logicalSession struct {
	id []byte // 16 bytes of UUID

	mu        sync.Mutex
	used      time.Time
	loaded    bool
	number    int64 // last transaction number, -1: none
	retryable bool  // number belongs to a retryable write
	state     txnState
	tx        *transaction

	writing chan struct{} // holds one item while a retryable write runs
	kept    keptOutcomes
}

type sessionTable struct {
	mu   sync.Mutex
	byID map[string]*logicalSession
}

// get finds or starts a session.
func (t *sessionTable) get(id []byte, now time.Time) *logicalSession {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.byID[string(id)]
	if s == nil {
		s = &logicalSession{id: append([]byte(nil), id...), number: -1, writing: make(chan struct{}, 1), kept: keptOutcomes{number: -1}}
		t.byID[string(id)] = s
	}
	s.mu.Lock()
	s.used = now
	s.mu.Unlock()
	return s
}

func (s *logicalSession) name() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", s.id[:4], s.id[4:6], s.id[6:8], s.id[8:10], s.id[10:])
}

// loadNumber reads what is stored about the session.
func (s *logicalSession) loadNumber(e *Engine) error {
	if s.loaded {
		return nil
	}
	v, ok, err := e.db.Get(storage.SessionKey(s.id), nil)
	if err != nil {
		return err
	}
	s.loaded = true
	if ok {
		s.number, s.retryable = value.Lookup(v, "n").AsInt64(), true
	}
	return nil
}

// endTransaction aborts an open transaction; the caller holds mu.
func (s *logicalSession) endTransaction(e *Engine) {
	if s.tx != nil {
		s.tx.abort()
		s.tx = nil
		s.state = txnAborted
	}
}

// codeConflictingOperation is ConflictingOperationInProgress.
const codeConflictingOperation = 117

// startTransaction begins the transaction with a number.
func (s *logicalSession) startTransaction(e *Engine, number int64, begin func() (*transaction, error)) (*transaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.loadNumber(e); err != nil {
		return nil, err
	}
	switch {
	case number < s.number:
		return nil, mongoerr.New(mongoerr.TransactionTooOld,
			"Cannot start transaction %d on session %s because a newer transaction %d has already started.", number, s.name(), s.number)
	case number == s.number:
		return nil, mongoerr.New(codeConflictingOperation,
			"Only servers in a sharded cluster can start a new transaction at the active transaction number")
	}
	s.endTransaction(e)
	s.number, s.retryable, s.state = number, false, txnAborted
	tx, err := begin()
	if err != nil {
		return nil, err
	}
	s.tx, s.state = tx, txnRunning
	return s.tx, nil
}

// transaction finds the open transaction with a number.
func (s *logicalSession) transaction(number int64) (*transaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < s.number {
		return nil, mongoerr.New(mongoerr.TransactionTooOld,
			"Cannot start transaction %d on session %s because a newer transaction %d has already started.", number, s.name(), s.number)
	}
	if number != s.number || s.state == txnNone {
		return nil, mongoerr.New(mongoerr.NoSuchTransaction,
			"Given transaction number %d does not match any in-progress transactions. The active transaction number is %d", number, s.number).
			WithLabels("TransientTransactionError")
	}
	switch s.state {
	case txnCommitted:
		return nil, mongoerr.New(mongoerr.TransactionCommitted, "Transaction %d has been committed.", number)
	case txnAborted:
		return nil, noSuchTransaction(number)
	}
	return s.tx, nil
}

// finish ends the open transaction with a state.
func (s *logicalSession) finish(t *transaction, state txnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tx == t {
		s.tx, s.state = nil, state
	}
}

// committed tells whether the transaction with this number was committed.
func (s *logicalSession) committed(number int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.number == number && s.state == txnCommitted
}

// expire aborts transactions that run too long and forgets unused sessions.
func (t *sessionTable) expire(e *Engine, now time.Time) {
	for _, s := range t.idle(now, e.opts.SessionTimeout) {
		s.mu.Lock()
		if s.tx != nil && s.tx.late(now) {
			s.endTransaction(e)
		}
		s.mu.Unlock()
	}
}

// idle gives the sessions with a transaction that is over time, and forgets
// unused ones. Aborting waits for writers, so it is left to the caller.
func (t *sessionTable) idle(now time.Time, timeout time.Duration) []*logicalSession {
	t.mu.Lock()
	defer t.mu.Unlock()
	var late []*logicalSession
	for id, s := range t.byID {
		if !s.mu.TryLock() {
			continue // in use
		}
		if s.tx != nil && s.tx.late(now) {
			late = append(late, s)
		}
		if s.tx == nil && now.Sub(s.used) > timeout {
			delete(t.byID, id)
		}
		s.mu.Unlock()
	}
	return late
}

// forget drops a session that nobody will name again.
func (t *sessionTable) forget(id []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, string(id))
}

// purge deletes what is stored about sessions that have not been used for a
// long time; their writes can no longer be repeated.
func (e *Engine) purgeSessions(now time.Time) error {
	lower, upper := storage.SessionRange()
	it, err := e.db.Iter(lower, upper, false)
	if err != nil {
		return err
	}
	defer it.Close()
	b := e.db.NewBatch()
	for it.Next() {
		v, err := it.Value()
		if err != nil {
			return errors.Join(err, b.Close())
		}
		if now.UnixMilli()-value.Lookup(v, "t").AsDate() < 2*e.opts.SessionTimeout.Milliseconds() {
			continue
		}
		from, to := storage.RetryRange(it.Key()[1:])
		if err := errors.Join(b.DeleteRange(from, to), b.Delete(it.Key())); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	e.write.Lock()
	defer e.write.Unlock()
	if err := e.usable(); err != nil {
		return errors.Join(err, b.Close())
	}
	wait, err := e.db.Apply(b, false)
	if err != nil {
		return e.breakDown(err)
	}
	return wait()
}

// end ends sessions and their cursors. An open transaction can still be
// committed until its time is over.
func (t *sessionTable) end(e *Engine, ids [][]byte) {
	for _, id := range ids {
		t.mu.Lock()
		if s := t.byID[string(id)]; s != nil {
			s.mu.Lock()
			if s.tx == nil {
				delete(t.byID, string(id))
			}
			s.mu.Unlock()
		}
		t.mu.Unlock()
		e.cursors.killIf(func(c *serverCursor) bool { return c.session == string(id) && c.tx == nil })
	}
}

// kill ends sessions with their transactions, cursors and running commands but the asking one.
func (t *sessionTable) kill(e *Engine, ids [][]byte, asking *request) {
	for _, id := range ids {
		t.mu.Lock()
		s := t.byID[string(id)]
		delete(t.byID, string(id))
		t.mu.Unlock()
		if s != nil {
			s.mu.Lock()
			s.endTransaction(e)
			s.mu.Unlock()
		}
		e.cursors.killSession(string(id))
		e.operations.killSession(string(id), asking)
	}
}

func (t *sessionTable) closeAll(e *Engine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.byID {
		s.mu.Lock()
		s.endTransaction(e)
		s.mu.Unlock()
	}
}

// list gives the sessions as $listLocalSessions shows them.
func (t *sessionTable) list() store.Cursor {
	t.mu.Lock()
	defer t.mu.Unlock()
	var docs []bson.Raw
	for _, s := range t.byID {
		s.mu.Lock()
		used := s.used
		s.mu.Unlock()
		start, d := value.BeginDocument(nil)
		d = value.AppendElement(d, "_id", value.Document(lsidDocument(s.id)))
		d = value.AppendElement(d, "lastUse", value.Date(used.UnixMilli()))
		docs = append(docs, value.EndDocument(d, start))
	}
	return &sliceCursor{docs: docs}
}

func (t *sessionTable) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byID)
}

// noUser is the hash that stands for the user of a session without login.
var noUser = sha256.Sum256(nil)

// lsidDocument is a session id as change events show it.
func lsidDocument(id []byte) bson.Raw {
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "id", value.Binary(4, id))
	d = value.AppendElement(d, "uid", value.Binary(0, noUser[:]))
	return value.EndDocument(d, start)
}
