package agg

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// skipStage is {$skip: n}.
type skipStage struct{ n int64 }

func compileSkip(_ *compiler, spec bson.RawValue) ([]stage, error) {
	v := value.FromRaw(spec)
	if !v.IsNumber() {
		return nil, mongoerr.New(15972, "Argument to $skip must be a number not a %s", value.TypeName(v.Kind()))
	}
	n := clampInt64(v)
	if n < 0 {
		return nil, mongoerr.New(15956, "Argument to $skip cannot be negative")
	}
	return []stage{&skipStage{n}}, nil
}

func (s *skipStage) open(_ context.Context, _ *run, in store.Cursor) (store.Cursor, error) {
	return &skipCursor{piped{in}, s.n}, nil
}

type skipCursor struct {
	piped
	left int64
}

func (c *skipCursor) Next(ctx context.Context) (bson.Raw, error) {
	for ; c.left > 0; c.left-- {
		if _, err := c.in.Next(ctx); err != nil {
			return nil, err
		}
	}
	return c.in.Next(ctx)
}
