package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
	"weir/store"
)

var readCases = []testCase{
	{"nothing there", func(x *env) {
		require.Empty(x, x.all(x.s, "a"))
		require.Empty(x, x.all(x.s, "a", `{"$group": {"_id": null, "n": {"$sum": 1}}}`))
	}},
	{"natural order", func(x *env) {
		x.insert("a", `{"_id": 3}`, `{"_id": 1}`, `{"_id": 2}`)
		require.Equal(x, []string{`{"_id":3}`, `{"_id":1}`, `{"_id":2}`}, x.all(x.s, "a"))
	}},
	{"by _id", func(x *env) {
		x.insert("a", `{"_id": 3, "v": 1}`, `{"_id": "s"}`)
		require.Equal(x, []string{`{"_id":3,"v":1}`}, x.all(x.s, "a", `{"$match": {"_id": 3}}`))
		require.Equal(x, []string{`{"_id":3,"v":1}`}, x.all(x.s, "a", `{"$match": {"_id": 3.0}}`))
		require.Equal(x, []string{`{"_id":"s"}`}, x.all(x.s, "a", `{"$match": {"_id": "s"}}`))
		require.Empty(x, x.all(x.s, "a", `{"$match": {"_id": 4}}`))
	}},
	{"indexes give what a scan gives", sameWithIndexes},
	{"collectionless", func(x *env) {
		cur, err := x.s.Aggregate(x.ctx, store.Namespace{DB: x.db}, stages(`{"$documents": [{"a": 1}, {"a": 2}]}`), store.AggregateOptions{})
		require.NoError(x, err)
		require.Equal(x, []string{`{"a":1}`, `{"a":2}`}, x.drain(cur))
	}},
	{"lookup", func(x *env) {
		x.insert("a", `{"_id": 1, "b": 10}`, `{"_id": 2, "b": 11}`)
		x.insert("b", `{"_id": 10, "n": "x"}`)
		require.Equal(x, []string{`{"_id":1,"b":10,"j":[{"_id":10,"n":"x"}]}`, `{"_id":2,"b":11,"j":[]}`},
			x.all(x.s, "a", `{"$sort": {"_id": 1}}`, `{"$lookup": {"from": "b", "localField": "b", "foreignField": "_id", "as": "j"}}`))
	}},
	{"out and merge", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`, `{"_id": 2, "n": 2}`)
		require.Empty(x, x.all(x.s, "a", `{"$match": {"n": 2}}`, `{"$out": "b"}`))
		require.Equal(x, []string{`{"_id":2,"n":2}`}, x.all(x.s, "b"))
		require.Empty(x, x.all(x.s, "a", `{"$set": {"n": 7}}`, `{"$merge": {"into": "b"}}`))
		require.Equal(x, []string{`{"_id":1,"n":7}`, `{"_id":2,"n":7}`}, x.all(x.s, "b", `{"$sort": {"_id": 1}}`))
	}},
	{"let and collation", func(x *env) {
		x.insert("a", `{"_id": 1, "s": "A"}`, `{"_id": 2, "s": "a"}`, `{"_id": 3, "s": "b"}`)
		cur, err := x.s.Aggregate(x.ctx, x.ns("a"), stages(`{"$match": {"s": "a"}}`, `{"$set": {"v": "$$v"}}`, `{"$sort": {"_id": 1}}`),
			store.AggregateOptions{Let: js(`{"v": 9}`), Collation: js(`{"locale": "en", "strength": 2}`)})
		require.NoError(x, err)
		require.Equal(x, []string{`{"_id":1,"s":"A","v":9}`, `{"_id":2,"s":"a","v":9}`}, x.drain(cur))
	}},
	{"unknown stage", func(x *env) {
		_, err := x.s.Aggregate(x.ctx, x.ns("a"), stages(`{"$nonsense": 1}`), store.AggregateOptions{})
		x.wantCode(err, 40324)
	}},
	{"error while running", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`)
		cur, err := x.s.Aggregate(x.ctx, x.ns("a"), stages(`{"$project": {"r": {"$divide": ["$n", 0]}}}`), store.AggregateOptions{})
		if err == nil {
			_, err = cur.Next(x.ctx)
			cur.Close()
		}
		require.NotZero(x, mongoerr.CodeOf(err))
	}},
	{"bad hint", func(x *env) {
		x.insert("a", `{"_id": 1}`)
		cur, err := x.s.Aggregate(x.ctx, x.ns("a"), stages(`{"$match": {"n": 1}}`), store.AggregateOptions{Hint: bson.RawValue{Type: bson.TypeString, Value: append([]byte{5, 0, 0, 0}, "none\x00"...)}})
		if err == nil {
			_, err = cur.Next(x.ctx)
			cur.Close()
		}
		x.wantCode(err, mongoerr.BadValue)
	}},
	{"many batches", func(x *env) {
		x.fill("a", 1000)
		cur, err := x.s.Aggregate(x.ctx, x.ns("a"), stages(`{"$sort": {"_id": 1}}`), store.AggregateOptions{BatchSize: 7})
		require.NoError(x, err)
		got := x.drain(cur)
		require.Len(x, got, 1000)
		require.Equal(x, `{"_id":999,"n":9}`, got[999])
		require.NoError(x, cur.Close())
	}},
	{"close early", func(x *env) {
		x.fill("a", 500)
		cur, err := x.s.Aggregate(x.ctx, x.ns("a"), nil, store.AggregateOptions{BatchSize: 2})
		require.NoError(x, err)
		_, err = cur.Next(x.ctx)
		require.NoError(x, err)
		require.NoError(x, cur.Close())
		require.NoError(x, cur.Close())
	}},
	{"cancel", func(x *env) {
		x.fill("a", 500)
		ctx, cancel := context.WithCancel(x.ctx)
		cur, err := x.s.Aggregate(ctx, x.ns("a"), nil, store.AggregateOptions{BatchSize: 2})
		require.NoError(x, err)
		defer cur.Close()
		_, err = cur.Next(ctx)
		require.NoError(x, err)
		cancel()
		for err == nil {
			_, err = cur.Next(ctx)
		}
		require.False(x, errors.Is(err, io.EOF), "a cancelled cursor must not look complete")
		require.Equal(x, []string{`{"n":500}`}, x.all(x.s, "a", `{"$count": "n"}`))
	}},
}

