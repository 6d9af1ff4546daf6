package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/index"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
)

// target is which documents of a collection a write statement means.
type target struct {
	e      *Engine
	c      *collection
	tx     *transaction
	filter filterSpec
	order  bson.Raw // the sort option, or nil
	sort   []agg.SortKey
	hint   bson.RawValue
}

func (w *writer) target(_ context.Context, c *collection, f filterSpec, sort bson.Raw, hint bson.RawValue) (*target, error) {
	keys, err := sortKeys(sort)
	if err != nil {
		return nil, err
	}
	t := &target{e: w.e, c: c, tx: w.tx, filter: f, order: sort, sort: keys, hint: hint}
	if !hint.IsZero() {
		_, err = planAccess(c.load(), f.matcher.Root(), wish{collation: f.collation, sort: keys, hint: hint})
	}
	return t, err
}

func sortKeys(sort bson.Raw) ([]agg.SortKey, error) {
	var keys []agg.SortKey
	if sort == nil {
		return nil, nil
	}
	for it := value.Walk(sort); it.Next(); {
		v := it.Value()
		if n, ok := v.Integral(); !ok || n != 1 && n != -1 {
			return nil, mongoerr.New(15975, "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
		}
		keys = append(keys, agg.SortKey{Path: it.Key(), Desc: v.Sign() < 0})
	}
	return keys, nil
}

// change changes one document of a unit.
type change func(u *unit, rec storage.RecordID, doc bson.Raw) error

var errVanished = errors.New("the document is no longer there")

// each changes the first or all documents of the target, each in a unit of its
// own, and calls applied after every one.
func (t *target) each(ctx context.Context, w *writer, multi bool, f change, applied func()) error {
	if multi {
		return t.all(ctx, w, f, applied)
	}
	for {
		rec, doc, ok, err := t.first(ctx, t.state())
		if err != nil || !ok {
			return err
		}
		err = w.do(ctx, func(u *unit) error { return t.apply(u, rec, doc, f) })
		if errors.Is(err, errVanished) {
			continue // somebody was faster: look again
		}
		if err == nil {
			applied()
		}
		return err
	}
}

func (t *target) all(ctx context.Context, w *writer, f change, applied func()) error {
	s, err := t.scan()
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		rec, doc, ok, err := t.nextMatch(ctx, s)
		if err != nil || !ok {
			return err
		}
		err = w.do(ctx, func(u *unit) error { return t.apply(u, rec, doc, f) })
		switch {
		case errors.Is(err, errVanished):
		case err != nil:
			return err
		default:
			applied()
		}
	}
}

// apply reads the document again, for it may have changed since the scan.
func (t *target) apply(u *unit, rec storage.RecordID, scanned bson.Raw, f change) error {
	doc, ok, err := u.document(t.c, rec)
	if err != nil {
		return err
	}
	if !ok {
		return errVanished
	}
	if !bytes.Equal(doc, scanned) {
		if ok, err = t.filter.matches(doc); err != nil {
			return err
		} else if !ok {
			return errVanished
		}
	}
	return f(u, rec, doc)
}

// state is what a scan for the target reads.
func (t *target) state() storage.Reader {
	if t.tx != nil {
		return t.tx.reader()
	}
	return t.e.db
}

// scan opens a scan of the state as it is now, or as the transaction sees it.
func (t *target) scan() (*scan, error) {
	m, r, release := t.e.freeze(t.c, t.tx)
	a, err := planAccess(m, t.filter.matcher.Root(), wish{collation: t.filter.collation, sort: t.sort, hint: t.hint, probe: prober(r)})
	if err != nil {
		return nil, closeAfter(release, err)
	}
	s := newScan(t.c, r, a)
	s.close = release
	s.sorted = a.sorted || len(t.sort) == 0
	return s, nil
}

func (t *target) nextMatch(ctx context.Context, s *scan) (storage.RecordID, bson.Raw, bool, error) {
	for {
		rec, doc, ok, err := s.next(ctx)
		if err != nil || !ok {
			return 0, nil, false, err
		}
		if ok, err = t.filter.matches(doc); err != nil || ok {
			return rec, doc, ok, err
		}
	}
}

// first finds the first document in the target's order.
func (t *target) first(ctx context.Context, r storage.Reader) (storage.RecordID, bson.Raw, bool, error) {
	if rec, doc, ok, err := t.byID(r); ok || err != nil {
		return rec, doc, doc != nil, err
	}
	s, err := t.scan()
	if err != nil {
		return 0, nil, false, err
	}
	defer s.Close()
	if s.sorted {
		rec, doc, ok, err := t.nextMatch(ctx, s)
		return rec, slices.Clone(doc), ok, err
	}
	return t.least(ctx, s)
}

func (t *target) least(ctx context.Context, s *scan) (best storage.RecordID, doc bson.Raw, found bool, err error) {
	order := &index.Definition{Fields: index.FieldsOf(t.order), Collation: t.filter.collation}
	var gen index.Generator
	var least, key []byte
	for {
		rec, d, ok, err := t.nextMatch(ctx, s)
		if err != nil || !ok {
			return best, doc, found, err
		}
		if key, err = leastKey(&gen, order, key[:0], d); err != nil {
			return 0, nil, false, err
		}
		if !found || bytes.Compare(key, least) < 0 {
			best, doc, found = rec, slices.Clone(d), true
			least, key = key, least
		}
	}
}

// leastKey is the place of a document in an order: that of its first key.
func leastKey(gen *index.Generator, order *index.Definition, dst []byte, doc bson.Raw) ([]byte, error) {
	var buf []byte
	first := true
	_, err := gen.Keys(order, doc, func(values []value.Value) error {
		buf = order.AppendKey(buf[:0], values)
		if first || bytes.Compare(buf, dst) < 0 {
			dst, first = append(dst[:0], buf...), false
		}
		return nil
	})
	return dst, err
}

// byID is the short way for {_id: value}. ok tells that it applies; doc is nil
// when there is no such document.
func (t *target) byID(r storage.Reader) (rec storage.RecordID, doc bson.Raw, ok bool, err error) {
	if !t.hint.IsZero() {
		return 0, nil, false, nil
	}
	id, ok := pointID(t.filter.raw)
	m := t.c.load()
	if !ok || m.idIndex().Collation != nil || t.filter.collation != nil {
		return 0, nil, false, nil
	}
	rec, doc, err = findID(r, t.c, m.idIndex(), id, nil)
	return rec, doc, true, err
}

// pointID gives the value of a filter {_id: value} that is a plain equality.
func pointID(filter bson.Raw) (value.Value, bool) {
	id, alone, ok := leadingID(filter)
	return id, ok && alone
}

// findID reads a document by its _id, behind what is in dst; doc is nil when there is none.
func findID(r storage.Reader, c *collection, ix *indexState, id value.Value, dst []byte) (storage.RecordID, bson.Raw, error) {
	var key [64]byte
	var val [16]byte
	k := ix.AppendKey(storage.AppendIndexPrefix(key[:0], ix.ID), []value.Value{id})
	v, ok, err := r.Get(k, val[:0])
	if err != nil || !ok {
		return 0, nil, err
	}
	rec := storage.RecordOf(v)
	doc, ok, err := r.Get(storage.AppendDocumentKey(key[:0], c.id, rec), dst)
	if err != nil || !ok {
		return 0, nil, err
	}
	return rec, doc, nil
}
