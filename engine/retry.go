package engine

import (
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
	began   bool // the session's record is written
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
	if r == nil {
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
	if !r.began {
		if err := r.session.saveNumber(u.e.db, u.b, r.txn, u.e.opts.Now()); err != nil {
			return err
		}
		r.began = true
	}
	return u.w.Set(storage.RetryKey(r.session.id, r.txn, r.statement(i)), o.encode())
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
	if number > s.number {
		s.endTransaction(e)
		s.number, s.state, s.retryable = number, txnNone, true
	} else if !s.retryable {
		return nil, mongoerr.New(50768, "txnNumber %d on session %s was used by a transaction", number, s.name())
	}
	return &retryWrite{session: s, txn: number}, nil
}
