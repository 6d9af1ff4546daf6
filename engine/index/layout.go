package index

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Layout is what the indexes of a collection look at in a document, so that one
// walk over it finds for all of them the fields that their paths begin with.
type Layout struct {
	names   []string
	lengths uint64 // bit n: a name has n bytes, of the last bit: so many or more
	of      []place
}

// place is where an index finds its fields among the values of Read.
type place struct {
	def    *Definition
	fields []int
	exists int // of {field: {$exists: true}}, the condition of a partial index; -1: it has another or none
}

// NewLayout makes the layout of indexes, which it knows by their place in defs.
func NewLayout(defs []*Definition) *Layout {
	l := &Layout{}
	for _, d := range defs {
		p := place{def: d, exists: -1}
		for i := range d.Fields {
			p.fields = append(p.fields, l.slot(d.Fields[i].Path[0]))
		}
		if name, ok := existence(d.PartialSpec); ok {
			p.exists = l.slot(name)
		}
		l.of = append(l.of, p)
	}
	return l
}

func (l *Layout) slot(name string) int {
	for i, n := range l.names {
		if n == name {
			return i
		}
	}
	l.names = append(l.names, name)
	l.lengths |= lengthBit(len(name))
	return len(l.names) - 1
}

func lengthBit(n int) uint64 { return 1 << min(n, 63) }

// existence reads a condition of the form {field: {$exists: true}}.
func existence(spec bson.Raw) (name string, ok bool) {
	it := value.Walk(spec)
	if !it.Next() || strings.ContainsAny(it.Key(), ".$") || !it.Value().IsDocument() {
		return "", false
	}
	name = strings.Clone(it.Key())
	cond := value.Walk(it.Value().Doc())
	if it.Next() || !cond.Next() || cond.Key() != "$exists" || cond.Kind() != bson.TypeBoolean || !cond.Value().AsBool() {
		return "", false
	}
	return name, !cond.Next()
}

// Read finds the fields in a document. The values are for the layout's other
// methods; dst is a buffer.
func (l *Layout) Read(dst []value.Value, doc bson.Raw) []value.Value {
	dst = dst[:0]
	for range l.names {
		dst = append(dst, value.Value{})
	}
	left := len(dst)
	for it := value.Walk(doc); left > 0 && it.Next(); {
		key := it.Key()
		if l.lengths&lengthBit(len(key)) == 0 {
			continue
		}
		for i, n := range l.names {
			if n == key {
				if dst[i].IsMissing() {
					dst[i] = it.Value()
					left--
				}
				break
			}
		}
	}
	return dst
}

// Same tells that two versions of a document have the same keys in an index:
// what it looks at is as it was. False says nothing.
func (l *Layout) Same(index int, before, after []value.Value) bool {
	p := &l.of[index]
	if p.exists >= 0 && before[p.exists].IsMissing() != after[p.exists].IsMissing() {
		return false
	}
	if p.exists < 0 && p.def.Partial != nil || p.def.Wildcard != nil {
		return false // any field may count
	}
	for _, f := range p.fields {
		if !value.Identical(before[f], after[f]) {
			return false
		}
	}
	return true
}

// Holds tells whether a document is in an index, by the condition of a partial one.
func (l *Layout) Holds(index int, fields []value.Value, doc bson.Raw) (bool, error) {
	switch p := &l.of[index]; {
	case p.def.Partial == nil:
		return true, nil
	case p.exists >= 0:
		return !fields[p.exists].IsMissing(), nil
	default:
		return p.def.Partial(doc)
	}
}

// Single gives the values of the one key of a document without arrays on the
// index's paths; Missing tells of them as during emit. ok is false where Keys is to
// be asked, which knows all cases. The values are valid until the generator's
// next use.
func (g *Generator) Single(l *Layout, index int, fields []value.Value) (values []value.Value, ok bool) {
	p := &l.of[index]
	if p.def.Sparse || p.def.Wildcard != nil {
		return nil, false
	}
	g.values, g.missing = g.values[:0], 0
	for i, slot := range p.fields {
		c := cursor{at: fields[slot], rest: p.def.Fields[i].Path[1:]}
		if len(c.rest) > 0 {
			follow(&c)
		}
		switch {
		case c.at.IsArray():
			return nil, false
		case c.at.IsMissing():
			c.at = value.Null()
			g.missing |= 1 << i
		}
		g.values = append(g.values, c.at)
	}
	return g.values, true
}
