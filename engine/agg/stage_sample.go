package agg

import (
	"context"
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// sampleStage is {$sample: {size: n}}.
type sampleStage struct{ n int64 }

func compileSample(_ *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(28745, "the $sample stage specification must be an object")
	}
	n := int64(-1)
	for it := value.Walk(spec.Value); it.Next(); {
		if it.Key() != "size" {
			return nil, mongoerr.New(28748, "unrecognized option to $sample: %s", it.Key())
		}
		if !it.Value().IsNumber() {
			return nil, mongoerr.New(28746, "size argument to $sample must be a number")
		}
		if n = clampInt64(it.Value()); n < 0 {
			return nil, mongoerr.New(28747, "size argument to $sample must not be negative")
		}
	}
	if n < 0 {
		return nil, mongoerr.New(28749, "$sample stage must specify a size")
	}
	return []stage{&sampleStage{n}}, nil
}

func (*sampleStage) needs(*fieldSet) bool { return false }

// open keeps a reservoir of n documents and gives them in random order.
func (s *sampleStage) open(_ context.Context, _ *run, in store.Cursor) (store.Cursor, error) {
	return &blocking{piped: piped{in}, fill: func(ctx context.Context, in store.Cursor) (store.Cursor, error) {
		if s.n == 0 {
			return Documents(nil), nil
		}
		var kept []bson.Raw
		seen := int64(0)
		err := drain(ctx, in, func(doc bson.Raw) error {
			seen++
			if int64(len(kept)) < s.n {
				kept = append(kept, clone(doc))
			} else if i := rand.Int64N(seen); i < s.n {
				kept[i] = append(kept[i][:0], doc...)
			}
			return nil
		})
		rand.Shuffle(len(kept), func(i, j int) { kept[i], kept[j] = kept[j], kept[i] })
		return Documents(kept), err
	}}, nil
}
