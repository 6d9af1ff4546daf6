package engine

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/index"
	"weir/engine/match"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// collection is a collection or view. What can change about it is in meta,
// which is replaced as a whole; a reader loads it once and keeps it.
type collection struct {
	id   uint32
	uuid [16]byte
	meta atomic.Pointer[meta]

	count, size atomic.Int64 // of the documents
	changes     atomic.Uint64
	written     atomic.Uint64 // cluster time of the last change of its keys
	nextRecord  atomic.Uint64
	findNext    sync.Once
	findNextErr error
	dropped     atomic.Bool

	layout     *index.Layout // of the indexes of layoutMeta; of the holder of the writer lock
	layoutMeta *meta
	recent     recentDocs
	makeTurn   sync.Once
	buildTurn  chan struct{} // held by who builds indexes
}

// reindexed shows indexes that were made anew at a cluster time.
func (c *collection) reindexed(m *meta, ts uint64) {
	c.meta.Store(m)
	c.written.Store(ts)
}

// meta is the changeable part of a collection. It is immutable.
type meta struct {
	ns      store.Namespace
	options bson.Raw // as listCollections shows them
	view    *view    // nil: a collection
	indexes []*indexState
	// building are written to, but not yet complete: not for reading.
	building []*indexState

	collation *value.Collation
	validator *validator
	images    bool // changeStreamPreAndPostImages
	capped    cappedLimits
	clustered bool // in the order of _id
}

// clusteredName is what the index of a clustered collection is called.
func (m *meta) clusteredName() string {
	return value.Lookup(value.Lookup(m.options, "clusteredIndex").Doc(), "name").Str()
}

// cappedLimits bound a capped collection; zero: not capped.
type cappedLimits struct{ bytes, documents int64 }

type view struct {
	on       string
	pipeline []bson.Raw
}

// indexState is an index in use.
type indexState struct {
	*index.Definition
	multikey atomic.Bool
	uses     atomic.Int64
	readyAt  uint64  // cluster time since which it can be read; 0: always
	gaps     keyGaps // of an _id index
	cells    cells   // of a counted index
	// failed is why the index, while it is built, cannot be completed.
	failed atomic.Pointer[mongoerr.Error]
}

// validator is what documents of a collection must match.
type validator struct {
	matcher  *match.Matcher
	spec     bson.Raw
	opts     *expr.CompileOptions
	warn     bool // validationAction: warn
	moderate bool // validationLevel: moderate
	off      bool
}

func (c *collection) load() *meta { return c.meta.Load() }

func (m *meta) clone() *meta {
	n := *m
	n.indexes = append([]*indexState(nil), m.indexes...)
	return &n
}

func (m *meta) index(name string) *indexState {
	for _, ix := range m.indexes {
		if ix.Name == name {
			return ix
		}
	}
	return nil
}

// written are the indexes that writes maintain.
func (m *meta) written() []*indexState {
	if len(m.building) == 0 {
		return m.indexes
	}
	return append(slices.Clip(m.indexes), m.building...)
}

// layoutOf gives the layout of the indexes that writes maintain.
func (c *collection) layoutOf(m *meta, written []*indexState) *index.Layout {
	if c.layoutMeta != m {
		defs := make([]*index.Definition, len(written))
		for i, ix := range written {
			defs[i] = ix.Definition
		}
		c.layout, c.layoutMeta = index.NewLayout(defs), m
	}
	return c.layout
}

func (m *meta) idIndex() *indexState { return m.indexes[0] }

// allocate gives out the next record id. The first call after opening finds
// where natural order ends.
func (c *collection) allocate(db *storage.DB) (storage.RecordID, error) {
	c.findNext.Do(func() {
		lower, upper := storage.DocumentRange(c.id)
		it, err := db.Iter(lower, upper, true)
		if err != nil {
			c.findNextErr = err
			return
		}
		defer it.Close()
		if it.Next() {
			c.nextRecord.Store(uint64(storage.RecordOf(it.Key())))
		}
		c.findNextErr = it.Err()
	})
	if c.findNextErr != nil {
		return 0, fmt.Errorf("find the end of collection %s: %w", c.load().ns, c.findNextErr)
	}
	return storage.RecordID(c.nextRecord.Add(1)), nil
}

// saveStats writes the counters as they will be after the batch.
func (c *collection) saveStats(w storage.Writer, count, size int64) error {
	var buf [2 * binary.MaxVarintLen64]byte
	v := binary.AppendVarint(buf[:0], count)
	return w.Set(storage.StatsKey(c.id), binary.AppendVarint(v, size))
}

func (c *collection) loadStats(db storage.Reader) error {
	v, ok, err := db.Get(storage.StatsKey(c.id), nil)
	if err != nil || !ok {
		return err
	}
	count, n := binary.Varint(v)
	if n <= 0 {
		return fmt.Errorf("the counters of collection %s are damaged", c.load().ns)
	}
	size, _ := binary.Varint(v[n:])
	c.count.Store(count)
	c.size.Store(size)
	return nil
}
