package agg

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// sortPattern is a compiled sort order. Its keys are bytes whose order is the
// order of the documents.
type sortPattern struct {
	keys  []SortKey
	paths [][]string
	coll  *value.Collation
	vals  []value.Value
}

// appendKey appends the key of a document. A path through an array counts with
// its least (descending: greatest) value, as MongoDB's index keys do.
func (p *sortPattern) appendKey(dst []byte, doc bson.Raw) ([]byte, error) {
	p.vals = p.vals[:0]
	for _, path := range p.paths {
		v, plain := followPlain(doc, path)
		if !plain {
			return p.appendArrayKey(dst, doc)
		}
		p.vals = append(p.vals, v)
	}
	for i, v := range p.vals {
		dst = p.appendPart(dst, i, v)
	}
	return dst, nil
}

// partsEnd is where the first n parts of a key end; 0 when that cannot be told.
func (p *sortPattern) partsEnd(key []byte, n int) (at int) {
	for i := range n {
		size := value.SortKeyLen(key[at:], p.keys[i].Desc)
		if size == 0 {
			return 0
		}
		at += size
	}
	return at
}

func (p *sortPattern) appendPart(dst []byte, i int, v value.Value) []byte {
	if v.IsMissing() {
		v = value.Null()
	}
	return value.AppendSortKeyCollated(dst, v, p.keys[i].Desc, p.coll)
}

// followPlain follows a path; false when an array is on it or at its end.
func followPlain(doc bson.Raw, path []string) (value.Value, bool) {
	v := value.Lookup(doc, path[0])
	for _, name := range path[1:] {
		if v.IsArray() {
			return v, false
		}
		if !v.IsDocument() {
			return value.Value{}, true
		}
		v = value.Lookup(v.Doc(), name)
	}
	return v, !v.IsArray()
}

// appendArrayKey makes all keys of a document with arrays in it, as an index
// would, and takes the least.
func (p *sortPattern) appendArrayKey(dst []byte, doc bson.Raw) ([]byte, error) {
	start := make([]cursorPath, len(p.paths))
	for i, path := range p.paths {
		start[i] = cursorPath{value.Document(doc), path}
	}
	var best []byte
	err := p.expand(start, func(vals []value.Value) {
		var key []byte
		for i, v := range vals {
			key = p.appendPart(key, i, v)
		}
		if best == nil || bytes.Compare(key, best) < 0 {
			best = key
		}
	})
	return append(dst, best...), err
}

// cursorPath is a value and what of the path is still to go.
type cursorPath struct {
	v    value.Value
	rest []string
}

// advance follows the path until its end or an array.
func (c cursorPath) advance() cursorPath {
	for len(c.rest) > 0 {
		if !c.v.IsDocument() {
			if !c.v.IsArray() {
				return cursorPath{}
			}
			return c
		}
		c = cursorPath{value.Lookup(c.v.Doc(), c.rest[0]), c.rest[1:]}
	}
	return c
}

// expand calls f with every combination of values that the items of one array
// give; all paths that meet an array must meet the same one.
func (p *sortPattern) expand(at []cursorPath, f func([]value.Value)) error {
	at = append([]cursorPath(nil), at...)
	var arr bson.Raw
	for i := range at {
		at[i] = at[i].advance()
		if !at[i].v.IsArray() {
			continue
		}
		if d := at[i].v.Doc(); arr == nil {
			arr = d
		} else if &arr[0] != &d[0] {
			return mongoerr.New(mongoerr.BadValue, "cannot sort with keys that are parallel arrays")
		}
	}
	if arr == nil {
		vals := make([]value.Value, len(at))
		for i := range at {
			vals[i] = at[i].v
		}
		f(vals)
		return nil
	}
	return p.expandItems(at, arr, f)
}

func (p *sortPattern) expandItems(at []cursorPath, arr bson.Raw, f func([]value.Value)) error {
	n := 0
	for it := value.Walk(arr); it.Next(); n++ {
		next := append([]cursorPath(nil), at...)
		for i := range next {
			if next[i].v.IsArray() {
				next[i] = next[i].item(it.Value(), arr)
			}
		}
		if err := p.expandOne(next, f); err != nil {
			return err
		}
	}
	if n > 0 {
		return nil
	}
	next := append([]cursorPath(nil), at...)
	for i := range next {
		if next[i].v.IsArray() {
			next[i] = emptyItem(next[i].rest)
		}
	}
	return p.expandOne(next, f)
}

// expandOne goes on below an item; an item that is itself an array and at the
// end of its path counts as a whole.
func (p *sortPattern) expandOne(at []cursorPath, f func([]value.Value)) error {
	whole := make([]value.Value, len(at))
	any := false
	for i := range at {
		if len(at[i].rest) == 0 && at[i].v.IsArray() {
			whole[i], any = at[i].v, true
			at[i] = cursorPath{v: value.Null()}
		}
	}
	if !any {
		return p.expand(at, f)
	}
	return p.expand(at, func(vals []value.Value) {
		for i, w := range whole {
			if !w.IsMissing() {
				vals[i] = w
			}
		}
		f(vals)
	})
}

// item is what a path sees in one item of the array that it stands on. A
// number in the path may be a position.
func (c cursorPath) item(v value.Value, arr bson.Raw) cursorPath {
	if len(c.rest) == 0 {
		return cursorPath{v: v}
	}
	if i, err := strconv.Atoi(c.rest[0]); err == nil && i >= 0 && strconv.Itoa(i) == c.rest[0] {
		at := cursorPath{value.Index(arr, i), c.rest[1:]}
		if len(at.rest) == 0 && at.v.IsArray() && len(at.v.Doc()) <= 5 {
			at.v = value.Undefined()
		}
		return at
	}
	if v.IsDocument() {
		return cursorPath{v, c.rest}
	}
	return cursorPath{}
}

// emptyItem stands for an empty array: undefined at the end of the path.
func emptyItem(rest []string) cursorPath {
	if len(rest) == 0 {
		return cursorPath{v: value.Undefined()}
	}
	return cursorPath{}
}

func appendUint64(dst []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(dst, n) }
