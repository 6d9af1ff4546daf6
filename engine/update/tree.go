package update

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// elem is a field or item of a document that is being changed. Containers stay
// raw until something in them is looked for.
type elem struct {
	key  string
	v    value.Value
	kids []*elem
	open bool // kids holds what v held
}

func newRoot(doc bson.Raw) *elem { return &elem{v: value.Document(doc)} }

func (e *elem) kind() bson.Type { return e.v.Kind() }

func (e *elem) isContainer() bool { return e.v.IsDocument() || e.v.IsArray() }

// expand makes the kids of a container.
func (e *elem) expand() []*elem {
	if !e.open && e.isContainer() {
		n := 0
		for it := value.Walk(e.v.Doc()); it.Next(); {
			n++
		}
		all := make([]elem, n)
		e.kids = make([]*elem, 0, n+1) // most often one is added
		for it := value.Walk(e.v.Doc()); it.Next(); {
			k := &all[len(e.kids)]
			k.key, k.v = it.Key(), it.Value()
			e.kids = append(e.kids, k)
		}
		e.open = true
	}
	return e.kids
}

// child finds a field of a document, or an item of an array by its position.
func (e *elem) child(name string) *elem {
	switch {
	case e.v.IsDocument():
		for _, k := range e.expand() {
			if k.key == name {
				return k
			}
		}
	case e.v.IsArray():
		if i, ok := position(name); ok && i < len(e.expand()) {
			return e.kids[i]
		}
	}
	return nil
}

// position reads an array position: digits without leading zeros.
func position(name string) (int, bool) {
	if name == "" || len(name) > 9 || name[0] == '0' && len(name) > 1 {
		return 0, false
	}
	for i := 0; i < len(name); i++ {
		if name[i] < '0' || name[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(name)
	return n, err == nil
}

// set replaces the value.
func (e *elem) set(v value.Value) { e.v, e.kids, e.open = v, nil, false }

// add appends a field or item.
func (e *elem) add(name string, v value.Value) *elem {
	e.expand()
	e.open = true
	k := &elem{key: name, v: v}
	e.kids = append(e.kids, k)
	return k
}

// remove takes a field out of a document.
func (e *elem) remove(k *elem) {
	for i, x := range e.kids {
		if x == k {
			e.kids = append(e.kids[:i:i], e.kids[i+1:]...)
			return
		}
	}
}

// value is the element's present value.
func (e *elem) value() value.Value {
	if !e.open {
		return e.v
	}
	doc := e.appendContainer(nil)
	if e.v.IsArray() {
		return value.Array(doc)
	}
	return value.Document(doc)
}

func (e *elem) appendContainer(dst []byte) []byte {
	if !e.open {
		return append(dst, e.v.Doc()...)
	}
	start, dst := value.BeginDocument(dst)
	arr := e.v.IsArray()
	for i, k := range e.kids {
		key := k.key
		if arr {
			key = strconv.Itoa(i)
		}
		if k.isContainer() {
			dst = k.appendContainer(value.AppendHeader(dst, k.kind(), key))
		} else {
			dst = value.AppendElement(dst, key, k.v)
		}
	}
	return value.EndDocument(dst, start)
}
