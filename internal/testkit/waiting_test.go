package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"weir/internal/testkit"
)

// transfer moves an amount between two accounts in a block and notes what it
// did; it tells the SQLSTATE of what was refused, "" if nothing was.
type transfer func(ctx context.Context, c *pgx.Conn, rng *rand.Rand) (string, error)

// script runs statements one by one in a block.
func script(ctx context.Context, c *pgx.Conn, statements ...string) (string, error) {
	for _, sql := range append(append([]string{"BEGIN"}, statements...), "COMMIT") {
		if _, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return refusal(ctx, c, err)
		}
	}
	return "", nil
}

func refusal(ctx context.Context, c *pgx.Conn, err error) (string, error) {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return "", err
	}
	_, err = c.Exec(ctx, "ROLLBACK", pgx.QueryExecModeSimpleProtocol)
	return refused.Code, err
}

func accounts(rng *rand.Rand) (from, to, amount int) {
	from = rng.IntN(4)
	return from, (from + 1 + rng.IntN(3)) % 4, rng.IntN(9) + 1
}

// TestTransfers: whatever sessions do to the same rows at once, no money is made
// or lost, and what one was told of a row holds until it commits.
func TestTransfers(t *testing.T) {
	const note = "INSERT INTO moved VALUES (%d, %d, %d)"
	kinds := []struct {
		name string
		fail bool // may be refused with 40001 or 40P01
		run  transfer
	}{
		{"updates", false, func(ctx context.Context, c *pgx.Conn, rng *rand.Rand) (string, error) {
			from, to, n := accounts(rng)
			return script(ctx, c, fmt.Sprintf("UPDATE account SET n = n - %d WHERE id = %d", n, from),
				fmt.Sprintf("UPDATE account SET n = n + %d WHERE id = %d", n, to), fmt.Sprintf(note, from, to, n))
		}},
		{"returning", true, func(ctx context.Context, c *pgx.Conn, rng *rand.Rand) (string, error) {
			from, to, n := accounts(rng)
			return script(ctx, c, fmt.Sprintf("UPDATE account SET n = n - %d WHERE id = %d RETURNING n", n, from),
				fmt.Sprintf("UPDATE account SET n = n + %d WHERE id = %d RETURNING n", n, to), fmt.Sprintf(note, from, to, n))
		}},
		{"savepoints", true, func(ctx context.Context, c *pgx.Conn, rng *rand.Rand) (string, error) {
			from, to, n := accounts(rng)
			return script(ctx, c, fmt.Sprintf("UPDATE account SET n = n - %d WHERE id = %d", n, from), "SAVEPOINT a",
				"UPDATE account SET n = n + 1000", "DELETE FROM moved WHERE n > 5", "ROLLBACK TO a", "SAVEPOINT b",
				fmt.Sprintf("UPDATE account SET n = n + %d WHERE id = %d", n, to), "RELEASE b", fmt.Sprintf(note, from, to, n))
		}},
		{"computed", true, func(ctx context.Context, c *pgx.Conn, rng *rand.Rand) (string, error) {
			from, to, n := accounts(rng)
			return script(ctx, c, fmt.Sprintf("UPDATE account SET n = n - %d WHERE id = %d", n, from),
				fmt.Sprintf("UPDATE account SET n = (SELECT sum(n) FROM account a WHERE a.id = %d) + %d WHERE id = %d", to, n, to),
				fmt.Sprintf("INSERT INTO moved SELECT %d, %d, sum(%d) FROM account WHERE id = %d", from, to, n, from))
		}},
		{"locked", true, func(ctx context.Context, c *pgx.Conn, rng *rand.Rand) (string, error) {
			from, to, n := accounts(rng)
			var held [2]int
			if _, err := c.Exec(ctx, "BEGIN"); err != nil {
				return "", err
			}
			for i, id := range []int{from, to} {
				if err := c.QueryRow(ctx, "SELECT n FROM account WHERE id = $1 FOR UPDATE", id).Scan(&held[i]); err != nil {
					return refusal(ctx, c, err)
				}
			}
			for i, sql := range []string{fmt.Sprintf("UPDATE account SET n = %d WHERE id = %d", held[0]-n, from),
				fmt.Sprintf("UPDATE account SET n = %d WHERE id = %d", held[1]+n, to), fmt.Sprintf(note, from, to, n), "COMMIT"} {
				if _, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					return refusal(ctx, c, fmt.Errorf("%d: %w", i, err))
				}
			}
			return "", nil
		}},
		{"alone", false, func(ctx context.Context, c *pgx.Conn, rng *rand.Rand) (string, error) {
			from, to, n := accounts(rng)
			_, err := c.Exec(ctx, fmt.Sprintf("WITH a AS (UPDATE account SET n = n - %d WHERE id = %d), b AS (UPDATE account SET n = n + %d WHERE id = %d) "+
				note, n, from, n, to, from, to, n), pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				return refusal(ctx, c, err)
			}
			return "", nil
		}},
	}
	for _, mode := range testkit.Modes() {
		for at := range len(kinds) + 1 {
			mixed := at == len(kinds)
			name := "mixed"
			if !mixed {
				name = kinds[at].name
			}
			t.Run(string(mode)+"/"+name, func(t *testing.T) {
				g := testkit.Start(t, mode, nil)
				c := g.Connect(t)
				for _, sql := range []string{"CREATE TABLE account (id int PRIMARY KEY, n int)", "INSERT INTO account SELECT i, 100 FROM generate_series(0, 3) i",
					"CREATE TABLE moved (source int, target int, n int)"} {
					_, err := c.Exec(t.Context(), sql)
					require.NoError(t, err)
				}
				seed := uint64(time.Now().UnixNano())
				t.Logf("seed %d", seed)
				work, ctx := errgroup.WithContext(t.Context())
				until := time.Now().Add(250 * time.Millisecond)
				for i := range uint64(4) {
					conn := g.Connect(t)
					work.Go(func() error {
						rng := rand.New(rand.NewPCG(seed, i))
						for time.Now().Before(until) {
							k := kinds[min(at, len(kinds)-1)]
							if mixed {
								k = kinds[rng.IntN(len(kinds))]
							}
							switch code, err := k.run(ctx, conn, rng); {
							case err != nil:
								return err
							case code != "" && (code != "40001" && code != "40P01" || !k.fail):
								return fmt.Errorf("%s: %s", k.name, code)
							}
						}
						return nil
					})
				}
				require.NoError(t, work.Wait())
				var wrong, count int
				require.NoError(t, c.QueryRow(t.Context(), `SELECT count(*), (SELECT count(*) FROM moved) FROM account a WHERE n <> 100
					- coalesce((SELECT sum(n) FROM moved WHERE source = a.id), 0) + coalesce((SELECT sum(n) FROM moved WHERE target = a.id), 0)`).Scan(&wrong, &count))
				require.Zero(t, wrong)
				require.Positive(t, count)
				t.Logf("%d transfers", count)
			})
		}
	}
}

