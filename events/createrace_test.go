package events_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/internal/testkit"
	"weir/store"
)

// A CREATE that finds the cursor of another one, which was cut off or runs on another
// gateway, does not move it beyond what that one may have logged.
func TestCreateMovesNoCursorForward(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	cursors := g.Mongo(t).Client().Database("weir").Collection("event_cursors")
	const early, late = "000000010000000000000000", "ff0000010000000000000000"
	for id, at := range map[string]string{"early:0": early, "late:0": late} {
		_, err := cursors.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$set", Value: bson.D{{Key: "done_pos", Value: at}}}}, options.UpdateOne().SetUpsert(true))
		require.NoError(t, err)
	}
	conn := g.Connect(t)
	positions := map[string]string{}
	for _, name := range []string{"early", "late", "none"} {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION %s ON docs DELIVER TO PULL`, name)
		var doc struct {
			DonePos string `bson:"done_pos"`
		}
		require.NoError(t, cursors.FindOne(t.Context(), bson.D{{Key: "_id", Value: name + ":0"}}).Decode(&doc))
		positions[name] = doc.DonePos
	}
	require.Equal(t, early, positions["early"])
	require.Less(t, positions["late"], late)
	require.Greater(t, positions["late"], early)
	require.Greater(t, positions["none"], positions["late"])
}

// A CREATE that is cancelled while the gateway that reads the database is gone leaves
// nothing: what was logged for it meanwhile goes, too.
func TestCancelledCreateLeavesNothing(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	dying := &mortal{Store: e}
	a := startNode(t, dying, steady)
	t.Cleanup(func() { a.stop(); <-a.ended })
	const db = "cancelled"
	exec(t, connect(t, a.Gateway, db), `CREATE EVENT_SUBSCRIPTION first ON docs`)
	b := startNode(t, e, steady)
	defer b.end(t)
	dying.dead.Store(true)
	conn := connect(t, b.Gateway, db)
	exec(t, conn, `SET statement_timeout = '300ms'`)
	_, err := conn.Exec(t.Context(), `CREATE EVENT_SUBSCRIPTION second ON docs`)
	require.ErrorContains(t, err, "57014")
	exec(t, conn, `RESET statement_timeout`)
	row, err := bson.Marshal(bson.D{{Key: "_id", Value: "row"}, {Key: "subscription_id", Value: "second"}})
	require.NoError(t, err)
	_, err = e.Write(t.Context(), store.Namespace{DB: "weir", Coll: "event_log"}, []store.WriteOp{{Kind: store.Insert, Document: row}}, store.WriteOptions{})
	require.NoError(t, err)
	require.Equal(t, "draining", scalar[string](t, conn, `SELECT status FROM EVENT_SUBSCRIPTIONS() WHERE subscription_id = 'second'`))
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_SUBSCRIPTIONS()`) == 1
	}, patience, 10*time.Millisecond)
	require.Zero(t, countDocs(t, e, "event_log", bson.D{{Key: "subscription_id", Value: "second"}}))
	require.Zero(t, countDocs(t, e, "event_cursors", bson.D{{Key: "_id", Value: "second:0"}}))
	require.Zero(t, countDocs(t, e, "event_subscriptions", bson.D{{Key: "_id", Value: "second"}}))
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION second ON docs`)
	insertDocs(t, e, db, 0, 3)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('second')`) == 3
	}, patience, 10*time.Millisecond)
}
