package events_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"weir/engine"
)

// TestStatementsRaceOnTwoGateways has two gateways change the same subscription at
// the same time: what either acknowledges stays, a pause too, and a drop is one.
func TestStatementsRaceOnTwoGateways(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	a, b := startNode(t, e, 0), startNode(t, e, 0)
	defer b.end(t)
	defer a.end(t)
	one, two := connect(t, a.Gateway, "race"), connect(t, b.Gateway, "race")
	both := func(f, g func()) {
		var group sync.WaitGroup
		group.Go(f)
		group.Go(g)
		group.Wait()
	}
	run := func(conn *pgx.Conn, sql string, args ...any) error {
		_, err := conn.Exec(t.Context(), fmt.Sprintf(sql, args...), pgx.QueryExecModeSimpleProtocol)
		return err
	}
	exec(t, one, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO NOTIFY ch`)
	for i := range 15 {
		var failed [2]error
		both(func() { failed[0] = run(one, `ALTER EVENT_SUBSCRIPTION s SET (description = 'd%d')`, i) },
			func() { failed[1] = run(two, `ALTER EVENT_SUBSCRIPTION s SET (service_name = 's%d')`, i) })
		require.NoError(t, errors.Join(failed[:]...))
		for _, conn := range []*pgx.Conn{one, two} {
			require.Eventually(t, func() bool {
				return scalar[string](t, conn, `SELECT coalesce(description, '') || coalesce(service_name, '') FROM EVENT_SUBSCRIPTIONS()`) == fmt.Sprintf("d%ds%d", i, i)
			}, patience, 5*time.Millisecond, "what both set is in force on both")
		}
		state := []string{"PAUSE", "RESUME"}[i%2]
		both(func() { failed[0] = run(one, `ALTER EVENT_SUBSCRIPTION s SET (batch_size = %d)`, i+1) },
			func() { failed[1] = run(two, `%s EVENT_SUBSCRIPTION s`, state) })
		require.NoError(t, errors.Join(failed[:]...))
		want := map[string]string{"PAUSE": "paused", "RESUME": "active"}[state]
		for _, conn := range []*pgx.Conn{one, two} {
			require.Eventually(t, func() bool {
				return scalar[string](t, conn, `SELECT status || (options->>'batch_size') FROM EVENT_SUBSCRIPTIONS()`) == fmt.Sprint(want, i+1)
			}, patience, 5*time.Millisecond, "%s is not undone by ALTER", state)
		}
	}
	var failed [2]error
	both(func() { failed[0] = run(one, `DROP EVENT_SUBSCRIPTION s`) }, func() { failed[1] = run(two, `ALTER EVENT_SUBSCRIPTION s SET (description = 'late')`) })
	require.NoError(t, failed[0])
	if failed[1] != nil {
		var pg *pgconn.PgError
		require.ErrorAs(t, failed[1], &pg)
		require.Contains(t, []string{"42704", "55006"}, pg.Code, "it is gone, or about to be: %v", pg)
	}
	for _, conn := range []*pgx.Conn{one, two} {
		require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_SUBSCRIPTIONS()`) == 0 }, patience, 5*time.Millisecond)
	}
	both(func() { failed[0] = run(one, `CREATE EVENT_SUBSCRIPTION s ON docs`) }, func() { failed[1] = run(two, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO PULL`) })
	require.True(t, (failed[0] == nil) != (failed[1] == nil), "one of two is made: %v, %v", failed[0], failed[1])
}

// TestLagGoesByTheServersClock has a gateway whose clock is an hour ahead.
func TestLagGoesByTheServersClock(t *testing.T) {
	e := openEngine(t)
	ahead := func() time.Time { return time.Now().Add(time.Hour) }
	n := startNodeAt(t, e, ahead)
	defer n.end(t)
	conn := connect(t, n.Gateway, "ahead")
	r := newReceiver(t, 0)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION logged ON docs`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION sent ON docs DELIVER TO '%s' WITH (max_age = '10 minutes')`, r.URL)
	insertDocs(t, e, "ahead", 0, 20)
	require.Eventually(t, func() bool { return len(r.all()) == 20 }, patience, 5*time.Millisecond, "none is too old")
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_STATS() WHERE lag_p99_ms IS NOT NULL`) == 2
	}, patience, 20*time.Millisecond)
	require.Less(t, scalar[float64](t, conn, `SELECT max(lag_p99_ms) FROM EVENT_STATS()`), 60_000.0)
	require.Less(t, scalar[float64](t, conn, `SELECT max(resume_token_lag_seconds) FROM EVENT_SUBSCRIPTIONS()`), 60.0)
}

// TestSubscriberIsOverrun stops reading while more is written than is kept for
// it: the error tells where the last row was.
func TestSubscriberIsOverrun(t *testing.T) {
	var ahead atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	e, err := engine.Open("", engine.Options{InternalDatabases: []string{"weir"}, Now: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	node := startNodeAt(t, e, clock)
	defer node.end(t)
	conn, slow := connect(t, node.Gateway, "overrun"), connect(t, node.Gateway, "overrun")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION feed ON docs WITH (retention = '1 hour')`)
	results := slow.PgConn().Exec(t.Context(), `SUBSCRIBE TO feed`)
	require.Eventually(t, func() bool { // until it follows
		insertDocs(t, e, "overrun", int(time.Now().UnixNano()), 1)
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('feed')`) > 0
	}, patience, 5*time.Millisecond)
	require.True(t, results.NextResult())
	rr := results.ResultReader()
	const n = 1500
	exec(t, conn, `INSERT INTO docs (_id, body) SELECT 'b' || i, repeat('x', 20000) FROM generate_series(1, %d) i`, n)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('feed')`) >= n
	}, patience, 20*time.Millisecond)
	ahead.Store(int64(2 * time.Hour))
	last, rows := "", 0
	for rr.NextRow() {
		last = string(rr.Values()[0])
		rows++
	}
	_, err = rr.Close()
	var pg *pgconn.PgError
	require.ErrorAs(t, err, &pg)
	require.Equal(t, "53400", pg.Code)
	require.Less(t, rows, n)
	require.Contains(t, pg.Detail, "at position "+last+".")
	require.Contains(t, pg.Hint, "AS OF '")
	require.Error(t, results.Close())
}
