package events_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/internal/testkit"
	"weir/store"
)

// TestServerSendsWhatIsWanted reads how the stream is opened: for the collections that
// are wanted at first, for all when another one is; what is written when CREATE has
// returned comes, and positions do not depend on what else was read.
func TestServerSendsWhatIsWanted(t *testing.T) {
	t.Parallel()
	s := &spoiled{}
	g := testkit.StartBehind(t, func(st store.Store) store.Store { s.Store = st; return s })
	conn, ctx := g.Connect(t), t.Context()
	db := g.Mongo(t)
	for _, name := range []string{"docs", "more", "others"} {
		require.NoError(t, db.CreateCollection(ctx, name))
	}
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION docs ON docs`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION again ON docs FOR DELETE, DDL`)
	s.set(func() {
		require.Len(t, s.pipelines, 1)
		require.Contains(t, s.pipelines[0], "docs")
		require.NotContains(t, s.pipelines[0], "others")
	})
	exec(t, conn, `BEGIN; INSERT INTO others (_id) VALUES (1), (2); INSERT INTO docs (_id) VALUES (1); INSERT INTO others (_id) VALUES (3); INSERT INTO docs (_id) VALUES (2); COMMIT`)
	for i := range 20 {
		_, err := db.Collection("others").InsertOne(ctx, bson.D{{Key: "_id", Value: 100 + i}})
		require.NoError(t, err)
	}
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION others ON others`)
	for i := range 20 {
		for _, name := range []string{"others", "docs"} {
			_, err := db.Collection(name).InsertOne(ctx, bson.D{{Key: "_id", Value: 200 + i}})
			require.NoError(t, err)
		}
	}
	require.NoError(t, db.Collection("docs").Drop(ctx))
	count := func(name string) int64 {
		return scalar[int64](t, conn, fmt.Sprintf(`SELECT count(*) FROM CHANGE_STREAM_EVENTS('%s') WHERE subscription_id = '%s'`, name, name))
	}
	require.Eventually(t, func() bool { return count("docs") == 22 && count("others") == 20 && count("again") == 1 }, patience, 10*time.Millisecond)
	s.set(func() {
		require.Len(t, s.pipelines, 2)
		require.NotContains(t, s.pipelines[1], "docs")
	})
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION past ON docs START AT BEGINNING`)
	require.Eventually(t, func() bool { return count("past") == 22 }, patience, 10*time.Millisecond)
	const positions = `SELECT string_agg(position, ' ' ORDER BY position) FROM CHANGE_STREAM_EVENTS('%s')`
	require.Equal(t, scalar[string](t, conn, fmt.Sprintf(positions, "docs")), scalar[string](t, conn, fmt.Sprintf(positions, "past")))
}
