package engine

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/storage"
)

// scan walks the records that an access leads to, each once.
type scan struct {
	c      *collection
	r      storage.Reader
	close  func() error // of r; nil: not ours
	todo   []part
	it     storage.Iterator
	ix     *indexState
	dedupe map[storage.RecordID]struct{}
	buf    []byte
	fetch  fetcher
	steps  int
	keys   int64 // examined, for explain
	docs   int64
	sorted bool // in the order that was asked for
}

// part is one range to walk.
type part struct {
	ix      *indexState // nil: documents
	r       index.Range
	reverse bool
}

// newScan prepares a scan; nothing is read yet.
func newScan(c *collection, r storage.Reader, a access) *scan {
	s := &scan{c: c, r: r}
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
			return 0, nil, false, interrupted(ctx)
		}
		if s.it == nil || !s.it.Next() {
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
	s.todo, s.ix = s.todo[1:], p.ix
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
	if s.ix.Unique {
		v, err := s.it.Value()
		if err != nil {
			return 0, nil, false, err
		}
		rec = storage.RecordOf(v)
	} else {
		rec = storage.RecordOf(s.it.Key())
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
