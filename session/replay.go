package session

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/executor"
	"weir/sqlerr"
	"weir/store"
)

// MongoDB's transactions have no savepoints. So a block remembers what it
// wrote: ROLLBACK TO gives the store's transaction up, begins another and
// writes again what came before the savepoint.

// maxReplay bounds the bytes that a block remembers; beyond it ROLLBACK TO is refused.
const maxReplay = 64 << 20

// writeLog is the writes of a block in order.
type writeLog struct {
	writes []loggedWrite
	size   int
	full   bool

	guarded int // writes that have their images
	reads   int
}

// loggedWrite is a write, or what else has to come out as before (replay_reads.go).
type loggedWrite struct {
	read    *loggedRead
	check   *executor.KeyCheck
	barrier bool // what came before cannot be done again while the client knows what follows

	size   int
	images []image
	ns     store.Namespace
	ops    []store.WriteOp
	opts   store.WriteOptions
	done   counts
}

// counts are what a write did; done again it must do the same.
type counts struct{ inserted, matched, deleted int64 }

func countsOf(r store.WriteResult) counts { return counts{r.Inserted, r.Matched, r.Deleted} }

// loggingTx is a store's transaction that remembers its writes.
type loggingTx struct {
	store.Tx
	log *writeLog
}

// Write implements store.Queryer.
func (t *loggingTx) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, opts store.WriteOptions) (store.WriteResult, error) {
	res, err := t.Tx.Write(ctx, ns, ops, opts)
	if err == nil && res.Err() == nil {
		t.log.add(loggedWrite{ns: ns, ops: ops, opts: opts, done: countsOf(res)})
	}
	return res, err
}

func (l *writeLog) add(w loggedWrite) {
	if l.full {
		return
	}
	before := l.size
	own := make([]store.WriteOp, len(w.ops))
	for i, op := range w.ops {
		op.Document, op.Filter = l.copy(op.Document), l.copy(op.Filter)
		op.Update.Value = l.copy(op.Update.Value)
		own[i] = op
	}
	w.ops, w.size = own, l.size-before
	if l.size > maxReplay {
		*l = writeLog{full: true}
		return
	}
	l.writes = append(l.writes, w)
}

// truncate forgets all writes but the first n: they are undone.
func (l *writeLog) truncate(n int) {
	if l.full {
		return
	}
	for _, w := range l.writes[n:] {
		l.size -= w.size
	}
	clear(l.writes[n:])
	l.writes = l.writes[:n]
	l.guarded = min(l.guarded, n)
}

func (l *writeLog) copy(b bson.Raw) bson.Raw {
	l.size += len(b)
	if b == nil {
		return nil
	}
	return append(bson.Raw(nil), b...)
}

// replay writes the first n writes again. It answers false if they did not do
// what they did the first time: others have changed the documents since. other
// does again what is no write.
func (l *writeLog) replay(ctx context.Context, tx store.Tx, n int, other func(context.Context, *loggedWrite) (bool, error)) (bool, error) {
	if same, err := l.unchanged(ctx, tx, n); err != nil || !same {
		return false, err
	}
	for i := range l.writes[:n] {
		w := &l.writes[i]
		if w.ops == nil {
			if same, err := other(ctx, w); err != nil || !same {
				return false, err
			}
			continue
		}
		res, err := tx.Write(ctx, w.ns, w.ops, w.opts)
		if err == nil {
			err = res.Err()
		}
		if err != nil {
			return false, err
		}
		if countsOf(res) != w.done && w.ns != catalog.KeyLocks {
			return false, nil
		}
	}
	return true, nil
}

// renew begins the store's transaction anew when the block has changed the catalog
// since: a transaction of MongoDB has the catalog of its beginning, and cannot write
// to a collection that was made later. What cannot be done again stays where it is.
func (s *Session) renew(ctx context.Context) error {
	t := &s.tx
	if !t.defined || t.store == nil || t.broken {
		return nil
	}
	t.defined = false
	n := len(t.log.writes)
	if !t.log.repeatable(n) {
		return nil
	}
	if err := t.log.guard(ctx, s.access.Store); err != nil {
		return err
	}
	s.abortStore(ctx)
	t.deferred.known = nil
	return s.again(ctx, n, true, "Rows that the transaction had changed or read were changed by others while it changed the catalog.")
}

// again begins a transaction of the store that does the first n writes of the block
// again, and its reads if asked to. Where that cannot come out as before, the client
// is told why: detail.
func (s *Session) again(ctx context.Context, n int, reads bool, detail string) error {
	tx, err := s.access.Store.Begin(ctx)
	if err != nil {
		return err
	}
	same, err := s.tx.log.replay(ctx, tx, n, s.repeats(tx, reads))
	if err != nil || !same {
		_ = tx.Abort(context.WithoutCancel(ctx))
		return sqlerr.New(sqlerr.SerializationFailure, "could not serialize access due to concurrent update").WithDetail("%s", detail).Because(err)
	}
	s.tx.store, s.tx.broken = &loggingTx{tx, &s.tx.log}, false
	return nil
}
