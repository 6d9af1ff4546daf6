package agg

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
	"weir/store"
)

// projectStage is $project, $unset, $addFields and $set: whatever maps a
// document by rules for its fields.
type projectStage struct {
	reads
	p    *projection
	spec bson.Raw
	kind projectKind
}

type projectKind uint8

const (
	projectInclude projectKind = iota
	projectExclude
	projectAdd
)

func compileProject(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(15969, "$project specification must be an object")
	}
	doc := bson.Raw(spec.Value)
	if len(doc) <= 5 {
		return nil, mongoerr.New(51272, "Invalid $project :: caused by :: projection specification must have at least one field")
	}
	parser := projParser{compile: c.expr}
	p, err := parser.parse(doc)
	if err != nil {
		return nil, caused("Invalid $project", err)
	}
	kind := projectInclude
	if parser.typ == projExclusion {
		kind = projectExclude
	}
	return []stage{&projectStage{p: p, spec: doc, kind: kind}}, nil
}

func (s *projectStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	return &projectCursor{piped: piped{in}, r: r, p: s.p}, nil
}

type projectCursor struct {
	piped
	r   *run
	p   *projection
	buf []byte
}

func (c *projectCursor) Next(ctx context.Context) (bson.Raw, error) {
	doc, err := c.in.Next(ctx)
	if err != nil {
		return nil, err
	}
	c.r.x.Root = doc
	out, err := c.p.apply(c.r.x, c.buf[:0], doc)
	if err != nil {
		return nil, err
	}
	c.buf = out
	return out, nil
}
