package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
	"weir/store"
)

func fillMany(t *testing.T, e *engine.Engine, n int, doc func(i int) bson.D) {
	t.Helper()
	for at := 0; at < n; at += 1000 {
		var ops []store.WriteOp
		for i := at; i < min(n, at+1000); i++ {
			ops = append(ops, insertOp(t, doc(i)))
		}
		res, err := e.Write(context.Background(), crashNS, ops, store.WriteOptions{})
		require.NoError(t, err)
		require.Empty(t, res.Errors)
	}
}

// Indexes that are built while others insert, update, delete and run
// transactions have exactly the keys of the documents.
func TestBuildWhileOthersWrite(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	ctx := context.Background()
	fillMany(t, e, 6000, func(i int) bson.D {
		return bson.D{{Key: "_id", Value: i}, {Key: "a", Value: i % 50}, {Key: "u", Value: i}}
	})
	stop, done := make(chan struct{}), make(chan error, 4)
	for w := range 4 {
		go func() {
			r := rand.New(rand.NewPCG(uint64(w), 7))
			for n := 0; ; n++ {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				ops := []store.WriteOp{randomOp(t, r, 100_000*(w+1)+n)}
				if n%5 > 0 {
					if _, err := e.Write(ctx, crashNS, ops, store.WriteOptions{}); err != nil {
						done <- err
						return
					}
					continue
				}
				tx, err := e.Begin(ctx)
				if err != nil {
					done <- err
					return
				}
				if _, err = tx.Write(ctx, crashNS, append(ops, randomOp(t, r, 900_000*(w+1)+n)), store.WriteOptions{}); err == nil && n%2 == 0 {
					_ = tx.Commit(ctx)
					continue
				}
				_ = tx.Abort(ctx)
			}
		}()
	}
	for i := range 4 {
		run(t, e, fmt.Sprintf(`{"createIndexes": "c", "indexes": [{"key": {"a": 1, "n": -1}, "name": "a%d", "sparse": %t}, {"key": {"u": 1}, "name": "u%d", "unique": true, "partialFilterExpression": {"u": {"$gte": %d}}}]}`, i, i%2 == 0, i, i))
		if i < 3 {
			run(t, e, fmt.Sprintf(`{"dropIndexes": "c", "index": "a%d"}`, i))
		}
	}
	close(stop)
	for range 4 {
		require.NoError(t, <-done)
	}
	v := run(t, e, `{"validate": "c", "full": true}`)
	require.True(t, v.Lookup("valid").Boolean(), "%s", v)
}

// randomOp inserts, changes or deletes one document; u stays unique.
func randomOp(t *testing.T, r *rand.Rand, fresh int) store.WriteOp {
	filter := raw(t, bson.D{{Key: "_id", Value: r.IntN(6000)}})
	set := func(d bson.D) bson.RawValue {
		return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw(t, bson.D{{Key: "$set", Value: d}})}
	}
	switch r.IntN(5) {
	case 0:
		return insertOp(t, bson.D{{Key: "_id", Value: fresh}, {Key: "a", Value: bson.A{r.IntN(50), r.IntN(50)}}, {Key: "u", Value: fresh}})
	case 1:
		return store.WriteOp{Kind: store.Delete, Filter: filter}
	case 2:
		return store.WriteOp{Kind: store.Update, Filter: filter, Update: set(bson.D{{Key: "u", Value: 5_000_000 + fresh}})}
	}
	return store.WriteOp{Kind: store.Update, Filter: filter, Update: set(bson.D{{Key: "a", Value: float64(r.IntN(50))}, {Key: "n", Value: r.IntN(9)}})}
}

// A build that meets duplicates fails as a whole and leaves nothing.
func TestBuildFindsDuplicates(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	fillMany(t, e, 3000, func(i int) bson.D { return bson.D{{Key: "_id", Value: i}, {Key: "u", Value: i % 2999}} })
	_, err := e.Command(context.Background(), "d", js(t, `{"createIndexes": "c", "indexes": [{"key": {"u": 1}, "name": "u", "unique": true}, {"key": {"v": 1}, "name": "v"}]}`))
	require.Equal(t, mongoerr.DuplicateKey, mongoerr.CodeOf(err))
	require.Contains(t, err.Error(), "dup key: { u: 0 }")
	run(t, e, `{"insert": "c", "documents": [{"_id": "more", "u": 5}]}`)
	r := run(t, e, `{"listIndexes": "c"}`)
	require.Len(t, answer(t, r), 1)
	run(t, e, `{"delete": "c", "deletes": [{"q": {"_id": {"$in": ["more", 2999]}}, "limit": 0}]}`)
	run(t, e, `{"createIndexes": "c", "indexes": [{"key": {"u": 1}, "name": "u", "unique": true}]}`)
	_, err = e.Command(context.Background(), "d", js(t, `{"explain": {"find": "c", "filter": {"u": 7}}}`))
	require.NoError(t, err)
	v := run(t, e, `{"validate": "c", "full": true}`)
	require.True(t, v.Lookup("valid").Boolean(), "%s", v)
}

