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

// TestForeignKeyRaces: sessions that refer to rows and sessions that take those
// rows away leave no row that refers to nothing.
func TestForeignKeyRaces(t *testing.T) {
	for _, mode := range testkit.Modes() {
		for _, action := range []string{"NO ACTION", "CASCADE", "SET NULL"} {
			t.Run(string(mode)+"/"+action, func(t *testing.T) {
				g := testkit.Start(t, mode, nil)
				c := g.Connect(t)
				for _, sql := range []string{"CREATE TABLE up (id int PRIMARY KEY, n int)",
					"CREATE TABLE down (id serial PRIMARY KEY, up int REFERENCES up ON UPDATE " + action + " ON DELETE " + action + ")"} {
					_, err := c.Exec(t.Context(), sql)
					require.NoError(t, err)
				}
				seed := uint64(time.Now().UnixNano())
				t.Logf("seed %d", seed)
				work, ctx := errgroup.WithContext(t.Context())
				until := time.Now().Add(700 * time.Millisecond)
				for i := range uint64(6) {
					conn := g.Connect(t)
					work.Go(func() error { return race(ctx, conn, rand.New(rand.NewPCG(seed, i)), until) })
				}
				require.NoError(t, work.Wait())
				var rows, orphans int
				require.NoError(t, c.QueryRow(t.Context(),
					"SELECT count(*), count(*) FILTER (WHERE d.up IS NOT NULL AND u.id IS NULL) FROM down d LEFT JOIN up u ON u.id = d.up").Scan(&rows, &orphans))
				require.Zero(t, orphans, "of %d", rows)
			})
		}
	}
}

// race writes both tables until the time is over.
func race(ctx context.Context, conn *pgx.Conn, rng *rand.Rand, until time.Time) error {
	for time.Now().Before(until) {
		id := rng.IntN(4)
		sql := [...]string{
			fmt.Sprintf("INSERT INTO up VALUES (%d, 0) ON CONFLICT DO NOTHING", id),
			fmt.Sprintf("INSERT INTO up VALUES (%d, 0) ON CONFLICT DO NOTHING", id),
			fmt.Sprintf("INSERT INTO down (up) VALUES (%d)", id),
			fmt.Sprintf("INSERT INTO down (up) VALUES (%d), (%d)", id, rng.IntN(4)),
			fmt.Sprintf("BEGIN; INSERT INTO down (up) VALUES (%d); SELECT pg_sleep(0.002); UPDATE up SET n = n + 1 WHERE id = %d; COMMIT", id, rng.IntN(4)),
			fmt.Sprintf("UPDATE down SET up = %d WHERE id = (SELECT max(id) FROM down)", id),
			fmt.Sprintf("DELETE FROM up WHERE id = %d", id),
			fmt.Sprintf("BEGIN; DELETE FROM down WHERE up = %d; DELETE FROM up WHERE id = %d; SELECT pg_sleep(0.002); COMMIT", id, id),
			fmt.Sprintf("UPDATE up SET id = %d WHERE id = %d", rng.IntN(4), id),
		}[rng.IntN(9)]
		_, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		var refused *pgconn.PgError
		switch {
		case err == nil:
			continue
		case !errors.As(err, &refused):
			return err
		case refused.Code != "23503" && refused.Code != "40001" && refused.Code != "23505":
			return fmt.Errorf("%s: %w", sql, err)
		}
		if conn.PgConn().TxStatus() != 'I' {
			if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestForeignKeyWaits: who meets an open transaction that refers to the row, or
// has taken it away, does what its end makes right.
func TestForeignKeyWaits(t *testing.T) {
	for _, mode := range testkit.Modes() {
		for _, c := range []struct{ first, second, end, code string }{
			{"INSERT INTO down VALUES (1, 1)", "DELETE FROM up WHERE id = 1", "COMMIT", "23503"},
			{"INSERT INTO down VALUES (1, 1)", "DELETE FROM up WHERE id = 1", "ROLLBACK", ""},
			{"DELETE FROM up WHERE id = 1", "INSERT INTO down VALUES (1, 1)", "COMMIT", "23503"},
			{"DELETE FROM up WHERE id = 1", "INSERT INTO down VALUES (1, 1)", "ROLLBACK", ""},
			{"UPDATE up SET id = 2", "UPDATE down SET up = 1", "COMMIT", "23503"},
			{"UPDATE down SET up = 1", "TRUNCATE up, down", "COMMIT", ""},
		} {
			t.Run(string(mode)+"/"+c.first+"/"+c.second+"/"+c.end, func(t *testing.T) {
				g := testkit.Start(t, mode, nil)
				a, b := g.Connect(t), g.Connect(t)
				for _, sql := range []string{"DROP TABLE IF EXISTS up, down", "CREATE TABLE up (id int PRIMARY KEY)", "CREATE TABLE down (id int, up int REFERENCES up)",
					"INSERT INTO up VALUES (1)", "INSERT INTO down VALUES (0, NULL)", "BEGIN", c.first} {
					_, err := a.Exec(t.Context(), sql)
					require.NoError(t, err)
				}
				var work errgroup.Group
				work.Go(func() error {
					_, err := b.Exec(t.Context(), c.second)
					return err
				})
				_, err := a.Exec(t.Context(), "SELECT pg_sleep(0.02)")
				require.NoError(t, err)
				_, err = a.Exec(t.Context(), c.end)
				require.NoError(t, err)
				if err := work.Wait(); c.code != "" {
					var refused *pgconn.PgError
					require.ErrorAs(t, err, &refused)
					require.Equal(t, c.code, refused.Code, refused.Message)
				} else {
					require.NoError(t, err)
				}
			})
		}
	}
}
