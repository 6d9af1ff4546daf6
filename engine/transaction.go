package engine

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/mongoerr"
	"weir/store"
)

// transaction is an open multi-document transaction: a frozen state with its
// own writes above. Every key that it changes is claimed at once, so that
// conflicts show at the write and a commit cannot fail on them.
type transaction struct {
	e       *Engine
	lsid    bson.Raw // as change events show it
	number  int64
	snap    *storage.Snapshot
	ws      *storage.WriteSet
	asOf    uint64 // applied cluster time at the snapshot
	opened  time.Time
	expires time.Time     // zero: never
	done    chan struct{} // closed at the end

	level   string     // of its readConcern
	past    bool       // a state to read only
	run     sync.Mutex // one statement at a time
	ended   bool
	changes []txChange
	stats   map[*collection]*delta
	cells   cellChanges
	claims  []string
	bounds  map[uint32][]byte // the highest keys of settled indexes, by their ids
	cursors []int64
	made    map[store.Namespace]*collection // by the transaction's own statements
	api     bson.Raw                        // API parameters of the first statement

	catalog uint64 // the catalog's version at the snapshot; 0: of the past
	goneMu  sync.Mutex
	gone    map[store.Namespace]*collection // of the snapshot that are no longer in the catalog
}

// txChange is an oplog entry that waits for the commit.
type txChange struct {
	entry         oplog.Entry
	images        bool
	before, after bson.Raw
}

// begin starts a transaction at the present state.
// a past state is one that it sees in place of the present.
func (e *Engine) begin(lsid bson.Raw, number int64, past *storage.Snapshot, pastTime uint64) *transaction {
	e.write.Lock()
	defer e.write.Unlock()
	snap, asOf, version := past, pastTime, uint64(0)
	if snap == nil {
		snap, asOf, version = e.db.Snapshot(), e.applied.Load(), e.catalog.version.Load()
	}
	now := e.opts.Now()
	return &transaction{
		e: e, lsid: lsid, number: number, snap: snap, ws: storage.NewWriteSet(snap), asOf: asOf,
		catalog: version, opened: now, expires: now.Add(time.Duration(e.txnLifetime.Load())),
		done: make(chan struct{}), stats: map[*collection]*delta{}, made: map[store.Namespace]*collection{}, bounds: map[uint32][]byte{},
	}
}

// late tells whether the transaction has outlived its time.
func (t *transaction) late(now time.Time) bool { return !t.expires.IsZero() && now.After(t.expires) }

func (t *transaction) reader() storage.Reader { return t.ws }

// attempt runs a unit; the caller holds the writer lock.
func (t *transaction) attempt(f func(*unit) error) error {
	if t.ended {
		return noSuchTransaction(t.number)
	}
	return f(&unit{e: t.e, r: t.ws, w: t.ws, tx: t})
}

func noSuchTransaction(number int64) error {
	return mongoerr.New(mongoerr.NoSuchTransaction, "Transaction with { txnNumber: %d } has been aborted.", number).
		WithLabels("TransientTransactionError")
}

func writeConflict() error {
	return mongoerr.New(mongoerr.WriteConflict,
		"Caused by :: Write conflict during plan execution and yielding is disabled. :: Please retry your operation or multi-document transaction.").
		WithLabels("TransientTransactionError")
}

// claim takes a key that the transaction is about to change.
func (t *transaction) claim(key []byte) error {
	switch by := t.e.pending[string(key)]; by {
	case t:
		return nil
	case nil:
	default:
		return writeConflict()
	}
	if !t.e.db.Current(t.snap) {
		if err := t.unchanged(key); err != nil {
			return err
		}
	}
	t.take(key)
	return nil
}

// claimSettled takes a key that nobody has changed since the transaction began.
func (t *transaction) claimSettled(key []byte) error {
	switch by := t.e.pending[string(key)]; by {
	case t:
		return nil
	case nil:
		t.take(key)
		return nil
	}
	return writeConflict()
}

func (t *transaction) take(key []byte) {
	k := t.ws.KeepString(key)
	t.e.pending[k] = t
	t.claims = append(t.claims, k)
}