func (x *env) fill(coll string, n int) {
	x.Helper()
	var ops []store.WriteOp
	for i := range n {
		ops = append(ops, store.WriteOp{Kind: store.Insert, Document: doc(bson.D{{Key: "_id", Value: int32(i)}, {Key: "n", Value: int32(i % 10)}})})
	}
	r, err := x.s.Write(x.ctx, x.ns(coll), ops, store.WriteOptions{})
	require.NoError(x, err)
	require.NoError(x, r.Err())
}

// sameWithIndexes asks the same questions before and after indexes exist.
func sameWithIndexes(x *env) {
	for i := range 60 {
		x.insert("a", fmt.Sprintf(`{"_id": %d, "n": %d, "s": "s%d", "t": [%d, %d], "o": {"p": %d}}`, i, i%7, i%5, i%3, i%11, i%4))
	}
	x.insert("a", `{"_id": 100}`, `{"_id": 101, "n": null}`, `{"_id": 102, "n": "x", "t": []}`, `{"_id": 103, "n": [1, 9]}`)
	filters := []string{
		`{"n": 3}`, `{"n": null}`, `{"n": {"$in": [1, 2, "x"]}}`, `{"n": {"$gt": 2, "$lte": 5}}`, `{"n": {"$gte": "a"}}`,
		`{"t": 2}`, `{"t": {"$gt": 1, "$lt": 3}}`, `{"t": []}`, `{"t": [1, 1]}`, `{"o.p": 2, "n": 1}`, `{"n": 1, "s": {"$gt": "s1"}}`,
		`{"$or": [{"n": 1}, {"s": "s2"}]}`, `{"n": {"$ne": 3}}`, `{"n": {"$exists": false}}`, `{"n": 1, "$or": [{"t": 1}, {"t": 2}]}`,
		`{"t": {"$elemMatch": {"$gt": 1, "$lt": 3}}}`, `{"n": {"$type": "string"}}`, `{"s": {"$regex": "^s1"}}`, `{"n": {"$not": {"$gt": 3}}}`,
	}
	sorts := []string{`{"_id": 1}`, `{"n": 1, "_id": 1}`, `{"n": -1, "_id": -1}`, `{"s": 1, "n": -1, "_id": 1}`, `{"o.p": -1, "_id": 1}`}
	ask := func() (out []string) {
		for _, f := range filters {
			for _, s := range sorts {
				out = append(out, f+" "+s+" "+lines(x.all(x.s, "a", `{"$match": `+f+`}`, `{"$sort": `+s+`}`)...))
			}
			out = append(out, x.all(x.s, "a", `{"$match": `+f+`}`, `{"$count": "n"}`)...)
		}
		return out
	}
	before := ask()
	x.command(`{"createIndexes": "a", "indexes": [{"key": {"n": 1}, "name": "n"}, {"key": {"n": -1, "_id": -1}, "name": "nid"},
		{"key": {"t": 1}, "name": "t"}, {"key": {"s": 1, "n": -1}, "name": "sn"}, {"key": {"o.p": 1, "n": 1}, "name": "op", "sparse": true}]}`)
	require.Equal(x, before, ask())
}
