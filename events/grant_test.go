package events_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"weir/gateway"
	"weir/internal/testkit"
)

// TestUsageHoldsFromOtherDatabases reads what a subscription logged as those who may
// use it and as others, from its database and from another one.
func TestUsageHoldsFromOtherDatabases(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{})
	conn, ctx := g.Connect(t), t.Context()
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION mine ON docs`)
	exec(t, conn, `GRANT USAGE ON EVENT_SUBSCRIPTION mine TO ada`)
	exec(t, conn, `REVOKE USAGE ON EVENT_SUBSCRIPTION mine FROM PUBLIC`)
	exec(t, conn, `INSERT INTO docs VALUES (1), (2)`)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('mine')`) == 2
	}, patience, 10*time.Millisecond)
	for role, wanted := range map[string]int64{"tester": 2, "ada": 2, "bo": 0} {
		for _, database := range []string{g.Database, g.Database + "_other"} {
			dsn := strings.NewReplacer("tester@", role+"@", "/"+g.Database+"?", "/"+database+"?").Replace(g.DSN())
			other, err := pgx.Connect(ctx, dsn)
			require.NoError(t, err)
			require.Equal(t, wanted, scalar[int64](t, other, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('`+g.Database+`')`), "%s in %s", role, database)
			require.NoError(t, other.Close(ctx))
		}
	}
}
