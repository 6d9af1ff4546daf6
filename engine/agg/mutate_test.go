package agg_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/engine/value/valuetest"
	"weir/store"
)

// odd are values that stand where something else is expected.
func odd() []value.Value {
	doc := func(key string, v value.Value) value.Value {
		var b value.Builder
		b.Add(key, v)
		return b.DocumentOf()
	}
	return []value.Value{
		value.Int32(5), value.Int32(-1), value.Int64(1 << 62), value.Double(0.5), value.Bool(true), value.Null(),
		value.String(""), value.String("$"), value.String("$a"), value.String("$$ROOT"), value.String("a.b"), value.String("x"),
		value.Document(value.EmptyDocument), value.Array(value.EmptyDocument), value.Undefined(), value.MinKey(), value.Date(0),
		value.ArrayFrom([]value.Value{value.Int32(1), value.String("b")}), doc("a", value.Int32(1)), doc("$sum", value.String("$a")),
		doc("$literal", value.Array(value.EmptyDocument)), value.Regex("a", ""), value.Binary(0, []byte{1}), value.Timestamp(1, 1),
	}
}

// TestMutatedPipelines runs variations of the recorded pipelines: whatever
// they are, the answer is documents or an error.
func TestMutatedPipelines(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sets, mutation := loadDatasets(t), &valuetest.Mutation{Odds: odd(), Rate: 14}
	var pipelines []value.Value
	for _, line := range corpusLines(t, "stages.jsonl") {
		var c corpusCase
		require.NoError(t, json.Unmarshal([]byte(line), &c))
		if v := value.Lookup(extJSON(t, string(c.Cmd)), "pipeline"); v.IsArray() {
			pipelines = append(pipelines, v)
		}
	}
	db := memDB{"c": sets["st_items"]["st_items"][:6], "x": sets["st_shapes"]["st_shapes"]}
	w := &memWriter{db: memDB{}}
	env := &agg.Env{NS: store.Namespace{DB: "d"}, Collections: db.collections, Writer: w, AllowDiskUse: true, MemoryLimit: 1 << 20}
	answered := 0
	for i := range 30 * len(pipelines) {
		var stages []bson.Raw
		for it := value.Walk(pipelines[i%len(pipelines)].Doc()); it.Next(); {
			if v := it.Value(); v.IsDocument() {
				stages = append(stages, mutation.Mutate(r, v.Doc()))
			}
		}
		p, err := agg.Compile(stages, env)
		if err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		cur, err := p.Run(ctx, memSource(db["x"]))
		if err == nil {
			var docs []bson.Raw
			if docs, err = readAll(ctx, cur); err == nil {
				answered++
			}
			for _, d := range docs {
				require.NoError(t, value.Validate(d))
			}
		}
		cancel()
	}
	require.Greater(t, answered, 1000)
}