// TestWaiting: what one session does while another has an open transaction on
// the same row.
func TestWaiting(t *testing.T) {
	const hold = "UPDATE t SET n = n + 1 WHERE id = 1"
	for _, mode := range testkit.Modes() {
		for _, c := range []struct {
			name  string
			block []string // the other session's, until it waits at the last
			end   string   // of the first
			code  string
			want  [2]int
		}{
			{"goes on", []string{"BEGIN", "UPDATE t SET n = n + 10 WHERE id = 1"}, "COMMIT", "", [2]int{12, 2}},
			{"goes on after a rollback", []string{"BEGIN", "UPDATE t SET n = n + 10 WHERE id = 1"}, "ROLLBACK", "", [2]int{11, 2}},
			{"does again what it did", []string{"BEGIN", "UPDATE t SET n = n * 2 WHERE id = 2 RETURNING n", "SELECT n FROM t WHERE id = 2", "SAVEPOINT s",
				"UPDATE t SET n = n + 10 WHERE id = 1"}, "COMMIT", "", [2]int{12, 4}},
			{"does not see the new row", []string{"BEGIN", "UPDATE t SET n = 7 WHERE n = 2 AND id = 1"}, "COMMIT", "", [2]int{2, 2}},
			{"finds it gone", []string{"BEGIN", "UPDATE t SET n = 7 WHERE n = 1 AND id = 1"}, "COMMIT", "", [2]int{2, 2}},
			{"several statements in one query", []string{"UPDATE t SET n = n + 1 WHERE id = 2; UPDATE t SET n = n + 10 WHERE id = 1"}, "COMMIT", "", [2]int{12, 3}},
			{"waits to lock", []string{"BEGIN", "SELECT n FROM t WHERE id = 1 FOR UPDATE"}, "COMMIT", "", [2]int{2, 2}},
			{"waits to lock after a write", []string{"BEGIN", "UPDATE t SET n = n * 2 WHERE id = 2", "SELECT 1 / (n - 1) FROM t WHERE id = 1 FOR UPDATE"}, "COMMIT", "", [2]int{2, 4}},
			{"waits to share", []string{"BEGIN", "SELECT n FROM t WHERE id = 1 FOR SHARE"}, "COMMIT", "", [2]int{2, 2}},
			{"does not wait", []string{"BEGIN", "SELECT n FROM t WHERE id = 1 FOR UPDATE NOWAIT"}, "", "55P03", [2]int{2, 2}},
			{"waits no longer to lock", []string{"SET lock_timeout = 5", "BEGIN", "SELECT n FROM t FOR UPDATE"}, "", "55P03", [2]int{2, 2}},
			{"locks what its snapshot does not have", []string{"BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT n FROM t WHERE id = 1 FOR UPDATE"}, "COMMIT", "40001", [2]int{2, 2}},
			{"has a snapshot", []string{"BEGIN ISOLATION LEVEL REPEATABLE READ", "UPDATE t SET n = n + 10 WHERE id = 1"}, "COMMIT", "40001", [2]int{2, 2}},
			{"waits no longer", []string{"SET lock_timeout = 5", "BEGIN", "UPDATE t SET n = n + 10 WHERE id = 1"}, "", "55P03", [2]int{2, 2}},
		} {
			t.Run(string(mode)+"/"+c.name, func(t *testing.T) {
				g := testkit.Start(t, mode, nil)
				a, b := g.Connect(t), g.Connect(t)
				exec := func(conn *pgx.Conn, sql string) error {
					_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
					return err
				}
				for _, sql := range []string{"DROP TABLE IF EXISTS t", "CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t VALUES (1, 1), (2, 2)", "BEGIN", hold} {
					require.NoError(t, exec(a, sql))
				}
				last := len(c.block) - 1
				for _, sql := range c.block[:last] {
					require.NoError(t, exec(b, sql))
				}
				var work errgroup.Group
				work.Go(func() error { return exec(b, c.block[last]) })
				if c.end == "" { // it gives up by itself
					refused(t, work.Wait(), c.code)
					require.NoError(t, exec(a, "COMMIT"))
				} else {
					require.NoError(t, exec(a, "SELECT pg_sleep(0.02)"))
					require.NoError(t, exec(a, c.end))
					refused(t, work.Wait(), c.code)
				}
				require.NoError(t, exec(b, "COMMIT"))
				var got [2]int
				require.NoError(t, a.QueryRow(t.Context(), "SELECT sum(n) FILTER (WHERE id = 1), sum(n) FILTER (WHERE id = 2) FROM t").Scan(&got[0], &got[1]))
				require.Equal(t, c.want, got)
			})
		}
	}
}

