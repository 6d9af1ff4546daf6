// Package oplog is the engine's log of changes: what change streams read. An
// entry has a position (cluster time and ordinal); positions only grow, and a
// reader sees an entry only when it is durable.
//
// It does not know how changes become events (package engine does). Start at
// Entry (entry.go) and Log (log.go).
package oplog

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Kind says what an entry records.
type Kind string

// The kinds are the operation types of change events, but for Noop.
const (
	Noop                   Kind = "noop"
	Insert                 Kind = "insert"
	Update                 Kind = "update"
	Replace                Kind = "replace"
	Delete                 Kind = "delete"
	Create                 Kind = "create"
	CreateIndexes          Kind = "createIndexes"
	DropIndexes            Kind = "dropIndexes"
	Modify                 Kind = "modify"
	Drop                   Kind = "drop"
	Rename                 Kind = "rename"
	DropDatabase           Kind = "dropDatabase"
	ShardCollection        Kind = "shardCollection"
	ReshardCollection      Kind = "reshardCollection"
	RefineCollectionShards Kind = "refineCollectionShardKey"
)

// Entry is one change.
type Entry struct {
	Kind     Kind
	DB, Coll string
	UUID     [16]byte // of the collection; zero when it has none
	// Key is the document key {_id: …} of insert, update, replace and delete.
	Key bson.Raw
	// Doc is the new document of insert and replace, {updatedFields,
	// removedFields, truncatedArrays} of update, the operationDescription of the others.
	Doc bson.Raw
	// Extra holds what Modify adds to the description: the state before.
	Extra bson.Raw
	Wall  int64 // milliseconds
	// Session and Txn tell the transaction of the change; Session is nil outside of one.
	Session bson.Raw
	Txn     int64
}

// Append encodes the entry.
func (e *Entry) Append(dst []byte) []byte {
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "op", value.String(string(e.Kind)))
	dst = value.AppendElement(dst, "db", value.String(e.DB))
	dst = value.AppendElement(dst, "c", value.String(e.Coll))
	if e.UUID != [16]byte{} {
		dst = value.AppendElement(dst, "ui", value.Binary(4, e.UUID[:]))
	}
	for _, f := range [...]struct {
		name string
		doc  bson.Raw
	}{{"k", e.Key}, {"o", e.Doc}, {"x", e.Extra}, {"s", e.Session}} {
		if f.doc != nil {
			dst = value.AppendElement(dst, f.name, value.Document(f.doc))
		}
	}
	dst = value.AppendElement(dst, "w", value.Date(e.Wall))
	if e.Session != nil {
		dst = value.AppendElement(dst, "n", value.Int64(e.Txn))
	}
	return value.EndDocument(dst, start)
}

// Decode reads an encoded entry; its documents share memory with raw.
func Decode(raw bson.Raw) (Entry, error) {
	var e Entry
	if len(raw) < 5 {
		return e, fmt.Errorf("oplog entry of %d bytes", len(raw))
	}
	for it := value.Walk(raw); it.Next(); {
		v := it.Value()
		switch it.Key() {
		case "op":
			e.Kind = Kind(v.Str())
		case "db":
			e.DB = v.Str()
		case "c":
			e.Coll = v.Str()
		case "ui":
			_, b := v.AsBinary()
			copy(e.UUID[:], b)
		case "k":
			e.Key = v.Doc()
		case "o":
			e.Doc = v.Doc()
		case "x":
			e.Extra = v.Doc()
		case "s":
			e.Session = v.Doc()
		case "w":
			e.Wall = v.AsDate()
		case "n":
			e.Txn = int64(v.AsInt64())
		}
	}
	return e, nil
}
