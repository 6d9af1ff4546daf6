package bench

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// bare is Pebble with nothing above it: what durable writing costs at least.
type bare struct {
	db   *pebble.DB
	next atomic.Uint64
}

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) {}

func openBare(dir string) (*bare, error) {
	db, err := pebble.Open(dir, &pebble.Options{MemTableSize: 64 << 20, MemTableStopWritesThreshold: 4, Logger: silent{}})
	return &bare{db: db}, err
}

// insert writes documents in one durable batch.
func (b *bare) insert(first, n int) error {
	batch := b.db.NewBatch()
	var doc []byte
	for i := range n {
		doc = document(doc[:0], first+i)
		if err := batch.Set(binary.BigEndian.AppendUint64(nil, b.next.Add(1)), doc, nil); err != nil {
			return err
		}
	}
	return batch.Commit(pebble.Sync)
}

func (b *bare) close() { _ = b.db.Close() }
