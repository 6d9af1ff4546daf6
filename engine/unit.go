package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
)

// unit is a change in the making: of one document or a small group outside of
// a transaction, which is applied as one batch, or of a transaction. It exists
// only while the writer lock is held.
type unit struct {
	e    *Engine
	r    storage.Reader
	w    storage.Writer
	tx   *transaction   // nil outside of transactions
	b    *storage.Batch // nil inside of transactions
	last uint64         // cluster time of the last change
	bare bool           // a change is not in the oplog

	// seen are the unique keys that the batch holds already.
	seen  map[string]struct{}
	stats map[*collection]*delta
	cells map[*cell]int64 // changes of counted indexes
	notes []cellNote      // likewise
	after []func()        // to run once the batch is applied
}

// delta is how a unit changes a collection's counters.
type delta struct{ count, size int64 }

// blocked is the error of a write outside of transactions that meets a change
// of an open transaction: it waits for the transaction's end and tries again.
type blocked struct{ by *transaction }

func (b *blocked) Error() string { return "waits for a transaction" }

// writer is one write command: where its units go and how it is acknowledged.
type writer struct {
	e        *Engine
	tx       *transaction
	retry    *retryWrite   // nil: not retryable
	bypass   bool          // bypassDocumentValidation
	asIs     bool          // an inserted document keeps its timestamps of zero
	lazy     bool          // w: 0 or j: false: do not wait for the disk
	ahead    bool          // a later write waits for the disk
	within   time.Duration // so long it may wait for others to ask for the disk
	applied  uint64        // cluster time of the last applied unit
	unsynced bool
	// one: the command is one unit, so its batch asks for the disk itself, and
	// onDisk waits for it.
	one    bool
	onDisk func() error
	// replyOf makes the reply of a findAndModify, which is kept with its change.
	replyOf func(before, after bson.Raw, upserted value.Value) bson.Raw
}

// do runs f in a unit of its own and applies what it did. f may run several times.
func (w *writer) do(ctx context.Context, f func(*unit) error) error {
	for {
		err := w.attempt(f)
		var b *blocked
		if !errors.As(err, &b) {
			return err
		}
		select {
		case <-ctx.Done():
			return interrupted(ctx.Err())
		case <-b.by.done:
		}
	}
}

func (w *writer) attempt(f func(*unit) error) error {
	e := w.e
	e.write.Lock()
	defer e.write.Unlock()
	if err := e.usable(); err != nil {
		return err
	}
	if w.tx != nil {
		return w.tx.attempt(f)
	}
	u := &unit{e: e, r: e.db, b: e.db.NewBatch()}
	u.w = u.b
	if err := f(u); err != nil {
		return errors.Join(err, u.giveUp())
	}
	if u.last == 0 {
		return u.b.Close()
	}
	sync := w.one && !w.lazy && !w.ahead && w.within == 0 && w.onDisk == nil
	wait, err := u.apply(sync)
	if err != nil {
		return err
	}
	w.applied, w.unsynced = u.last, true
	if sync {
		w.onDisk = wait // not while others cannot write
		return nil
	}
	if first := w.onDisk; first != nil { // it was not the only unit
		w.onDisk = func() error { return errors.Join(first(), w.e.db.Sync()) }
	}
	return wait()
}

// apply makes the unit's batch visible. The function that it returns must be
// called: with sync, it waits for the disk.
func (u *unit) apply(sync bool) (wait func() error, err error) {
	if u.bare {
		if err := u.e.log.Pass(u.b, u.last); err != nil {
			return nil, err
		}
	}
	for c, d := range u.stats {
		if err := c.saveStats(u.b, c.count.Load()+d.count, c.size.Load()+d.size); err != nil {
			return nil, err
		}
	}
	if err := u.saveCells(); err != nil {
		return nil, err
	}
	wait, err = u.e.db.Apply(u.b, sync)
	if err != nil {
		return nil, u.e.breakDown(err)
	}
	u.keepCells()
	for c, d := range u.stats {
		c.count.Add(d.count)
		c.size.Add(d.size)
		c.changes.Add(1)
		c.written.Store(u.last)
	}
	u.e.applied.Store(u.last)
	for _, f := range u.after {
		f()
	}
	return wait, nil
}

