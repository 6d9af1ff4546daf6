package update

import (
	"bytes"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Diff describes how to make new of old, as MongoDB's own comparison does for
// pipeline updates: fields compared in order, nested documents and arrays
// descended into where that is shorter than the whole new value. It is nil when
// the whole new document is the shorter description.
func Diff(old, new bson.Raw) *Description {
	n := diffDocuments(old, new)
	if n.size+deltaSize >= len(new) {
		return nil
	}
	d := &Description{}
	var b value.Builder
	n.collect(d, &b, "", nil)
	d.UpdatedFields = b.Doc()
	return d
}

// How the server measures a description, which decides what it descends into.
const (
	deltaSize = 15 // what is around the description in the log
	docSize   = 5  // of {}
	arraySize = 9  // of {a: true}
	partSize  = 8  // of {u: {}} in a document, of d and of i likewise
	nameSize  = 2  // beside the letters of a name
	shortSize = 7  // of the new length of an array
)

// diffNode is the difference of two containers.
type diffNode struct {
	removed []string
	updates []diffEntry // changed fields, then (documents) new ones
	inserts []diffEntry
	subs    []diffSub
	array   bool
	newSize int // of an array that became shorter; -1: it did not
	size    int // about how many bytes the description takes, as the server counts
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
	n := &diffNode{newSize: -1, size: docSize}
	pre, post := value.Walk(old), value.Walk(new)
	postOK := post.Next()
	passed := map[string]bool{} // fields that are gone, or come later
	for pre.Next() {
		switch {
		case !postOK:
			n.remove(pre.Key())
		case pre.Key() != post.Key():
			passed[pre.Key()] = true
		default:
			n.field(pre.Key(), pre.Value(), post.Value())
			postOK = post.Next()
		}
	}
	for ; postOK; postOK = post.Next() {
		// A field that only moved is written again at its new place.
		delete(passed, post.Key())
		n.grow(len(n.inserts), post.Key(), payload(post.Value()))
		n.inserts = append(n.inserts, diffEntry{post.Key(), post.Value()})
	}
	for _, k := range slices.Sorted(maps.Keys(passed)) {
		n.remove(k)
	}
	return n
}

func payload(v value.Value) int { return len(v.AppendPayload(nil)) }

// grow counts an entry of a part of a document's description that has some.
func (n *diffNode) grow(some int, key string, payload int) {
	if some == 0 {
		n.size += partSize
	}
	n.size += len(key) + nameSize + payload
}

func (n *diffNode) remove(key string) {
	n.grow(len(n.removed), key, 1)
	n.removed = append(n.removed, key)
}

func (n *diffNode) field(key string, old, new value.Value) {
	if sameBytes(old, new) {
		return
	}
	if sub := diffValues(old, new); sub != nil {
		n.subs = append(n.subs, diffSub{key, sub})
		n.size += 1 + len(key) + nameSize + sub.size
		return
	}
	n.grow(len(n.updates), key, payload(new))
	n.updates = append(n.updates, diffEntry{key, new})
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
	if n.size >= len(new.Doc()) {
		return nil
	}
	return n
}

func diffArrays(old, new bson.Raw) *diffNode {
	n := &diffNode{array: true, newSize: -1, size: arraySize}
	a, b := value.Items(nil, old), value.Items(nil, new)
	for i, v := range b {
		key := itoa(i)
		if i < len(a) {
			if sameBytes(a[i], v) {
				continue
			}
			if sub := diffValues(a[i], v); sub != nil {
				n.ordered = append(n.ordered, diffItem{key: key, n: sub})
				n.size += 1 + len(key) + nameSize + sub.size
				continue
			}
		}
		n.ordered = append(n.ordered, diffItem{key: key, v: v})
		n.size += 1 + len(key) + nameSize + payload(v)
	}
	if len(b) < len(a) {
		n.newSize = len(b)
		n.size += shortSize
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
