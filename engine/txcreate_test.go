package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
	"weir/store"
)

// inTxn runs a command in the transaction n of session s; start begins it.
func inTxn(t testing.TB, e *engine.Engine, db string, s byte, n int64, start bool, cmd string) (bson.Raw, error) {
	t.Helper()
	var d bson.D
	require.NoError(t, bson.UnmarshalExtJSON([]byte(cmd), false, &d), cmd)
	d = append(d, bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: append(make([]byte, 15), s)}}}},
		bson.E{Key: "txnNumber", Value: n}, bson.E{Key: "autocommit", Value: false})
	if start {
		d = append(d, bson.E{Key: "startTransaction", Value: true})
	}
	return e.Command(context.Background(), db, raw(t, d))
}

func names(t testing.TB, e *engine.Engine) []string {
	t.Helper()
	all, err := e.Collections(context.Background(), "d")
	require.NoError(t, err)
	out := []string{}
	for _, c := range all {
		out = append(out, c.Name)
	}
	return out
}

func TestCreateInTransaction(t *testing.T) {
	dir := t.TempDir()
	e, err := engine.Open(dir, engine.Options{})
	require.NoError(t, err)
	must := func(_ bson.Raw, err error) { t.Helper(); require.NoError(t, err) }
	begin := func(n int64) {
		must(inTxn(t, e, "d", 1, n, true, `{"create": "made", "validator": {"a": {"$exists": true}}}`))
		must(inTxn(t, e, "d", 1, n, false, `{"createIndexes": "made", "indexes": [{"key": {"a": 1}, "name": "a_1", "unique": true}]}`))
		must(inTxn(t, e, "d", 1, n, false, `{"insert": "made", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 2}]}`))
		must(inTxn(t, e, "d", 1, n, false, `{"insert": "implicit", "documents": [{"_id": 1}]}`))
		must(inTxn(t, e, "d", 1, n, false, `{"update": "upserted", "updates": [{"q": {"_id": 1}, "u": {"$set": {"x": 1}}, "upsert": true}]}`))
		r, err := inTxn(t, e, "d", 1, n, false, `{"find": "made", "filter": {"a": 2}}`)
		require.NoError(t, err)
		require.EqualValues(t, 2, r.Lookup("cursor", "firstBatch", "0", "_id").AsInt64())
		r, err = inTxn(t, e, "d", 1, n, false, `{"distinct": "implicit", "key": "_id"}`)
		require.NoError(t, err)
		require.EqualValues(t, 1, r.Lookup("values", "0").AsInt64())
		require.Empty(t, names(t, e), "others see nothing of it")
	}
	begin(1)
	must(inTxn(t, e, "admin", 1, 1, false, `{"abortTransaction": 1}`))
	require.Empty(t, names(t, e), "an abort leaves nothing")

	// Neither does a failed statement.
	begin(2)
	r, err := inTxn(t, e, "d", 1, 2, false, `{"insert": "made", "documents": [{"_id": 3, "a": 2}]}`)
	require.NoError(t, err)
	require.EqualValues(t, 11000, r.Lookup("writeErrors", "0", "code").AsInt64(), r)
	_, err = inTxn(t, e, "admin", 1, 2, false, `{"commitTransaction": 1}`)
	require.Equal(t, mongoerr.NoSuchTransaction, mongoerr.CodeOf(err))
	require.Empty(t, names(t, e))

	cs, err := e.Watch(context.Background(), store.Namespace{DB: "d"}, nil, store.WatchOptions{ShowExpandedEvents: true})
	require.NoError(t, err)
	begin(3)
	must(inTxn(t, e, "admin", 1, 3, false, `{"commitTransaction": 1}`))
	require.Equal(t, []string{"implicit", "made", "upserted"}, names(t, e))
	var kinds []string
	for {
		ev, err := cs.Next(context.Background(), 0)
		require.NoError(t, err)
		if ev == nil {
			break
		}
		kinds = append(kinds, ev.Lookup("operationType").StringValue()+" "+ev.Lookup("ns", "coll").StringValue())
	}
	require.Equal(t, []string{"create made", "createIndexes made", "insert made", "insert made", "create implicit", "insert implicit", "create upserted", "insert upserted"}, kinds)
	require.NoError(t, e.Close())

	require.Empty(t, check(t, dir).Faults)
	e = openEngine(t, dir, engine.Options{})
	require.Equal(t, []string{"implicit", "made", "upserted"}, names(t, e))
	r = run(t, e, `{"insert": "made", "documents": [{"_id": 9, "a": 1}]}`)
	require.EqualValues(t, 11000, r.Lookup("writeErrors", "0", "code").AsInt64(), "the index is unique: %s", r)
	r = run(t, e, `{"insert": "made", "documents": [{"_id": 9}]}`)
	require.EqualValues(t, 121, r.Lookup("writeErrors", "0", "code").AsInt64(), "the validator holds: %s", r)
}

