package oplog

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
)

// Log is the log of one store. Next and Append are called under the store's
// writer lock; the rest by anybody.
type Log struct {
	db    *storage.DB
	now   func() time.Time
	bytes uint64        // bytes ever appended, written in front of every entry
	entry []byte        // of Append, for the next one
	last  atomic.Uint64 // newest cluster time given out

	mu      sync.Mutex
	durable atomic.Uint64
	changed chan struct{} // closed when durable grows
	first   storage.OplogPos
	gone    storage.OplogPos // the last entry that was trimmed; all before are, too
	grown   atomic.Uint64    // bytes now in the log, about

	interest interest
}

const (
	headLen     = 8
	largestKept = 1 << 20
)

// Open reads the ends of the log, and begins one in a new store.
func Open(db *storage.DB, now func() time.Time) (*Log, error) {
	l := &Log{db: db, now: now, changed: make(chan struct{})}
	l.interest = interest{last: map[Scope]uint64{}, gates: map[Scope]*gate{}}
	first, _, firstBytes, err := l.end(false)
	if err != nil {
		return nil, err
	}
	if first == (storage.OplogPos{}) {
		return l, l.begin()
	}
	last, size, lastBytes, err := l.end(true)
	if err != nil {
		return nil, err
	}
	passed, err := l.passed()
	if err != nil {
		return nil, err
	}
	last.TS = max(last.TS, passed)
	l.first, l.bytes = first, lastBytes+uint64(size)
	if firstBytes > 0 {
		l.gone = storage.OplogPos{TS: first.TS - 1, Ord: math.MaxUint32}
	}
	l.grown.Store(l.bytes - firstBytes)
	l.last.Store(last.TS)
	l.durable.Store(last.TS)
	l.interest.floor = last.TS
	return l, nil
}

func (l *Log) begin() error {
	ts := l.Next()
	b := l.db.NewBatch()
	e := Entry{Kind: Noop, Wall: l.now().UnixMilli()}
	l.first = storage.OplogPos{TS: ts}
	if err := l.Append(b, l.first, &e); err != nil {
		return err
	}
	wait, err := l.db.Apply(b, true)
	if err != nil {
		return fmt.Errorf("begin the oplog: %w", err)
	}
	if err := wait(); err != nil {
		return fmt.Errorf("begin the oplog: %w", err)
	}
	l.MarkDurable(ts)
	return nil
}

// end reads the first or last entry's position, size and byte offset.
func (l *Log) end(last bool) (pos storage.OplogPos, size int, offset uint64, err error) {
	it, err := l.db.Iter(storage.OplogKey(storage.OplogPos{}), storage.OplogEnd(), last)
	if err != nil {
		return pos, 0, 0, fmt.Errorf("read the oplog: %w", err)
	}
	defer it.Close()
	if !it.Next() {
		return pos, 0, 0, it.Err()
	}
	v, err := it.Value()
	if err != nil {
		return pos, 0, 0, err
	}
	return storage.PosOf(it.Key()), len(v), binary.BigEndian.Uint64(v), nil
}

// Next gives out the next cluster time: seconds and an increment.
func (l *Log) Next() uint64 {
	ts := uint64(l.now().Unix())<<32 | 1
	if last := l.last.Load(); ts <= last {
		ts = last + 1
	}
	l.last.Store(ts)
	return ts
}

// Last is the newest cluster time given out, Durable the newest that readers see.
func (l *Log) Last() uint64 { return l.last.Load() }

// Durable: see Last.
func (l *Log) Durable() uint64 { return l.durable.Load() }

// Lost tells whether entries from pos on have been trimmed.
func (l *Log) Lost(pos storage.OplogPos) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone != storage.OplogPos{} && !l.gone.Less(pos)
}

// Append puts an entry into a batch.
func (l *Log) Append(w storage.Writer, pos storage.OplogPos, e *Entry) error {
	v := e.Append(binary.BigEndian.AppendUint64(l.entry[:0], l.bytes))
	if l.entry = v; cap(v) > largestKept {
		l.entry = nil
	}
	l.bytes += uint64(len(v))
	l.grown.Add(uint64(len(v)))
	l.mu.Lock()
	l.interest.note(pos.TS, e)
	l.mu.Unlock()
	return w.Set(storage.OplogKey(pos), v)
}

// passedKey holds the cluster time of the newest change without an entry.
var passedKey = storage.MetaKey("passed")

// Pass notes, in a change's own batch, that its cluster time was given out though
// it has no entry: the time never goes back, not after a crash either, and so no
// position that a reader got is ever before its next entry.
func (l *Log) Pass(w storage.Writer, ts uint64) error {
	return w.Set(passedKey, binary.BigEndian.AppendUint64(nil, ts))
}

