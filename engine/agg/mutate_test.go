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

// mutate replaces some values of a document by odd ones, and drops or doubles
// some fields.
func mutate(r *rand.Rand, v value.Value, odds []value.Value) value.Value {
	if r.IntN(14) == 0 {
		return odds[r.IntN(len(odds))]
	}
	if !v.IsDocument() && !v.IsArray() {
		return v
	}
	var b value.Builder
	for it := value.Walk(v.Doc()); it.Next(); {
		if r.IntN(25) == 0 {
			continue
		}
		x := mutate(r, it.Value(), odds)
		if v.IsArray() {
			b.Item(x)
		} else {
			b.Add(it.Key(), x)
		}
	}
	if v.IsArray() {
		return b.ArrayOf()
	}
	return b.DocumentOf()
}

// TestMutatedPipelines runs variations of the recorded pipelines: whatever
// they are, the answer is documents or an error.
func TestMutatedPipelines(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sets, odds := loadDatasets(t), odd()
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
			if m := mutate(r, it.Value(), odds); m.IsDocument() {
				stages = append(stages, m.Doc())
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