func TestCreateConflicts(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	code := func(want int32, db string, s byte, n int64, start bool, cmd string) {
		t.Helper()
		_, err := inTxn(t, e, db, s, n, start, cmd)
		require.Equal(t, want, mongoerr.CodeOf(err), "%s: %v", cmd, err)
	}
	// Nobody waits for a name that a transaction uses: the first to commit has it.
	code(0, "d", 1, 1, true, `{"insert": "c", "documents": [{"_id": 1}]}`)
	code(0, "d", 2, 1, true, `{"create": "c"}`)
	code(0, "admin", 2, 1, false, `{"commitTransaction": 1}`)
	code(mongoerr.WriteConflict, "admin", 1, 1, false, `{"commitTransaction": 1}`)
	code(mongoerr.NoSuchTransaction, "admin", 1, 1, false, `{"commitTransaction": 1}`)
	code(0, "d", 1, 2, true, `{"createIndexes": "x", "indexes": [{"key": {"a": 1}, "name": "a_1"}]}`)
	run(t, e, `{"insert": "x", "documents": [{"_id": 2}]}`)
	code(mongoerr.WriteConflict, "admin", 1, 2, false, `{"commitTransaction": 1}`)
	run(t, e, `{"drop": "x"}`)

	run(t, e, `{"create": "capped", "capped": true, "size": 4096}`)
	for i, c := range []struct {
		code int32
		cmd  string
	}{
		{263, `{"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}]}`},
		{263, `{"insert": "capped", "documents": [{}]}`},
		{263, `{"create": "v", "viewOn": "c", "pipeline": []}`},
		{263, `{"drop": "c"}`},
		{263, `{"count": "c"}`},
		{48, `{"create": "c", "capped": true, "size": 4096}`},
		{48, `{"create": "c"}`},
		{0, `{"createIndexes": "c", "indexes": [{"key": {"_id": 1}, "name": "_id_"}]}`},
	} {
		code(c.code, "d", 3, int64(i), true, c.cmd)
	}
	code(0, "d", 4, 1, true, `{"insert": "fresh", "documents": [{"_id": 1}]}`)
	code(263, "d", 4, 1, false, `{"createIndexes": "fresh", "indexes": [{"key": {"a": 1}, "name": "a_1"}]}`)
	require.Equal(t, fmt.Sprint([]string{"c", "capped"}), fmt.Sprint(names(t, e)))
}

// A transaction has the catalog of its beginning, as it has the documents.
func TestCatalogOfTransaction(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"insert": "a", "documents": [{"_id": 1}]}`)
	run(t, e, `{"insert": "gone", "documents": [{"_id": 1}, {"_id": 2}]}`)
	run(t, e, `{"createIndexes": "gone", "indexes": [{"key": {"x": 1}, "name": "x_1"}]}`)
	run(t, e, `{"insert": "moved", "documents": [{"_id": 3}]}`)
	run(t, e, `{"insert": "again", "documents": [{"_id": 4}]}`)
	begin := func(s byte) {
		_, err := inTxn(t, e, "d", s, 1, true, `{"find": "a"}`)
		require.NoError(t, err)
	}
	for s := range byte(7) {
		begin(s)
	}
	run(t, e, `{"drop": "gone"}`)
	run(t, e, `{"drop": "again"}`)
	run(t, e, `{"insert": "again", "documents": [{"_id": 5}]}`)
	run(t, e, `{"create": "later"}`)
	_, err := e.Command(context.Background(), "admin", js(t, `{"renameCollection": "d.moved", "to": "d.moved2"}`))
	require.NoError(t, err)

	ids := func(s byte, coll string) string {
		r, err := inTxn(t, e, "d", s, 1, false, `{"distinct": "`+coll+`", "key": "_id"}`)
		require.NoError(t, err)
		var got struct{ Values []int }
		require.NoError(t, bson.Unmarshal(r, &got))
		return fmt.Sprint(got.Values)
	}
	require.Equal(t, "[1 2]", ids(0, "gone"))
	require.Equal(t, "[3]", ids(0, "moved"))
	require.Equal(t, "[]", ids(0, "moved2"))
	require.Equal(t, "[4]", ids(0, "again"))
	require.Equal(t, "[]", ids(0, "later"))
	r, err := inTxn(t, e, "d", 0, 1, false, `{"aggregate": "gone", "pipeline": [{"$count": "n"}], "cursor": {}}`)
	require.NoError(t, err)
	require.EqualValues(t, 2, r.Lookup("cursor", "firstBatch", "0", "n").AsInt64())

	for i, cmd := range []string{
		`{"findAndModify": "gone", "query": {"_id": 9}, "update": {"$set": {"a": 1}}, "upsert": true}`,
		`{"insert": "moved", "documents": [{"_id": 9}]}`,
		`{"delete": "again", "deletes": [{"q": {}, "limit": 0}]}`,
		`{"update": "gone", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a": 1}}}]}`,
	} {
		_, err := inTxn(t, e, "d", byte(i+1), 1, false, cmd)
		require.Equal(t, mongoerr.WriteConflict, mongoerr.CodeOf(err), "%s: %v", cmd, err)
	}
	_, err = inTxn(t, e, "d", 5, 1, false, `{"insert": "later", "documents": [{"_id": 1}]}`)
	require.NoError(t, err, "the transaction makes a collection of that name")
	_, err = inTxn(t, e, "admin", 5, 1, false, `{"commitTransaction": 1}`)
	require.Equal(t, mongoerr.WriteConflict, mongoerr.CodeOf(err), "%v", err)
}

