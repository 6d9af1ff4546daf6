package events_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"weir/gateway"
	"weir/internal/testkit"
)

// planOf gives the lines of an EXPLAIN.
func planOf(t *testing.T, conn *pgx.Conn, sql string, args ...any) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}

// TestExplainSubscribe explains while another client follows the collection, with
// parameters, as JSON, and as a role that may not use what it names.
func TestExplainSubscribe(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{})
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION mine ON docs FOR INSERT WHERE document_key IS NOT NULL`)
	require.Contains(t, planOf(t, conn, `EXPLAIN SUBSCRIBE TO docs`), "Stream: a new one, which clients here share for database "+g.Database)

	other := g.Connect(t)
	exec(t, other, `BEGIN`)
	exec(t, other, `DECLARE k CURSOR FOR SUBSCRIBE TO docs`)
	require.Contains(t, planOf(t, conn, `EXPLAIN SUBSCRIBE TO docs`), "share for database "+g.Database+", of whom there are 1")
	past := time.Now().Add(-time.Second).UTC().Truncate(time.Second)
	lines := planOf(t, conn, `EXPLAIN SUBSCRIBE TO docs AS OF $1`, past)
	require.Contains(t, lines, "Stream: one of its own from there on")
	require.Contains(t, lines, "From: "+past.Format(time.RFC3339))
	require.EqualValues(t, 1, scalar[int64](t, conn, `SELECT count(*) FROM ACTIVE_CHANGE_STREAMS() WHERE kind = 'tail'`), "EXPLAIN opens none that stays")
	exec(t, other, `COMMIT`)

	var plans []struct{ Plan []string }
	require.NoError(t, json.Unmarshal([]byte(planOf(t, conn, `EXPLAIN (FORMAT JSON) SUBSCRIBE TO mine`)), &plans))
	require.Equal(t, "Subscribe to event subscription mine (active)", plans[0].Plan[0])
	require.Contains(t, plans[0].Plan, "  Match: collections docs, operations insert")
	require.Contains(t, plans[0].Plan, "  Where: document_key IS NOT NULL")

	exec(t, conn, `REVOKE USAGE ON EVENT_SUBSCRIPTION mine FROM PUBLIC`)
	bo, err := pgx.Connect(t.Context(), strings.Replace(g.DSN(), "tester@", "bo@", 1))
	require.NoError(t, err)
	t.Cleanup(func() { _ = bo.Close(context.Background()) })
	for _, of := range []string{`mine`, `(SELECT event_id FROM CHANGE_STREAM_EVENTS('mine'))`} {
		_, err = bo.Exec(t.Context(), `EXPLAIN SUBSCRIBE TO `+of)
		require.ErrorContains(t, err, "permission denied for event subscription mine (SQLSTATE 42501)")
	}
	require.Contains(t, planOf(t, bo, `EXPLAIN SUBSCRIBE TO (SELECT event_id FROM CHANGE_STREAM_EVENTS())`), "Checked on rows: subscriptions (1 may not be used); the query")
}

// TestExplainSubscribePushes: a server is asked for the changes of the collection alone,
// and for those of the others that clients follow.
func TestExplainSubscribePushes(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Remote, &gateway.Options{})
	conn, other := g.Connect(t), g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY)`)
	exec(t, conn, `CREATE TABLE more (_id int PRIMARY KEY)`)
	require.Contains(t, planOf(t, conn, `EXPLAIN SUBSCRIBE TO docs`), `Pushed into the stream: {"$match":{"$or":[{"ns.coll":{"$in":["docs"]}}`)
	exec(t, other, `BEGIN`)
	exec(t, other, `DECLARE k CURSOR FOR SUBSCRIBE TO more`)
	require.Contains(t, planOf(t, conn, `EXPLAIN SUBSCRIBE TO docs`), `{"ns.coll":{"$in":["docs","more"]}}`)
	require.Contains(t, planOf(t, conn, `EXPLAIN SUBSCRIBE TO docs AS OF now() - interval '1 second'`), `{"ns.coll":{"$in":["docs"]}}`)
}
