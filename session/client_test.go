package session

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (g *gateway) pgx(t testing.TB, params string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), "postgres://ann@"+g.addr+"/shop?sslmode=disable"+params)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func code(err error) string {
	if e, ok := err.(*pgconn.PgError); ok {
		return e.Code
	}
	return ""
}

func TestPgxModesAgree(t *testing.T) {
	g := startGateway(t)
	for _, mode := range []string{"simple_protocol", "exec", "describe_exec", "cache_describe", "cache_statement"} {
		t.Run(mode, func(t *testing.T) {
			c := g.pgx(t, "&default_query_exec_mode="+mode)
			for range 3 {
				var a int
				var b string
				require.NoError(t, c.QueryRow(t.Context(), "select a, b from t1 where a = $1", 2).Scan(&a, &b))
				require.Equal(t, 2, a)
				require.Equal(t, "two", b)
			}
			tx, err := c.Begin(t.Context())
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), "update t1 set b = $1 where a = $2", "changed", 1)
			require.NoError(t, err)
			require.NoError(t, tx.Rollback(t.Context()))
			var n int
			require.NoError(t, c.QueryRow(t.Context(), "select count(*) from t1 where b = 'changed'").Scan(&n))
			require.Zero(t, n)
		})
	}
}

func TestPgxBatchIsOneTransaction(t *testing.T) {
	g := startGateway(t)
	c := g.pgx(t, "&default_query_exec_mode=exec")
	var b pgx.Batch
	b.Queue("insert into t1 (a, b) values (10, 'x')")
	b.Queue("insert into t1 (a, b) values (11, 'y')")
	b.Queue("insert into t1 (_id, a) values (1, 12)")
	require.Equal(t, "23505", code(c.SendBatch(t.Context(), &b).Close()))
	var n int
	require.NoError(t, c.QueryRow(t.Context(), "select count(*) from t1").Scan(&n))
	require.Equal(t, 3, n)
}

func TestPgxCopyFrom(t *testing.T) {
	g := startGateway(t)
	c := g.pgx(t, "")
	var rows [][]any
	for i := range 2500 {
		rows = append(rows, []any{int32(100 + i), "row"})
	}
	n, err := c.CopyFrom(t.Context(), pgx.Identifier{"t1"}, []string{"a", "b"}, pgx.CopyFromRows(rows))
	require.NoError(t, err)
	require.EqualValues(t, 2500, n)
	var count, sum int
	require.NoError(t, c.QueryRow(t.Context(), "select count(*), sum(a) from t1 where b = 'row'").Scan(&count, &sum))
	require.Equal(t, 2500, count)
	require.Equal(t, 2500*100+2500*2499/2, sum)
}

func TestNotificationsCrossSessions(t *testing.T) {
	g := startGateway(t)
	listener, sender := g.pgx(t, ""), g.pgx(t, "")
	_, err := listener.Exec(t.Context(), "listen ch")
	require.NoError(t, err)
	tx, err := sender.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "notify ch, 'one'")
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n, err := listener.WaitForNotification(ctx)
	require.NoError(t, err)
	require.Equal(t, "one", n.Payload)
	require.Equal(t, sender.PgConn().PID(), n.PID)
	// The gateway itself sends through the broker.
	go g.handler.deps.Broker.Notify("shop", "ch", "two", 0)
	n, err = listener.WaitForNotification(ctx)
	require.NoError(t, err)
	require.Equal(t, "two", n.Payload)
	require.NoError(t, listener.Close(t.Context()))
	require.Eventually(t, func() bool { return g.handler.deps.Broker.Listeners("shop", "ch") == 0 }, patience, time.Millisecond)
}

func TestCancelAndTerminate(t *testing.T) {
	g := startGateway(t)
	c := g.pgx(t, "")
	done := make(chan error, 1)
	go func() {
		_, err := c.PgConn().Exec(context.Background(), "subscribe to s").ReadAll()
		done <- err
	}()
	active := func() bool {
		for _, a := range g.handler.Backends().Activity() {
			if a.PID == c.PgConn().PID() && a.State == "active" && a.Query == "subscribe to s" {
				return true
			}
		}
		return false
	}
	require.Eventually(t, active, patience, time.Millisecond)
	require.True(t, g.handler.Backends().Cancel(c.PgConn().PID()))
	require.Equal(t, "57014", code(<-done))
	require.NoError(t, c.Ping(t.Context()))
	require.True(t, g.handler.Backends().Terminate(c.PgConn().PID()))
	require.Error(t, c.Ping(t.Context()))
	require.False(t, g.handler.Backends().Cancel(999999999))
}

