package oplog

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
)

// Reader walks entries in either direction.
type Reader struct{ it storage.Iterator }

// Read walks the entries from pos up to a cluster time; backwards if reverse.
func (l *Log) Read(pos storage.OplogPos, through uint64, reverse bool) (*Reader, error) {
	it, err := l.db.Iter(storage.OplogKey(pos), storage.OplogKey(storage.OplogPos{TS: through + 1}), reverse)
	if err != nil {
		return nil, fmt.Errorf("read the oplog: %w", err)
	}
	return &Reader{it}, nil
}

// Next gives the next entry, which is valid until the following call; ok is
// false at the end.
func (r *Reader) Next() (pos storage.OplogPos, e Entry, ok bool, err error) {
	if !r.it.Next() {
		return pos, e, false, r.it.Err()
	}
	v, err := r.it.Value()
	if err != nil {
		return pos, e, false, fmt.Errorf("read the oplog: %w", err)
	}
	e, err = Decode(bson.Raw(v[headLen:]))
	return storage.PosOf(r.it.Key()), e, err == nil, err
}

// Close ends the walk.
func (r *Reader) Close() error { return r.it.Close() }
