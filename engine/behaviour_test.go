package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
	"weir/store"
)

// patience only bounds a failure: a machine may be busy.
const patience = 2 * time.Minute

func js(t testing.TB, s string) bson.Raw {
	t.Helper()
	var d bson.D
	require.NoError(t, bson.UnmarshalExtJSON([]byte(s), false, &d), s)
	return raw(t, d)
}

func run(t testing.TB, e *engine.Engine, cmd string) bson.Raw {
	t.Helper()
	r, err := e.Command(context.Background(), "d", js(t, cmd))
	require.NoError(t, err, cmd)
	return r
}

func TestManyWriters(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	ctx := context.Background()
	run(t, e, `{"createIndexes": "c", "indexes": [{"key": {"n": 1}, "name": "n_1"}, {"key": {"u": 1}, "name": "u_1", "unique": true}]}`)
	run(t, e, `{"insert": "c", "documents": [{"_id": "sum", "n": 0}]}`)
	inc := store.WriteOp{Kind: store.Update, Filter: js(t, `{"_id": "sum"}`), Update: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: js(t, `{"$inc": {"n": 1}}`)}}
	var group sync.WaitGroup
	for g := range 16 {
		group.Go(func() {
			for i := range 50 {
				ops := []store.WriteOp{inc, insertOp(t, bson.D{{Key: "_id", Value: fmt.Sprint(g, "-", i)}, {Key: "u", Value: i%5*16 + g}})}
				if _, err := e.Write(ctx, crashNS, ops, store.WriteOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 800, run(t, e, `{"find": "c", "filter": {"_id": "sum"}}`).Lookup("cursor", "firstBatch", "0", "n").AsInt64())
	require.EqualValues(t, 80, run(t, e, `{"count": "c", "query": {"u": {"$gte": 0}}}`).Lookup("n").AsInt64())
	require.True(t, run(t, e, `{"validate": "c"}`).Lookup("valid").Boolean())
}

func TestTTL(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	e := openEngine(t, "", engine.Options{Now: func() time.Time { return now }})
	run(t, e, `{"createIndexes": "c", "indexes": [{"key": {"at": 1}, "name": "at_1", "expireAfterSeconds": 60}]}`)
	run(t, e, `{"insert": "c", "documents": [{"_id": 1, "at": {"$date": "2029-12-31T23:59:30Z"}}, {"_id": 2, "at": {"$date": "2030-01-01T00:00:30Z"}},
		{"_id": 3}, {"_id": 4, "at": 5}, {"_id": 5, "at": [{"$date": "2031-01-01T00:00:00Z"}, {"$date": "2029-12-31T23:59:00Z"}]}]}`)
	n, err := e.SweepExpired(context.Background(), now)
	require.NoError(t, err)
	require.Zero(t, n)
	now = now.Add(31 * time.Second)
	n, err = e.SweepExpired(context.Background(), now)
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	now = now.Add(time.Hour)
	n, err = e.SweepExpired(context.Background(), now)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

func TestHistoryLost(t *testing.T) {
	e := openEngine(t, "", engine.Options{OplogSize: 20 << 10})
	ctx := context.Background()
	cs, err := e.Watch(ctx, crashNS, nil, store.WatchOptions{})
	require.NoError(t, err)
	token := append(bson.Raw(nil), cs.ResumeToken()...)
	for i := range 100 {
		_, err := e.Write(ctx, crashNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: i}, {Key: "s", Value: strings.Repeat("x", 1000)}})}, store.WriteOptions{})
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		_, err := e.Watch(ctx, crashNS, nil, store.WatchOptions{ResumeAfter: token})
		return mongoerr.CodeOf(err) == mongoerr.ChangeStreamHistoryLost
	}, patience, 10*time.Millisecond)
	_, err = cs.Next(ctx, 0)
	require.Equal(t, mongoerr.ChangeStreamHistoryLost, mongoerr.CodeOf(err), "a reader that was overtaken must not skip")
}

