package engine

import (
	"bytes"
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/value"
)

// cmdValidate: {validate: coll}: every document's keys are in the indexes, and
// the indexes hold nothing else.
func cmdValidate(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	c, err := r.existing()
	if err != nil {
		return dst, err
	}
	v, err := r.e.validateCollection(ctx, c, value.Lookup(r.cmd, "checkBSONConformance").Truthy())
	if err != nil {
		return dst, err
	}
	dst = value.AppendElement(dst, "ns", value.String(c.load().ns.String()))
	dst = value.AppendElement(dst, "nInvalidDocuments", value.Int32(0))
	dst = value.AppendElement(dst, "nNonCompliantDocuments", value.IntOrLong(v.odd))
	dst = value.AppendElement(dst, "nrecords", value.IntOrLong(v.records))
	dst = value.AppendElement(dst, "nIndexes", value.Int32(int32(len(c.load().indexes))))
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "keysPerIndex")
	start, dst := value.BeginDocument(dst)
	for i, ix := range c.load().indexes {
		if i < len(v.keys) {
			dst = value.AppendElement(dst, ix.Name, value.IntOrLong(v.keys[i]))
		}
	}
	dst = value.EndDocument(dst, start)
	dst = value.AppendElement(dst, "valid", value.Bool(len(v.faults) == 0))
	dst = value.AppendElement(dst, "repaired", value.Bool(false))
	dst = value.AppendElement(dst, "warnings", value.Array(emptyDoc))
	dst = value.AppendHeader(dst, bson.TypeArray, "errors")
	arr, dst := value.BeginDocument(dst)
	for i, f := range v.faults {
		dst = value.AppendItem(dst, i, value.String(f))
	}
	dst = value.EndDocument(dst, arr)
	dst = value.AppendElement(dst, "extraIndexEntries", value.Array(emptyDoc))
	dst = value.AppendElement(dst, "missingIndexEntries", value.Array(emptyDoc))
	return value.AppendElement(dst, "corruptRecords", value.Array(emptyDoc)), nil
}

type validation struct {
	records int64
	odd     int64 // documents that keep to MongoDB's rules but not to all of BSON's
	keys    []int64
	faults  []string
}

// validateCollection checks indexes against documents; writers wait meanwhile.
func (e *Engine) validateCollection(ctx context.Context, c *collection, conformance bool) (validation, error) {
	e.write.Lock()
	defer e.write.Unlock()
	var v validation
	m := c.load()
	u := &unit{e: e, r: e.db}
	expected, want := make([]int64, len(m.indexes)), cellTally{}
	s := newScan(c, e.db, access{})
	defer s.Close()
	for {
		rec, doc, ok, err := s.next(ctx)
		if err != nil {
			return v, err
		}
		if !ok {
			break
		}
		v.records++
		if conformance && value.ValidateConformance(doc) != nil {
			v.odd++
		}
		for i, ix := range m.indexes {
			keys, kinds, _, err := u.keysOf(ix, doc)
			if err != nil {
				return v, err
			}
			if ix.Counted {
				want.add(ix, keys, kinds)
				continue
			}
			expected[i] += int64(len(keys))
			for _, k := range keys {
				if !ix.Unique {
					k = storage.AppendRecord(k, rec)
				}
				got, ok, err := e.db.Get(k, nil)
				if err != nil {
					return v, err
				}
				if !ok || ix.Unique && storage.RecordOf(got) != rec {
					v.faults = append(v.faults, "index "+ix.Name+" lacks the key of a document")
				} else if have := kindsIn(ix, got); len(have) > 0 && !bytes.Equal(have, kinds) {
					v.faults = append(v.faults, "index "+ix.Name+" has a key with the types of other values")
				}
			}
		}
	}
	for i, ix := range m.indexes {
		if ix.Counted {
			v.keys = append(v.keys, int64(len(want[ix])))
			wrong, err := want.faults(e.db, ix)
			if err != nil {
				return v, err
			}
			if wrong > 0 {
				v.faults = append(v.faults, "index "+ix.Name+" has wrong counts")
			}
			continue
		}
		n, err := e.countKeys(ix)
		if err != nil {
			return v, err
		}
		v.keys = append(v.keys, n)
		if n != expected[i] {
			v.faults = append(v.faults, "index "+ix.Name+" has keys without a document")
		}
	}
	if v.records != c.count.Load() {
		v.faults = append(v.faults, "the collection's count is wrong")
	}
	return v, nil
}

func (e *Engine) countKeys(ix *indexState) (int64, error) {
	lower, upper := storage.IndexRange(ix.ID)
	it, err := e.db.Iter(lower, upper, false)
	if err != nil {
		return 0, err
	}
	defer it.Close()
	n := int64(0)
	for it.Next() {
		n++
	}
	return n, it.Err()
}