// Two who ask for the same index at once both get it.
func TestBuildTwice(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	fillMany(t, e, 3000, func(i int) bson.D { return bson.D{{Key: "_id", Value: i}, {Key: "u", Value: i}} })
	done := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := e.Command(context.Background(), "d", js(t, `{"createIndexes": "c", "indexes": [{"key": {"u": 1}, "name": "u"}]}`))
			done <- err
		}()
	}
	for range 3 {
		require.NoError(t, <-done)
	}
	require.Len(t, answer(t, run(t, e, `{"listIndexes": "c"}`)), 2)
}

// dropIndexes ends a build that is under way.
func TestDropWhileBuilding(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	fillMany(t, e, 8000, func(i int) bson.D { return bson.D{{Key: "_id", Value: i}, {Key: "a", Value: i % 50}} })
	command := func(cmd bson.D) (bson.Raw, error) { return e.Command(context.Background(), crashNS.DB, mustRaw(cmd)) }
	aborted := 0
	for round := 0; aborted < 3; round++ {
		require.Less(t, round, 200, "no build was ever under way")
		built := make(chan error, 1)
		go func() {
			_, err := command(bson.D{{Key: "createIndexes", Value: crashNS.Coll}, {Key: "indexes", Value: bson.A{
				bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "name", Value: "a_1"}}}}})
			built <- err
		}()
		which := []any{"a_1", "*", bson.A{"a_1"}, bson.D{{Key: "a", Value: 1}}}[round%4]
		for {
			_, err := command(bson.D{{Key: "dropIndexes", Value: crashNS.Coll}, {Key: "index", Value: which}})
			if err != nil {
				require.Equal(t, mongoerr.IndexNotFound, mongoerr.CodeOf(err), "%v", err)
			}
			if len(built) > 0 || err == nil && which != "*" {
				break
			}
		}
		if err := <-built; err != nil {
			require.Equal(t, mongoerr.IndexBuildAborted, mongoerr.CodeOf(err), "%v", err)
			aborted++
		} else {
			_, err := command(bson.D{{Key: "dropIndexes", Value: crashNS.Coll}, {Key: "index", Value: "*"}})
			require.NoError(t, err)
		}
		reply, err := command(bson.D{{Key: "validate", Value: crashNS.Coll}})
		require.NoError(t, err)
		require.True(t, reply.Lookup("valid").Boolean(), reply)
		require.EqualValues(t, 1, reply.Lookup("nIndexes").AsInt64())
	}
}

// What a crash leaves of a build is nothing, or all of it.
func TestPowerCutWhileBuilding(t *testing.T) {
	mem := vfs.NewCrashableMem()
	e, err := engine.Open("data", engine.Options{FS: mem, TTLInterval: -1})
	require.NoError(t, err)
	const docs = 5000
	fillMany(t, e, docs, func(i int) bson.D { return bson.D{{Key: "_id", Value: i}, {Key: "a", Value: i % 50}} })
	built := make(chan error, 1)
	go func() {
		_, err := e.Command(context.Background(), crashNS.DB, mustRaw(bson.D{{Key: "createIndexes", Value: crashNS.Coll}, {Key: "indexes", Value: bson.A{
			bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "name", Value: "a_1"}}}}}))
		built <- err
	}()
	rng := rand.New(rand.NewPCG(1, 2))
	var crashes []vfs.FS
	for len(built) == 0 {
		if crash := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng}); len(crashes) < 20 {
			crashes = append(crashes, crash)
		}
	}
	require.NoError(t, <-built)
	crashes = append(crashes, mem.CrashClone(vfs.CrashCloneCfg{}))
	require.NoError(t, e.Close())
	require.Greater(t, len(crashes), 1)
	for i, fs := range crashes {
		again, err := engine.Open("data", engine.Options{FS: fs, TTLInterval: -1})
		require.NoError(t, err)
		_, err = again.Command(context.Background(), crashNS.DB, mustRaw(bson.D{{Key: "count", Value: crashNS.Coll},
			{Key: "query", Value: bson.D{{Key: "a", Value: 7}}}, {Key: "hint", Value: "a_1"}}))
		if i == len(crashes)-1 {
			require.NoError(t, err, "an acknowledged index")
		} else if err != nil {
			require.Equal(t, mongoerr.BadValue, mongoerr.CodeOf(err), "%v", err)
		}
		require.NoError(t, again.Close())
		r, err := engine.Check(context.Background(), "data", engine.CheckOptions{FS: fs})
		require.NoError(t, err)
		require.Empty(t, r.Faults)
	}
}
