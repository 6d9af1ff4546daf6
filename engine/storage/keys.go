package storage

import "encoding/binary"

// The key space, by first byte:
//
//	c db 0 coll          catalog entry
//	d coll4 record8      document
//	i index4 key [rec8]  index entry; a unique index has the record as value
//	m name               single values
//	o ts8 ord4           oplog entry
//	p ts8 ord4           document before the change of that oplog entry
//	q ts8 ord4           document after it
//	r lsid16 txn8 stmt4  result of one retryable write
//	R lsid32             a session's last transaction number
//	s coll4              number and size of a collection's documents
const (
	spaceCatalog   = 'c'
	spaceDocument  = 'd'
	spaceIndex     = 'i'
	spaceMeta      = 'm'
	spaceOplog     = 'o'
	spacePreImage  = 'p'
	spacePostImage = 'q'
	spaceRetry     = 'r'
	spaceSession   = 'R'
	spaceStats     = 's'
)

// RecordID is a document's place in natural order. It is never used again.
type RecordID uint64

// CatalogKey is the key of a collection's catalog entry.
func CatalogKey(db, coll string) []byte {
	k := append([]byte{spaceCatalog}, db...)
	return append(append(k, 0), coll...)
}

// CatalogRange spans all catalog entries.
func CatalogRange() (lower, upper []byte) { return []byte{spaceCatalog}, []byte{spaceCatalog + 1} }

// MetaKey is the key of a single value.
func MetaKey(name string) []byte { return append([]byte{spaceMeta}, name...) }

// AppendDocumentKey appends the key of a document.
func AppendDocumentKey(dst []byte, coll uint32, rec RecordID) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, spaceDocument), coll)
	return binary.BigEndian.AppendUint64(dst, uint64(rec))
}

// DocumentRange spans a collection's documents.
func DocumentRange(coll uint32) (lower, upper []byte) { return span4(spaceDocument, coll) }

// RecordOf reads the record id at the end of a document or index key.
func RecordOf(key []byte) RecordID {
	return RecordID(binary.BigEndian.Uint64(key[len(key)-8:]))
}

// AppendRecord appends a record id as it stands in keys and values.
func AppendRecord(dst []byte, rec RecordID) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(rec))
}

// AppendIndexPrefix appends what all keys of an index begin with.
func AppendIndexPrefix(dst []byte, index uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, spaceIndex), index)
}

// IndexPrefixLen is the length of that prefix.
const IndexPrefixLen = 5

// IndexRange spans an index.
func IndexRange(index uint32) (lower, upper []byte) { return span4(spaceIndex, index) }

// StatsKey is the key of a collection's counters.
func StatsKey(coll uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{spaceStats}, coll)
}

// OplogPos is a place in the oplog: a cluster time and, within a group of
// changes that share it, an ordinal.
type OplogPos struct {
	TS  uint64
	Ord uint32
}

// Less orders positions.
func (p OplogPos) Less(q OplogPos) bool { return p.TS < q.TS || p.TS == q.TS && p.Ord < q.Ord }

// OplogKey is the key of an oplog entry.
func OplogKey(p OplogPos) []byte { return posKey(spaceOplog, p) }

// PreImageKey and PostImageKey are the keys of the images of an oplog entry.
func PreImageKey(p OplogPos) []byte { return posKey(spacePreImage, p) }

// PostImageKey: see PreImageKey.
func PostImageKey(p OplogPos) []byte { return posKey(spacePostImage, p) }

// OplogEnd is a key above all oplog entries.
func OplogEnd() []byte { return []byte{spaceOplog + 1} }

// PosOf reads the position out of an oplog or image key.
func PosOf(key []byte) OplogPos {
	return OplogPos{TS: binary.BigEndian.Uint64(key[1:]), Ord: binary.BigEndian.Uint32(key[9:])}
}

func posKey(space byte, p OplogPos) []byte {
	k := make([]byte, 1, 13)
	k[0] = space
	k = binary.BigEndian.AppendUint64(k, p.TS)
	return binary.BigEndian.AppendUint32(k, p.Ord)
}

// SessionKey is the key of a session's last transaction number.
func SessionKey(lsid []byte) []byte { return append([]byte{spaceSession}, lsid...) }

// SessionRange spans all sessions.
func SessionRange() (lower, upper []byte) { return []byte{spaceSession}, []byte{spaceSession + 1} }

// RetryKey is the key of the result of one statement of a retryable write.
func RetryKey(lsid []byte, txn int64, stmt int32) []byte {
	k := append([]byte{spaceRetry}, lsid...)
	k = binary.BigEndian.AppendUint64(k, uint64(txn))
	return binary.BigEndian.AppendUint32(k, uint32(stmt))
}

// RetryRange spans all results of a session.
func RetryRange(lsid []byte) (lower, upper []byte) {
	lower = append([]byte{spaceRetry}, lsid...)
	return lower, Successor(lower)
}

func span4(space byte, id uint32) (lower, upper []byte) {
	lower = binary.BigEndian.AppendUint32([]byte{space}, id)
	return lower, Successor(lower)
}

// Successor is the least key above all keys that begin with prefix.
func Successor(prefix []byte) []byte {
	s := append([]byte(nil), prefix...)
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != 0xff {
			s[i]++
			return s[:i+1]
		}
	}
	return nil
}
