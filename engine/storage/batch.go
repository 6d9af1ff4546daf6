package storage

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// Batch is a group of changes that become visible and durable together. Changes
// of one index or of the oplog lie together in it when there are many: Pebble
// takes neighbours that follow each other much faster.
type Batch struct {
	p     *pebble.Batch
	db    *pebble.DB
	lanes []lane
	n     int // changes
}

// lane holds the changes of the keys that begin with prefix, but for the first
// fewChanges of the batch and those before a DeleteRange.
type lane struct {
	prefix [IndexPrefixLen]byte
	p      *pebble.Batch
}

const (
	fewChanges = 16
	maxLanes   = 8
)

// NewBatch starts an empty batch.
func (d *DB) NewBatch() *Batch { return &Batch{p: d.p.NewBatch(), db: d.p} }

// lane is where a change of a key goes.
func (b *Batch) lane(key []byte) *pebble.Batch {
	if b.n++; b.n <= fewChanges || key[0] != spaceIndex && key[0] != spaceOplog {
		return b.p
	}
	prefix := prefixOf(key)
	for i := range b.lanes {
		if b.lanes[i].prefix == prefix {
			return b.lanes[i].p
		}
	}
	if len(b.lanes) == maxLanes {
		return b.p // where all changes of this prefix are
	}
	b.lanes = append(b.lanes, lane{prefix, b.db.NewBatch()})
	return b.lanes[len(b.lanes)-1].p
}

// join puts all changes into one Pebble batch.
func (b *Batch) join() error {
	for len(b.lanes) > 0 {
		p := b.lanes[0].p
		if err := b.p.Apply(p, nil); err != nil {
			return err
		}
		b.lanes = b.lanes[1:]
		if err := p.Close(); err != nil {
			return err
		}
	}
	return nil
}

// Set implements Writer.
func (b *Batch) Set(key, value []byte) error { return b.lane(key).Set(key, value, nil) }

// Delete implements Writer.
func (b *Batch) Delete(key []byte) error { return b.lane(key).Delete(key, nil) }

// DeleteRange deletes the keys of [lower, upper).
func (b *Batch) DeleteRange(lower, upper []byte) error {
	if err := b.join(); err != nil {
		return err
	}
	return b.p.DeleteRange(lower, upper, nil)
}

// Len is the size of the batch in bytes.
func (b *Batch) Len() int {
	n := b.p.Len()
	for _, l := range b.lanes {
		n += l.p.Len()
	}
	return n
}

// Empty tells whether nothing is in the batch.
func (b *Batch) Empty() bool { return b.p.Empty() }

// Close drops a batch, applied or not.
func (b *Batch) Close() error {
	var err error
	for _, l := range b.lanes {
		err = errors.Join(err, l.p.Close())
	}
	b.lanes = nil
	return errors.Join(err, b.p.Close())
}

// touches tells whether a batch holds changes of a range.
func (b *Batch) touches(lower, upper []byte) bool {
	if b.p.Empty() {
		return false
	}
	if b.join() != nil {
		return true
	}
	for r := b.p.Reader(); ; {
		_, key, _, ok, err := r.Next()
		if err != nil {
			return true
		}
		if !ok {
			return false
		}
		if bytes.Compare(key, lower) >= 0 && bytes.Compare(key, upper) < 0 {
			return true
		}
	}
}
