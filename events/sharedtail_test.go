package events_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/events"
	"weir/internal/testkit"
	"weir/mongoerr"
	"weir/store"
)

// tails counts the change streams that live tails have open.
func tails(t *testing.T, conn *pgx.Conn) int64 {
	return scalar[int64](t, conn, `SELECT count(*) FROM ACTIVE_CHANGE_STREAMS() WHERE kind = 'tail'`)
}

// follow opens a cursor over a live tail.
func follow(t *testing.T, g *testkit.Gateway, subscribe string) *pgx.Conn {
	conn := g.Connect(t)
	exec(t, conn, `DECLARE c CURSOR WITH HOLD FOR %s`, subscribe)
	return conn
}

// tailed fetches until there are n rows, as text: event_type and the key.
func tailed(t *testing.T, conn *pgx.Conn, n int) (got []string) {
	t.Helper()
	for len(got) < n {
		rows, err := conn.Query(t.Context(), fmt.Sprintf(`FETCH %d FROM c WITH (timeout = '10s')`, n-len(got)), pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
		before := len(got)
		for rows.Next() {
			v, err := rows.Values()
			require.NoError(t, err)
			got = append(got, fmt.Sprint(v[2], " ", v[3].(map[string]any)["_id"]))
		}
		require.NoError(t, rows.Err())
		require.Greater(t, len(got), before, "no row came in time")
	}
	return got
}

// inEachMode runs a test in front of an embedded and of a remote store.
func inEachMode(t *testing.T, f func(t *testing.T, g *testkit.Gateway, conn *pgx.Conn)) {
	t.Helper()
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := testkit.Start(t, mode, nil)
			f(t, g, g.Connect(t))
		})
	}
}

func numbered(op string, from, n int) (want []string) {
	for i := range n {
		want = append(want, fmt.Sprint(op, " ", from+i))
	}
	return want
}

