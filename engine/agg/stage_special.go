package agg

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// specialStage is a stage that reports about the server through Env.Special.
type specialStage struct {
	name string
	spec bson.RawValue
}

func specialCompiler(name string) stageCompiler {
	return func(c *compiler, spec bson.RawValue) ([]stage, error) {
		if c.env.Special[name] == nil {
			return nil, mongoerr.New(40324, "Unrecognized pipeline stage name: '%s'", name)
		}
		if spec.Type != bson.TypeEmbeddedDocument {
			return nil, mongoerr.New(mongoerr.FailedToParse, "The %s stage specification must be an object, but found %s", name, value.TypeName(spec.Type))
		}
		return []stage{&specialStage{name, spec}}, nil
	}
}

func (*specialStage) generates() bool { return true }

func (s *specialStage) open(ctx context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	if err := in.Close(); err != nil {
		return nil, err
	}
	return r.env.Special[s.name](ctx, s.spec)
}

// compileGeoNear refuses $geoNear, which needs a geospatial index.
func compileGeoNear(_ *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type == bson.TypeEmbeddedDocument && value.Lookup(spec.Value, "near").IsMissing() {
		return nil, mongoerr.New(16605, "$geoNear requires a 'near' option as an Array")
	}
	return nil, mongoerr.New(mongoerr.IndexNotFound, "unable to find index for $geoNear query")
}
