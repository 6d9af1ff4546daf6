package storage

import (
	"errors"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// Reader is a state to read from: the latest (DB), a frozen one (Snapshot), or
// a frozen one below a transaction's own writes (WriteSet).
type Reader interface {
	// Get appends the value of key to dst.
	Get(key, dst []byte) (value []byte, ok bool, err error)
	// Iter walks the keys of [lower, upper) in either direction. What it sees
	// is fixed when it is made.
	Iter(lower, upper []byte, reverse bool) (Iterator, error)
}

// Iterator walks keys. Next must be called first; Key and Value are valid until
// the following call.
type Iterator interface {
	Next() bool
	Key() []byte
	Value() ([]byte, error)
	Err() error
	Close() error
}

// Seeker is an Iterator that can leave out keys; those of a WriteSet cannot.
type Seeker interface{ Seek(key []byte) bool }

// ErrClosed is what a closed snapshot answers.
var ErrClosed = errors.New("the snapshot is closed")

// Snapshot is a frozen state. It may be closed while others read from it.
type Snapshot struct {
	mu     sync.RWMutex
	db     *DB
	p      *pebble.Snapshot
	closed error  // what it answers, once it is closed
	others int    // users beside the first
	at     uint64 // writes begun when it was taken
	quiet  bool   // all of them had ended
}

// Get implements Reader.
func (s *Snapshot) Get(key, dst []byte) ([]byte, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed != nil {
		return dst, false, s.closed
	}
	return getFrom(s.p, key, dst)
}

// Iter implements Reader.
func (s *Snapshot) Iter(lower, upper []byte, reverse bool) (Iterator, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed != nil {
		return nil, s.closed
	}
	return newIter(s.db, s.p, lower, upper, reverse)
}

// Retain adds a user of the snapshot, who has to close it too.
func (s *Snapshot) Retain() *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others++
	return s
}

// Quiet tells whether no write was under way when the snapshot was taken.
func (s *Snapshot) Quiet() bool { return s.quiet }

// Close lets go of the snapshot. Iterators that it has given stay valid.
func (s *Snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed != nil {
		return nil
	}
	if s.others > 0 {
		s.others--
		return nil
	}
	s.closed = ErrClosed
	defer s.db.gate.leave()
	return s.p.Close()
}

type pebbleGetter interface {
	Get(key []byte) ([]byte, io.Closer, error)
}

func getFrom(g pebbleGetter, key, dst []byte) ([]byte, bool, error) {
	v, closer, err := g.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, false, nil
	}
	if err != nil {
		return dst, false, err
	}
	dst = append(dst, v...)
	return dst, true, closer.Close()
}

type pebbleIterable interface {
	NewIter(o *pebble.IterOptions) (*pebble.Iterator, error)
}

type iter struct {
	db      *DB
	p       *pebble.Iterator
	reverse bool
	started bool
	closed  bool
}

func newIter(db *DB, src pebbleIterable, lower, upper []byte, reverse bool) (Iterator, error) {
	if err := db.gate.enter(); err != nil {
		return nil, err
	}
	p, err := src.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		db.gate.leave()
		return nil, err
	}
	return &iter{db: db, p: p, reverse: reverse}, nil
}

func (it *iter) Next() bool {
	switch {
	case !it.started:
		it.started = true
		if it.reverse {
			return it.p.Last()
		}
		return it.p.First()
	case it.reverse:
		return it.p.Prev()
	default:
		return it.p.Next()
	}
}

// Seek goes to the first key at or after key, backwards to the last one before
// it. Keys that are asked for in order are found fast.
func (it *iter) Seek(key []byte) bool {
	it.started = true
	if it.reverse {
		return it.p.SeekLT(key)
	}
	return it.p.SeekGE(key)
}

func (it *iter) Key() []byte            { return it.p.Key() }
func (it *iter) Value() ([]byte, error) { return it.p.ValueAndErr() }
func (it *iter) Err() error             { return it.p.Error() }

func (it *iter) Close() error {
	if it.closed {
		return nil
	}
	it.closed = true
	defer it.db.gate.leave()
	return it.p.Close()
}
