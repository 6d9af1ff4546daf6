package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
)

// retryWrite is the retryable write that a command belongs to. What each
// statement did is stored together with its change, so a repeated command,
// even after a restart, answers what the first one did. A nil *retryWrite is a
// command that cannot be repeated.
type retryWrite struct {
	session *logicalSession
	txn     int64
	stmts   []int32 // given statement ids; else the first is base and they count up
	base    int32
	began   bool  // the session's record is written
	in      *unit // writes the session's record, or nil
	fresh   bool  // the first command of its number: nothing was done before
}

// writeOutcome is what one statement did.
type writeOutcome struct {
	n, modified int64
	upserted    value.Value // the _id that an upsert made
	reply       bson.Raw    // findAndModify: the whole reply
}

func (o writeOutcome) encode() bson.Raw {
	start, dst := value.BeginDocument(nil)
	dst = value.AppendElement(dst, "n", value.Int64(o.n))
	dst = value.AppendElement(dst, "m", value.Int64(o.modified))
	if !o.upserted.IsMissing() {
		dst = value.AppendElement(dst, "u", o.upserted)
	}
	if o.reply != nil {
		dst = value.AppendElement(dst, "r", value.Document(o.reply))
	}
	return value.EndDocument(dst, start)
}

func decodeOutcome(raw bson.Raw) writeOutcome {
	o := writeOutcome{
		n:        value.Lookup(raw, "n").AsInt64(),
		modified: value.Lookup(raw, "m").AsInt64(),
		upserted: value.Lookup(raw, "u"),
	}
	if r := value.Lookup(raw, "r"); r.IsDocument() {
		o.reply = r.Doc()
	}
	return o
}

func (r *retryWrite) statement(i int) int32 {
	if i < len(r.stmts) {
		return r.stmts[i]
	}
	return r.base + int32(i)
}

// done tells what a statement did when it ran before.
func (r *retryWrite) done(e *Engine, i int) (writeOutcome, bool, error) {
	if r == nil || r.fresh {
		return writeOutcome{}, false, nil
	}
	v, ok, err := e.db.Get(storage.RetryKey(r.session.id, r.txn, r.statement(i)), nil)
	if err != nil || !ok {
		return writeOutcome{}, false, err
	}
	return decodeOutcome(v), true, nil
}

// save notes in the unit what a statement did. The first statement of a number
// forgets those of older numbers.
func (r *retryWrite) save(u *unit, i int, o writeOutcome) error {
	if r == nil {
		return nil
	}
	stmt := r.statement(i)
	if !r.began && r.in != u {
		if err := r.saveNumber(u); err != nil {
			return err
		}
		r.in = u
	}
	u.after = append(u.after, func() { r.session.kept.add(r.txn, stmt) })
	return u.w.Set(storage.RetryKey(r.session.id, r.txn, stmt), o.encode())
}

// keptOutcomes are the outcomes that are stored of a session, so that they can
// be deleted without looking for them: where a session writes much, the range
// of its outcomes is full of what was deleted. They belong to whoever holds the
// writer lock.
type keptOutcomes struct {
	number int64   // of the transaction; -1: unknown
	stmts  []int32 // nil: unknown
}

// maxKeptOutcomes bounds the memory of a session.
const maxKeptOutcomes = 128

func (k *keptOutcomes) add(number int64, stmt int32) {
	switch {
	case number != k.number: // a late command of an older number
		*k = keptOutcomes{number: -1}
	case len(k.stmts) == maxKeptOutcomes:
		k.stmts = nil
	case k.stmts != nil:
		k.stmts = append(k.stmts, stmt)
	}
}

// forget deletes the outcomes of numbers below one.
func (k *keptOutcomes) forget(u *unit, id []byte, number int64) error {
	if k.number == number {
		return nil
	}
	if k.stmts == nil || k.number > number {
		lower, _ := storage.RetryRange(id)
		if k.number >= 0 && k.number < number {
			lower = storage.RetryKey(id, k.number, 0)
		}
		return u.e.db.Clear(u.b, lower, storage.RetryKey(id, number, 0))
	}
	for _, stmt := range k.stmts {
		if err := u.w.Delete(storage.RetryKey(id, k.number, stmt)); err != nil {
			return err
		}
	}
	return nil
}

// saveNumber stores a new transaction number and forgets the outcomes of the older ones.
func (r *retryWrite) saveNumber(u *unit) error {
	kept := &r.session.kept
	if err := kept.forget(u, r.session.id, r.txn); err != nil {
		return err
	}
	u.after = append(u.after, func() {
		r.began = true
		if r.txn > kept.number {
			*kept = keptOutcomes{number: r.txn, stmts: []int32{}}
		}
	})
	start, doc := value.BeginDocument(nil)
	doc = value.AppendElement(doc, "n", value.Int64(r.txn))
	doc = value.AppendElement(doc, "t", value.Date(u.e.opts.Now().UnixMilli()))
	return u.w.Set(storage.SessionKey(r.session.id), value.EndDocument(doc, start))
}

// enterRetry begins a retryable write, once no other runs in the session: a
// client that lost its connection may repeat a command that is still running,
// and what that does must be known first.
func (r *request) enterRetry(ctx context.Context) (err error) {
	select {
	case r.session.writing <- struct{}{}:
		r.hasTurn = true
	case <-ctx.Done():
		return interrupted(ctx.Err())
	}
	r.retry, err = r.session.newRetry(r.e, r.txnNumber)
	if r.retry != nil {
		r.retry.base, r.retry.stmts = r.stmtID, r.stmtIDs
	}
	return err
}

// leave lets the next retryable write of the session begin.
func (r *request) leave() {
	if r.hasTurn {
		<-r.session.writing
	}
}

// newRetry checks the number of a retryable write against the session's.
func (s *logicalSession) newRetry(e *Engine, number int64) (*retryWrite, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.loadNumber(e); err != nil {
		return nil, err
	}
	if number < s.number {
		return nil, mongoerr.New(mongoerr.TransactionTooOld,
			"Retryable write with txnNumber %d is prohibited on session %s because a newer retryable write with txnNumber %d has already started on this session.",
			number, s.name(), s.number)
	}
	fresh := number > s.number
	if fresh {
		s.endTransaction(e)
		s.number, s.state, s.retryable = number, txnNone, true
	} else if !s.retryable {
		return nil, mongoerr.New(codeIncompleteHistory, "Must specify autocommit=false on all operations of a multi-statement transaction: txnNumber %d on session %s was used by a transaction", number, s.name())
	}
	return &retryWrite{session: s, txn: number, fresh: fresh}, nil
}
