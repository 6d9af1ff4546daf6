package engine_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
)

// stagesOf lists the stages of a plan from the top, with the index's name.
func stagesOf(plan bson.Raw) string {
	var all []string
	for {
		s := plan.Lookup("stage").StringValue()
		if name, ok := plan.Lookup("indexName").StringValueOK(); ok {
			s += " " + name
		}
		all = append(all, s)
		next, ok := plan.Lookup("inputStage").DocumentOK()
		if !ok {
			return strings.Join(all, ", ")
		}
		plan = next
	}
}

// Explain tells when the keys of an index are enough.
func TestExplainKeysOnly(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"createIndexes": "c", "indexes": [{"key": {"s": 1, "at": 1}, "name": "s_at"}, {"key": {"m": 1}, "name": "m"}, {"key": {"rare": 1}, "name": "rare"}]}`)
	for i := range 200 {
		d := bson.D{{Key: "_id", Value: i}, {Key: "s", Value: []string{"x", "y"}[i%2]}, {Key: "at", Value: i}, {Key: "rare", Value: i}, {Key: "m", Value: bson.A{i, i + 1}}}
		_, err := e.Command(t.Context(), "d", raw(t, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{d}}}))
		require.NoError(t, err)
	}
	for _, c := range []struct{ cmd, want string }{
		{`{"count": "c", "query": {"s": "x"}}`, "COUNT, COUNT_SCAN s_at"},
		{`{"count": "c", "query": {"s": "x", "at": {"$gte": 5, "$lt": 20}}}`, "COUNT, COUNT_SCAN s_at"},
		{`{"count": "c", "query": {"s": null}}`, "COUNT, IXSCAN s_at"},
		{`{"count": "c", "query": {"m": 1}}`, "COUNT, FETCH, IXSCAN m"},
		{`{"find": "c", "filter": {"s": "x"}, "projection": {"_id": 0, "at": 1}}`, "PROJECTION_COVERED, IXSCAN s_at"},
		{`{"find": "c", "filter": {"s": "x"}, "projection": {"at": 1}}`, "PROJECTION_SIMPLE, FETCH, IXSCAN s_at"},
		{`{"find": "c", "filter": {"s": "x"}, "sort": {"at": -1}, "projection": {"_id": 0, "at": 1}}`, "PROJECTION_COVERED, IXSCAN s_at"},
		{`{"find": "c", "filter": {"m": 1}, "projection": {"_id": 0, "m": 1}}`, "PROJECTION_SIMPLE, FETCH, IXSCAN m"},
		{`{"find": "c", "filter": {"s": "x", "rare": 7}}`, "FETCH, IXSCAN rare"},
		{`{"distinct": "c", "key": "s"}`, "PROJECTION_COVERED, DISTINCT_SCAN s_at"},
		{`{"distinct": "c", "key": "m"}`, "COLLSCAN"},
	} {
		r := run(t, e, `{"explain": `+c.cmd+`, "verbosity": "executionStats"}`)
		got := stagesOf(r.Lookup("queryPlanner", "winningPlan").Document())
		require.Equal(t, c.want, got, c.cmd)
		if !strings.Contains(got, "FETCH") && !strings.Contains(got, "COLLSCAN") {
			require.Zero(t, r.Lookup("executionStats", "totalDocsExamined").AsInt64(), c.cmd)
		}
	}
	r := run(t, e, `{"explain": {"aggregate": "c", "pipeline": [{"$match": {"s": {"$gte": "a"}}}, {"$group": {"_id": "$s"}}], "cursor": {}}, "verbosity": "executionStats"}`)
	cursor := r.Lookup("stages", "0", "$cursor").Document()
	require.Equal(t, "PROJECTION_COVERED, DISTINCT_SCAN s_at", stagesOf(cursor.Lookup("queryPlanner", "winningPlan").Document()))
	require.Less(t, cursor.Lookup("executionStats", "totalKeysExamined").AsInt64(), int64(20))
}
