package agg

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// documentsStage is {$documents: expression}, whose value is an array of documents.
type documentsStage struct{ e expr.Expr }

func compileDocuments(c *compiler, spec bson.RawValue) ([]stage, error) {
	e, err := c.expr(spec)
	if err != nil {
		return nil, err
	}
	if v, ok := expr.Constant(e); ok && !v.IsArray() {
		return nil, notDocuments(v)
	}
	return []stage{&documentsStage{e}}, nil
}

func notDocuments(v value.Value) error {
	return mongoerr.New(5858203, "an array is expected for $documents, but found %s", value.TypeName(v.Kind()))
}

func (*documentsStage) generates() bool { return true }

func (s *documentsStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	if err := in.Close(); err != nil {
		return nil, err
	}
	r.x.Root = value.EmptyDocument
	v, err := s.e.Eval(r.x)
	if err != nil {
		return nil, err
	}
	if !v.IsArray() {
		return nil, notDocuments(v)
	}
	var docs []bson.Raw
	for it := value.Walk(v.Doc()); it.Next(); {
		if !it.Value().IsDocument() {
			return nil, mongoerr.New(40228, "each element of $documents must be an object, found %s", value.TypeName(it.Kind()))
		}
		docs = append(docs, it.Value().Doc())
	}
	return Documents(docs), nil
}
