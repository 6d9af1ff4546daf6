package engine_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// countedQuestions are pipelines that a counted index of a, b and c may answer, and some
// that it must not.
var countedQuestions = []string{
	`[{"$group": {"_id": null, "n": {"$sum": 1}}}]`,
	`[{"$group": {"_id": "$a", "n": {"$sum": 1}, "x": {"$sum": {"$cond": [{"$eq": ["$b", "x"]}, 1, 0]}}, "m": {"$max": "$c"}}}]`,
	`[{"$match": {"a": "y"}}, {"$group": {"_id": {"b": "$b", "c": "$c"}, "n": {"$sum": 2.5}}}]`,
	`[{"$match": {"$or": [{"b": {"$in": ["x", null]}}, {"c": {"$gt": 1}}]}}, {"$match": {"a": {"$ne": "x"}}}, {"$count": "n"}]`,
	`[{"$match": {"c": {"$exists": false}}}, {"$group": {"_id": "$b", "n": {"$sum": 1}, "s": {"$addToSet": "$a"}}}]`,
	`[{"$match": {"$expr": {"$gt": ["$c", "$$limit"]}}}, {"$group": {"_id": "$a", "n": {"$sum": {"$cond": {"if": {"$lt": ["$c", 3]}, "then": 1, "else": -1}}}}}]`,
	`[{"$project": {"_id": 0, "k": {"$ifNull": ["$b", null]}}}, {"$group": {"_id": "$k", "d": {"$first": "$$ROOT"}}}]`,
	`[{"$match": {"c": {"$type": "int"}}}, {"$group": {"_id": "$c", "n": {"$sum": 1}}}]`,
	`[{"$group": {"_id": "$a", "n": {"$sum": "$c"}}}]`,
	`[{"$group": {"_id": "$a", "n": {"$sum": "$other"}}}]`,
	`[{"$match": {"other": {"$gt": 5}}}, {"$group": {"_id": "$a", "n": {"$sum": 1}}}]`,
	`[{"$match": {"a": "x", "_id": {"$gt": 20}}}, {"$count": "n"}]`,
	`[{"$project": {"_id": 0, "k": "$b"}}, {"$group": {"_id": "$k", "n": {"$sum": 1}}}]`,
	`[{"$group": {"_id": "$a", "n": {"$sum": 1}, "all": {"$max": "$$ROOT.other"}}}]`,
	`[{"$count": "n"}]`,
	`[{"$count": "n"}, {"$match": {"n": {"$gt": 5}}}]`,
}

// answers gives what a pipeline says, by group, with or without indexes.
func answers(t testing.TB, e *engine.Engine, pipeline string, scan bool) map[string]string {
	var stages bson.A
	require.NoError(t, bson.UnmarshalExtJSON([]byte(pipeline), false, &stages))
	cmd := bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: append(stages, bson.D{{Key: "$sort", Value: bson.D{{Key: "_id", Value: 1}}}})}, {Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 100_000}}}, {Key: "let", Value: bson.D{{Key: "limit", Value: 1}}}}
	if scan {
		cmd = append(cmd, bson.E{Key: "hint", Value: bson.D{{Key: "$natural", Value: 1}}})
	}
	reply, err := e.Command(t.Context(), "d", raw(t, cmd))
	require.NoError(t, err)
	out := map[string]string{}
	for it := value.Walk(value.Lookup(value.Lookup(reply, "cursor").Doc(), "firstBatch").Doc()); it.Next(); {
		var d bson.D
		require.NoError(t, bson.Unmarshal(it.Value().Doc(), &d))
		for i := range d {
			if s, ok := d[i].Value.(bson.A); ok {
				d[i].Value = len(s) // in any order
			}
		}
		out[value.Lookup(it.Value().Doc(), "_id").String()] += fmt.Sprint(d)
	}
	return out
}

func asJSON(t testing.TB, d bson.D) string {
	b, err := bson.MarshalExtJSON(d, true, false)
	require.NoError(t, err)
	return string(b)
}

