package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/storage"
)

// scan walks the records that an access leads to, each once.
type scan struct {
	c       *collection
	r       storage.Reader
	close   func() error // of r; nil: not ours
	todo    []part
	it      storage.Iterator
	ix      *indexState
	reverse bool
	dedupe  map[storage.RecordID]struct{}
	buf     []byte
	fetch   fetcher
	steps   int
	keys    int64 // examined, for explain
	docs    int64
	sorted  bool // in the order that was asked for
	// covered and distinct are those of the access.
	covered, distinct int
	nulls             bool
	inverted, group   []byte
	leave             bool // go on behind the keys that begin with group
}

// part is one range to walk.
type part struct {
	ix      *indexState // nil: documents
	r       index.Range
	reverse bool
}

// newScan prepares a scan; nothing is read yet.
func newScan(c *collection, r storage.Reader, a access) *scan {
	s := &scan{c: c, r: r, covered: a.covered, distinct: a.distinct, nulls: a.nulls}
	if a.or != nil {
		s.dedupe = map[storage.RecordID]struct{}{}
		for _, arm := range a.or {
			s.add(arm)
		}
		return s
	}
	if a.index != nil && a.index.multikey.Load() {
		s.dedupe = map[storage.RecordID]struct{}{}
	}
	s.add(a)
	return s
}

func (s *scan) add(a access) {
	if a.index == nil && s.c.load().clustered {
		id := s.c.load().indexes[0]
		lower, upper := storage.IndexRange(id.ID)
		s.todo = append(s.todo, part{ix: id, r: index.Range{Low: lower, High: upper}, reverse: a.reverse})
		return
	}
	if a.index == nil {
		lower, upper := storage.DocumentRange(s.c.id)
		s.todo = append(s.todo, part{r: index.Range{Low: lower, High: upper}, reverse: a.reverse})
		return
	}
	a.index.uses.Add(1)
	for i := range a.ranges {
		r := a.ranges[i]
		if a.reverse {
			r = a.ranges[len(a.ranges)-1-i]
		}
		s.todo = append(s.todo, part{ix: a.index, r: r, reverse: a.reverse})
	}
}

// next gives the next record. The document is valid until the following call.
func (s *scan) next(ctx context.Context) (rec storage.RecordID, doc bson.Raw, ok bool, err error) {
	for {
		if s.steps++; s.steps&127 == 0 && ctx.Err() != nil {
			return 0, nil, false, interrupted(ctx.Err())
		}
		if s.it == nil || !s.step() {
			more, err := s.open()
			if err != nil || !more {
				return 0, nil, false, err
			}
			continue
		}
		rec, doc, ok, err := s.read()
		if err != nil || ok {
			return rec, doc, ok, err
		}
	}
}

// step goes to the next key, or to the one behind the group that was left.
func (s *scan) step() bool {
	if !s.leave {
		return s.it.Next()
	}
	s.leave = false
	for range stepsBeforeSeek {
		if !s.it.Next() {
			return false
		}
		if !bytes.HasPrefix(s.it.Key(), s.group) {
			return true
		}
	}
	seek, ok := s.it.(storage.Seeker)
	if !ok {
		return true // of the same group: one more does no harm
	}
	if s.reverse {
		return seek.Seek(s.group)
	}
	return seek.Seek(storage.Successor(s.group))
}

// stepsBeforeSeek is how many keys are passed one by one before the iterator
// looks for the next group, which costs as much as some of them.
const stepsBeforeSeek = 8

// leaveGroup goes on with another group, where one document of each will do.
func (s *scan) leaveGroup() {
	if s.distinct == 0 || s.ix == nil {
		return
	}
	key := s.it.Key()
	begin, end := s.ix.PartsEnd(key, s.distinct-1), s.ix.PartsEnd(key, s.distinct)
	if end == 0 || s.nulls && s.ix.IsNullAt(key[begin:], s.distinct-1) {
		return
	}
	s.group, s.leave = append(s.group[:0], key[:end]...), true
}

// open goes on to the next range.
func (s *scan) open() (more bool, err error) {
	if s.it != nil {
		if err := errors.Join(s.it.Err(), s.it.Close()); err != nil {
			return false, fmt.Errorf("scan %s: %w", s.c.load().ns, err)
		}
		s.it = nil
	}
	if len(s.todo) == 0 {
		return false, nil
	}
	p := s.todo[0]
	s.todo, s.ix, s.reverse, s.leave = s.todo[1:], p.ix, p.reverse, false
	s.it, err = s.r.Iter(p.r.Low, p.r.High, p.reverse)
	return err == nil, err
}

func (s *scan) read() (rec storage.RecordID, doc bson.Raw, ok bool, err error) {
	if s.ix == nil {
		v, err := s.it.Value()
		s.docs++
		return storage.RecordOf(s.it.Key()), v, true, err
	}
	s.keys++
	var v []byte
	if s.ix.Unique || s.covered > 0 {
		if v, err = s.it.Value(); err != nil {
			return 0, nil, false, err
		}
	}
	if s.ix.Unique {
		rec = storage.RecordOf(v)
	} else {
		rec = storage.RecordOf(s.it.Key())
	}
	if s.covered > 0 {
		if s.buf, ok = s.ix.Restore(s.buf[:0], s.it.Key(), kindsIn(s.ix, v), s.covered, &s.inverted); ok {
			return rec, s.buf, true, nil
		}
	}
	if s.dedupe != nil {
		if _, seen := s.dedupe[rec]; seen {
			return 0, nil, false, nil
		}
		s.dedupe[rec] = struct{}{}
	}
	s.docs++
	s.buf, ok, err = s.fetch.document(s.r, s.c, rec, s.buf[:0])
	return rec, s.buf, ok, err
}

// Close lets go of the iterator and, if it is ours, of the state read.
func (s *scan) Close() error {
	var err error
	if s.it != nil {
		err = s.it.Close()
		s.it = nil
	}
	s.todo = nil
	err = errors.Join(err, s.fetch.close())
	if s.close != nil {
		err = errors.Join(err, s.close())
		s.close = nil
	}
	return err
}
