package agg

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// maxSortKeys is the server's limit on the parts of a sort order.
const maxSortKeys = 32

// sortStage is {$sort: pattern}, with the limit that follows it if there is one.
type sortStage struct {
	pattern *sortPattern
	limit   int64 // 0: none
	given   int   // by so many of the first keys the input is ordered already
}

func compileSort(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(15973, "the $sort key specification must be an object")
	}
	p, err := c.sortPattern(bson.Raw(spec.Value))
	if err != nil {
		return nil, err
	}
	return []stage{&sortStage{pattern: p}}, nil
}

// ParseSort checks a sort specification and gives its keys.
func ParseSort(spec bson.Raw) ([]SortKey, error) {
	p, err := parseSortPattern(spec)
	if err != nil {
		return nil, err
	}
	return p.keys, nil
}

func (c *compiler) sortPattern(spec bson.Raw) (*sortPattern, error) {
	p, err := parseSortPattern(spec)
	if err != nil {
		return nil, err
	}
	p.coll = c.env.Collation
	return p, nil
}

func parseSortPattern(spec bson.Raw) (*sortPattern, error) {
	p := &sortPattern{}
	for it := value.Walk(spec); it.Next(); {
		k, err := parseSortKey(it.Key(), it.Value())
		if err != nil {
			return nil, err
		}
		if p.has(k.Path) {
			continue
		}
		parts, err := splitPath(k.Path)
		if err != nil {
			return nil, err
		}
		p.keys, p.paths = append(p.keys, k), append(p.paths, parts)
	}
	switch {
	case len(p.keys) == 0:
		return nil, mongoerr.New(15976, "$sort stage must have at least one sort key")
	case len(p.keys) > maxSortKeys:
		return nil, mongoerr.New(13103, "too many compound keys")
	}
	return p, nil
}

func (p *sortPattern) has(path string) bool {
	for _, k := range p.keys {
		if k.Path == path {
			return true
		}
	}
	return false
}

func parseSortKey(path string, v value.Value) (SortKey, error) {
	if v.IsDocument() {
		return SortKey{}, sortMeta(path, v.Doc())
	}
	if !v.IsNumber() {
		return SortKey{}, mongoerr.New(15974, "Illegal key in $sort specification: %s: %s", path, v)
	}
	n := clampInt64(v)
	if n != 1 && n != -1 {
		return SortKey{}, mongoerr.New(15975, "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
	}
	return SortKey{Path: path, Desc: n < 0}, nil
}

// sortMeta explains why an order by metadata is refused: there is no text
// index that could provide any.
func sortMeta(path string, doc bson.Raw) error {
	meta := value.Lookup(doc, "$meta")
	if meta.IsMissing() {
		return mongoerr.New(15974, "Illegal key in $sort specification: %s: %s", path, value.Document(doc))
	}
	if meta.IsString() && meta.Str() == "textScore" {
		return mongoerr.New(40218, "query requires text score metadata, but it is not available")
	}
	return mongoerr.New(31138, "Illegal $meta sort: %s", meta)
}

func (s *sortStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	return &blocking{piped: piped{in}, fill: func(ctx context.Context, in store.Cursor) (store.Cursor, error) {
		if s.limit > 0 && s.limit <= maxTopK {
			return topK(ctx, r, in, s.pattern, int(s.limit), s.given)
		}
		out, err := sortAll(ctx, r, in, s.pattern)
		if err == nil && s.limit > 0 {
			out = &limitCursor{piped{out}, s.limit}
		}
		return out, err
	}}, nil
}