// finish acknowledges the command: it waits until everything is durable,
// together with all other writers that wait.
func (w *writer) finish() error {
	if !w.unsynced {
		return nil
	}
	w.unsynced = false
	if w.ahead {
		return nil
	}
	if w.lazy {
		select {
		case w.e.lazySync <- struct{}{}:
		default:
		}
		return nil
	}
	wait := w.onDisk
	if wait == nil && w.within > 0 && w.e.log.Await(w.applied, w.within) {
		return nil
	}
	if w.onDisk = nil; wait == nil {
		wait = w.e.db.Sync
	}
	if err := wait(); err != nil {
		return w.e.breakDown(err)
	}
	w.e.log.MarkDurable(w.applied)
	return nil
}

// record writes an oplog entry and, for collections that keep them, the
// document before and after. What is not logged has its cluster time all the same.
func (u *unit) record(m *meta, e *oplog.Entry, before, after bson.Raw) error {
	if u.tx == nil {
		u.last = u.e.log.Next()
		if u.e.unlogged(e) {
			u.bare = true
			return nil
		}
	}
	e.Wall = u.e.opts.Now().UnixMilli()
	switch {
	case after != nil:
		e.Key = documentKey(after)
	case before != nil:
		e.Key = documentKey(before)
	}
	if u.tx != nil {
		u.tx.record(e, m.images, before, after)
		return nil
	}
	return u.append(storage.OplogPos{TS: u.last}, m.images, e, before, after)
}

func (u *unit) append(pos storage.OplogPos, images bool, e *oplog.Entry, before, after bson.Raw) error {
	if images && before != nil {
		if err := u.w.Set(storage.PreImageKey(pos), before); err != nil {
			return err
		}
	}
	if images && after != nil && e.Kind == oplog.Update {
		if err := u.w.Set(storage.PostImageKey(pos), after); err != nil {
			return err
		}
	}
	return u.e.log.Append(u.w, pos, e)
}

// adjust notes a change of a collection's counters.
func (u *unit) adjust(c *collection, count, size int64) {
	if u.tx != nil {
		u.tx.adjust(c, count, size)
		return
	}
	if u.stats == nil {
		u.stats = map[*collection]*delta{}
	}
	d := u.stats[c]
	if d == nil {
		d = &delta{}
		u.stats[c] = d
	}
	d.count += count
	d.size += size
}

// claim makes sure that nobody else is changing a key: a transaction takes the
// key or fails with WriteConflict, anybody else waits for the transaction that has it.
func (u *unit) claim(key []byte) error {
	if u.tx != nil {
		return u.tx.claim(key)
	}
	if len(u.e.pending) == 0 {
		return nil
	}
	if by := u.e.pending[string(key)]; by != nil {
		return &blocked{by}
	}
	return nil
}

// claimDocument claims the key of a collection's document.
func (u *unit) claimDocument(c *collection, key []byte) error {
	if u.tx != nil && c.written.Load() <= u.tx.asOf {
		return u.tx.claimSettled(key)
	}
	return u.claim(key)
}

// holds tells which record has a unique key.
func (u *unit) holds(key []byte) (storage.RecordID, bool, error) {
	if _, ok := u.seen[string(key)]; ok {
		return 0, true, nil
	}
	var buf [8]byte
	v, ok, err := u.r.Get(key, buf[:0])
	if err != nil || !ok {
		return 0, false, err
	}
	return storage.RecordOf(v), true, nil
}

// document reads a document as the unit sees it.
func (u *unit) document(c *collection, rec storage.RecordID) (bson.Raw, bool, error) {
	var key [13]byte
	v, ok, err := u.r.Get(storage.AppendDocumentKey(key[:0], c.id, rec), nil)
	if err != nil {
		return nil, false, fmt.Errorf("read a document of %s: %w", c.load().ns, err)
	}
	return v, ok, nil
}

func documentKey(doc bson.Raw) bson.Raw {
	start, dst := value.BeginDocument(make([]byte, 0, 32))
	dst = value.AppendElement(dst, "_id", value.Lookup(doc, "_id"))
	return value.EndDocument(dst, start)
}

// interrupted turns the end of a context into the server's error.
func interrupted(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return mongoerr.New(mongoerr.MaxTimeMSExpired, "operation exceeded time limit")
	}
	return mongoerr.New(mongoerr.Interrupted, "operation was interrupted")
}
