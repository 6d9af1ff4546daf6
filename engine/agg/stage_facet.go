package agg

import (
	"context"
	"io"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// facetStage is $facet: several pipelines over the same input.
type facetStage struct {
	names []string
	pipes []*Pipeline
}

func compileFacet(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument || len(spec.Value) <= 5 {
		return nil, mongoerr.New(40169, "the $facet specification must be a non-empty object, but found: %s", value.FromRaw(spec))
	}
	s := &facetStage{}
	for it := value.Walk(spec.Value); it.Next(); {
		name := it.Key()
		if err := checkFacetName(name); err != nil {
			return nil, err
		}
		stages, err := facetStages(name, it.Value())
		if err != nil {
			return nil, err
		}
		p, err := c.sub(inFacet).pipeline(stages)
		if err != nil {
			return nil, err
		}
		s.names, s.pipes = append(s.names, name), append(s.pipes, p)
	}
	return []stage{s}, nil
}

func checkFacetName(name string) error {
	switch {
	case name == "":
		return mongoerr.New(15998, "FieldPath field names may not be empty strings.")
	case name[0] == '$':
		return mongoerr.New(16410, "FieldPath field names may not start with '$'.")
	case strings.Contains(name, "."):
		return mongoerr.New(16412, "FieldPath field names may not contain '.'.")
	}
	return nil
}

func facetStages(name string, v value.Value) ([]bson.Raw, error) {
	if !v.IsArray() {
		return nil, mongoerr.New(40170, "arguments to $facet must be arrays, %s is type %s", name, value.TypeName(v.Kind()))
	}
	var out []bson.Raw
	for it := value.Walk(v.Doc()); it.Next(); {
		if !it.Value().IsDocument() {
			return nil, mongoerr.New(40171, "elements of arrays in $facet spec must be non-empty objects, %s argument contained an element of type %s", name, value.TypeName(it.Kind()))
		}
		out = append(out, it.Value().Doc())
	}
	return out, nil
}

func (s *facetStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	return &blocking{piped: piped{in}, fill: func(ctx context.Context, in store.Cursor) (store.Cursor, error) {
		doc, err := s.collect(ctx, r, in)
		return Documents([]bson.Raw{doc}), err
	}}, nil
}

// collect keeps the input once and runs every pipeline over it in turn.
func (s *facetStage) collect(ctx context.Context, r *run, in store.Cursor) (bson.Raw, error) {
	var mem arena
	var docs []bson.Raw
	err := drain(ctx, in, func(doc bson.Raw) error {
		docs = append(docs, mem.copy(doc))
		if mem.total > r.env.memoryLimit() && !r.env.AllowDiskUse {
			return mongoerr.New(mongoerr.QueryExceededMemoryLimitNoDiskUse, "$facet exceeded its memory limit of %d bytes", r.env.memoryLimit())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out value.Builder
	for i, p := range s.pipes {
		out.Open(bson.TypeArray, s.names[i])
		cur, err := openStages(ctx, r, Documents(docs), p.stages)
		if err != nil {
			return nil, err
		}
		err = drain(ctx, cur, func(doc bson.Raw) error {
			out.Item(value.Document(doc))
			return nil
		})
		cur.Close()
		if err != nil && err != io.EOF {
			return nil, err
		}
		out.Close()
	}
	return checkBuilt(out.Doc())
}

// maxBuilt is the limit on documents inside of a pipeline.
const maxBuilt = 64 << 20

func checkBuilt(doc bson.Raw) (bson.Raw, error) {
	if len(doc) > maxBuilt {
		return nil, mongoerr.New(mongoerr.BSONObjectTooLarge, "BSONObj size: %d is invalid. Size must be between 0 and %d", len(doc), maxBuilt)
	}
	return doc, nil
}
