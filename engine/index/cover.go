package index

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/value"
)

// AppendKinds appends what the key of these values does not tell: a type for
// each. With them Restore gives the values back.
func (d *Definition) AppendKinds(dst []byte, values []value.Value, missing uint64) []byte {
	for i, v := range values {
		k := value.SortKeyKind(v)
		if missing>>i&1 == 1 {
			k = value.KindMissing
		}
		dst = append(dst, byte(k))
	}
	return dst
}

// Restores tells whether keys can hold the values of these top-level fields.
func (d *Definition) Restores(fields []string) bool {
	if d.Collation != nil || len(d.Fields) > 64 {
		return false
	}
	for _, name := range fields {
		found := false
		for i := range d.Fields {
			found = found || d.Fields[i].Name == name && len(d.Fields[i].Path) == 1
		}
		if !found {
			return false
		}
	}
	for i := range d.Fields {
		if d.Fields[i].Hashed {
			return false
		}
	}
	return true
}

// Restore appends a document of the indexed top-level fields that a key holds;
// upTo is how many parts are needed. key begins with the index's prefix, kinds
// are those of AppendKinds. ok is false when a value cannot be told; inverted
// is a buffer.
func (d *Definition) Restore(dst, key, kinds []byte, upTo int, inverted *[]byte) (doc bson.Raw, ok bool) {
	if len(kinds) != len(d.Fields) || len(key) < storage.IndexPrefixLen {
		return dst, false
	}
	rest := key[storage.IndexPrefixLen:]
	start, dst := value.BeginDocument(dst)
	for i := range d.Fields[:upTo] {
		f := &d.Fields[i]
		before := len(dst)
		if f.Desc {
			*inverted = (*inverted)[:0]
			for _, b := range rest {
				*inverted = append(*inverted, ^b)
			}
			var tail []byte
			dst, tail, ok = value.AppendSortKeyElement(dst, f.Name, *inverted, bson.Type(kinds[i]))
			rest = rest[len(rest)-len(tail):]
		} else {
			dst, rest, ok = value.AppendSortKeyElement(dst, f.Name, rest, bson.Type(kinds[i]))
		}
		if !ok {
			return dst, false
		}
		if len(f.Path) > 1 {
			dst = dst[:before] // not asked for, and not a field of its own
		}
	}
	return value.EndDocument(dst, start), true
}

// PartsEnd is where the first n parts of a key end; 0 when that cannot be told.
func (d *Definition) PartsEnd(key []byte, n int) int {
	at := storage.IndexPrefixLen
	for i := range n {
		size := value.SortKeyLen(key[min(at, len(key)):], d.Fields[i].Desc)
		if size == 0 {
			return 0
		}
		at += size
	}
	return at
}

// IsNullAt tells whether the part of a key that begins here is null, or stands
// for no value at all.
func (d *Definition) IsNullAt(part []byte, i int) bool {
	null := value.AppendSortKey(make([]byte, 0, 4), value.Null(), d.Fields[i].Desc)
	return len(part) > 0 && part[0] == null[0]
}
