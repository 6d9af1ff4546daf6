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

// TestEventsReference finds every option, and every column of the table functions
// and views of events, in their reference.
func TestEventsReference(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "events-reference.md"))
	require.NoError(t, err)
	conn := testkit.Start(t, testkit.Embedded, nil).Connect(t)
	ctx := context.Background()
	_, err = conn.Exec(ctx, "CREATE EVENT_SUBSCRIPTION s ON DATABASE DELIVER TO PULL")
	require.NoError(t, err)
	for _, option := range column(t, conn, "SELECT jsonb_object_keys(options) FROM EVENT_SUBSCRIPTIONS()") {
		require.Contains(t, string(page), "`"+option+"`")
	}
	documented := func(kind, name, columns string) {
		_, after, found := strings.Cut(string(page), kind+name)
		require.True(t, found, name)
		line, _, _ := strings.Cut(after, "\n")
		_, line, _ = strings.Cut(line, " — ")
		require.Equal(t, columns, line, name)
	}
	for _, function := range []string{"CHANGE_STREAM_EVENTS", "EVENT_SUBSCRIPTIONS", "ACTIVE_CHANGE_STREAMS", "DEAD_LETTER_EVENTS", "EVENT_ATTEMPTS", "EVENT_GAPS",
		"EVENT_BACKFILLS", "EVENT_REDRIVES", "EVENT_GATEWAYS", "EVENT_STATS", "EVENT_CONNECTIONS"} {
		rows, err := conn.Query(ctx, "SELECT * FROM "+function+"() LIMIT 0")
		require.NoError(t, err)
		rows.Close()
		var names []string
		for _, f := range rows.FieldDescriptions() {
			names = append(names, f.Name)
		}
		documented("- `", function+"(", strings.Join(names, ", "))
	}
	views := column(t, conn, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'weir'")
	require.NotEmpty(t, views)
	for _, view := range views {
		columns := column(t, conn, "SELECT column_name FROM information_schema.columns WHERE table_schema = 'weir' AND table_name = '"+view+"' ORDER BY ordinal_position")
		documented("- `", view+"`", strings.Join(columns, ", "))
	}
}
