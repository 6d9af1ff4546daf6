package agg_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/store"
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

// TestJoinsOnDiskChangeNothing looks matches up in memory, in a file, and, where
// the disk may not be used, by reading the foreign side for each document.
func TestJoinsOnDiskChangeNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	doc := func(id, k int32, more ...int32) bson.Raw {
		var b value.Builder
		b.Add("_id", value.Int32(id))
		if len(more) == 0 {
			b.Add("k", value.Int32(k))
		} else {
			items := []value.Value{value.Int32(k)}
			for _, m := range more {
				items = append(items, value.Int32(m))
			}
			b.Add("k", value.ArrayFrom(items))
		}
		b.Add("w", value.Int32(r.Int32N(10)))
		b.Add("s", value.String(strings.Repeat("x", int(r.Int32N(60)))))
		return b.Doc()
	}
	db := memDB{}
	for i := range int32(60) {
		d := doc(i, r.Int32N(700))
		if i%9 == 0 {
			d = doc(i, r.Int32N(700), r.Int32N(700), r.Int32N(20))
		}
		db["c"] = append(db["c"], d)
	}
	for i := range int32(6000) {
		d := doc(i, r.Int32N(600))
		switch {
		case i%50 == 0:
			d = doc(i, r.Int32N(600), r.Int32N(20), r.Int32N(20))
		case i%3 == 0:
			d = doc(i, 5) // a key whose documents fill many blocks
		}
		db["f"] = append(db["f"], d)
	}
	for _, pipeline := range []string{
		`[{"$lookup": {"from": "f", "localField": "k", "foreignField": "k", "as": "m"}}, {"$project": {"m.s": 0}}]`,
		`[{"$lookup": {"from": "f", "localField": "k", "foreignField": "k", "as": "m"}}, {"$unwind": {"path": "$m", "preserveNullAndEmptyArrays": true, "includeArrayIndex": "i"}}]`,
		`[{"$lookup": {"from": "f", "localField": "k", "foreignField": "k", "let": {"w": "$w"}, "as": "m",
			"pipeline": [{"$match": {"w": {"$lt": 8}, "$expr": {"$eq": ["$w", "$$w"]}}}]}}, {"$unwind": "$m"}]`,
		`[{"$lookup": {"from": "f", "localField": "k", "foreignField": "k", "let": {"w": "$w"}, "as": "m",
			"pipeline": [{"$match": {"$expr": {"$gt": ["$w", "$$w"]}}}, {"$limit": 2}, {"$project": {"_id": 1}}]}}]`,
		`[{"$match": {"k": {"$type": "int"}}}, {"$lookup": {"from": "f", "let": {"k": "$k"}, "as": "m", "pipeline": [{"$match": {"$expr": {"$eq": ["$k", "$$k"]}}}, {"$project": {"w": 1}}]}}]`,
		`[{"$lookup": {"from": "f", "localField": "none", "foreignField": "none", "as": "m", "pipeline": [{"$limit": 3}]}}]`,
	} {
		var stages []bson.Raw
		for it := value.Walk(value.Lookup(relaxed(t, `{"p": `+pipeline+`}`), "p").Doc()); it.Next(); {
			stages = append(stages, it.Value().Doc())
		}
		want, err := runPipeline(db, "c", stages, &agg.Env{Collections: db.collections})
		require.NoError(t, err)
		dir := t.TempDir()
		for _, env := range []*agg.Env{
			{AllowDiskUse: true, MemoryLimit: 64 << 10, TempDir: dir, Collections: db.collections},
			{MemoryLimit: 64 << 10, TempDir: dir, Collections: db.collections},
			{Collections: db.far(1 << 20)},
			{Collections: db.far(100)},
			{Collections: db.far(0)},
			{AllowDiskUse: true, MemoryLimit: 4 << 10, TempDir: dir, Collections: db.far(1 << 20)},
		} {
			got, err := runPipeline(db, "c", stages, env)
			require.NoError(t, err)
			require.Equal(t, want, got, pipeline)
		}
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left, "no temporary file stays")
	}
}

// A spool gives its documents as often as asked, wherever they are.
func TestSpool(t *testing.T) {
	var docs []bson.Raw
	for i := range 3000 {
		var b value.Builder
		b.Add("i", value.Int32(int32(i)))
		b.Add("s", value.String(strings.Repeat("y", i%997)))
		docs = append(docs, b.Doc())
	}
	docs[1500] = relaxed(t, `{"long": "`+strings.Repeat("z", 600_000)+`"}`)
	for _, limit := range []int64{0, 10_000, 1 << 40} {
		s := agg.NewSpool(limit, t.TempDir())
		require.NoError(t, s.Fill(context.Background(), agg.Documents(docs)))
		require.Equal(t, limit < 1<<40, s.OnDisk())
		for range 2 {
			got, err := readAll(context.Background(), s.Cursor())
			require.NoError(t, err)
			require.Equal(t, docs, got)
		}
		s.Close()
		s.Close()
	}
}

// far makes sources that are asked for many keys at once, up to a number of them.
func (m memDB) far(budget int) func(context.Context, store.Namespace) (agg.Source, error) {
	return func(ctx context.Context, ns store.Namespace) (agg.Source, error) {
		src, err := m.collections(ctx, ns)
		return &farSource{src, budget}, err
	}
}

type farSource struct {
	agg.Source
	budget int
}

func (s *farSource) SeekMany(ctx context.Context, path string, values []value.Value, _ bool) (store.Cursor, bool, error) {
	if s.budget -= len(values); s.budget < 0 {
		return nil, false, nil
	}
	filter, err := bson.Marshal(bson.D{{Key: path, Value: bson.D{{Key: "$in", Value: bson.RawValue(value.ArrayFrom(values).RawValue())}}}})
	if err != nil {
		return nil, false, err
	}
	match, err := bson.Marshal(bson.D{{Key: "$match", Value: bson.Raw(filter)}})
	if err != nil {
		return nil, false, err
	}
	p, err := agg.Compile([]bson.Raw{match}, &agg.Env{})
	if err != nil {
		return nil, false, err
	}
	cur, err := p.Run(ctx, s.Source)
	return cur, err == nil, err
}
