package agg

import (
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// BatchSeeker is a Source that is far away: it would rather be asked for the
// matches of many documents at once than for all it has.
type BatchSeeker interface {
	// SeekMany yields at least the documents in which path may equal one of the
	// values. more tells that others will be asked for. It refuses (ok is false)
	// when reading everything is better.
	SeekMany(ctx context.Context, path string, values []value.Value, more bool) (cur store.Cursor, ok bool, err error)
}

// Local documents are read ahead in batches, small ones first: what follows may
// want a few only.
const (
	firstJoinBatch = 64
	maxJoinBatch   = 1000
	maxBatchBytes  = 8 << 20
)

// joinBatch is local documents that were read ahead and the table of the foreign
// documents that they need.
type joinBatch struct {
	src  BatchSeeker // nil: no batches, or no more
	docs []bson.Raw
	size int
	end  bool // of the local documents
}

// local gives the next local document.
func (j *joiner) local(ctx context.Context, in store.Cursor) (bson.Raw, error) {
	b := &j.batch
	if !j.asked {
		j.asked = true
		if src, ok := j.src.(BatchSeeker); ok && j.s.local != nil && j.s.coll == nil && j.r.shared.tables[j.s] == nil {
			b.src, b.size = src, firstJoinBatch
		}
	}
	if len(b.docs) == 0 && b.src != nil {
		if err := j.readAhead(ctx, in); err != nil {
			return nil, err
		}
	}
	switch {
	case len(b.docs) > 0:
		doc := b.docs[0]
		b.docs = b.docs[1:]
		return doc, nil
	case b.end:
		return nil, io.EOF
	}
	return in.Next(ctx)
}

// readAhead reads a batch of local documents and fetches what they match.
func (j *joiner) readAhead(ctx context.Context, in store.Cursor) error {
	b := &j.batch
	var mem arena
	var values []value.Value
	seen := map[string]bool{}
	for len(b.docs) < b.size && mem.total < maxBatchBytes {
		doc, err := in.Next(ctx)
		if err == io.EOF {
			b.end = true
			break
		}
		if err != nil {
			return err
		}
		doc = mem.copy(doc)
		b.docs = append(b.docs, doc)
		j.vals = localValues(j.vals[:0], doc, j.s.local)
		for _, v := range j.vals {
			if j.key = appendEqualKey(j.key[:0], v, nil); !seen[string(j.key)] {
				seen[string(j.key)] = true
				values = append(values, v)
			}
		}
	}
	if len(b.docs) == 0 {
		return nil
	}
	b.size = min(maxJoinBatch, b.size*4)
	cur, ok, err := b.src.SeekMany(ctx, j.s.foreign, values, !b.end)
	if err != nil {
		return err
	}
	j.dropTable()
	if !ok {
		b.src, j.ready = nil, false
		return nil
	}
	path := splitNames(j.s.foreign)
	t, err := j.tableOf(ctx, cur, func(doc bson.Raw, add func(value.Value)) error {
		visitMatchValues(doc, path, add)
		return nil
	}, nil)
	if err == errTooLarge {
		b.src, j.ready = nil, false
		return nil
	}
	j.table, j.ready = t, err == nil
	return err
}

// dropTable gives back the table of the last batch.
func (j *joiner) dropTable() {
	if j.table != nil && j.table.disk != nil {
		j.table.disk.close()
	}
	j.table = nil
}
