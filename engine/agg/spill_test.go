package agg_test

import (
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
)

// TestSpillingChangesNothing runs blocking stages with ample memory and with
// so little that almost everything goes to disk.
func TestSpillingChangesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	docs := make([]bson.Raw, 20_000)
	for i := range docs {
		var b value.Builder
		b.Add("_id", value.Int32(int32(i)))
		b.Add("k", value.Int32(r.Int32N(4000)))
		b.Add("v", value.Double(r.Float64()))
		docs[i] = b.Doc()
	}
	db := memDB{"c": docs}
	for _, pipeline := range []string{
		`[{"$sort": {"k": 1}}]`,
		`[{"$sort": {"k": -1, "v": 1}}, {"$skip": 100}, {"$limit": 5000}]`,
		`[{"$group": {"_id": "$k", "ids": {"$push": "$_id"}, "s": {"$sum": "$v"}, "f": {"$first": "$_id"}}}, {"$sort": {"_id": 1}}]`,
		`[{"$bucketAuto": {"groupBy": "$v", "buckets": 7}}]`,
		`[{"$setWindowFields": {"partitionBy": "$k", "sortBy": {"v": 1}, "output": {"n": {"$documentNumber": {}}}}}, {"$sort": {"_id": 1}}]`,
	} {
		var stages []bson.Raw
		for it := value.Walk(value.Lookup(relaxed(t, `{"p": `+pipeline+`}`), "p").Doc()); it.Next(); {
			stages = append(stages, it.Value().Doc())
		}
		want, err := runPipeline(db, "c", stages, &agg.Env{})
		require.NoError(t, err)
		dir := t.TempDir()
		got, err := runPipeline(db, "c", stages, &agg.Env{AllowDiskUse: true, MemoryLimit: 64 << 10, TempDir: dir})
		require.NoError(t, err)
		require.Equal(t, len(want), len(got), pipeline)
		for i := range want {
			require.Equal(t, want[i], got[i], pipeline)
		}
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left, "no temporary file stays")
		_, err = runPipeline(db, "c", stages, &agg.Env{MemoryLimit: 64 << 10, TempDir: dir})
		require.Error(t, err, pipeline)
	}
}