// What no transaction may do leaves it as it is.
func TestRefusedInTransaction(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"create": "c"}`)
	code := func(want int32, db string, n int64, start bool, cmd string) {
		t.Helper()
		_, err := inTxn(t, e, db, 1, n, start, cmd)
		require.Equal(t, want, mongoerr.CodeOf(err), "%s: %v", cmd, err)
	}
	code(0, "d", 1, true, `{"find": "c", "apiVersion": "1"}`)
	for _, c := range []struct {
		code    int32
		db, cmd string
	}{
		{263, "d", `{"drop": "c", "writeConcern": {"w": "majority"}}`},
		{263, "local", `{"find": "c"}`},
		{263, "config", `{"find": "c"}`},
		{263, "d", `{"find": "system.views"}`},
		{263, "d", `{"aggregate": "system.profile", "pipeline": [], "cursor": {}}`},
		{347, "d", `{"find": "c"}`},
		{347, "d", `{"find": "c", "apiVersion": "1", "apiStrict": false}`},
		{347, "admin", `{"commitTransaction": 1}`},
	} {
		code(c.code, c.db, 1, false, c.cmd)
	}
	code(0, "d", 1, false, `{"find": "c", "apiVersion": "1"}`)
	code(0, "admin", 1, false, `{"commitTransaction": 1, "apiVersion": "1"}`)
	code(263, "admin", 2, true, `{"commitTransaction": 1}`)
	code(263, "admin", 2, true, `{"abortTransaction": 1}`)
	code(0, "admin", 3, true, `{"find": "c"}`)
	code(50781, "d", 3, false, `{"findAndModify": "system.js", "remove": true}`)
	code(mongoerr.NoSuchTransaction, "admin", 3, false, `{"abortTransaction": 1}`)
}

// A change of a collection's options waits for the transactions that have written to it.
func TestOptionsWaitForTransactions(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"create": "c"}`)
	_, err := inTxn(t, e, "d", 1, 1, true, `{"insert": "c", "documents": [{"_id": 1}]}`)
	require.NoError(t, err)
	const cmd = `{"collMod": "c", "validator": {"a": 1}}`
	hasty, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = e.Command(hasty, "d", js(t, cmd))
	require.Equal(t, mongoerr.Interrupted, mongoerr.CodeOf(err), "it would wait: %v", err)
	_, err = inTxn(t, e, "d", 1, 1, false, `{"insert": "c", "documents": [{"_id": 2}]}`)
	require.NoError(t, err, "the validator does not hold yet")
	_, err = inTxn(t, e, "admin", 1, 1, false, `{"commitTransaction": 1}`)
	require.NoError(t, err)
	_, err = e.Command(hasty, "d", js(t, cmd))
	require.NoError(t, err, "there is nothing to wait for")
	r := run(t, e, `{"insert": "c", "documents": [{"_id": 3}]}`)
	require.EqualValues(t, 121, r.Lookup("writeErrors", "0", "code").AsInt64(), r)
}