func requireCounts(t testing.TB, e *engine.Engine) {
	t.Helper()
	for _, q := range countedQuestions {
		require.Equal(t, answers(t, e, q, true), answers(t, e, q, false), q)
	}
	valid := run(t, e, `{"validate": "c", "full": true}`)
	require.True(t, valid.Lookup("valid").Boolean(), "%s", valid)
}

// TestCountedIndexes writes at random, also in transactions that are committed or given
// up, and compares what a counted index says with what the documents do; it is built
// while others write, and is there after the store was opened anew.
func TestCountedIndexes(t *testing.T) {
	const counted = `{"createIndexes": "c", "indexes": [{"key": {"a": 1, "b": 1, "c": 1}, "name": "counts", "weirCounted": true}]}`
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		dir := t.TempDir()
		o := engine.Options{CountedNotes: []int{0, 1, 7}[seed%3]}
		e := openEngine(t, dir, o)
		random := func(r *rand.Rand, id int) bson.D {
			d := bson.D{{Key: "_id", Value: id}, {Key: "other", Value: r.IntN(10)}}
			for _, f := range []string{"a", "b"} {
				if v := r.IntN(5); v < 3 {
					d = append(d, bson.E{Key: f, Value: string(rune('x' + v))})
				} else if v == 3 {
					d = append(d, bson.E{Key: f, Value: nil})
				}
			}
			return append(d, bson.E{Key: "c", Value: []any{1, int64(5), 2.0, 3.5, "t", true, bson.D{{Key: "d", Value: 1}}}[r.IntN(6+int(seed%6/5))]}) // documents: the keys do not tell them
		}
		write := func(r *rand.Rand, ids int) (string, bson.D) {
			id := r.IntN(ids)
			switch r.IntN(5) {
			case 0:
				return "delete", bson.D{{Key: "delete", Value: "c"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: id}}}, {Key: "limit", Value: 1}}}}}
			case 1:
				return "replace", bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: id}}}, {Key: "u", Value: random(r, id)}, {Key: "upsert", Value: true}}}}}
			case 2:
				return "update", bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: id}}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "b", Value: "x"}, {Key: "other", Value: 3}}}}}}}}}
			case 3:
				return "many", bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "other", Value: r.IntN(10)}}}, {Key: "u", Value: bson.D{{Key: "$unset", Value: bson.D{{Key: "a", Value: 1}}}}}, {Key: "multi", Value: true}}}}}
			}
			return "insert", bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{random(r, id), random(r, id+ids)}}}
		}
		command := func(cmd bson.D) {
			_, err := e.Command(t.Context(), "d", raw(t, cmd))
			require.True(t, err == nil || mongoerr.CodeOf(err) == mongoerr.DuplicateKey, "%v", err)
		}
		ids := 100
		large := seed%2 == 1
		if large { // so that the index is built beside writes
			ids = 3000
			var docs []store.WriteOp
			for i := range ids {
				docs = append(docs, insertOp(t, random(r, i)))
			}
			_, err := e.Write(t.Context(), store.Namespace{DB: "d", Coll: "c"}, docs, store.WriteOptions{})
			require.NoError(t, err)
		} else {
			for range 50 {
				_, cmd := write(r, ids)
				command(cmd)
			}
		}
		var beside sync.WaitGroup
		beside.Go(func() {
			r := rand.New(rand.NewPCG(seed, 8))
			for range 200 {
				_, cmd := write(r, ids)
				command(cmd)
			}
		})
		run(t, e, counted)
		beside.Wait()
		requireCounts(t, e)
		for n := range int64(20) {
			first := true
			for range 1 + r.IntN(4) {
				_, cmd := write(r, ids)
				_, err := inTxn(t, e, "d", 'c', n, first, asJSON(t, cmd))
				if first = false; err != nil {
					break // it has ended
				}
			}
			end := []string{`{"commitTransaction": 1}`, `{"abortTransaction": 1}`}[r.IntN(2)]
			_, _ = inTxn(t, e, "admin", 'c', n, false, end)
			_, cmd := write(r, ids)
			command(cmd)
		}
		requireCounts(t, e)
		require.NoError(t, e.Close())
		report, err := engine.Check(t.Context(), dir, engine.CheckOptions{})
		require.NoError(t, err)
		require.Zero(t, report.FaultCount, "%v", report)
		e = openEngine(t, dir, o)
		for range 30 {
			_, cmd := write(r, ids)
			command(cmd)
		}
		requireCounts(t, e)
		run(t, e, `{"delete": "c", "deletes": [{"q": {}, "limit": 0}]}`)
		requireCounts(t, e)
		run(t, e, `{"dropIndexes": "c", "index": "counts"}`)
		run(t, e, counted)
		run(t, e, `{"insert": "c", "documents": [{"a": "x"}, {"a": "x"}, {"a": ["x", "y"]}]}`) // an array: it tells no more
		requireCounts(t, e)
	}
}

