package engine

import (
	"bytes"
	"errors"
	"slices"

	"weir/engine/storage"
)

// keyBound is a key that no key of an index is above: so that keys that grow,
// as ObjectIDs do, need not be looked for before they are inserted. Only the
// holder of the writer lock touches it.
type keyBound struct {
	high  []byte
	known bool
	// merged is Engine.merged when high was read: a transaction's keys come
	// into the index without passing here.
	merged uint64
}

// isAbove tells whether a key of an _id index is above all that the index and
// the unit hold; from then on it is one of those. False says nothing.
func (u *unit) isAbove(c *collection, m *meta, ix *indexState, key []byte) (bool, error) {
	switch {
	case u.tx != nil && u.tx.settled(c, m, ix):
		return u.tx.isAbove(ix, key)
	case u.tx != nil || !ix.IsID():
		return false, nil
	}
	b := &ix.bound
	if !b.known || b.merged != u.e.merged {
		if err := u.findBound(ix); err != nil {
			return false, err
		}
	}
	if bytes.Compare(key, b.high) <= 0 {
		return false, nil
	}
	b.high = append(b.high[:0], key...)
	return true, nil
}

// findBound reads the last key of an index. What the unit itself holds, it has
// added before.
func (u *unit) findBound(ix *indexState) error {
	lower, upper := storage.IndexRange(ix.ID)
	it, err := u.e.db.Iter(lower, upper, true)
	if err != nil {
		return err
	}
	defer it.Close()
	b := &ix.bound
	if it.Next() && bytes.Compare(it.Key(), b.high) > 0 {
		b.high = append(b.high[:0], it.Key()...)
	}
	b.known, b.merged = it.Err() == nil, u.e.merged
	return it.Err()
}

// settled tells whether nobody else has changed an index since the transaction
// began: then its snapshot shows what others have there now.
func (t *transaction) settled(c *collection, m *meta, ix *indexState) bool {
	return c.written.Load() <= t.asOf && slices.Contains(m.indexes, ix)
}

// isAbove tells whether a key of a settled index is above all that the snapshot
// and the transaction hold; from then on it is one of those.
func (t *transaction) isAbove(ix *indexState, key []byte) (bool, error) {
	high, known := t.bounds[ix.ID]
	if !known {
		lower, upper := storage.IndexRange(ix.ID)
		it, err := t.ws.Iter(lower, upper, true)
		if err != nil {
			return false, err
		}
		if it.Next() {
			high = slices.Clone(it.Key())
		}
		if err := errors.Join(it.Err(), it.Close()); err != nil {
			return false, err
		}
	}
	above := bytes.Compare(key, high) > 0
	if above {
		high = append(high[:0], key...)
	}
	t.bounds[ix.ID] = high
	return above, nil
}
