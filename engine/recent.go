package engine

import (
	"bytes"
	"hash/maphash"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
)

// recentDocs are the documents that were inserted last into a collection of an
// internal database: most of them are updated by _id soon, which then finds them
// without reading. What is in it is what the store holds: a document leaves it when
// it is changed, and all leave it when a transaction was applied or a unit was given
// up. Only the holder of the writer lock touches it.
type recentDocs struct {
	slots  []recentDoc // by the number of the record, modulo; more of them as they are needed
	at     map[uint64]storage.RecordID
	seed   maphash.Seed
	chunks [recentChunks]recentBytes // filled in turn, again and again
	chunk  int                       // the one that is being filled
	merged uint64                    // Engine.merged when all this was true
}

// recentBytes are keys and documents, and which ones.
type recentBytes struct {
	bytes []byte
	of    []storage.RecordID
}

type recentDoc struct {
	rec      storage.RecordID // 0: none
	hash     uint64           // of key
	chunk    int
	key, doc []byte // of the _id index
}

// Bounds of what is kept.
const (
	recentSlots  = 8192
	recentFirst  = 64      // slots of a collection in the beginning
	recentSize   = 4 << 10 // of a document
	recentChunk  = 256 << 10
	recentLeast  = 16 << 10 // the first chunk
	recentChunks = 32       // of a collection
)

// keepRecent keeps an inserted document.
func (u *unit) keepRecent(c *collection, m *meta, rec storage.RecordID, plan []keyChange, doc bson.Raw) {
	if u.tx != nil || !slices.Contains(u.e.opts.InternalDatabases, m.ns.DB) {
		return
	}
	for i := range plan {
		if kc := &plan[i]; kc.ix.IsID() && len(kc.add) == 1 {
			c.recent.keep(u.e, rec, kc.add[0], doc)
			return
		}
	}
}

// giveUp ends a unit that is not applied.
func (u *unit) giveUp() error {
	for c := range u.stats {
		c.recent.clear()
	}
	return u.b.Close()
}

// keep keeps a document, whose key in the _id index is given.
func (r *recentDocs) keep(e *Engine, rec storage.RecordID, key []byte, doc bson.Raw) {
	if r.slots == nil {
		r.slots, r.seed = make([]recentDoc, recentFirst), maphash.MakeSeed()
	}
	if r.at == nil || r.merged != e.merged {
		r.clear()
		r.at, r.merged = map[uint64]storage.RecordID{}, e.merged
	}
	if len(r.at) == len(r.slots) && len(r.slots) < recentSlots {
		r.grow()
	}
	s := r.slot(rec)
	r.drop(s)
	if len(doc) > recentSize {
		return
	}
	c := r.room(len(key) + len(doc))
	from := len(c.bytes)
	middle := from + len(key)
	c.bytes, c.of = append(append(c.bytes, key...), doc...), append(c.of, rec)
	*s = recentDoc{rec: rec, hash: maphash.Bytes(r.seed, key), chunk: r.chunk, key: c.bytes[from:middle:middle], doc: slices.Clip(c.bytes[middle:])}
	r.at[s.hash] = rec
}

// slot is where a record is, if it is here.
func (r *recentDocs) slot(rec storage.RecordID) *recentDoc {
	return &r.slots[rec%storage.RecordID(len(r.slots))]
}

// grow takes twice as many slots: what lies apart now lies apart then.
func (r *recentDocs) grow() {
	old := r.slots
	r.slots = make([]recentDoc, 2*len(old))
	for _, s := range old {
		if s.rec != 0 {
			*r.slot(s.rec) = s
		}
	}
}

// room gives a chunk with room for so many bytes. When the last one is full, the
// first one is filled again, and what was in it is no longer kept.
func (r *recentDocs) room(n int) *recentBytes {
	c := &r.chunks[r.chunk]
	if cap(c.bytes)-len(c.bytes) >= n {
		return c
	}
	if len(c.bytes) > 0 {
		r.chunk = (r.chunk + 1) % recentChunks
		c = &r.chunks[r.chunk]
	}
	for _, rec := range c.of {
		if s := r.slot(rec); s.rec == rec && s.chunk == r.chunk {
			r.drop(s)
		}
	}
	if c.bytes, c.of = c.bytes[:0], c.of[:0]; cap(c.bytes) < n {
		c.bytes = make([]byte, 0, max(n, min(recentChunk, recentLeast<<r.chunk)))
	}
	return c
}

// find gives a document by its key in the _id index, valid until the next one is
// kept; false: it is not here.
func (r *recentDocs) find(e *Engine, key []byte) (storage.RecordID, bson.Raw, bool) {
	if r.at == nil || r.merged != e.merged {
		return 0, nil, false
	}
	rec, ok := r.at[maphash.Bytes(r.seed, key)]
	if !ok {
		return 0, nil, false
	}
	if s := r.slot(rec); s.rec == rec && bytes.Equal(s.key, key) {
		return rec, s.doc, true
	}
	return 0, nil, false
}

// changed takes out a document that is not what it was.
func (r *recentDocs) changed(rec storage.RecordID) {
	if r.at == nil {
		return
	}
	if s := r.slot(rec); s.rec == rec {
		r.drop(s)
	}
}

func (r *recentDocs) drop(s *recentDoc) {
	if s.rec != 0 && r.at[s.hash] == s.rec {
		delete(r.at, s.hash)
	}
	*s = recentDoc{}
}

func (r *recentDocs) clear() {
	if len(r.at) > 0 {
		clear(r.slots)
	}
	r.at, r.chunk = nil, 0
	for i := range r.chunks {
		c := &r.chunks[i]
		c.bytes, c.of = c.bytes[:0], c.of[:0]
	}
}
