package engine_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"weir/engine"
)

// A duplicate _id is refused wherever its key lies, and however the document
// that has it came in: before the process began, in the same command, or in a
// transaction.
func TestDuplicateIDs(t *testing.T) {
	dir := t.TempDir()
	e, err := engine.Open(dir, engine.Options{TTLInterval: -1})
	require.NoError(t, err)
	insert := func(docs, more string) (n int) {
		reply := run(t, e, fmt.Sprintf(`{"insert": "c", "ordered": false, "documents": [%s]%s}`, docs, more))
		return int(reply.Lookup("n").AsInt64())
	}
	require.Equal(t, 2, insert(`{"_id": 5}, {"_id": 7}, {"_id": 7}, {"_id": 5}`, ""))
	require.NoError(t, e.Close())
	e = openEngine(t, dir, engine.Options{})
	require.Zero(t, insert(`{"_id": 7}, {"_id": 5}`, ""))
	require.Equal(t, 3, insert(`{"_id": 9}, {"_id": 9}, {"_id": 8}, {"_id": 8}, {"_id": "x"}, {"_id": 9}`, ""))
	const txn = `"lsid": {"id": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}}}, "txnNumber": {"$numberLong": "1"}, "autocommit": false`
	require.Equal(t, 1, insert(`{"_id": "y"}`, `, `+txn+`, "startTransaction": true`))
	require.Equal(t, 1, insert(`{"_id": "z"}, {"_id": 7}`, ""))
	_, err = e.Command(t.Context(), "admin", js(t, `{"commitTransaction": 1, `+txn+`}`))
	require.NoError(t, err)
	require.Zero(t, insert(`{"_id": "y"}, {"_id": "z"}`, ""))
	require.Equal(t, 1, int(run(t, e, `{"delete": "c", "deletes": [{"q": {"_id": "z"}, "limit": 1}]}`).Lookup("n").AsInt64()))
	require.Equal(t, 2, insert(`{"_id": "z"}, {"_id": "z"}, {"_id": "zz"}`, ""))
}

// Keys that grow within groups, come back and come twice are accepted once for as
// long as they are there, also by several writers at once.
func TestDuplicateIDsInGroups(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	random := rand.New(rand.NewPCG(1, 2))
	held := map[string]bool{}
	var last [20]int
	for range 400 {
		var docs []string
		fresh := map[string]bool{}
		for range 1 + random.IntN(20) {
			group := random.IntN(len(last))
			n := last[group] - random.IntN(4)
			if random.IntN(4) > 0 {
				last[group]++
				n = last[group]
			}
			id := fmt.Sprintf("group%d:%06d", group, n)
			docs = append(docs, fmt.Sprintf(`{"_id": %q}`, id))
			if !held[id] {
				fresh[id] = true
			}
		}
		reply := run(t, e, fmt.Sprintf(`{"insert": "c", "ordered": false, "documents": [%s]}`, strings.Join(docs, ", ")))
		require.EqualValues(t, len(fresh), reply.Lookup("n").AsInt64(), docs)
		for id := range fresh {
			held[id] = true
		}
		for id := range held {
			if random.IntN(50) == 0 {
				require.EqualValues(t, 1, run(t, e, fmt.Sprintf(`{"delete": "c", "deletes": [{"q": {"_id": %q}, "limit": 1}]}`, id)).Lookup("n").AsInt64())
				delete(held, id)
			}
		}
	}
	require.EqualValues(t, len(held), run(t, e, `{"count": "c"}`).Lookup("n").AsInt64())
}

// Of writers that insert the same ids at the same time, one goes through with each;
// a unique index holds among them, too.
func TestJointInserts(t *testing.T) {
	e := openEngine(t, t.TempDir(), engine.Options{})
	run(t, e, `{"createIndexes": "c", "indexes": [{"key": {"u": 1}, "name": "u", "unique": true}]}`)
	const writers, ids = 16, 60
	var inserted atomic.Int64
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range ids {
				doc := fmt.Sprintf(`{"_id": %d, "u": %d}`, i, i/2*2+w%2)
				reply, err := e.Command(t.Context(), "d", js(t, `{"insert": "c", "documents": [`+doc+`]}`))
				if assert.NoError(t, err) {
					inserted.Add(reply.Lookup("n").AsInt64())
				}
			}
		})
	}
	all.Wait()
	require.EqualValues(t, inserted.Load(), run(t, e, `{"count": "c"}`).Lookup("n").AsInt64())
	require.EqualValues(t, ids, inserted.Load())
}
