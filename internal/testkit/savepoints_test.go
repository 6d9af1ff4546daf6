package testkit_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"weir/internal/testkit"
)

// block is what a transaction block should hold: rows by id, and those at each savepoint.
type block struct {
	rows  map[int]int
	saved []savedRows
}

type savedRows struct {
	name string
	rows map[int]int
}

// step makes a random statement, and tells whether it must succeed; the model
// has its effect then.
func (b *block) step(rng *rand.Rand) (sql string, ok bool) {
	id, n, name := rng.IntN(6), rng.IntN(100), string(rune('a'+rng.IntN(3)))
	at := len(b.saved) - 1
	for at >= 0 && b.saved[at].name != name {
		at--
	}
	switch k := rng.IntN(10); {
	case k < 3:
		if _, there := b.rows[id]; there {
			return fmt.Sprintf("INSERT INTO t VALUES (100 + %d, 0), (%d, %d)", n, id, n), false
		}
		b.rows[id] = n
		return fmt.Sprintf("INSERT INTO t VALUES (%d, %d)", id, n), true
	case k < 5:
		for i := range b.rows {
			if i <= id {
				b.rows[i] += n
			}
		}
		return fmt.Sprintf("UPDATE t SET n = n + %d WHERE id <= %d", n, id), true
	case k < 6:
		delete(b.rows, id)
		return fmt.Sprintf("DELETE FROM t WHERE id = %d", id), true
	case k < 8:
		b.saved = append(b.saved, savedRows{name, maps.Clone(b.rows)})
		return "SAVEPOINT " + name, true
	case at < 0:
		return "SELECT 1", true
	case k < 9:
		b.saved = b.saved[:at]
		return "RELEASE " + name, true
	}
	b.rows, b.saved = maps.Clone(b.saved[at].rows), b.saved[:at+1]
	return "ROLLBACK TO " + name, true
}

// TestSavepointModel: whatever a block does between savepoints, it holds what
// a model of it holds.
func TestSavepointModel(t *testing.T) {
	g := testkit.Start(t, testkit.Embedded, nil)
	c := g.Connect(t)
	exec := func(sql string) error {
		_, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		return err
	}
	require.NoError(t, exec("CREATE TABLE t (id int PRIMARY KEY, n int)"))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	committed := map[int]int{}
	for range 60 {
		b := &block{rows: maps.Clone(committed)}
		var said []string
		require.NoError(t, exec("BEGIN"))
		failed := false
		for range 20 {
			sql, ok := b.step(rng)
			said = append(said, sql)
			err := exec(sql)
			if ok {
				require.NoError(t, err, "%v", said)
				continue
			}
			require.Error(t, err, "%v", said)
			if failed = len(b.saved) == 0; failed {
				break
			}
			last := b.saved[len(b.saved)-1]
			b.rows = maps.Clone(last.rows)
			said = append(said, "ROLLBACK TO "+last.name)
			require.NoError(t, exec(said[len(said)-1]), "%v", said)
		}
		if end := "COMMIT"; !failed && rng.IntN(4) > 0 {
			committed = b.rows
			require.NoError(t, exec(end), "%v", said)
		} else {
			require.NoError(t, exec("ROLLBACK"))
		}
		rows, err := c.Query(t.Context(), "SELECT id, n FROM t")
		require.NoError(t, err)
		there := map[int]int{}
		var id, n int
		_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error { there[id] = n; return nil })
		require.NoError(t, err)
		require.Equal(t, committed, there, "%v", slices.Clip(said))
	}
}

// TestSavepointConflict: a row that the block computed a value from, and that
// others changed once the store gave the block's transaction up, is not
// overwritten by ROLLBACK TO.
func TestSavepointConflict(t *testing.T) {
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			g := testkit.Start(t, mode, nil)
			one, two := g.Connect(t), g.Connect(t)
			exec := func(c *pgx.Conn, sql string) error {
				_, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
				return err
			}
			require.NoError(t, exec(one, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1), (2, 1), (3, 1)"))
			for _, other := range []string{"UPDATE t SET n = 50 WHERE id = 2", "UPDATE t SET n = 50 WHERE id = 3"} {
				require.NoError(t, exec(one, "BEGIN"))
				require.NoError(t, exec(one, "UPDATE t SET n = n + 1 WHERE id <= 2 RETURNING n"))
				require.NoError(t, exec(one, "SAVEPOINT a"))
				require.Error(t, exec(one, "INSERT INTO t VALUES (1, 1)"))
				require.NoError(t, exec(two, other))
				err := exec(one, "ROLLBACK TO a")
				if other == "UPDATE t SET n = 50 WHERE id = 2" {
					require.Equal(t, "40001", state(err))
					require.NoError(t, exec(one, "ROLLBACK"))
					continue
				}
				require.NoError(t, err)
				require.NoError(t, exec(one, "COMMIT"))
			}
			rows, err := one.Query(t.Context(), "SELECT n FROM t ORDER BY id")
			require.NoError(t, err)
			all, err := pgx.CollectRows(rows, pgx.RowTo[int])
			require.NoError(t, err)
			require.Equal(t, []int{2, 51, 50}, all)
		})
	}
}
