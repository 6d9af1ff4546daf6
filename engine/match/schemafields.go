package match

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// schemaFields are the keywords properties and required together: they are
// tested in one walk over an object.
type schemaFields struct {
	list  []schemaField
	index map[string]int
}

type schemaField struct {
	name     string
	schema   *schema // nil: any value
	required bool
}

// field is the entry of a name, made where there is none.
func (s *schema) field(name string) *schemaField {
	if s.fields == nil {
		s.fields = &schemaFields{index: map[string]int{}}
	}
	f := s.fields
	i, ok := f.index[name]
	if !ok {
		i = len(f.list)
		f.index[name] = i
		f.list = append(f.list, schemaField{name: name})
	}
	return &f.list[i]
}

// valid walks an object. Its fields often stand in the order of the schema.
func (f *schemaFields) valid(c *expr.Context, doc bson.Raw) bool {
	var few [4]uint64
	seen := few[:]
	if len(f.list) > 64*len(few) {
		seen = make([]uint64, (len(f.list)+63)/64)
	}
	next := 0
	for it := value.Walk(doc); it.Next(); {
		i := next
		if i >= len(f.list) || f.list[i].name != it.Key() {
			var known bool
			if i, known = f.index[it.Key()]; !known {
				continue
			}
		}
		next = i + 1
		if seen[i/64]&(1<<(i%64)) != 0 {
			continue // of equal names the first counts
		}
		seen[i/64] |= 1 << (i % 64)
		if s := f.list[i].schema; s != nil && !s.valid(c, it.Value()) {
			return false
		}
	}
	for i := range f.list {
		if f.list[i].required && seen[i/64]&(1<<(i%64)) == 0 {
			return false
		}
	}
	return true
}
