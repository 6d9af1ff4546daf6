package executor_test

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/executor"
	"weir/sqlerr"
	"weir/store"
	"weir/translator"
)

func peopleStack(t *testing.T) *stack {
	s := newStack(t)
	require.NoError(t, s.load(context.Background(), "people", `{"_id":1,"name":"ann"}
{"_id":2,"name":"bob"}
{"_id":3,"name":"cid"}`))
	return s
}

func (s *stack) bind(t *testing.T, sql string, args ...value.Value) *translator.Bound {
	t.Helper()
	p, err := s.prepare(context.Background(), sql)
	require.NoError(t, err)
	b, err := p.Bind(context.Background(), args, nil)
	require.NoError(t, err)
	return b
}

func code(err error) string { return sqlerr.As(err).Code }

// What a statement must have in memory as a whole is bounded; WITH queries and
// the sides of joins go to disk.
func TestMemoryLimit(t *testing.T) {
	s := peopleStack(t)
	st := s.stores()
	st.MemoryLimit = 50
	_, err := executor.Run(context.Background(), st, s.bind(t, "WITH RECURSIVE x AS (SELECT name FROM people UNION ALL SELECT x.name FROM x WHERE false) SELECT * FROM x"))
	require.Equal(t, sqlerr.OutOfMemory, code(err))
	require.NotEmpty(t, sqlerr.As(err).Hint)
}

func TestRowsGoToDisk(t *testing.T) {
	s := peopleStack(t)
	for _, sql := range []string{
		"WITH x AS MATERIALIZED (SELECT * FROM people) SELECT x._id, y.name FROM x JOIN x AS y ON y._id = x._id + 1",
		"WITH x AS MATERIALIZED (SELECT i, i % 100 AS k FROM generate_series(1, 3000) AS i) SELECT a.i, b.i FROM x AS a JOIN x AS b ON a.k = b.i ORDER BY 1, 2",
		"WITH x AS MATERIALIZED (SELECT i, i % 100 AS k FROM generate_series(1, 3000) AS i) SELECT DISTINCT k, count(*) FROM x WHERE EXISTS (SELECT 1 FROM x AS y WHERE y.i = x.k) GROUP BY k ORDER BY 1",
	} {
		p, err := s.prepare(context.Background(), sql)
		require.NoError(t, err)
		var results []string
		for _, memory := range []int64{0, 1000} {
			st := s.stores()
			st.WorkMemory, st.TempDir = memory, t.TempDir()
			rows, err := executor.Run(context.Background(), st, s.bind(t, sql))
			require.NoError(t, err)
			got, err := printRows(context.Background(), p, rows)
			require.NoError(t, err)
			require.NoError(t, rows.Close())
			results = append(results, got)
			left, err := os.ReadDir(st.TempDir)
			require.NoError(t, err)
			require.Empty(t, left)
		}
		require.NotEmpty(t, results[0])
		require.Equal(t, results[0], results[1])
	}
}

func TestReadOnlyRefusesWrites(t *testing.T) {
	s := peopleStack(t)
	st := s.stores()
	st.ReadOnly = true
	_, err := executor.Run(context.Background(), st, s.bind(t, "DELETE FROM people"))
	require.Equal(t, sqlerr.ReadOnlySQLTransaction, code(err))
	require.ErrorContains(t, err, "cannot execute DELETE in a read-only transaction")
}

func TestCancelledContext(t *testing.T) {
	s := peopleStack(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := executor.Run(ctx, s.stores(), s.bind(t, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n"))
	require.Equal(t, sqlerr.QueryCanceled, code(err))
}

// A program is made once; what one binding filled in is not seen by another.
func TestProgramIsReused(t *testing.T) {
	s := peopleStack(t)
	ctx := context.Background()
	p, err := s.prepare(ctx, "SELECT name, (SELECT count(*) FROM people WHERE _id <= $1) FROM people WHERE _id = $1")
	require.NoError(t, err)
	for id, want := range map[int32]string{1: "ann|1\n", 2: "bob|2\n", 3: "cid|3\n"} {
		b, err := p.Bind(ctx, []value.Value{value.Int32(id)}, nil)
		require.NoError(t, err)
		rows, err := executor.Run(ctx, s.stores(), b)
		require.NoError(t, err)
		got, err := printRows(ctx, p, rows)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.NoError(t, rows.Close())
		_, err = rows.Next(ctx)
		require.ErrorIs(t, err, io.EOF)
	}
}

// An update by conditions on the collection itself is one operation, whose
// event holds only the fields that changed.
func TestUpdateIsOneOperation(t *testing.T) {
	s := peopleStack(t)
	p, err := s.prepare(context.Background(), "UPDATE people SET name = 'x' WHERE _id = 2")
	require.NoError(t, err)
	require.NotNil(t, p.Write.Direct)
	require.True(t, p.Write.Direct.Single)

	spy := &spy{Store: s.st}
	b := s.bind(t, "UPDATE people SET name = 'x' WHERE _id = 2")
	rows, err := executor.Run(context.Background(), &executor.Stores{Main: spy, Begin: spy.Begin}, b)
	require.NoError(t, err)
	kind, n := rows.Affected()
	require.Equal(t, "UPDATE", kind)
	require.EqualValues(t, 1, n)
	require.Zero(t, spy.begun)
	require.Len(t, spy.ops, 1)
	require.JSONEq(t, `{"$set":{"name":"x"}}`, bson.Raw(spy.ops[0].Update.Value).String())
}

// Several rows go in together or not at all.
func TestInsertIsAtomic(t *testing.T) {
	s := peopleStack(t)
	_, err := executor.Run(context.Background(), s.stores(), s.bind(t, "INSERT INTO people (_id) VALUES (10), (1)"))
	require.Equal(t, sqlerr.UniqueViolation, code(err))
	require.Equal(t, "people_pkey", sqlerr.As(err).Constraint)
	out, err := s.query(context.Background(), "SELECT count(*) FROM people", nil)
	require.NoError(t, err)
	require.Equal(t, "3", strings.TrimSpace(out))
}

// spy records the writes that reach a store.
type spy struct {
	store.Store
	ops   []store.WriteOp
	begun int
}

func (s *spy) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	s.ops = append(s.ops, ops...)
	return s.Store.Write(ctx, ns, ops, o)
}

func (s *spy) Begin(ctx context.Context) (store.Tx, error) {
	s.begun++
	return s.Store.Begin(ctx)
}
