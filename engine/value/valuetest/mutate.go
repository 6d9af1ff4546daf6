package valuetest

import (
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Mutation makes variations of documents that keep their structure for the
// most part, where a change of their bytes would only break it.
type Mutation struct {
	Odds  []value.Value // stand in the place of values
	Names []string      // stand in the place of field names that begin with $
	Rate  int           // about one value of so many is changed
}

// Mutate replaces some values by odd ones or by other parts of the document,
// and drops, doubles and renames some fields.
func (m *Mutation) Mutate(r *rand.Rand, doc bson.Raw) bson.Raw {
	parts := append(m.Odds[:len(m.Odds):len(m.Odds)], partsOf(nil, value.Document(doc), 0)...)
	var b value.Builder
	for it := value.Walk(doc); it.Next(); {
		m.element(r, &b, it.Key(), it.Value(), parts)
	}
	return b.Doc()
}

// partsOf collects what stands in a value.
func partsOf(to []value.Value, v value.Value, depth int) []value.Value {
	if depth > 0 {
		to = append(to, v)
	}
	if v.IsDocument() || v.IsArray() {
		for it := value.Walk(v.Doc()); it.Next() && len(to) < 200; {
			to = partsOf(to, it.Value(), depth+1)
		}
	}
	return to
}

func (m *Mutation) element(r *rand.Rand, b *value.Builder, key string, v value.Value, parts []value.Value) {
	if len(m.Names) > 0 && key != "" && key[0] == '$' && r.IntN(m.Rate) == 0 {
		key = m.Names[r.IntN(len(m.Names))]
	}
	switch r.IntN(4 * m.Rate) {
	case 0:
		return
	case 1:
		b.Add(key, m.value(r, v, parts))
	}
	b.Add(key, m.value(r, v, parts))
}

func (m *Mutation) value(r *rand.Rand, v value.Value, parts []value.Value) value.Value {
	if r.IntN(m.Rate) == 0 {
		return parts[r.IntN(len(parts))]
	}
	var b value.Builder
	switch {
	case v.IsArray():
		for it := value.Walk(v.Doc()); it.Next(); {
			n := r.IntN(4 * m.Rate) // of all these, one drops the item and one doubles it
			if n == 0 {
				continue
			}
			b.Item(m.value(r, it.Value(), parts))
			if n == 1 {
				b.Item(m.value(r, it.Value(), parts))
			}
		}
		return b.ArrayOf()
	case v.IsDocument():
		for it := value.Walk(v.Doc()); it.Next(); {
			m.element(r, &b, it.Key(), it.Value(), parts)
		}
		return b.DocumentOf()
	}
	return v
}
