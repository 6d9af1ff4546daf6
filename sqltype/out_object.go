package sqltype

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// objectForm prints documents that are alike as jsonb: it remembers the names of the
// last one in their order, and how jsonb sorts and writes them.
type objectForm struct {
	names  []string // in the document's order
	places []int    // of the fields in values, in jsonb's order
	keys   []string // what stands before each value, in jsonb's order
	values []value.Value
	missed int // documents that were not alike, less those that were
}

// mostMissed is after how many documents that are not alike no more forms are made.
const mostMissed = 20

// mostFields bounds the documents whose form is kept.
const mostFields = 100

// append prints a document as AppendJSONB does.
func (f *objectForm) append(dst []byte, doc bson.Raw) []byte {
	if !f.read(doc) {
		if f.missed++; f.missed > mostMissed || !f.learn(doc) || !f.read(doc) {
			return appendObject(dst, doc)
		}
	} else if f.missed > 0 {
		f.missed--
	}
	dst = append(dst, '{')
	for i, at := range f.places {
		dst = AppendJSONB(append(dst, f.keys[i]...), f.values[at])
	}
	return append(dst, '}')
}

// read takes the values of a document that has just the fields of the form.
func (f *objectForm) read(doc bson.Raw) bool {
	if len(f.names) == 0 {
		return false
	}
	it := value.Walk(doc)
	for i, name := range f.names {
		if !it.NextIs(name) {
			return false
		}
		f.values[i] = it.Value()
	}
	return it.AtEnd()
}

// learn makes the form of a document's; false: it has none.
func (f *objectForm) learn(doc bson.Raw) bool {
	f.names, f.places, f.keys = f.names[:0], f.places[:0], f.keys[:0]
	for it := value.Walk(doc); it.Next(); {
		if len(f.names) == mostFields || slices.Contains(f.names, it.Key()) {
			f.names = f.names[:0]
			return false
		}
		f.places = append(f.places, len(f.names))
		f.names = append(f.names, strings.Clone(it.Key()))
	}
	slices.SortFunc(f.places, func(a, b int) int {
		if jsonbLess(f.names[a], f.names[b]) {
			return -1
		}
		return 1
	})
	for i, at := range f.places {
		before := ""
		if i > 0 {
			before = ", "
		}
		f.keys = append(f.keys, string(append(AppendJSONString([]byte(before), f.names[at]), ": "...)))
	}
	f.values = slices.Grow(f.values[:0], len(f.names))[:len(f.names)]
	return true
}