func TestExplain(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"createIndexes": "c", "indexes": [{"key": {"a": 1, "b": -1}, "name": "ab"}, {"key": {"p": 1}, "name": "p", "partialFilterExpression": {"q": {"$gt": 5}}}, {"key": {"h": "hashed"}, "name": "h"}]}`)
	run(t, e, `{"insert": "c", "documents": [{"_id": 1, "a": 1, "b": 2, "p": 3, "q": 9}]}`)
	for _, c := range []struct{ find, want string }{
		{`{"find": "c"}`, "COLLSCAN"},
		{`{"find": "c", "filter": {"_id": 1}}`, "_id_"},
		{`{"find": "c", "filter": {"a": 1}}`, "ab"},
		{`{"find": "c", "filter": {"a": {"$gt": 1}}}`, "ab"},
		{`{"find": "c", "filter": {"b": 1}}`, "COLLSCAN"},
		{`{"find": "c", "sort": {"a": -1, "b": 1}}`, "ab backward"},
		{`{"find": "c", "sort": {"a": 1, "b": 1}}`, "COLLSCAN"},
		{`{"find": "c", "filter": {"a": 3}, "sort": {"b": -1}}`, "ab"},
		{`{"find": "c", "filter": {"p": 1}}`, "COLLSCAN"},
		{`{"find": "c", "filter": {"p": 1, "q": 7}}`, "p"},
		{`{"find": "c", "filter": {"p": 1, "q": {"$gte": 5}}}`, "COLLSCAN"},
		{`{"find": "c", "filter": {"h": 1}}`, "h"},
		{`{"find": "c", "filter": {"h": {"$gt": 1}}}`, "COLLSCAN"},
		{`{"find": "c", "filter": {"a": 1}, "hint": {"$natural": 1}}`, "COLLSCAN"},
		{`{"find": "c", "hint": "ab"}`, "ab"},
		{`{"find": "c", "filter": {"$or": [{"a": 1}, {"_id": 2}]}}`, "or"},
	} {
		plan := run(t, e, `{"explain": `+c.find+`, "verbosity": "queryPlanner"}`).Lookup("queryPlanner", "winningPlan").Document()
		got := plan.Lookup("stage").StringValue()
		if got == "SORT" {
			plan = plan.Lookup("inputStage").Document()
			got = plan.Lookup("stage").StringValue()
		}
		if got == "FETCH" {
			scan := plan.Lookup("inputStage").Document()
			if name, ok := scan.Lookup("indexName").StringValueOK(); ok {
				if got = name; scan.Lookup("direction").StringValue() == "backward" {
					got += " backward"
				}
			} else {
				got = "or"
			}
		}
		require.Equal(t, c.want, got, c.find)
	}
}

func TestCapped(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"create": "c", "capped": true, "size": 4096, "max": 3}`)
	run(t, e, `{"insert": "c", "documents": [{"_id": 1}, {"_id": 2}, {"_id": 3}, {"_id": 4}, {"_id": 5}]}`)
	r := run(t, e, `{"find": "c"}`)
	require.EqualValues(t, 3, r.Lookup("cursor", "firstBatch", "0", "_id").AsInt64())
	require.True(t, run(t, e, `{"validate": "c"}`).Lookup("valid").Boolean())
}

// A transaction's snapshot and the state after it see different indexes.
func TestIndexYoungerThanSnapshot(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	ctx := context.Background()
	run(t, e, `{"insert": "c", "documents": [{"_id": 1, "n": 1}]}`)
	tx, err := e.Begin(ctx)
	require.NoError(t, err)
	defer tx.Abort(ctx)
	run(t, e, `{"createIndexes": "c", "indexes": [{"key": {"n": 1}, "name": "n_1"}]}`)
	cur, err := tx.Aggregate(ctx, crashNS, []bson.Raw{js(t, `{"$match": {"n": 1}}`)}, store.AggregateOptions{})
	require.NoError(t, err)
	defer cur.Close()
	_, err = cur.Next(ctx)
	require.NoError(t, err, "the document is there, if not in the index")
}