// TestCountedIndexMeetsArrays asks for counts while the store, just opened, reads them for
// the first time, which the first write has it do, while documents go from one combination
// to another, by themselves and many in a transaction, and while one becomes an array, which
// has two: there are as many documents at any moment.
func TestCountedIndexMeetsArrays(t *testing.T) {
	const documents, total = 200, `[{"$group": {"_id": null, "n": {"$sum": 1}}}]`
	for round := range 8 {
		dir := t.TempDir()
		o := engine.Options{CountedNotes: []int{0, 1, 7}[round%3]}
		e := openEngine(t, dir, o)
		run(t, e, `{"createIndexes": "c", "indexes": [{"key": {"a": 1, "b": 1, "c": 1}, "name": "counts", "weirCounted": true}]}`)
		var all []store.WriteOp
		for id := range documents {
			all = append(all, insertOp(t, bson.D{{Key: "_id", Value: id}, {Key: "a", Value: "x"}, {Key: "c", Value: id}}))
		}
		_, err := e.Write(t.Context(), store.Namespace{DB: "d", Coll: "c"}, all, store.WriteOptions{})
		require.NoError(t, err)
		require.NoError(t, e.Close())
		e = openEngine(t, dir, o)

		want := answers(t, e, total, true)
		var asking, readers, writers sync.WaitGroup
		var ended atomic.Bool
		for range 3 {
			asking.Add(1)
			readers.Go(func() {
				right := assert.Equal(t, want, answers(t, e, total, false))
				asking.Done()
				for right && !ended.Load() {
					right = assert.Equal(t, want, answers(t, e, total, false))
				}
			})
		}
		asking.Wait()
		set := func(id int, field, to string) {
			run(t, e, fmt.Sprintf(`{"update": "c", "updates": [{"q": {"_id": %d}, "u": {"$set": {"%s": %s}}}]}`, id, field, to))
		}
		writers.Go(func() {
			for n := range 30 {
				set(n, "b", []string{`"x"`, `"y"`, `null`}[n%3])
			}
		})
		writers.Go(func() {
			for n := range int64(8) {
				_, err := inTxn(t, e, "d", 'm', n, true, fmt.Sprintf(`{"update": "c", "updates": [{"q": {"c": {"$lt": 30}}, "u": {"$set": {"a": "%c"}}, "multi": true}]}`, 'y'-n%2))
				if err == nil { // it met no write
					_, err = inTxn(t, e, "admin", 'm', n, false, `{"commitTransaction": 1}`)
					assert.NoError(t, err)
				}
			}
		})
		writers.Go(func() {
			for range 10 * (round % 4) { // at once, or when the others have begun
				answers(t, e, total, false)
			}
			set(100, "a", `["x", "z"]`)
			set(101, "c", `[]`)
		})
		writers.Wait()
		ended.Store(true)
		readers.Wait()
		requireCounts(t, e)
		require.EqualValues(t, documents, run(t, e, `{"count": "c", "query": {"c": {"$exists": true}}, "hint": {"$natural": 1}}`).Lookup("n").AsInt64())
		set(100, "a", `"x"`) // no arrays any more, which nobody knows
		set(101, "c", `1`)
		requireCounts(t, e)
	}
}