func TestIdleTransactionIsEnded(t *testing.T) {
	g := startGateway(t)
	c := hijack(t, g.connect(t, "&options=-c%20idle_in_transaction_session_timeout%3D50"))
	c.send(message("P - begin"), message("B - -"), message("E -"), message("S"))
	require.Contains(t, c.collect(), "Z T")
	require.Contains(t, c.collect(), "E FATAL 25P03 terminating connection due to idle-in-transaction timeout")
}

func TestStartupSettings(t *testing.T) {
	g := startGateway(t)
	c := g.pgx(t, "&application_name=me&TimeZone=europe/berlin&options=-c%20weir.strict%3Don")
	require.Equal(t, "Europe/Berlin", c.PgConn().ParameterStatus("TimeZone"))
	require.Equal(t, "me", c.PgConn().ParameterStatus("application_name"))
	require.Equal(t, "15.0 (Weir test)", c.PgConn().ParameterStatus("server_version"))
	_, err := c.Exec(t.Context(), "select nosuch from t1")
	require.Equal(t, "42703", code(err))
	_, err = pgx.Connect(t.Context(), "postgres://ann@"+g.addr+"/shop?sslmode=disable&nosuch=1")
	require.ErrorContains(t, err, "42704")
	_, err = pgx.Connect(t.Context(), "postgres://ann@"+g.addr+"/shop?sslmode=disable&TimeZone=Nope")
	require.ErrorContains(t, err, "22023")
}

// What COPY TO writes, COPY FROM reads back, in each format.
func TestCopyRoundTrip(t *testing.T) {
	g := startGateway(t)
	c := g.pgx(t, "")
	exec := func(sql string) {
		_, err := c.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	exec(`create table src (i int, l bigint, f float8, n numeric, b bool, t text, at timestamptz, d date, u uuid, x bytea)`)
	exec(`insert into src values
		(1, 9000000000, 1.5, 12.340, true, 'plain', '2024-02-29 12:34:56.789+00', '2024-02-29', '11111111-2222-3333-4444-555555555555', '\x00ff'),
		(2, -1, -0.25, -7, false, E'tab\tline\nquote " comma , back \\ end', null, null, null, ''),
		(3, null, null, null, null, '', null, null, null, null), (4, null, null, null, null, '\N', null, null, null, null)`)
	for _, format := range []string{"text", "csv", "binary"} {
		t.Run(format, func(t *testing.T) {
			exec("create table dst_" + format + ` (i int, l bigint, f float8, n numeric, b bool, t text, at timestamptz, d date, u uuid, x bytea)`)
			var data bytes.Buffer
			_, err := c.PgConn().CopyTo(t.Context(), &data, "copy (select * from src order by i) to stdout with (format "+format+")")
			require.NoError(t, err)
			tag, err := c.PgConn().CopyFrom(t.Context(), &data, "copy dst_"+format+" from stdin with (format "+format+")")
			require.NoError(t, err)
			require.EqualValues(t, 4, tag.RowsAffected())
			dump := func(table string) string {
				res, err := c.PgConn().Exec(t.Context(), "select * from "+table+" order by i").ReadAll()
				require.NoError(t, err)
				return fmt.Sprintf("%q", res[0].Rows)
			}
			require.Equal(t, dump("src"), dump("dst_"+format))
		})
	}
}

// Statements that collide are run again, as PostgreSQL's wait for each other.
func TestConflictingStatementsAreRunAgain(t *testing.T) {
	g := startGateway(t)
	var wg sync.WaitGroup
	for range 4 {
		c := g.pgx(t, "")
		wg.Go(func() {
			for range 25 {
				_, err := c.Exec(context.Background(), "update t1 set a = a + 1 where b <> 'none'")
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	var sum int
	require.NoError(t, g.pgx(t, "").QueryRow(t.Context(), "select sum(a) from t1").Scan(&sum))
	require.Equal(t, 6+3*100, sum)
}
