package engine_test

import (
	"context"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
)

func inLocal(t *testing.T, e *engine.Engine, cmd string) bson.Raw {
	t.Helper()
	r, err := e.Command(context.Background(), "local", js(t, cmd))
	require.NoError(t, err, cmd)
	return r
}

// local.oplog.rs shows the changes as a member of a replica set does.
func TestOplogIsReadable(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	for _, cmd := range []string{
		`{"create": "c"}`,
		`{"insert": "c", "documents": [{"_id": 1, "a": {"b": 1, "c": [1, 2, 3]}, "z": 1}]}`,
		`{"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a.b": 2, "a.c.1": 9}, "$unset": {"z": 1}}}]}`,
		`{"update": "c", "updates": [{"q": {"_id": 1}, "u": [{"$set": {"a.c": [1]}}]}]}`,
		`{"update": "c", "updates": [{"q": {"_id": 1}, "u": {"r": 1}}]}`,
		`{"delete": "c", "deletes": [{"q": {"_id": 1}, "limit": 1}]}`,
		`{"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}]}`,
		`{"dropIndexes": "c", "index": "a_1"}`,
		`{"drop": "c"}`,
	} {
		run(t, e, cmd)
	}
	_, err := inTxn(t, e, "d", 1, 1, true, `{"insert": "t", "documents": [{"_id": 1}, {"_id": 2}]}`)
	require.NoError(t, err)
	_, err = inTxn(t, e, "admin", 1, 1, false, `{"commitTransaction": 1}`)
	require.NoError(t, err)

	r := inLocal(t, e, `{"find": "oplog.rs", "filter": {"op": {"$ne": "n"}}, "projection": {"_id": 0, "op": 1, "ns": 1, "o": 1, "o2": 1}}`)
	number := regexp.MustCompile(`\{"\$numberInt":"(-?\d+)"\}`)
	var got []string
	for _, d := range documents(t, r.Lookup("cursor", "firstBatch")) {
		got = append(got, number.ReplaceAllString(d.String(), "$1"))
	}
	want := []string{
		`{"op": "c","ns": "d.$cmd","o": {"create": "c","idIndex": {"v": 2,"key": {"_id": 1},"name": "_id_"}}}`,
		`{"op": "i","ns": "d.c","o": {"_id": 1,"a": {"b": 1,"c": [1,2,3]},"z": 1},"o2": {"_id": 1}}`,
		`{"op": "u","ns": "d.c","o": {"$v": 2,"diff": {"d": {"z": false},"sa": {"u": {"b": 2},"sc": {"a": true,"u1": 9}}}},"o2": {"_id": 1}}`,
	}
	require.Equal(t, want, got[:3])
	require.Contains(t, got[4], `"o": {"_id": 1,"r": 1}`)
	require.Equal(t, `{"op": "d","ns": "d.c","o": {"_id": 1}}`, got[5])
	require.Contains(t, got[6], `"createIndexes": "c"`)
	require.Contains(t, got[len(got)-1], `{"applyOps": [{"op": "c"`)

	last := inLocal(t, e, `{"find": "oplog.rs", "sort": {"$natural": -1}, "limit": 1}`)
	ts := last.Lookup("cursor", "firstBatch", "0", "ts").String()
	cur := inLocal(t, e, `{"find": "oplog.rs", "filter": {"ts": {"$gt": `+ts+`}, "op": "i"}, "tailable": true, "awaitData": true}`)
	run(t, e, `{"insert": "c", "documents": [{"_id": 7}]}`)
	w := &watched{e: e, id: cur.Lookup("cursor", "id").AsInt64()}
	var seen []bson.Raw
	for len(seen) == 0 {
		r := inLocal(t, e, raw(t, bson.D{{Key: "getMore", Value: w.id}, {Key: "collection", Value: "oplog.rs"}, {Key: "maxTimeMS", Value: 2000}}).String())
		seen = documents(t, r.Lookup("cursor", "nextBatch"))
	}
	require.EqualValues(t, 7, seen[0].Lookup("o", "_id").AsInt64())

	for _, cmd := range []string{`{"insert": "oplog.rs", "documents": [{}]}`, `{"drop": "oplog.rs"}`, `{"create": "oplog.rs"}`, `{"update": "oplog.rs", "updates": [{"q": {}, "u": {"$set": {"a": 1}}}]}`} {
		_, err := e.Command(context.Background(), "local", js(t, cmd))
		require.Equal(t, mongoerr.IllegalOperation, mongoerr.CodeOf(err), cmd)
	}
	require.Contains(t, inLocal(t, e, `{"listCollections": 1}`).String(), `"name": "oplog.rs"`)
}