// passed reads what Pass wrote, 0: nothing.
func (l *Log) passed() (uint64, error) {
	v, ok, err := l.db.Get(passedKey, nil)
	if err != nil {
		return 0, fmt.Errorf("read the oplog: %w", err)
	}
	if !ok || len(v) != 8 {
		return 0, nil
	}
	return binary.BigEndian.Uint64(v), nil
}

// MarkDurable lets readers see everything up to ts and wakes them.
func (l *Log) MarkDurable(ts uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ts <= l.durable.Load() {
		return
	}
	l.durable.Store(ts)
	l.interest.publish(ts)
	close(l.changed)
	l.changed = make(chan struct{})
}

// Wait returns the durable cluster time and a channel that is closed when it grows.
func (l *Log) Wait() (uint64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable.Load(), l.changed
}

// Await waits until readers see everything up to a cluster time, which somebody has
// to see to, at most for d. False: they do not yet.
func (l *Log) Await(ts uint64, d time.Duration) bool {
	late := time.NewTimer(d)
	defer late.Stop()
	for {
		durable, changed := l.Wait()
		if durable >= ts {
			return true
		}
		select {
		case <-changed:
		case <-late.C:
			return false
		}
	}
}

// Size is about how many bytes the log holds.
func (l *Log) Size() uint64 { return l.grown.Load() }

// Scan calls f for the entries from pos up to a cluster time, until f returns
// false. The entry is valid during the call.
func (l *Log) Scan(pos storage.OplogPos, through uint64, f func(storage.OplogPos, *Entry) (bool, error)) error {
	end := storage.OplogKey(storage.OplogPos{TS: through + 1})
	it, err := l.db.Iter(storage.OplogKey(pos), end, false)
	if err != nil {
		return fmt.Errorf("read the oplog: %w", err)
	}
	defer it.Close()
	for it.Next() {
		v, err := it.Value()
		if err != nil {
			return fmt.Errorf("read the oplog: %w", err)
		}
		e, err := Decode(bson.Raw(v[headLen:]))
		if err != nil {
			return err
		}
		if more, err := f(storage.PosOf(it.Key()), &e); err != nil || !more {
			return err
		}
	}
	return it.Err()
}

// At reads one entry.
func (l *Log) At(pos storage.OplogPos) (Entry, bool, error) {
	v, ok, err := l.db.Get(storage.OplogKey(pos), nil)
	if err != nil || !ok {
		return Entry{}, false, err
	}
	e, err := Decode(bson.Raw(v[headLen:]))
	return e, true, err
}

// Trim deletes the oldest entries until at most limit bytes remain; the newest
// entry always stays.
func (l *Log) Trim(limit uint64) error {
	if l.Size() <= limit {
		return nil
	}
	to, last, freed, err := l.cut(l.Size() - limit)
	if err != nil || freed == 0 {
		return err
	}
	l.mu.Lock()
	from := l.first
	l.first, l.gone = to, last
	l.mu.Unlock()
	l.grown.Add(-freed)
	b := l.db.NewBatch()
	for _, key := range []func(storage.OplogPos) []byte{storage.OplogKey, storage.PreImageKey, storage.PostImageKey} {
		if err := b.DeleteRange(key(from), key(to)); err != nil {
			return err
		}
	}
	wait, err := l.db.Apply(b, false)
	if err != nil {
		return fmt.Errorf("trim the oplog: %w", err)
	}
	return wait()
}

// cut finds the first group of entries to keep, and the last entry to delete,
// when excess bytes have to go.
func (l *Log) cut(excess uint64) (to, gone storage.OplogPos, freed uint64, err error) {
	var sum uint64
	var before storage.OplogPos
	l.mu.Lock()
	first := l.first
	l.mu.Unlock()
	last := storage.OplogKey(storage.OplogPos{TS: l.Durable() + 1})
	it, err := l.db.Iter(storage.OplogKey(first), last, false)
	if err != nil {
		return to, gone, 0, fmt.Errorf("trim the oplog: %w", err)
	}
	defer it.Close()
	for it.Next() {
		pos := storage.PosOf(it.Key())
		if pos.Ord == 0 {
			to, gone, freed = pos, before, sum
			if sum >= excess {
				break
			}
		}
		v, err := it.Value()
		if err != nil {
			return to, gone, 0, err
		}
		sum += uint64(len(v))
		before = pos
	}
	return to, gone, freed, it.Err()
}
