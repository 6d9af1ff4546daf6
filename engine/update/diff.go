package update

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Diff describes how to make new of old, as MongoDB's own comparison does for
// pipeline updates: fields compared in order, nested documents and arrays
// descended into where that is shorter than the whole new value.
func Diff(old, new bson.Raw) *Description {
	n := diffDocuments(old, new)
	d := &Description{}
	var b value.Builder
	if n != nil {
		n.collect(d, &b, "", nil)
	}
	d.UpdatedFields = b.Doc()
	return d
}

// diffNode is the difference of two containers.
type diffNode struct {
	removed []string
	updates []diffEntry // changed fields, then (documents) new ones
	inserts []diffEntry
	subs    []diffSub
	array   bool
	newSize int // of an array that became shorter; -1: it did not
	size    int // about how many bytes the description takes
	ordered []diffItem
}

type diffEntry struct {
	key string
	v   value.Value
}

type diffSub struct {
	key string
	n   *diffNode
}

// diffItem is an entry or a descent, in the order of an array's items.
type diffItem struct {
	key string
	v   value.Value
	n   *diffNode
}

func sameBytes(a, b value.Value) bool {
	return a.Kind() == b.Kind() && bytes.Equal(a.AppendPayload(nil), b.AppendPayload(nil))
}

func diffDocuments(old, new bson.Raw) *diffNode {
	n := &diffNode{newSize: -1}
	pre, post := value.Walk(old), value.Walk(new)
	postOK := post.Next()
	deleted := map[string]bool{}
	for pre.Next() {
		if !postOK || pre.Key() != post.Key() {
			n.removed = append(n.removed, pre.Key())
			deleted[pre.Key()] = true
			continue
		}
		n.field(pre.Key(), pre.Value(), post.Value())
		postOK = post.Next()
	}
	for ; postOK; postOK = post.Next() {
		// A field that only moved is written again at its new place.
		if deleted[post.Key()] {
			deleted[post.Key()] = false
		}
		n.inserts = append(n.inserts, diffEntry{post.Key(), post.Value()})
		n.size += len(post.Element())
	}
	kept := n.removed[:0]
	for _, k := range n.removed {
		if deleted[k] {
			kept = append(kept, k)
			n.size += len(k) + 3
		}
	}
	n.removed = kept
	return n
}

func (n *diffNode) field(key string, old, new value.Value) {
	if sameBytes(old, new) {
		return
	}
	if sub := diffValues(old, new); sub != nil {
		n.subs = append(n.subs, diffSub{key, sub})
		n.size += sub.size + len(key) + 8
		return
	}
	n.updates = append(n.updates, diffEntry{key, new})
	n.size += len(new.AppendPayload(nil)) + len(key) + 2
}

// diffValues descends into two containers of a kind; nil when the whole new
// value is shorter.
func diffValues(old, new value.Value) *diffNode {
	var n *diffNode
	switch {
	case old.IsDocument() && new.IsDocument():
		n = diffDocuments(old.Doc(), new.Doc())
	case old.IsArray() && new.IsArray():
		n = diffArrays(old.Doc(), new.Doc())
	default:
		return nil
	}
	if n.size+12 >= len(new.Doc()) {
		return nil
	}
	return n
}

func diffArrays(old, new bson.Raw) *diffNode {
	n := &diffNode{array: true, newSize: -1}
	a, b := value.Items(nil, old), value.Items(nil, new)
	for i, v := range b {
		key := itoa(i)
		if i < len(a) {
			if sameBytes(a[i], v) {
				continue
			}
			if sub := diffValues(a[i], v); sub != nil {
				n.ordered = append(n.ordered, diffItem{key: key, n: sub})
				n.size += sub.size + len(key) + 9
				continue
			}
		}
		n.ordered = append(n.ordered, diffItem{key: key, v: v})
		n.size += len(v.AppendPayload(nil)) + len(key) + 3
	}
	if len(b) < len(a) {
		n.newSize = len(b)
		n.size += 7
	}
	return n
}

func (n *diffNode) collect(d *Description, b *value.Builder, prefix string, t trail) {
	for _, k := range n.removed {
		d.RemovedFields = append(d.RemovedFields, prefix+k)
		d.note(prefix+k, t.to(k, false))
	}
	for _, e := range append(n.updates, n.inserts...) {
		b.Add(prefix+e.key, e.v)
		d.note(prefix+e.key, t.to(e.key, false))
	}
	if n.newSize >= 0 {
		d.TruncatedArrays = append(d.TruncatedArrays, Truncated{Field: prefix[:len(prefix)-1], NewSize: n.newSize})
		d.note(prefix[:len(prefix)-1], t)
	}
	for _, x := range n.ordered {
		if x.n != nil {
			x.n.collect(d, b, prefix+x.key+".", t.to(x.key, true))
		} else {
			b.Add(prefix+x.key, x.v)
			d.note(prefix+x.key, t.to(x.key, true))
		}
	}
	for _, s := range n.subs {
		s.n.collect(d, b, prefix+s.key+".", t.to(s.key, false))
	}
}
