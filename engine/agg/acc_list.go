package agg

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// maxListBytes is how much one $push or $addToSet may collect; it cannot spill.
const maxListBytes = DefaultMemoryLimit

// arrayBuilder appends items to an array in one buffer.
type arrayBuilder struct {
	buf []byte
	n   int
}

func (a *arrayBuilder) add(v value.Value) {
	if a.buf == nil {
		_, a.buf = value.BeginDocument(make([]byte, 0, 64))
	}
	a.buf = value.AppendItem(a.buf, a.n, v)
	a.n++
}

// array gives what was added so far; the builder may go on.
func (a *arrayBuilder) array() value.Value {
	if a.buf == nil {
		return value.Array(value.EmptyDocument)
	}
	out := make([]byte, len(a.buf), len(a.buf)+1)
	copy(out, a.buf)
	return value.Array(value.EndDocument(out, 0))
}

// pushAcc is $push.
type pushAcc struct{ items arrayBuilder }

func (a *pushAcc) add(v value.Value) error {
	if v.IsMissing() {
		return nil
	}
	a.items.add(v)
	return checkListSize("$push", len(a.items.buf))
}

func checkListSize(name string, n int) error {
	if n > maxListBytes {
		return mongoerr.New(146, "%s used too much memory and cannot spill to disk. Used: %d bytes. Memory limit: %d bytes", name, n, maxListBytes)
	}
	return nil
}

func (a *pushAcc) result() (value.Value, error) { return a.items.array(), nil }
func (a *pushAcc) size() int                    { return 48 + cap(a.items.buf) }

// setAcc is $addToSet.
type setAcc struct {
	items arrayBuilder
	seen  map[string]struct{}
	key   []byte
	coll  *value.Collation
}

func compileAddToSet(c *compiler, e *extractor, name string, arg bson.RawValue, s *accSpec) (err error) {
	coll := c.env.Collation
	s.make = func(*expr.Context) (accumulator, error) {
		return &setAcc{seen: map[string]struct{}{}, coll: coll}, nil
	}
	s.arg, err = unaryArg(c, e, name, arg)
	return err
}

func (a *setAcc) add(v value.Value) error {
	if v.IsMissing() {
		return nil
	}
	a.key = value.AppendSortKeyCollated(a.key[:0], v, false, a.coll)
	if _, ok := a.seen[string(a.key)]; ok {
		return nil
	}
	a.seen[string(a.key)] = struct{}{}
	a.items.add(v)
	return checkListSize("$addToSet", len(a.items.buf))
}

func (a *setAcc) result() (value.Value, error) { return a.items.array(), nil }
func (a *setAcc) size() int                    { return 96 + 3*cap(a.items.buf) }

// mergeAcc is $mergeObjects.
type mergeAcc struct{ doc bson.Raw }

func (a *mergeAcc) add(v value.Value) error {
	if v.IsNullish() {
		return nil
	}
	if !v.IsDocument() {
		return mongoerr.New(40400, "$mergeObjects requires object inputs, but input %s is of type %s", show(v), value.TypeName(v.Kind()))
	}
	if a.doc == nil {
		a.doc = clone(v.Doc())
		return nil
	}
	a.doc = mergeDocuments(a.doc, v.Doc())
	return nil
}

func (a *mergeAcc) result() (value.Value, error) {
	if a.doc == nil {
		return value.Document(value.EmptyDocument), nil
	}
	return value.Document(a.doc), nil
}
func (a *mergeAcc) size() int { return 24 + len(a.doc) }

// mergeDocuments puts the fields of b over those of a.
func mergeDocuments(a, b bson.Raw) bson.Raw {
	start, dst := value.BeginDocument(make([]byte, 0, len(a)+len(b)))
	for it := value.Walk(a); it.Next(); {
		if v := value.Lookup(b, it.Key()); !v.IsMissing() {
			dst = value.AppendElement(dst, it.Key(), v)
		} else {
			dst = append(dst, it.Element()...)
		}
	}
	for it := value.Walk(b); it.Next(); {
		if value.Lookup(a, it.Key()).IsMissing() {
			dst = append(dst, it.Element()...)
		}
	}
	return value.EndDocument(dst, start)
}
