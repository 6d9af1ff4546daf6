package events_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/internal/testkit"
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
