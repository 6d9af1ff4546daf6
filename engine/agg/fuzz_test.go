package agg_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/engine/value/valuetest"
)

func FuzzPipeline(f *testing.F) {
	for _, s := range []string{
		`{"p": [{"$match": {"a": 1}}, {"$group": {"_id": "$a", "n": {"$sum": 1}, "t": {"$top": {"sortBy": {"a": 1}, "output": "$b"}}}}]}`,
		`{"p": [{"$project": {"a.b": 1, "c": {"$add": ["$a", 1]}}}, {"$unwind": {"path": "$c", "includeArrayIndex": "i"}}, {"$sort": {"a": -1}}]}`,
		`{"p": [{"$bucketAuto": {"groupBy": "$a", "buckets": 2, "granularity": "R5"}}, {"$facet": {"x": [{"$count": "n"}]}}]}`,
		`{"p": [{"$setWindowFields": {"partitionBy": "$a", "sortBy": {"b": 1}, "output": {"r": {"$sum": "$b", "window": {"range": [-1, 1]}}}}}]}`,
		`{"p": [{"$densify": {"field": "a", "range": {"step": 1, "bounds": [0, 3]}}}, {"$fill": {"output": {"z": {"value": 1}}}}]}`,
		`{"p": [{"$lookup": {"from": "c", "localField": "a", "foreignField": "b", "as": "r"}}, {"$redact": "$$DESCEND"}]}`,
	} {
		f.Add([]byte(relaxed(f, s)), uint64(len(s)))
	}
	db := memDB{"c": {relaxed(f, `{"_id": 1, "a": [1, {"b": 2}], "b": 1}`), relaxed(f, `{"_id": 2, "a": 2.5, "b": "x"}`)}}
	mutation := &valuetest.Mutation{Odds: odd(), Rate: 14}
	f.Fuzz(func(t *testing.T, in []byte, n uint64) {
		if value.Validate(in) != nil {
			return
		}
		if n%4 > 0 { // otherwise as it is
			in = mutation.Mutate(rand.New(rand.NewPCG(n, 3)), in)
		}
		stages := value.Lookup(in, "p")
		if !stages.IsArray() && !stages.IsDocument() {
			return // the mutation made something else of it
		}
		var pipeline []bson.Raw
		for it := value.Walk(stages.Doc()); it.Next(); {
			if it.Value().IsDocument() {
				pipeline = append(pipeline, it.Value().Doc())
			}
		}
		p, err := agg.Compile(pipeline, &agg.Env{Collections: db.collections, MemoryLimit: 1 << 20})
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		cur, err := p.Run(ctx, memSource(db["c"]))
		if err != nil {
			return
		}
		docs, err := readAll(ctx, cur)
		if err != nil {
			return
		}
		for _, d := range docs {
			if err := value.Validate(d); err != nil {
				t.Fatalf("invalid result: %v", err)
			}
		}
	})
}
