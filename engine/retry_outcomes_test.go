package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"weir/engine"
	"weir/engine/storage"
)

// A session keeps the outcomes of its last retryable write, and only those,
// also over a restart and after a command of many statements.
func TestOutcomesKept(t *testing.T) {
	dir := t.TempDir()
	lsid := bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}
	insert := func(e *engine.Engine, txn int64, from, n int) bson.Raw {
		docs := bson.A{}
		for i := range n {
			docs = append(docs, bson.D{{Key: "_id", Value: from + i}})
		}
		reply, err := e.RunCommand(t.Context(), nil, "d", raw(t, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: docs},
			{Key: "lsid", Value: bson.D{{Key: "id", Value: lsid}}}, {Key: "txnNumber", Value: txn}}), nil)
		require.NoError(t, err)
		require.Equal(t, int32(n), reply.Lookup("n").Int32())
		_, err = reply.LookupErr("writeErrors")
		require.Error(t, err, "%s", reply)
		return reply
	}
	retried := func(reply bson.Raw) int {
		v, err := reply.LookupErr("retriedStmtIds")
		if err != nil {
			return 0
		}
		values, err := v.Array().Values()
		require.NoError(t, err)
		return len(values)
	}
	kept := func() (n int) {
		db, err := storage.Open(dir, storage.Options{ReadOnly: true})
		require.NoError(t, err)
		lower, upper := storage.RetryRange(lsid.Data)
		it, err := db.Iter(lower, upper, false)
		require.NoError(t, err)
		for it.Next() {
			n++
		}
		require.NoError(t, it.Close())
		require.NoError(t, db.Close())
		return n
	}
	next := 0
	for txn, n := range []int{3, 1, 2, 500, 1, 70} { // one life of the process each
		e, err := engine.Open(dir, engine.Options{TTLInterval: -1})
		require.NoError(t, err)
		for round := range 3 {
			number := int64(10*txn + round)
			require.Zero(t, retried(insert(e, number, next, n)))
			require.Equal(t, n, retried(insert(e, number, next, n)))
			next += n
		}
		require.NoError(t, e.Close())
		require.Equal(t, n, kept())
		e, err = engine.Open(dir, engine.Options{TTLInterval: -1})
		require.NoError(t, err)
		require.Equal(t, n, retried(insert(e, int64(10*txn+2), next-n, n)))
		require.NoError(t, e.Close())
	}
}

// A retryable write that is sent again while the first is still running is done once.
func TestRepeatedAtOnce(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"insert": "c", "documents": [{"_id": 1, "n": 0}]}`)
	const commands, tries = 50, 4
	for txn := range commands {
		cmd := js(t, fmt.Sprintf(`{"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$inc": {"n": 1}}}],
			"lsid": {"id": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}}}, "txnNumber": {"$numberLong": "%d"}}`, txn))
		var group errgroup.Group
		for range tries {
			group.Go(func() error {
				_, err := e.RunCommand(t.Context(), nil, "d", cmd, nil)
				return err
			})
		}
		require.NoError(t, group.Wait())
	}
	r := run(t, e, `{"find": "c"}`)
	require.EqualValues(t, commands, r.Lookup("cursor", "firstBatch", "0", "n").AsInt64())
}
