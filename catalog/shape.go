package catalog

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

const (
	maxShapeDepth  = 8
	maxShapeFields = 1600 // columns of a PostgreSQL table
)

// shape is what documents have been seen to hold at one path.
type shape struct {
	kinds  Kinds
	elems  Kinds // of array items
	count  int64
	names  []string // fields of embedded documents in the order of appearance
	fields map[string]*shape
}

func (s *shape) field(name string) *shape {
	if f, ok := s.fields[name]; ok {
		return f
	}
	if len(s.names) >= maxShapeFields {
		return nil
	}
	if s.fields == nil {
		s.fields = map[string]*shape{}
	}
	f := &shape{}
	name = string([]byte(name)) // the key shares the document's bytes
	s.fields[name] = f
	s.names = append(s.names, name)
	return f
}

// addDocument takes a document into account.
func (s *shape) addDocument(doc bson.Raw, depth int) {
	s.count++
	for it := value.Walk(doc); it.Next(); {
		if f := s.field(it.Key()); f != nil {
			f.add(it.Value(), depth+1)
		}
	}
}

func (s *shape) add(v value.Value, depth int) {
	k := KindOf(v)
	s.kinds |= k
	switch k {
	case KindDocument:
		if depth < maxShapeDepth {
			s.addDocument(v.Doc(), depth)
		}
	case KindArray:
		for it := value.Walk(v.Doc()); it.Next(); {
			s.elems |= KindOf(it.Value())
		}
	}
}

// columns makes columns of the fields; _id comes first at the top.
func (s *shape) columns(path []string) []Column {
	cols := make([]Column, 0, len(s.names))
	if id, ok := s.fields["_id"]; ok && len(path) == 0 {
		cols = append(cols, id.column("_id", nil))
	}
	for _, n := range s.names {
		if n == "_id" && len(path) == 0 {
			continue
		}
		cols = append(cols, s.fields[n].column(n, path))
	}
	return cols
}

func (s *shape) column(name string, parent []string) Column {
	path := append(append(make([]string, 0, len(parent)+1), parent...), name)
	c := Column{Name: name, Path: path, Kinds: s.kinds, Type: TypeOf(s.kinds, s.elems)}
	if s.kinds.Has(KindDocument) && len(s.names) > 0 {
		c.Fields = s.columns(path)
	}
	return c
}
