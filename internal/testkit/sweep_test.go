package testkit_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/gateway"
	"weir/internal/testkit"
)

// What a crashed gateway's sessions left is dropped; what is in use, and what
// belongs to another gateway that is alive, stays.
func TestTemporaryOfCrashedGateways(t *testing.T) {
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			ctx := context.Background()
			g := testkit.Start(t, mode, &gateway.Options{TempSweep: 20 * time.Millisecond})
			client := g.Mongo(t).Client()
			conn := g.Connect(t)
			_, err := conn.Exec(ctx, "CREATE TEMP TABLE mine AS SELECT 1 AS a")
			require.NoError(t, err)
			const dead, alive = "weir_temp_aaaaaaaaaaaaaaaaaaaaaaaa_1", "weir_temp_bbbbbbbbbbbbbbbbbbbbbbbb_1"
			_, err = client.Database("weir").Collection("event_gateways").InsertOne(ctx,
				bson.D{{Key: "_id", Value: "bbbbbbbbbbbbbbbbbbbbbbbb"}, {Key: "expire_at", Value: time.Now().Add(time.Hour)}})
			require.NoError(t, err)
			for _, db := range []string{alive, dead} {
				_, err = client.Database(db).Collection("t").InsertOne(ctx, bson.D{{Key: "a", Value: 1}})
				require.NoError(t, err)
			}
			names := func() []string {
				out, err := client.ListDatabaseNames(ctx, bson.D{})
				require.NoError(t, err)
				return out
			}
			require.Eventually(t, func() bool { return !slices.Contains(names(), dead) }, patience, 10*time.Millisecond)
			require.Contains(t, names(), alive)
			var a int
			require.NoError(t, conn.QueryRow(ctx, "SELECT a FROM mine").Scan(&a))
			require.Equal(t, 1, a)
			require.NoError(t, client.Database(alive).Drop(ctx))
		})
	}
}
