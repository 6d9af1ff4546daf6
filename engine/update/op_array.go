package update

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
)

func itoa(i int) string { return strconv.Itoa(i) }

// popMod is $pop.
type popMod struct{ first bool }

func compilePop(_ *Update, _, path string, v value.Value) (modifier, error) {
	if !v.IsNumber() {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Expected a number in: %s: %s", path, v)
	}
	n, ok := v.Integral()
	if !ok || n != 1 && n != -1 {
		return nil, mongoerr.New(mongoerr.FailedToParse, "$pop expects 1 or -1, found: %s", v)
	}
	return popMod{n == -1}, nil
}

func (m popMod) existing(a *application, t *target) error {
	if !t.at.v.IsArray() {
		return mongoerr.New(mongoerr.TypeMismatch, "Path '%s' contains an element of non-array type '%s'", dotted(t.path), value.TypeName(t.at.kind()))
	}
	kids := t.at.expand()
	if len(kids) == 0 {
		return nil
	}
	if m.first {
		t.at.kids = kids[1:]
	} else {
		t.at.kids = kids[:len(kids)-1]
	}
	a.log.updated(t.path, t.at)
	return nil
}

func (popMod) missing(_ *application, t *target) error { return t.viable() }

// pullMod is $pull and $pullAll: it removes the items that a test selects.
type pullMod struct {
	name  string
	match func(a *application, item value.Value) (bool, error)
}

func compilePullAll(u *Update, _, _ string, v value.Value) (modifier, error) {
	if !v.IsArray() {
		return nil, mongoerr.New(mongoerr.BadValue, "$pullAll requires an array argument but was given a %s", value.TypeName(v.Kind()))
	}
	items := value.Items(nil, v.Doc())
	coll := u.opts.Collation
	return &pullMod{"$pullAll", func(_ *application, item value.Value) (bool, error) {
		return slices.ContainsFunc(items, func(x value.Value) bool { return value.EqualCollated(x, item, coll) }), nil
	}}, nil
}

// compilePull takes a document as a filter on items that are documents, an
// object of operators or a regular expression as a filter on items, anything
// else as a value to compare with.
func compilePull(u *Update, _, _ string, v value.Value) (modifier, error) {
	opts := &expr.CompileOptions{Collation: u.opts.Collation}
	switch {
	case v.IsDocument() && !startsWithOperator(v.Doc()):
		m, err := match.Compile(v.Doc(), opts)
		if err != nil {
			return nil, err
		}
		return &pullMod{"$pull", func(a *application, item value.Value) (bool, error) {
			if !item.IsDocument() {
				return false, nil
			}
			return m.Match(a.context(), item.Doc())
		}}, nil
	case v.IsDocument() || v.Kind() == bson.TypeRegex:
		return compilePullItems(v, opts)
	}
	coll := u.opts.Collation
	return &pullMod{"$pull", func(_ *application, item value.Value) (bool, error) {
		return value.EqualCollated(v, item, coll), nil
	}}, nil
}

func startsWithOperator(doc bson.Raw) bool {
	it := value.Walk(doc)
	return it.Next() && strings.HasPrefix(it.Key(), "$") && !dbRefField(it.Key())
}

// compilePullItems tests each item as the field of a document. That field is
// itself an item, so an item that is an array is wrapped once more, or its own
// items would be tested.
func compilePullItems(v value.Value, opts *expr.CompileOptions) (modifier, error) {
	var b value.Builder
	if v.IsDocument() {
		b.Open(bson.TypeEmbeddedDocument, "i")
		b.Add("$elemMatch", v)
	} else {
		b.Open(bson.TypeEmbeddedDocument, "i")
		b.Open(bson.TypeEmbeddedDocument, "$elemMatch")
		b.Open(bson.TypeArray, "$in")
		b.Item(v)
	}
	m, err := match.Compile(b.Doc(), opts)
	if err != nil {
		return nil, err
	}
	return &pullMod{"$pull", func(a *application, item value.Value) (bool, error) {
		var d value.Builder
		d.Open(bson.TypeArray, "i")
		d.Item(item)
		return m.Match(a.context(), d.Doc())
	}}, nil
}

func (m *pullMod) existing(a *application, t *target) error {
	if !t.at.v.IsArray() {
		return mongoerr.New(mongoerr.BadValue, "Cannot apply %s to a non-array value", m.name)
	}
	kept := make([]*elem, 0, len(t.at.expand()))
	for _, k := range t.at.kids {
		gone, err := m.match(a, k.value())
		if err != nil {
			return err
		}
		if !gone {
			kept = append(kept, k)
		}
	}
	if len(kept) < len(t.at.kids) {
		t.at.kids = kept
		a.log.updated(t.path, t.at)
	}
	return nil
}

func (m *pullMod) missing(_ *application, t *target) error { return t.viable() }

// addToSetMod is $addToSet.
type addToSetMod struct {
	items []value.Value
	coll  *value.Collation
}

func compileAddToSet(u *Update, name, _ string, v value.Value) (modifier, error) {
	m := &addToSetMod{items: []value.Value{v}, coll: u.opts.Collation}
	if each, ok := eachOf(v); ok {
		if value.Len(v.Doc()) > 1 {
			return nil, mongoerr.New(mongoerr.BadValue, "Found unexpected fields after $each in %s: %s", name, v)
		}
		if !each.IsArray() {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "The argument to $each in %s must be an array but it was of type %s", name, value.TypeName(each.Kind()))
		}
		m.items = value.Items(nil, each.Doc())
	}
	return m, nil
}

// eachOf gives the $each of an argument if that is its first field.
func eachOf(v value.Value) (value.Value, bool) {
	if !v.IsDocument() {
		return value.Value{}, false
	}
	it := value.Walk(v.Doc())
	if it.Next() && it.Key() == "$each" {
		return it.Value(), true
	}
	return value.Value{}, false
}

func (m *addToSetMod) existing(a *application, t *target) error {
	if !t.at.v.IsArray() {
		return mongoerr.New(mongoerr.BadValue, "Cannot apply $addToSet to non-array field. Field named '%s' has non-array type %s", t.path[len(t.path)-1], value.TypeName(t.at.kind()))
	}
	have := make([]value.Value, 0, len(t.at.expand())+len(m.items))
	for _, k := range t.at.kids {
		have = append(have, k.value())
	}
	var added []value.Value
	for _, v := range m.items {
		if !m.contains(have, v) {
			have, added = append(have, v), append(added, v)
		}
	}
	for _, v := range added {
		t.at.add("", v)
	}
	if len(added) > 0 {
		a.log.updated(t.path, t.at)
	}
	return nil
}

func (m *addToSetMod) contains(list []value.Value, v value.Value) bool {
	return slices.ContainsFunc(list, func(x value.Value) bool { return value.EqualCollated(x, v, m.coll) })
}

func (m *addToSetMod) missing(a *application, t *target) error {
	var items []value.Value
	for _, v := range m.items {
		if !m.contains(items, v) {
			items = append(items, v)
		}
	}
	return a.create(t, value.ArrayFrom(items))
}

// appendItems adds items at the end of an array and logs each of them.
func (a *application) appendItems(t *target, items []value.Value) {
	for _, v := range items {
		n := itoa(len(t.at.expand()))
		k := t.at.add(n, v)
		a.log.created(append(t.path[:len(t.path):len(t.path)], n), k)
	}
}
