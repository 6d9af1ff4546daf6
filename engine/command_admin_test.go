package engine_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"weir/engine"
	"weir/mongoerr"
)

func TestToolCommands(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"insert": "c", "documents": [{"_id": 2}, {"_id": 1, "a": 1}]}`)
	run(t, e, `{"insert": "other", "documents": [{"_id": 1}]}`)
	one := run(t, e, `{"dbHash": 1}`)
	require.Len(t, one.Lookup("collections", "c").StringValue(), 32)
	run(t, e, `{"update": "c", "updates": [{"q": {"_id": 2}, "u": {"$set": {"a": 1}}}]}`)
	two := run(t, e, `{"dbHash": 1}`)
	require.NotEqual(t, one.Lookup("md5"), two.Lookup("md5"))
	require.NotEqual(t, one.Lookup("collections", "c"), two.Lookup("collections", "c"))
	require.Equal(t, one.Lookup("collections", "other"), two.Lookup("collections", "other"))
	run(t, e, `{"update": "c", "updates": [{"q": {"_id": 2}, "u": {"$unset": {"a": 1}}}]}`)
	require.Equal(t, one.Lookup("md5"), run(t, e, `{"dbHash": 1}`).Lookup("md5"), "the same documents, the same sum")
	run(t, e, `{"planCacheClear": "c"}`)
	run(t, e, `{"compact": "c"}`)
	for _, c := range []struct {
		db, cmd string
		code    int32
	}{
		{"admin", `{"top": 1}`, 0}, {"admin", `{"getDiagnosticData": 1}`, 0}, {"admin", `{"connPoolStats": 1}`, 0},
		{"admin", `{"getClusterParameter": "*"}`, 0}, {"admin", `{"getClusterParameter": "x"}`, mongoerr.NoSuchKey},
		{"admin", `{"setFeatureCompatibilityVersion": "7.0", "confirm": true}`, 0}, {"admin", `{"setFeatureCompatibilityVersion": "6.0", "confirm": true}`, 4926900},
		{"admin", `{"fsync": 1}`, 0}, {"admin", `{"fsync": 1, "lock": true}`, mongoerr.CommandNotSupported}, {"admin", `{"fsyncUnlock": 1}`, 20},
		{"d", `{"compact": "none"}`, mongoerr.NamespaceNotFound}, {"d", `{"reIndex": "c"}`, 20}, {"d", `{"top": 1}`, mongoerr.Unauthorized},
		{"d", `{"mapReduce": "c"}`, mongoerr.CommandNotFound}, {"admin", `{"atlasVersion": 1}`, mongoerr.CommandNotFound},
		{"admin", `{"setParameter": 1, "logComponentVerbosity": {"verbosity": 1}}`, 0}, {"admin", `{"getParameter": 1, "logComponentVerbosity": 1}`, 0},
	} {
		_, err := e.Command(context.Background(), c.db, js(t, c.cmd))
		require.Equal(t, c.code, mongoerr.CodeOf(err), "%s: %v", c.cmd, err)
	}
}