func TestDropWaitsForTransaction(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	ctx := context.Background()
	run(t, e, `{"insert": "c", "documents": [{"_id": 1, "n": 1}]}`)
	tx, err := e.Begin(ctx)
	require.NoError(t, err)
	_, err = tx.Write(ctx, crashNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: 2}})}, store.WriteOptions{})
	require.NoError(t, err)
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = e.Command(short, "d", js(t, `{"drop": "c"}`))
	require.Equal(t, mongoerr.MaxTimeMSExpired, mongoerr.CodeOf(err))
	require.NoError(t, tx.Commit(ctx))
	run(t, e, `{"drop": "c"}`)
}

func BenchmarkPointRead(b *testing.B) {
	e, err := engine.Open(b.TempDir(), engine.Options{TTLInterval: -1})
	require.NoError(b, err)
	defer e.Close()
	ctx := context.Background()
	var ops []store.WriteOp
	for i := range 10000 {
		ops = append(ops, insertOp(b, bson.D{{Key: "_id", Value: int32(i)}, {Key: "s", Value: strings.Repeat("x", 200)}}))
	}
	_, err = e.Write(ctx, crashNS, ops, store.WriteOptions{})
	require.NoError(b, err)
	pipelines := make([][]bson.Raw, 10000)
	for i := range pipelines {
		pipelines[i] = []bson.Raw{raw(b, bson.D{{Key: "$match", Value: bson.D{{Key: "_id", Value: int32(i)}}}})}
	}
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		cur, err := e.Aggregate(ctx, crashNS, pipelines[i*7919%10000], store.AggregateOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err = cur.Next(ctx); err != nil {
			b.Fatal(err)
		}
		cur.Close()
	}
}

func BenchmarkInsertDurable(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			e, err := engine.Open(b.TempDir(), engine.Options{TTLInterval: -1})
			require.NoError(b, err)
			defer e.Close()
			var group sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				group.Go(func() {
					for i := range b.N / writers {
						doc := insertOp(b, bson.D{{Key: "_id", Value: int64(w)<<32 | int64(i)}, {Key: "s", Value: strings.Repeat("x", 200)}})
						if _, err := e.Write(context.Background(), crashNS, []store.WriteOp{doc}, store.WriteOptions{}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			group.Wait()
		})
	}
}

func BenchmarkInsertMany1000(b *testing.B) {
	e, err := engine.Open(b.TempDir(), engine.Options{TTLInterval: -1})
	require.NoError(b, err)
	defer e.Close()
	next := 0
	for b.Loop() {
		b.StopTimer()
		var ops []store.WriteOp
		for range 1000 {
			ops = append(ops, insertOp(b, bson.D{{Key: "_id", Value: next}, {Key: "s", Value: strings.Repeat("x", 200)}}))
			next++
		}
		b.StartTimer()
		if _, err := e.Write(context.Background(), crashNS, ops, store.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEventLatency(b *testing.B) {
	e, err := engine.Open(b.TempDir(), engine.Options{TTLInterval: -1})
	require.NoError(b, err)
	defer e.Close()
	ctx := context.Background()
	cs, err := e.Watch(ctx, crashNS, nil, store.WatchOptions{})
	require.NoError(b, err)
	acked := make(chan time.Time, 1)
	var total time.Duration
	events := make(chan time.Time, 1)
	go func() {
		for {
			if ev, err := cs.Next(ctx, time.Minute); err != nil || ev == nil {
				return
			}
			events <- time.Now()
		}
	}()
	for i := 0; b.Loop(); i++ {
		_, err := e.Write(ctx, crashNS, []store.WriteOp{insertOp(b, bson.D{{Key: "_id", Value: i}})}, store.WriteOptions{})
		if err != nil {
			b.Fatal(err)
		}
		acked <- time.Now()
		total += (<-events).Sub(<-acked)
	}
	b.ReportMetric(float64(total.Microseconds())/float64(b.N), "us/event-after-ack")
}
