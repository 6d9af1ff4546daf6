package testkit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"weir/internal/testkit"
)

// ChangesVariable says how many random sequences TestChanges runs, or, as
// FROM-TO, which.
const changesVariable = "WEIR_TEST_CHANGES"

// TestChanges runs random sequences of statements that write on PostgreSQL and
// here: rows, tags, errors and what is in the tables afterwards are the same.
func TestChanges(t *testing.T) {
	server := testkit.Postgres(t)
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			g := testkit.Start(t, mode, nil)
			config, err := pgx.ParseConfig(g.DSN())
			require.NoError(t, err)
			reference, ours := dial(t, testkit.PostgresDatabase(t, server, "weir_changes_"+string(mode))), dial(t, config)
			run(t, ours, "SET weir.strict = on")
			from, to := seeds(t)
			for seed := from; seed <= to; seed++ {
				t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { sameChanges(t, seed, reference, ours) })
			}
		})
	}
}

func seeds(t *testing.T) (from, to uint64) {
	from, to = 1, 4
	if v := os.Getenv(changesVariable); v != "" {
		first, last, both := strings.Cut(v, "-")
		n, err := strconv.ParseUint(first, 10, 32)
		require.NoError(t, err)
		if !both {
			return 1, n
		}
		from = n
		to, err = strconv.ParseUint(last, 10, 32)
		require.NoError(t, err)
	}
	return from, to
}

func sameChanges(t *testing.T, seed uint64, reference, ours *pgconn.PgConn) {
	c := newChanges(seed)
	history := []string{}
	for _, s := range c.setUp() {
		want, got := outcome(t, reference, s), outcome(t, ours, s)
		require.Equal(t, want, got, s.sql)
		history = append(history, s.sql+";")
	}
	for i := range changesLength {
		steps := []change{c.next()}
		if i%10 == 9 || i == changesLength-1 {
			steps = append(steps, c.tables()...)
		}
		for _, s := range steps {
			history = append(history, s.String())
			if want, got := outcome(t, reference, s), outcome(t, ours, s); want != got && !(s.loose && bothRefuse(want, got)) {
				for _, conn := range []*pgconn.PgConn{reference, ours} {
					run(t, conn, "ROLLBACK")
				}
				if from, to := seeds(t); from == to {
					t.Log(strings.Join(history, "\n"))
				}
				t.Fatalf("statement %d: %s\n-- PostgreSQL:\n%s-- here:\n%s", i, s, want, got)
			}
		}
	}
	for _, conn := range []*pgconn.PgConn{reference, ours} {
		run(t, conn, "ROLLBACK")
	}
}

// bothRefuse tells of a statement about several rows whose order is PostgreSQL's
// affair that it fails on one or another.
func bothRefuse(want, got string) bool {
	refused := func(s string) bool {
		code, is := strings.CutPrefix(s, "ERROR ")
		return is && slices.Contains([]string{"21", "22", "23", "44"}, code[:2])
	}
	return refused(want) && refused(got)
}

// outcome is what a client sees of a statement, rows sorted.
func outcome(t *testing.T, conn *pgconn.PgConn, s change) string {
	t.Helper()
	ctx := context.Background()
	switch {
	case s.copyIn != "":
		tag, err := conn.CopyFrom(ctx, strings.NewReader(s.copyIn), s.sql)
		if err != nil {
			return failure(t, s, err)
		}
		return tag.String() + "\n"
	case s.copyOut:
		var b bytes.Buffer
		tag, err := conn.CopyTo(ctx, &b, s.sql)
		if err != nil {
			return failure(t, s, err)
		}
		return tag.String() + "\n" + b.String()
	case s.args != nil:
		args := make([][]byte, len(s.args))
		for i, a := range s.args {
			if a != null {
				args[i] = []byte(a)
			}
		}
		r := conn.ExecParams(ctx, s.sql, args, nil, nil, nil).Read()
		return answer(t, s, []*pgconn.Result{r}, r.Err)
	}
	results, err := conn.Exec(ctx, s.sql).ReadAll()
	return answer(t, s, results, err)
}

func answer(t *testing.T, s change, results []*pgconn.Result, err error) string {
	var b strings.Builder
	for _, r := range results {
		if r.Err != nil {
			continue
		}
		for _, f := range r.FieldDescriptions {
			fmt.Fprintf(&b, "%s:%d ", f.Name, f.DataTypeOID)
		}
		var rows []string
		for _, row := range r.Rows {
			fields := make([]string, len(row))
			for i, v := range row {
				if fields[i] = string(v); v == nil {
					fields[i] = "NULL"
				}
			}
			rows = append(rows, strings.Join(fields, "|")+"\n")
		}
		slices.Sort(rows)
		fmt.Fprintf(&b, "%s\n%s", r.CommandTag, strings.Join(rows, ""))
	}
	if err != nil {
		b.WriteString(failure(t, s, err))
	}
	return b.String()
}

// failure is an error in all that does not depend on the order of rows.
func failure(t *testing.T, s change, err error) string {
	t.Helper()
	var refused *pgconn.PgError
	require.True(t, errors.As(err, &refused), "%s: %v", s, err)
	return fmt.Sprintf("ERROR %s %s %s.%s\n", refused.Code, refused.Message, refused.TableName, refused.ConstraintName)
}