// TestTailsShareOneStream follows collections of a database by many clients: they
// share one stream, and each is given what comes after it began.
func TestTailsShareOneStream(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(t *testing.T, g *testkit.Gateway, conn *pgx.Conn) {
		exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, note text); CREATE TABLE others (_id int PRIMARY KEY); CREATE TABLE third (_id int PRIMARY KEY)`)
		require.EqualValues(t, 0, tails(t, conn))
		var clients []*pgx.Conn
		for i := range 6 {
			exec(t, conn, `INSERT INTO docs VALUES (%d, 'before')`, i)
			clients = append(clients, follow(t, g, `SUBSCRIBE TO docs`))
		}
		other, snapshot := follow(t, g, `SUBSCRIBE TO others`), follow(t, g, `SUBSCRIBE TO docs WITH (SNAPSHOT)`)
		third := follow(t, g, `SUBSCRIBE TO third`)
		require.EqualValues(t, 1, tails(t, conn))
		require.Equal(t, []string{"docs", "others", "third"}, scalar[[]string](t, conn, `SELECT collections FROM ACTIVE_CHANGE_STREAMS() WHERE kind = 'tail'`))
		exec(t, conn, `INSERT INTO docs SELECT i, 'after' FROM generate_series(6, 9) i`)
		exec(t, conn, `INSERT INTO others SELECT i FROM generate_series(1, 3) i`)
		exec(t, conn, `INSERT INTO third VALUES (1)`)
		exec(t, conn, `UPDATE docs SET note = 'now' WHERE _id = 9`)
		for i, c := range clients {
			want := numbered("insert", i+1, 9-i)
			require.Equal(t, append(want, "update 9"), tailed(t, c, len(want)+1))
		}
		require.Equal(t, append(append(numbered("read", 0, 6), numbered("insert", 6, 4)...), "update 9"), tailed(t, snapshot, 11))
		require.Equal(t, numbered("insert", 1, 3), tailed(t, other, 3))
		require.Equal(t, numbered("insert", 1, 1), tailed(t, third, 1))
		require.EqualValues(t, 1, tails(t, conn))

		// One that began in the past has a stream of its own until it is up with the others.
		past := follow(t, g, `SUBSCRIBE TO docs AS OF now() - interval '1 hour'`)
		require.Equal(t, append(numbered("insert", 0, 10), "update 9"), tailed(t, past, 11))
		require.Eventually(t, func() bool {
			exec(t, past, `FETCH 1 FROM c WITH (timeout = '20ms')`)
			return tails(t, conn) == 1
		}, patience, time.Millisecond)

		// The end of a collection is that of who follows it.
		exec(t, conn, `DROP TABLE docs`)
		for _, c := range append(clients, past, snapshot) {
			rows, err := c.Query(t.Context(), `FETCH 2 FROM c WITH (timeout = '10s')`, pgx.QueryExecModeSimpleProtocol)
			require.NoError(t, err)
			var ops []string
			for rows.Next() {
				v, err := rows.Values()
				require.NoError(t, err)
				ops = append(ops, v[2].(string))
			}
			require.NoError(t, rows.Err())
			require.Equal(t, []string{"drop", "invalidate"}, ops)
			_, err = c.Exec(t.Context(), `FETCH 1 FROM c WITH (timeout = '10s')`)
			require.ErrorContains(t, err, "dropped or renamed")
		}
		exec(t, conn, `INSERT INTO others VALUES (4)`)
		require.Equal(t, []string{"insert 4"}, tailed(t, other, 1))
		for _, c := range append(clients, past, snapshot, other, third) {
			require.NoError(t, c.Close(context.Background()))
		}
		require.Eventually(t, func() bool { return tails(t, conn) == 0 }, patience, time.Millisecond)
	})
}

// TestTailsJoinWhileMuchIsWritten begins tails at all times, in the past and at the
// present, while others write: none misses an event or is given one twice.
func TestTailsJoinWhileMuchIsWritten(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(t *testing.T, g *testkit.Gateway, conn *pgx.Conn) {
		exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, note text); CREATE TABLE noise (_id int PRIMARY KEY, note text)`)
		const all, each = 3000, 10
		written := make(chan error, 1)
		go func() {
			writer, err := pgx.Connect(context.Background(), g.DSN())
			for i := 0; i < all && err == nil; i += each {
				_, err = writer.Exec(context.Background(), fmt.Sprintf(`BEGIN; INSERT INTO docs SELECT i, repeat('x', 500) FROM generate_series(%d, %d) i; INSERT INTO noise VALUES (%d, 'n'); COMMIT`, i, i+each-1, i))
			}
			written <- err
		}()
		const most = 24
		got := make(chan []string, most)
		n := 0
		for ; n < most && len(written) == 0; n++ {
			subscribe := []string{`SUBSCRIBE TO docs`, `SUBSCRIBE TO docs AS OF now() - interval '1 hour'`, `SUBSCRIBE TO docs AS OF now() - interval '100 milliseconds'`, `SUBSCRIBE TO noise AS OF now() - interval '1 hour'`}[n%4]
			last := fmt.Sprint("insert ", all-1)
			if strings.Contains(subscribe, "noise") {
				last = fmt.Sprint("insert ", all-each)
			}
			client := follow(t, g, subscribe)
			go func() { got <- append([]string{subscribe}, tailedUntil(client, last)...) }()
		}
		require.NoError(t, <-written)
		for range n {
			ids := <-got
			step := 1
			if strings.Contains(ids[0], "noise") {
				step = each
			}
			var first int
			_, err := fmt.Sscanf(ids[1], "insert %d", &first)
			require.NoError(t, err, ids)
			if strings.Contains(ids[0], "hour") {
				require.Zero(t, first, ids[0])
			}
			for i, id := range ids[1:] {
				require.Equal(t, fmt.Sprint("insert ", first+i*step), id, "%s, after %v", ids[0], ids[i])
			}
		}
	})
}

// tailedUntil fetches until a row is there. What goes wrong is the last one.
func tailedUntil(conn *pgx.Conn, last string) (got []string) {
	for len(got) == 0 || got[len(got)-1] != last {
		rows, err := conn.Query(context.Background(), `FETCH 100 FROM c WITH (timeout = '5s')`, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return append(got, err.Error())
		}
		before := len(got)
		for rows.Next() {
			v, err := rows.Values()
			if err != nil {
				return append(got, err.Error())
			}
			got = append(got, fmt.Sprint(v[2], " ", v[3].(map[string]any)["_id"]))
		}
		if err := rows.Err(); err != nil || len(got) == before {
			return append(got, fmt.Sprint("no row came: ", err))
		}
	}
	return got
}

