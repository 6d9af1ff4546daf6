package testkit_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"weir/demo"
	"weir/internal/testkit"
	"weir/parser"
)

// TestDocs runs every SQL example of the documentation on the demo's data, each
// page in a session of its own. Live ones are parsed only: they do not end.
func TestDocs(t *testing.T) {
	root := filepath.Join("..", "..")
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	ran := 0
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		statements := examples(t, string(text))
		if len(statements) == 0 {
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			g := testkit.Start(t, testkit.Embedded, nil)
			g.Database = demo.Database
			require.NoError(t, demo.NewData(1, time.Now()).Open(context.Background(), g.Store()))
			conn := g.Connect(t)
			for _, s := range statements {
				if strings.Contains(s, "SUBSCRIBE TO") {
					continue
				}
				_, err := conn.Exec(context.Background(), s, pgx.QueryExecModeSimpleProtocol)
				require.NoError(t, err, s)
				ran++
			}
		})
	}
	require.NotZero(t, ran)
}

// examples gives the statements of the ```sql blocks of a page.
func examples(t *testing.T, page string) []string {
	t.Helper()
	var out []string
	for i, block := range strings.Split(page, "```") {
		sql, ok := strings.CutPrefix(block, "sql\n")
		if !ok || i%2 == 0 {
			continue
		}
		stmts, err := parser.Parse(sql)
		require.NoError(t, err, sql)
		for _, s := range stmts {
			from, to := s.Bytes()
			out = append(out, sql[from:to])
		}
	}
	return out
}
