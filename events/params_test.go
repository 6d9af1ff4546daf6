package events_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"weir/gateway"
	"weir/internal/testkit"
)

// TestParametersOfEventStatements binds $1 in statements about subscriptions, as a
// consumer does that acknowledges what it has read.
func TestParametersOfEventStatements(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{})
	conn := g.Connect(t)
	run := func(sql string, args ...any) string {
		t.Helper()
		tag, err := conn.Exec(t.Context(), sql, args...)
		require.NoError(t, err, sql)
		return tag.String()
	}
	run(`CREATE TABLE docs (_id int PRIMARY KEY)`)
	run(`CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO PULL WITH (description = $1)`, "it's")
	run(`INSERT INTO docs VALUES (1), (2), (3)`)
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('s')`) == 3 }, patience, 5*time.Millisecond)
	require.Equal(t, "it's", scalar[string](t, conn, `SELECT description FROM EVENT_SUBSCRIPTIONS()`))
	var positions []string
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT array_agg(position ORDER BY position) FROM CHANGE_STREAM_EVENTS($1, since => $2)`, "s", time.Now().Add(-time.Hour)).Scan(&positions))
	run(`ACKNOWLEDGE EVENT_SUBSCRIPTION s UP TO $1`, positions[1])
	require.Equal(t, int64(1), scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('s') WHERE processing_status = 'queued'`))
	run(`REWIND EVENT_SUBSCRIPTION s TO TOKEN $1`, positions[0])
	require.Equal(t, int64(2), scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('s') WHERE processing_status = 'queued'`))
	run(`CREATE EVENT_SUBSCRIPTION later ON docs START AT TIMESTAMP $1`, time.Now().Add(-time.Minute))
	require.Equal(t, "REDRIVE 0", run(`REDRIVE DEAD LETTERS FOR s WHERE reason = $1 LIMIT $2`, "max_age", 5))
	require.Equal(t, "SELECT 2", run(`TEST EVENT_SUBSCRIPTION s ON LAST $1 EVENTS`, 2))

	query := `SUBSCRIBE TO (SELECT (document_key->>'_id')::int FROM CHANGE_STREAM_EVENTS($1, since => $3) WHERE event_type = $2 LIMIT $4)`
	for _, limit := range []int64{1, 3} { // the statement is prepared once
		rows, err := conn.Query(t.Context(), query, "s", "insert", time.Now().Add(-time.Minute), limit)
		require.NoError(t, err)
		got, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (id int32, err error) {
			var position string
			var progressed bool
			return id, row.Scan(&position, &progressed, &id)
		})
		require.NoError(t, err)
		require.Equal(t, []int32{1, 2, 3}[:limit], got)
	}
	run(`BEGIN`)
	run(`DECLARE c CURSOR FOR SUBSCRIBE TO s AS OF $1 UP TO $2`, time.Now().Add(-time.Minute), time.Now().Add(time.Minute))
	require.Equal(t, "FETCH 3", run(`FETCH 3 FROM c WITH (timeout = '10s')`))
	run(`ROLLBACK`)

	_, err := conn.Exec(t.Context(), `ACKNOWLEDGE EVENT_SUBSCRIPTION s UP TO $1`, "nowhere")
	require.ErrorContains(t, err, "22023")
	_, err = conn.PgConn().Exec(t.Context(), `ACKNOWLEDGE EVENT_SUBSCRIPTION s UP TO $1`).ReadAll()
	require.ErrorContains(t, err, "42P02")
}
