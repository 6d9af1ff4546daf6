package update

import (
	"slices"

	"weir/engine/value"
	"weir/mongoerr"
)

// pushMod is $push with its modifiers.
type pushMod struct {
	items    []value.Value
	slice    *int64
	position *int64
	sort     *pushSort
}

type pushSort struct {
	whole int // 1 or -1: by the items themselves
	keys  []pushKey
	coll  *value.Collation
}

type pushKey struct {
	path []string
	sign int
}

func compilePush(u *Update, name, _ string, v value.Value) (modifier, error) {
	if !v.IsDocument() || value.Lookup(v.Doc(), "$each").IsMissing() {
		return &pushMod{items: []value.Value{v}}, nil
	}
	m := &pushMod{}
	for it := value.Walk(v.Doc()); it.Next(); {
		if err := m.option(u, name, it.Key(), it.Value()); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *pushMod) option(u *Update, name, key string, v value.Value) error {
	switch key {
	case "$each":
		if !v.IsArray() {
			return mongoerr.New(mongoerr.BadValue, "The argument to $each in %s must be an array but it was of type: %s", name, value.TypeName(v.Kind()))
		}
		m.items = value.Items(nil, v.Doc())
	case "$slice":
		n, ok := v.Integral()
		if !ok || !v.IsNumber() {
			return mongoerr.New(mongoerr.BadValue, "The value for $slice must be an integer value but was given type: %s", value.TypeName(v.Kind()))
		}
		m.slice = &n
	case "$position":
		n, ok := v.Integral()
		if !ok || !v.IsNumber() {
			return mongoerr.New(mongoerr.BadValue, "The value for $position must be an integer value, not of type: %s", value.TypeName(v.Kind()))
		}
		m.position = &n
	case "$sort":
		s, err := parsePushSort(v)
		if err != nil {
			return err
		}
		s.coll, m.sort = u.opts.Collation, s
	default:
		return mongoerr.New(mongoerr.BadValue, "Unrecognized clause in $push: %s", key)
	}
	return nil
}

func parsePushSort(v value.Value) (*pushSort, error) {
	if v.IsNumber() {
		n, ok := v.Integral()
		if !ok || n != 1 && n != -1 {
			return nil, mongoerr.New(mongoerr.BadValue, "The $sort element value must be either 1 or -1")
		}
		return &pushSort{whole: int(n)}, nil
	}
	if !v.IsDocument() {
		return nil, mongoerr.New(mongoerr.BadValue, "The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields")
	}
	s := &pushSort{}
	for it := value.Walk(v.Doc()); it.Next(); {
		n, ok := it.Value().Integral()
		if !it.Value().IsNumber() || !ok || n != 1 && n != -1 {
			return nil, mongoerr.New(mongoerr.BadValue, "The $sort element value must be either 1 or -1")
		}
		path, err := sortPath(it.Key())
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, pushKey{path, int(n)})
	}
	if len(s.keys) == 0 {
		return nil, mongoerr.New(mongoerr.BadValue, "The $sort pattern is empty when it should be a set of fields.")
	}
	return s, nil
}

func sortPath(key string) ([]string, error) {
	if key == "" {
		return nil, mongoerr.New(mongoerr.BadValue, "The $sort field cannot be empty")
	}
	path, err := splitPath(key)
	if err != nil {
		return nil, mongoerr.New(mongoerr.BadValue, "The $sort field is a dotted field but has an empty part: %s", key)
	}
	return path, nil
}

func (s *pushSort) compare(a, b *elem) int {
	if s.whole != 0 {
		return value.CompareCollated(a.value(), b.value(), s.coll) * s.whole
	}
	for _, k := range s.keys {
		if c := value.CompareCollated(keyIn(a, k.path), keyIn(b, k.path), s.coll); c != 0 {
			return c * k.sign
		}
	}
	return 0
}

func keyIn(e *elem, path []string) value.Value {
	v := value.Value{}
	if e.v.IsDocument() {
		v = value.GetPath(e.value().Doc(), path)
	}
	if v.IsMissing() {
		return value.Null()
	}
	return v
}

func (m *pushMod) existing(a *application, t *target) error {
	if !t.at.v.IsArray() {
		return mongoerr.New(mongoerr.BadValue, "The field '%s' must be an array but is of type %s in document %s",
			dotted(t.path), value.TypeName(t.at.kind()), a.idText())
	}
	if m.plain(len(t.at.expand())) {
		a.appendItems(t, m.items)
		return nil
	}
	m.rebuild(t.at)
	a.log.updated(t.path, t.at)
	return nil
}

// plain tells whether the push only appends.
func (m *pushMod) plain(n int) bool {
	if m.sort != nil || m.position != nil && *m.position >= 0 && *m.position < int64(n) || m.position != nil && *m.position < 0 {
		return false
	}
	return m.slice == nil || *m.slice >= int64(n+len(m.items)) || -*m.slice >= int64(n+len(m.items))
}

func (m *pushMod) rebuild(e *elem) {
	at := len(e.kids)
	if p := m.position; p != nil {
		switch n := int64(len(e.kids)); {
		case *p >= 0:
			at = int(min(*p, n))
		default:
			at = int(max(n+*p, 0))
		}
	}
	items := make([]*elem, len(m.items))
	for i, v := range m.items {
		items[i] = &elem{v: v}
	}
	e.kids = slices.Insert(slices.Clone(e.kids), at, items...)
	if m.sort != nil {
		slices.SortStableFunc(e.kids, m.sort.compare)
	}
	if m.slice == nil {
		return
	}
	n := int64(len(e.kids))
	if s := *m.slice; s >= 0 {
		e.kids = e.kids[:min(s, n)]
	} else if -s < n && s != -1<<63 {
		e.kids = e.kids[n+s:]
	}
}

func (m *pushMod) missing(a *application, t *target) error {
	e := &elem{v: value.Array(value.EmptyDocument), open: true}
	m.rebuild(e)
	return a.create(t, e.value())
}
