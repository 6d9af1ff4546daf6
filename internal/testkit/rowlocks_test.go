package testkit_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"weir/internal/testkit"
)

// TestRowLocks: what sessions see of rows that another one has locked.
func TestRowLocks(t *testing.T) {
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			g := testkit.Start(t, mode, nil)
			a, b := g.Connect(t), g.Connect(t)
			execute(t, a, `CREATE TABLE t (id int PRIMARY KEY, n int)`)
			execute(t, a, `INSERT INTO t SELECT i, i * 10 FROM generate_series(1, 5) i`)
			for _, sql := range []string{`BEGIN`, `SELECT * FROM t WHERE id = 1 FOR UPDATE`, `SELECT * FROM t WHERE id = 2 FOR SHARE`, `UPDATE t SET n = 31 WHERE id = 3`} {
				execute(t, a, sql)
			}
			fails := func(sql, code string) {
				t.Helper()
				_, err := b.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
				refused(t, err, code)
				execute(t, b, `ROLLBACK`)
			}
			require.Equal(t, "4\n5", asText(t, b, `SELECT id FROM t ORDER BY id FOR UPDATE SKIP LOCKED`))
			require.Equal(t, "2\n4\n5", asText(t, b, `SELECT id FROM t ORDER BY id FOR SHARE SKIP LOCKED`))
			require.Equal(t, "5", asText(t, b, `SELECT id FROM t ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1 OFFSET 1`))
			require.Equal(t, "1|10\n2|20\n3|30", asText(t, b, `SELECT * FROM t WHERE id < 4 ORDER BY id`))
			fails(`SELECT * FROM t FOR UPDATE NOWAIT`, "55P03")
			fails(`SELECT * FROM t WHERE id = 3 FOR SHARE NOWAIT`, "55P03")
			fails(`SELECT * FROM t WHERE id = 2 FOR NO KEY UPDATE NOWAIT`, "55P03")
			fails(`SET lock_timeout = 5; UPDATE t SET n = 0 WHERE id = 1`, "55P03")
			fails(`SET lock_timeout = 5; UPDATE t SET n = 0 WHERE n < 25`, "55P03")
			fails(`SET lock_timeout = 5; DELETE FROM t`, "55P03")
			fails(`SET statement_timeout = 5; SELECT * FROM t WHERE id = 1 FOR UPDATE`, "57014")
			execute(t, b, `RESET lock_timeout; RESET statement_timeout`)
			execute(t, b, `SELECT * FROM t WHERE id = 2 FOR KEY SHARE NOWAIT`)
			execute(t, b, `UPDATE t SET n = 41 WHERE id = 4`)

			execute(t, a, `SAVEPOINT s; SELECT * FROM t WHERE id = 5 FOR UPDATE; ROLLBACK TO s`)
			execute(t, b, `UPDATE t SET n = 51 WHERE id = 5`)

			var work errgroup.Group
			var got string
			work.Go(func() error {
				if _, err := b.Exec(t.Context(), "BEGIN"); err != nil {
					return err
				}
				var n int
				if err := b.QueryRow(t.Context(), `SELECT n FROM t WHERE id = 1 FOR UPDATE`).Scan(&n); err != nil {
					return err
				}
				got = fmt.Sprint(n)
				_, err := b.Exec(t.Context(), `UPDATE t SET n = n + 1 WHERE id = 1`)
				if err != nil {
					return err
				}
				_, err = b.Exec(t.Context(), `COMMIT`)
				return err
			})
			execute(t, a, `UPDATE t SET n = 11 WHERE id = 1`)
			execute(t, a, `COMMIT`)
			require.NoError(t, work.Wait())
			require.Equal(t, "11", got)
			require.Equal(t, "12", asText(t, a, `SELECT n FROM t WHERE id = 1`))
		})
	}
}

// TestLockDeadlock: of two sessions that want what the other one has locked, one is told.
func TestLockDeadlock(t *testing.T) {
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			g := testkit.Start(t, mode, nil)
			c := [2]*pgx.Conn{g.Connect(t), g.Connect(t)}
			execute(t, c[0], `CREATE TABLE t (id int PRIMARY KEY, n int)`)
			execute(t, c[0], `INSERT INTO t VALUES (0, 0), (1, 0)`)
			for i := range c {
				execute(t, c[i], fmt.Sprintf(`BEGIN; SELECT * FROM t WHERE id = %d FOR UPDATE`, i))
			}
			var work errgroup.Group
			var codes [2]string
			for i, sql := range []string{`SELECT * FROM t WHERE id = 1 FOR UPDATE`, `UPDATE t SET n = 1 WHERE id = 0`} {
				work.Go(func() error {
					_, err := c[i].Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
					var refused *pgconn.PgError
					if errors.As(err, &refused) {
						codes[i] = refused.Code
						_, err = c[i].Exec(t.Context(), `ROLLBACK`)
					}
					return err
				})
			}
			require.NoError(t, work.Wait())
			require.Equal(t, "40P01", codes[0]+codes[1])
		})
	}
}

// TestQueue: workers that take jobs with SKIP LOCKED do each job once, and none waits.
func TestQueue(t *testing.T) {
	const jobs = 120
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			g := testkit.Start(t, mode, nil)
			c := g.Connect(t)
			execute(t, c, `CREATE TABLE job (id int PRIMARY KEY, state text, by int)`)
			execute(t, c, fmt.Sprintf(`INSERT INTO job SELECT i, 'new' FROM generate_series(1, %d) i`, jobs))
			var mu sync.Mutex
			done := map[int]int{}
			var work errgroup.Group
			for w := range 8 {
				conn := g.Connect(t)
				work.Go(func() error {
					for {
						tx, err := conn.Begin(t.Context())
						if err != nil {
							return err
						}
						var id int
						err = tx.QueryRow(t.Context(), `SELECT id FROM job WHERE state = 'new' ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`, 1).Scan(&id)
						if errors.Is(err, pgx.ErrNoRows) {
							return tx.Rollback(t.Context())
						}
						if err != nil {
							return err
						}
						if _, err := tx.Exec(t.Context(), `UPDATE job SET state = 'done', by = $1 WHERE id = $2`, w, id); err != nil {
							return err
						}
						if err := tx.Commit(t.Context()); err != nil {
							return err
						}
						mu.Lock()
						done[id]++
						mu.Unlock()
					}
				})
			}
			require.NoError(t, work.Wait())
			require.Len(t, done, jobs)
			for id, n := range done {
				require.Equal(t, 1, n, id)
			}
		})
	}
}
