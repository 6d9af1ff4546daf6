package engine

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/storage"
	"weir/engine/value"
)

// keyBuffer holds what planKeys makes of one change of a document, so that it
// need not be allocated anew for the next. Only the holder of the writer lock
// touches it.
type keyBuffer struct {
	layout        *index.Layout
	before, after []value.Value // what the layout finds in the versions of the document
	plan          []keyChange
	bytes         []byte
	lists         [][]byte
}

// begin lets go of the last change and reads the versions of a document; either
// may be nil.
func (k *keyBuffer) begin(l *index.Layout, before, after bson.Raw) {
	clear(k.plan)
	k.layout, k.plan, k.bytes, k.lists = l, k.plan[:0], k.bytes[:0], k.lists[:0]
	if before != nil {
		k.before = l.Read(k.before, before)
	}
	if after != nil {
		k.after = l.Read(k.after, after)
	}
}

// of makes the keys of a document in an index, as documentKeys does. i is the
// index's number in the layout, fields what the layout found.
func (k *keyBuffer) of(gen *index.Generator, ix *indexState, i int, fields []value.Value, doc bson.Raw) (keys [][]byte, kinds []byte, multikey bool, err error) {
	if ok, err := k.layout.Holds(i, fields, doc); err != nil || !ok {
		return nil, nil, false, err
	}
	values, ok := gen.Single(k.layout, i, fields)
	if !ok {
		return documentKeys(gen, ix, doc)
	}
	from := len(k.lists)
	k.lists = append(k.lists, k.key(ix, values))
	at := len(k.bytes)
	k.bytes = ix.AppendKinds(k.bytes, values, gen.Missing())
	return k.lists[from:len(k.lists):len(k.lists)], k.bytes[at:len(k.bytes):len(k.bytes)], false, nil
}

// key makes a key with room for a record id behind it.
func (k *keyBuffer) key(ix *indexState, values []value.Value) []byte {
	const room = 8
	at := len(k.bytes)
	k.bytes = ix.AppendKey(storage.AppendIndexPrefix(k.bytes, ix.ID), values)
	end := len(k.bytes)
	k.bytes = append(k.bytes, make([]byte, room)...)
	return k.bytes[at : end : end+room]
}