func refused(t *testing.T, err error, code string) {
	t.Helper()
	if code == "" {
		require.NoError(t, err)
		return
	}
	var e *pgconn.PgError
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, e.Message)
}

// TestDeadlock: two sessions that want each other's row both get it.
func TestDeadlock(t *testing.T) {
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			g := testkit.Start(t, mode, nil)
			c := [2]*pgx.Conn{g.Connect(t), g.Connect(t)}
			for _, sql := range []string{"CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t VALUES (0, 0), (1, 0)"} {
				_, err := c[0].Exec(t.Context(), sql)
				require.NoError(t, err)
			}
			for i := range c {
				_, err := c[i].Exec(t.Context(), fmt.Sprintf("BEGIN; UPDATE t SET n = n + 1 WHERE id = %d", i), pgx.QueryExecModeSimpleProtocol)
				require.NoError(t, err)
			}
			var work errgroup.Group
			for i := range c {
				work.Go(func() error {
					_, err := c[i].Exec(t.Context(), fmt.Sprintf("UPDATE t SET n = n + 1 WHERE id = %d; COMMIT", 1-i), pgx.QueryExecModeSimpleProtocol)
					return err
				})
			}
			require.NoError(t, work.Wait())
			var a, b int
			require.NoError(t, c[0].QueryRow(t.Context(), "SELECT min(n), max(n) FROM t").Scan(&a, &b))
			require.Equal(t, [2]int{2, 2}, [2]int{a, b})
		})
	}
}
