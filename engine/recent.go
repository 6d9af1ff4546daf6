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
	slots  []recentDoc // by the number of the record, modulo
	at     map[uint64]storage.RecordID
	seed   maphash.Seed
	chunk  []byte // where keys and documents are
	merged uint64 // Engine.merged when all this was true
}

type recentDoc struct {
	rec      storage.RecordID // 0: none
	hash     uint64           // of key
	key, doc []byte           // of the _id index
}

// Bounds of what is kept.
const (
	recentSlots = 4096
	recentSize  = 4 << 10 // of a document
	recentChunk = 256 << 10
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
		r.slots, r.seed = make([]recentDoc, recentSlots), maphash.MakeSeed()
	}
	if r.at == nil || r.merged != e.merged {
		r.clear()
		r.at, r.merged = map[uint64]storage.RecordID{}, e.merged
	}
	s := &r.slots[rec%recentSlots]
	r.drop(s)
	if len(doc) > recentSize {
		return
	}
	if cap(r.chunk)-len(r.chunk) < len(key)+len(doc) {
		r.chunk = make([]byte, 0, recentChunk)
	}
	from := len(r.chunk)
	r.chunk = append(r.chunk, key...)
	middle := len(r.chunk)
	r.chunk = append(r.chunk, doc...)
	*s = recentDoc{rec: rec, hash: maphash.Bytes(r.seed, key), key: r.chunk[from:middle:middle], doc: r.chunk[middle:len(r.chunk):len(r.chunk)]}
	r.at[s.hash] = rec
}

// find gives a document by its key in the _id index; false: it is not here.
func (r *recentDocs) find(e *Engine, key []byte) (storage.RecordID, bson.Raw, bool) {
	if r.at == nil || r.merged != e.merged {
		return 0, nil, false
	}
	rec, ok := r.at[maphash.Bytes(r.seed, key)]
	if !ok {
		return 0, nil, false
	}
	if s := &r.slots[rec%recentSlots]; s.rec == rec && bytes.Equal(s.key, key) {
		return rec, s.doc, true
	}
	return 0, nil, false
}

// changed takes out a document that is not what it was.
func (r *recentDocs) changed(rec storage.RecordID) {
	if r.at == nil {
		return
	}
	if s := &r.slots[rec%recentSlots]; s.rec == rec {
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
	r.at, r.chunk = nil, nil
}
