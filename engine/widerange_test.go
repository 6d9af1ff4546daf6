package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
)

// A range that spans much of the index of a big collection is read from the
// collection; a narrow one is not. Both find the same documents.
func TestWideRange(t *testing.T) {
	const n = 60_000
	dir := t.TempDir()
	e := openEngine(t, dir, engine.Options{})
	run(t, e, `{"createIndexes": "c", "indexes": [{"key": {"v": 1}, "name": "v"}]}`)
	for from := 0; from < n; from += 10_000 {
		docs := bson.A{}
		for i := from; i < from+10_000; i++ {
			docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "v", Value: fmt.Sprintf("%08x", uint32(i)*2654435761)}})
		}
		_, err := e.Command(t.Context(), "d", raw(t, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: docs}}))
		require.NoError(t, err)
	}
	require.NoError(t, e.Close())
	e = openEngine(t, dir, engine.Options{}) // what spans how much is known of what is on disk
	for _, c := range []struct {
		filter, plan string
		least        int
	}{
		{`{"v": {"$gte": "10000000"}}`, "COLLSCAN", n / 2},
		{`{"v": {"$gte": "f0000000"}}`, "FETCH, IXSCAN v", n / 20},
		{`{"v": {"$gte": "fff00000"}}`, "FETCH, IXSCAN v", 1},
	} {
		r := run(t, e, `{"explain": {"find": "c", "filter": `+c.filter+`}, "verbosity": "queryPlanner"}`)
		require.Equal(t, c.plan, stagesOf(r.Lookup("queryPlanner", "winningPlan").Document()), c.filter)
		count := func(hint string) int {
			r := run(t, e, `{"aggregate": "c", "cursor": {}, "pipeline": [{"$match": `+c.filter+`}, {"$group": {"_id": null, "n": {"$sum": 1}, "ids": {"$sum": "$_id"}}}]`+hint+`}`)
			batch, err := r.Lookup("cursor", "firstBatch").Array().Values()
			require.NoError(t, err)
			require.Len(t, batch, 1)
			return int(batch[0].Document().Lookup("n").AsInt64())
		}
		require.Greater(t, count(""), c.least)
		require.Equal(t, count(`, "hint": {"$natural": 1}`), count(""))
	}
}

// The first documents of an order are found by the index that has it where a filter
// finds many, and by the filter's where it finds few.
func TestFirstInOrder(t *testing.T) {
	const n = 60_000
	dir := t.TempDir()
	e := openEngine(t, dir, engine.Options{})
	run(t, e, `{"createIndexes": "c", "indexes": [{"key": {"s": 1, "x": 1}, "name": "s"}, {"key": {"p": 1}, "name": "p"}]}`)
	for from := 0; from < n; from += 10_000 {
		docs := bson.A{}
		for i := from; i < from+10_000; i++ {
			status := "often"
			if i%10 == 0 {
				status = "now and then"
			}
			if i%1000 == 0 {
				status = "seldom"
			}
			docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "s", Value: status}, {Key: "x", Value: fmt.Sprintf("%08x", uint32(i)*2654435761)}, {Key: "p", Value: fmt.Sprintf("%024x", i)}})
		}
		_, err := e.Command(t.Context(), "d", raw(t, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: docs}}))
		require.NoError(t, err)
	}
	require.NoError(t, e.Close())
	e = openEngine(t, dir, engine.Options{})
	for _, c := range []struct{ status, more, plan string }{
		{"often", `"sort": {"p": -1}, "limit": 20`, "LIMIT, FETCH, IXSCAN p"},
		{"now and then", `"sort": {"p": -1}, "limit": 20`, "LIMIT, FETCH, IXSCAN p"},
		{"now and then", `"sort": {"p": -1}, "limit": 5000`, "SORT, FETCH, IXSCAN s"},
		{"now and then", `"sort": {"p": -1}`, "SORT, FETCH, IXSCAN s"},
		{"seldom", `"sort": {"p": 1}, "limit": 20`, "SORT, FETCH, IXSCAN s"},
	} {
		find := `"find": "c", "filter": {"s": "` + c.status + `"}, ` + c.more
		r := run(t, e, `{"explain": {`+find+`}, "verbosity": "queryPlanner"}`)
		require.Equal(t, c.plan, stagesOf(r.Lookup("queryPlanner", "winningPlan").Document()), find)
		first := func(hint string) bson.Raw {
			return bson.Raw(run(t, e, `{`+find+hint+`, "batchSize": 20, "singleBatch": true}`).Lookup("cursor", "firstBatch").Value)
		}
		require.Equal(t, first(`, "hint": {"$natural": 1}`), first(""), find)
	}
}
