package agg

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// matchStage is {$match: filter}.
type matchStage struct {
	reads
	filter bson.Raw
	m      *match.Matcher
}

func compileMatch(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(15959, "the match filter must be an expression in an object")
	}
	filter := bson.Raw(spec.Value)
	if err := checkMatch(filter); err != nil {
		return nil, err
	}
	m, err := c.match(filter)
	if err != nil {
		return nil, err
	}
	return []stage{&matchStage{filter: filter, m: m}}, nil
}

// checkMatch refuses what find allows and $match does not.
func checkMatch(filter bson.Raw) error {
	for it := value.Walk(filter); it.Next(); {
		switch v := it.Value(); it.Key() {
		case "$where":
			return mongoerr.New(mongoerr.BadValue, "$where is not allowed in this context")
		case "$and", "$or", "$nor":
			if !v.IsArray() {
				continue
			}
			for sub := value.Walk(v.Doc()); sub.Next(); {
				if !sub.Value().IsDocument() {
					continue
				}
				if err := checkMatch(sub.Value().Doc()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *matchStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	return &matchCursor{piped{in}, r, s.m}, nil
}

type matchCursor struct {
	piped
	r *run
	m *match.Matcher
}

func (c *matchCursor) Next(ctx context.Context) (bson.Raw, error) {
	for {
		doc, err := c.in.Next(ctx)
		if err != nil {
			return nil, err
		}
		c.r.x.Root = doc
		ok, err := c.m.Match(c.r.x, doc)
		if err != nil {
			return nil, err
		}
		if ok {
			return doc, nil
		}
	}
}
