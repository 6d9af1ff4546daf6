package engine

import (
	"bytes"
	"errors"

	"weir/engine/storage"
)

// seekAfter is how many documents are read one by one before an iterator is
// opened for the rest: it costs as much as some reads, and each of its own less.
const seekAfter = 16

// fetcher reads the documents that the entries of an index lead to.
type fetcher struct {
	reads int
	it    storage.Iterator // nil: read by key
	seek  storage.Seeker
	last  storage.RecordID // where it is: documents that were inserted one after the other follow each other
	key   []byte
}

// document appends a document to dst.
func (f *fetcher) document(r storage.Reader, c *collection, rec storage.RecordID, dst []byte) ([]byte, bool, error) {
	f.key = storage.AppendDocumentKey(f.key[:0], c.id, rec)
	if f.reads++; f.reads == seekAfter {
		if err := f.open(r, c); err != nil {
			return dst, false, err
		}
	}
	if f.seek == nil {
		return r.Get(f.key, dst)
	}
	follows := rec == f.last+1 && f.last != 0
	f.last = rec
	if !follows || !f.it.Next() || !bytes.Equal(f.it.Key(), f.key) {
		if !f.seek.Seek(f.key) {
			return dst, false, f.it.Err()
		}
		if !bytes.Equal(f.it.Key(), f.key) {
			return dst, false, nil
		}
	}
	v, err := f.it.Value()
	return append(dst, v...), err == nil, err
}

// open makes the iterator, where the reader's can seek.
func (f *fetcher) open(r storage.Reader, c *collection) error {
	lower, upper := storage.DocumentRange(c.id)
	it, err := r.Iter(lower, upper, false)
	if err != nil {
		return err
	}
	seek, ok := it.(storage.Seeker)
	if !ok {
		return it.Close()
	}
	f.it, f.seek = it, seek
	return nil
}

func (f *fetcher) close() error {
	if f.it == nil {
		return nil
	}
	err := errors.Join(f.it.Err(), f.it.Close())
	f.it, f.seek = nil, nil
	return err
}
