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
