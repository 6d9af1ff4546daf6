package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
)

// A read at a cluster time of the recent past sees the state of that time.
func TestReadAtClusterTime(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	s := e.NewSession()
	defer s.Close()
	wire := func(cmd string) (bson.Raw, error) { return e.RunCommand(context.Background(), s, "d", js(t, cmd), nil) }
	var times []string
	for i := range 5 {
		r, err := wire(fmt.Sprintf(`{"insert": "c", "documents": [{"_id": %d}]}`, i))
		require.NoError(t, err)
		times = append(times, text(r.Lookup("operationTime")))
	}
	count := func(cmd, at string) int {
		r, err := wire(fmt.Sprintf(cmd, at))
		require.NoError(t, err)
		batch, err := r.Lookup("cursor", "firstBatch").Array().Values()
		require.NoError(t, err)
		return len(batch)
	}
	for i, at := range times {
		require.Equal(t, i+1, count(`{"find": "c", "readConcern": {"level": "snapshot", "atClusterTime": %s}}`, at))
		require.Equal(t, i+1, count(`{"aggregate": "c", "pipeline": [], "cursor": {}, "readConcern": {"level": "snapshot", "atClusterTime": %s}}`, at))
	}
	for _, c := range []struct {
		code    int32
		concern string
	}{
		{246, `{"level": "snapshot", "atClusterTime": {"$timestamp": {"t": 1, "i": 1}}}`},
		{mongoerr.InvalidOptions, `{"level": "snapshot", "atClusterTime": {"$timestamp": {"t": 0, "i": 0}}}`},
		{mongoerr.InvalidOptions, `{"level": "snapshot", "atClusterTime": {"$timestamp": {"t": 4294967295, "i": 1}}}`},
		{mongoerr.InvalidOptions, `{"level": "snapshot", "atClusterTime": ` + times[0] + `, "afterClusterTime": ` + times[0] + `}`},
		{mongoerr.InvalidOptions, `{"level": "local", "atClusterTime": ` + times[0] + `}`},
	} {
		_, err := wire(`{"find": "c", "readConcern": ` + c.concern + `}`)
		require.Equal(t, c.code, mongoerr.CodeOf(err), "%s: %v", c.concern, err)
	}
}
