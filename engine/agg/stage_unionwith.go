package agg

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/store"
)

// unionStage is $unionWith: the input, then another collection's documents.
type unionStage struct {
	coll string
	pipe *Pipeline
}

func compileUnionWith(c *compiler, spec bson.RawValue) ([]stage, error) {
	v := value.FromRaw(spec)
	s := &unionStage{}
	var stages []bson.Raw
	switch {
	case v.IsString():
		s.coll = v.Str()
	case v.IsDocument():
		var err error
		if stages, err = s.options(v.Doc()); err != nil {
			return nil, err
		}
	default:
		return nil, failParse("the $unionWith stage specification must be an object or string, but found %s", value.TypeName(v.Kind()))
	}
	if s.coll == "" && (len(stages) == 0 || firstKey(stages[0]) != "$documents") {
		return nil, failParse("$unionWith stage without explicit collection must have a pipeline with $documents as first stage")
	}
	p, err := c.sub(inUnion).pipeline(stages)
	s.pipe = p
	return []stage{s}, err
}

func (s *unionStage) options(doc bson.Raw) (stages []bson.Raw, err error) {
	for it := value.Walk(doc); it.Next(); {
		switch v := it.Value(); it.Key() {
		case "coll":
			if !v.IsString() {
				return nil, wrongType("$unionWith", "coll", v.Kind(), "string")
			}
			s.coll = v.Str()
		case "pipeline":
			if stages, err = pipelineArray(v); err != nil {
				return nil, err
			}
		default:
			return nil, unknownField("$unionWith", it.Key())
		}
	}
	return stages, nil
}

func (s *unionStage) open(ctx context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	return &unionCursor{piped: piped{in}, s: s, r: r}, nil
}

type unionCursor struct {
	piped
	s      *unionStage
	r      *run
	second store.Cursor
}

func (c *unionCursor) Next(ctx context.Context) (bson.Raw, error) {
	if c.second == nil {
		doc, err := c.in.Next(ctx)
		if err != errEnd {
			return doc, err
		}
		if err := c.openSecond(ctx); err != nil {
			return nil, err
		}
	}
	return c.second.Next(ctx)
}

func (c *unionCursor) openSecond(ctx context.Context) (err error) {
	var src Source
	if c.s.coll != "" {
		if src, err = c.r.env.source(ctx, c.s.coll); err != nil {
			return err
		}
	}
	x := &expr.Context{Now: c.r.x.Now, ClusterTime: c.r.x.ClusterTime, Session: c.r.x.Session, Watch: c.r.x.Watch, Vars: c.r.x.Vars}
	c.second, err = c.s.pipe.run(ctx, c.r.with(x), src)
	return err
}

func (c *unionCursor) Close() error {
	err := c.in.Close()
	if c.second != nil {
		if e := c.second.Close(); err == nil {
			err = e
		}
	}
	return err
}
