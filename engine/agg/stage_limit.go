package agg

import (
	"context"
	"io"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// limitStage is {$limit: n}.
type limitStage struct{ n int64 }

func compileLimit(_ *compiler, spec bson.RawValue) ([]stage, error) {
	v := value.FromRaw(spec)
	if !v.IsNumber() {
		return nil, mongoerr.New(15957, "the limit must be specified as a number")
	}
	n := clampInt64(v)
	if n <= 0 {
		return nil, mongoerr.New(15958, "the limit must be positive")
	}
	return []stage{&limitStage{n}}, nil
}

// clampInt64 truncates a number to an integer, clamping at the bounds; NaN is 0.
func clampInt64(v value.Value) int64 {
	if v.Kind() == bson.TypeInt32 || v.Kind() == bson.TypeInt64 {
		return v.AsInt64()
	}
	f := v.AsDouble()
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

func (s *limitStage) open(_ context.Context, _ *run, in store.Cursor) (store.Cursor, error) {
	return &limitCursor{piped{in}, s.n}, nil
}

type limitCursor struct {
	piped
	left int64
}

func (c *limitCursor) Next(ctx context.Context) (bson.Raw, error) {
	if c.left == 0 {
		return nil, io.EOF
	}
	doc, err := c.in.Next(ctx)
	if err == nil {
		c.left--
	}
	return doc, err
}
