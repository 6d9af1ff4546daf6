package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"weir/internal/testkit"
)

// TestOracle runs the statements of testdata/oracle on PostgreSQL and, in strict
// mode, here: rows, names and types of columns, tags and SQLSTATEs are the same.
// Each file has a database of its own. A line that ends in a semicolon ends a
// statement; rows count in their order where a statement has ORDER BY.
func TestOracle(t *testing.T) {
	files, err := filepath.Glob("testdata/oracle/*.sql")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	server := testkit.Postgres(t)
	for _, mode := range testkit.Modes() {
		g := testkit.Start(t, mode, nil)
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".sql")
			t.Run(string(mode)+"/"+name, func(t *testing.T) {
				reference := dial(t, testkit.PostgresDatabase(t, server, "weir_oracle_"+name))
				config, err := pgx.ParseConfig(g.DSN())
				require.NoError(t, err)
				config.Database = g.Database + "_" + name
				ours := dial(t, config)
				run(t, ours, "SET weir.strict = on")
				compare(t, file, reference, ours)
			})
		}
	}
}

func dial(t *testing.T, config *pgx.ConnConfig) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.ConnectConfig(context.Background(), &config.Config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func compare(t *testing.T, file string, reference, ours *pgconn.PgConn) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	n := 0
	for _, sql := range statements(string(text)) {
		want, got := run(t, reference, sql), run(t, ours, sql)
		if want != got {
			t.Errorf("%s\n-- PostgreSQL:\n%s-- here:\n%s", sql, want, got)
		}
		n++
	}
	require.Greater(t, n, 10)
}

// statements divides a file at lines that end in a semicolon. Those between the
// lines "-- part" and "-- end" come once more where a line begins with "-- again".
func statements(text string) []string {
	var out []string
	var b strings.Builder
	from, to := 0, 0
	for line := range strings.Lines(text) {
		switch {
		case line == "-- part\n":
			from = len(out)
		case line == "-- end\n":
			to = len(out)
		case strings.HasPrefix(line, "-- again"):
			out = append(out, out[from:to]...)
		}
		if strings.HasPrefix(line, "--") || b.Len() == 0 && strings.TrimSpace(line) == "" {
			continue
		}
		b.WriteString(line)
		if strings.HasSuffix(strings.TrimRight(line, "\n "), ";") {
			out = append(out, strings.TrimSpace(b.String()))
			b.Reset()
		}
	}
	return out
}

// firstMade is the OID from which on those of types that were made begin: these differ.
const firstMade = 16384

// run gives a statement's outcome as text.
func run(t *testing.T, conn *pgconn.PgConn, sql string) string {
	t.Helper()
	var b strings.Builder
	results, err := conn.Exec(context.Background(), sql).ReadAll()
	for _, r := range results {
		if r.Err != nil {
			continue
		}
		for _, f := range r.FieldDescriptions {
			fmt.Fprintf(&b, "%s:%d ", f.Name, min(f.DataTypeOID, firstMade))
		}
		var rows []string
		for _, row := range r.Rows {
			fields := make([]string, len(row))
			for i, v := range row {
				if fields[i] = string(v); v == nil {
					fields[i] = "NULL"
				}
			}
			rows = append(rows, strings.Join(fields, "|"))
		}
		if !strings.Contains(strings.ToLower(sql), "order by") {
			slices.Sort(rows)
		}
		fmt.Fprintf(&b, "%s\n", r.CommandTag)
		for _, r := range rows {
			b.WriteString(r + "\n")
		}
	}
	if err != nil {
		var refused *pgconn.PgError
		require.True(t, errors.As(err, &refused), "%s: %v", sql, err)
		fmt.Fprintf(&b, "ERROR %s\n", refused.Code)
	}
	return b.String()
}
