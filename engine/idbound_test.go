package engine_test

import (
	"fmt"
	"testing"

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
