package events_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/store"
)

// TestBackfillOfTheDead has a gateway die when the jobs of a backfill are recorded, and
// nothing else is: they are run all the same.
func TestBackfillOfTheDead(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	dying := &mortal{Store: e, after: func(ns store.Namespace, _ []store.WriteOp) bool { return ns.Coll == "event_backfills" }}
	a := startNode(t, dying, steady)
	t.Cleanup(func() { a.stop(); <-a.ended })
	conn := connect(t, a.Gateway, "dead")
	insertDocs(t, e, "dead", 0, 7)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs`)
	_, err := conn.Exec(context.Background(), `BACKFILL EVENT_SUBSCRIPTION s`)
	require.Error(t, err)
	b := startNode(t, e, steady)
	t.Cleanup(func() { b.stop(); <-b.ended })
	conn = connect(t, b.Gateway, "dead")
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_BACKFILLS() WHERE status = 'done' AND done = 7`) == 1
	}, patience, 10*time.Millisecond)
}
