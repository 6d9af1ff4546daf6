package engine

import (
	"bytes"
	"errors"
	"slices"

	"github.com/RaduBerinde/btreemap"

	"weir/engine/storage"
)

// keyGaps are stretches between keys of an _id index that hold no key, so that one
// that lies in a gap need not be looked for before it is inserted: keys that grow, as
// ObjectIDs do, and those that grow within each of many groups. Only the holder of
// the writer lock touches them. No two overlap.
type keyGaps struct {
	byEnd  *btreemap.BTreeMap[[]byte, *keyGap] // by the key where a gap ends, which may be there
	merged uint64                              // Engine.merged when they were found: a transaction's keys come in without passing here
	spent  int                                 // gaps that were looked for and not made use of
	missed uint                                // keys that lay in none
}

// keyGap begins behind a key, which may be there.
type keyGap struct{ begin []byte }

// Looking for a gap costs more than looking for a key. Where keys come at random it is
// hardly ever tried.
const (
	gapsOnTrust = 1024
	gapTrial    = 64
	mostGaps    = 8192
)

// isNew tells whether a key of an _id index is certain not to be in the index, nor
// among what the unit holds; from then on it is. False says nothing.
func (u *unit) isNew(c *collection, m *meta, ix *indexState, key []byte) (bool, error) {
	switch {
	case u.tx != nil && u.tx.settled(c, m, ix):
		return u.tx.isAbove(ix, key)
	case u.tx != nil || !ix.IsID():
		return false, nil
	}
	g := &ix.gaps
	if g.byEnd == nil || g.merged != u.e.merged {
		g.byEnd, g.merged = btreemap.New[[]byte, *keyGap](16, bytes.Compare), u.e.merged
	}
	if g.narrow(key) {
		g.spent = max(0, g.spent-1)
		return true, nil
	}
	if g.missed++; g.spent >= gapsOnTrust && g.missed%gapTrial != 0 {
		return false, nil
	}
	end, err := u.nextKey(ix, key)
	if err != nil || bytes.Equal(end, key) {
		return false, err
	}
	g.add(key, end)
	return true, nil
}

// narrow has the gap that a key lies in begin behind it; false: it lies in none.
func (g *keyGaps) narrow(key []byte) (in bool) {
	g.byEnd.AscendFunc(btreemap.GT(key), btreemap.Max[[]byte](), func(_ []byte, gap *keyGap) bool {
		if in = bytes.Compare(gap.begin, key) < 0; in {
			gap.begin = append(gap.begin[:0], key...)
		}
		return false
	})
	return in
}

// add adds a gap, in place of those that lie in it.
func (g *keyGaps) add(begin, end []byte) {
	if g.spent = min(g.spent+1, gapsOnTrust); g.byEnd.Len() >= mostGaps {
		g.byEnd.Clear(false)
		g.spent = gapsOnTrust
	}
	for {
		var within []byte
		g.byEnd.AscendFunc(btreemap.GT(begin), btreemap.LE(end), func(k []byte, _ *keyGap) bool {
			within = k
			return false
		})
		if within == nil {
			break
		}
		g.byEnd.Delete(within)
	}
	g.byEnd.ReplaceOrInsert(end, &keyGap{slices.Clone(begin)})
}

// nextKey gives the first key of an index from one on, of those that the unit holds
// too; where there is none, the end of the index.
func (u *unit) nextKey(ix *indexState, key []byte) ([]byte, error) {
	_, upper := storage.IndexRange(ix.ID)
	it, err := u.e.db.Iter(key, upper, false)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	next := upper
	if it.Next() {
		next = slices.Clone(it.Key())
	}
	for own := range u.seen {
		if own >= string(key) && own < string(next) {
			next = []byte(own)
		}
	}
	return next, it.Err()
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
