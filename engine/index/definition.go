// Package index turns documents into index keys and query predicates into key
// ranges: single, compound, multikey, sparse, partial, unique and hashed
// indexes. It stores nothing; package engine keeps the keys in storage and
// chooses the index for a query.
//
// Start at Definition; keys.go makes keys, bounds.go ranges, describe.go the
// text of a duplicate key.
package index

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Field is one part of an index key.
type Field struct {
	Name   string // dotted
	Path   []string
	Desc   bool
	Hashed bool
	// Positional: a part of the path behind the first is a number. A query looks
	// for it as a place in an array and as a name in the array's items, a key
	// holds one of the two: such a field narrows and orders nothing.
	Positional bool
}

// Definition describes an index. It is not changed once it is in use; Multikey
// is kept by the owner.
type Definition struct {
	ID     uint32
	Name   string
	Key    bson.Raw // as given: {a: 1, b: -1}
	Fields []Field
	Unique bool
	Sparse bool
	Hidden bool
	// Counted: an entry tells how many documents have a key; it leads to none.
	Counted bool
	// PrepareUnique refuses new duplicates, though the index has another layout
	// than a unique one and may hold old duplicates.
	PrepareUnique bool
	ExpireAfter   int64 // seconds; negative: no TTL
	Collation     *value.Collation
	// CollationSpec is the collation as listIndexes shows it, or nil.
	CollationSpec bson.Raw
	// PartialSpec is the partialFilterExpression and Partial its meaning, or nil.
	PartialSpec bson.Raw
	Partial     func(doc bson.Raw) (bool, error)
	// Wildcard makes the keys pairs of a path and a value; Fields are these two.
	Wildcard *Wildcard
	// Spec is the index as listIndexes shows it.
	Spec bson.Raw
}

// FieldsOf reads a key pattern that was checked before.
func FieldsOf(key bson.Raw) []Field {
	var fields []Field
	for it := value.Walk(key); it.Next(); {
		name := strings.Clone(it.Key())
		f := Field{Name: name, Path: strings.Split(name, ".")}
		f.Positional = slices.ContainsFunc(f.Path[1:], func(part string) bool {
			_, err := strconv.ParseUint(part, 10, 32)
			return err == nil
		})
		if v := it.Value(); v.IsString() {
			f.Hashed = v.Str() == "hashed"
		} else {
			f.Desc = value.Compare(v, value.Int32(0)) < 0
		}
		fields = append(fields, f)
	}
	return fields
}

// IsID tells whether this is the index on _id.
func (d *Definition) IsID() bool { return d.Name == "_id_" }

// DefaultName is MongoDB's name for a key pattern: a_1_b_-1.
func DefaultName(key bson.Raw) string {
	var sb strings.Builder
	for it := value.Walk(key); it.Next(); {
		if sb.Len() > 0 {
			sb.WriteByte('_')
		}
		sb.WriteString(it.Key())
		sb.WriteByte('_')
		if v := it.Value(); v.IsString() {
			sb.WriteString(v.Str())
		} else {
			sb.WriteString(plainNumber(v))
		}
	}
	return sb.String()
}