// TestSlowTailHoldsNobodyUp has a client ask for nothing while much is written: what
// waits for it is bounded, others are given all meanwhile, and it is itself as soon as
// it asks again.
func TestSlowTailHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, note text)`)
	slow, quick := follow(t, g, `SUBSCRIBE TO docs`), follow(t, g, `SUBSCRIBE TO docs`)
	const rounds, each = 20, 20
	for i := range rounds {
		exec(t, conn, `INSERT INTO docs SELECT i, repeat('x', 50000) FROM generate_series(%d, %d) i`, i*each, i*each+each-1)
		require.Equal(t, numbered("insert", i*each, each), tailed(t, quick, each))
	}
	require.EqualValues(t, 1, tails(t, conn))
	require.Equal(t, numbered("insert", 0, rounds*each), tailed(t, slow, rounds*each))
	exec(t, conn, `INSERT INTO docs VALUES (-1, '')`)
	require.Equal(t, numbered("insert", -1, 1), tailed(t, slow, 1))
	require.Equal(t, numbered("insert", -1, 1), tailed(t, quick, 1))
	require.Eventually(t, func() bool {
		exec(t, slow, `FETCH 1 FROM c WITH (timeout = '20ms')`)
		return tails(t, conn) == 1
	}, patience, time.Millisecond)
}

// forgetful is a store whose oplog reaches back to no time that is asked for.
type forgetful struct {
	store.Store
	forgot atomic.Bool
}

func (f *forgetful) Watch(ctx context.Context, ns store.Namespace, p []bson.Raw, o store.WatchOptions) (store.ChangeStream, error) {
	if f.forgot.Load() && o.StartAtOperationTime != nil {
		return nil, mongoerr.New(mongoerr.ChangeStreamHistoryLost, "resume point may no longer be in the oplog")
	}
	return f.Store.Watch(ctx, ns, p, o)
}

// TestTailIsOverrun ends a client that is behind what the oplog has, and no other: it is
// told what it was given last.
func TestTailIsOverrun(t *testing.T) {
	t.Parallel()
	st := &forgetful{Store: openEngine(t)}
	n := startNode(t, st, 0)
	defer n.end(t)
	conn := connect(t, n.Gateway, "overrun")
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, note text)`)
	slow, quick := connect(t, n.Gateway, "overrun"), connect(t, n.Gateway, "overrun")
	for _, c := range []*pgx.Conn{slow, quick} {
		exec(t, c, `DECLARE c CURSOR WITH HOLD FOR SUBSCRIBE TO docs`)
	}
	const rounds, each = 10, 20
	for i := range rounds {
		exec(t, conn, `INSERT INTO docs SELECT i, repeat('x', 50000) FROM generate_series(%d, %d) i`, i*each, i*each+each-1)
		require.Equal(t, numbered("insert", i*each, each), tailed(t, quick, each))
	}
	st.forgot.Store(true)
	var last string
	var err error
	for given := 0; err == nil; given++ {
		require.Less(t, given, rounds*each)
		var rows pgx.Rows
		rows, err = slow.Query(t.Context(), `FETCH 1 FROM c WITH (timeout = '10s')`, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
		for rows.Next() {
			v, err := rows.Values()
			require.NoError(t, err)
			last = v[0].(string)
		}
		err = rows.Err()
	}
	var failed *pgconn.PgError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "the subscriber fell behind what is kept for it", failed.Message)
	at, _, ok := events.ParsePosition(last)
	require.True(t, ok)
	stated := strings.TrimSuffix(failed.Detail[strings.LastIndex(failed.Detail, " ")+1:], ".")
	require.GreaterOrEqual(t, stated, last)
	require.Contains(t, failed.Hint, time.Unix(int64(at.T), 0).UTC().Format("2006-01-02T15:04"))
	exec(t, conn, `INSERT INTO docs VALUES (-1, '')`)
	require.Equal(t, numbered("insert", -1, 1), tailed(t, quick, 1))
	require.EqualValues(t, 1, tails(t, conn))
}