// unchanged refuses a key that others have written since the transaction began.
func (t *transaction) unchanged(key []byte) error {
	then, had, err := t.snap.Get(key, nil)
	if err != nil {
		return err
	}
	now, has, err := t.e.db.Get(key, nil)
	if err != nil {
		return err
	}
	if had != has || !bytes.Equal(then, now) {
		return writeConflict()
	}
	return nil
}

func (t *transaction) record(e *oplog.Entry, images bool, before, after bson.Raw) {
	c := txChange{entry: *e, images: images, before: before, after: after}
	if e.Kind != oplog.Insert { // whose document is kept already
		c.entry.Doc = slices.Clone(e.Doc)
	}
	t.changes = append(t.changes, c)
}

func (t *transaction) adjust(c *collection, count, size int64) {
	d := t.stats[c]
	if d == nil {
		d = &delta{}
		t.stats[c] = d
	}
	d.count += count
	d.size += size
}

// touches tells whether the transaction has changed a collection.
func (t *transaction) touches(c *collection) bool {
	_, ok := t.stats[c]
	return ok
}

// commit makes the changes visible together and durable.
func (t *transaction) commit() error {
	t.run.Lock()
	defer t.run.Unlock()
	ts, err := t.apply()
	if err != nil {
		return err
	}
	if ts == 0 {
		return nil
	}
	if err := t.e.db.Sync(); err != nil {
		return t.e.breakDown(err)
	}
	t.e.log.MarkDurable(ts)
	return nil
}

func (t *transaction) apply() (uint64, error) {
	e := t.e
	e.write.Lock()
	defer e.write.Unlock()
	if t.ended {
		return 0, noSuchTransaction(t.number)
	}
	defer t.end()
	if len(t.changes) == 0 {
		return 0, nil
	}
	if err := e.usable(); err != nil {
		return 0, err
	}
	for c := range t.stats {
		if c.dropped.Load() {
			return 0, writeConflict()
		}
	}
	u := &unit{e: e, r: e.db, b: e.db.NewBatch(), stats: t.stats, last: e.log.Next()}
	u.w = u.b
	e.merged++
	if err := errors.Join(t.publish(u), t.fill(u), u.countAll(t.cells)); err != nil {
		return 0, errors.Join(err, u.b.Close())
	}
	wait, err := u.apply(false)
	if err != nil {
		return u.last, err
	}
	return u.last, wait()
}

func (t *transaction) fill(u *unit) error {
	err := t.ws.Each(func(key string, v []byte) error {
		if v == nil {
			return u.b.Delete([]byte(key))
		}
		return u.b.Set([]byte(key), v)
	})
	if err != nil {
		return err
	}
	now := t.e.opts.Now().UnixMilli()
	pos := storage.OplogPos{TS: u.last}
	for i := range t.changes {
		c := &t.changes[i]
		if t.e.unlogged(&c.entry) {
			u.bare = true
			continue
		}
		c.entry.Wall, c.entry.Session, c.entry.Txn = now, t.lsid, t.number
		if err := u.append(pos, c.images, &c.entry, c.before, c.after); err != nil {
			return err
		}
		pos.Ord++
	}
	return nil
}

// abort drops the changes.
func (t *transaction) abort() {
	t.e.write.Lock()
	defer t.e.write.Unlock()
	if !t.ended {
		t.end()
	}
}

// end releases everything; the caller holds the writer lock.
func (t *transaction) end() {
	t.ended = true
	for _, k := range t.claims {
		delete(t.e.pending, k)
	}
	t.e.cursors.killAll(t.cursors)
	_ = t.snap.Close()
	close(t.done)
}

// visible is a collection's state without indexes younger than the snapshot.
func (t *transaction) visible(m *meta) *meta {
	for _, ix := range m.indexes {
		if ix.readyAt > t.asOf {
			n := m.clone()
			n.indexes = slices.DeleteFunc(n.indexes, func(x *indexState) bool { return x.readyAt > t.asOf && !x.IsID() })
			return n
		}
	}
	return m
}

// waitUnclaimed returns a transaction that has changed the collection, if any;
// the caller holds the writer lock.
func (e *Engine) claimant(c *collection) *transaction {
	for _, t := range e.pending {
		if t.touches(c) {
			return t
		}
	}
	return nil
}
