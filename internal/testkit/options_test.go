package testkit_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"weir/gateway"
	"weir/internal/testkit"
)

// wrongValue is a line of testdata/events/wrongvalues.txt.
type wrongValue struct{ option, value, hint string }

func wrongValues(t *testing.T) []wrongValue {
	text, err := os.ReadFile("testdata/events/wrongvalues.txt")
	require.NoError(t, err)
	var out []wrongValue
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.SplitN(strings.TrimSpace(line), " | ", 3)
		require.Len(t, parts, 3, line)
		out = append(out, wrongValue{parts[0], parts[1], parts[2]})
	}
	return out
}

// optionError runs a statement that must fail, and gives its error.
func optionError(t *testing.T, conn *pgx.Conn, sql string) *pgconn.PgError {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	var e *pgconn.PgError
	require.True(t, errors.As(err, &e), "%s: %v", sql, err)
	return e
}

// at is the position of the last occurrence of a part of a statement, in characters from 1.
func at(sql, part string) int32 {
	return int32(utf8.RuneCountInString(sql[:strings.LastIndex(sql, part)]) + 1)
}

// TestWrongValuesOfOptions gives each option values that it does not take, in every
// statement that takes options: the error names the option, where the value stands
// and what is allowed, and nothing is stored.
func TestWrongValuesOfOptions(t *testing.T) {
	conn := testkit.Start(t, testkit.Embedded, &gateway.Options{}).Connect(t)
	execute(t, conn, `CREATE TABLE docs (n int)`)
	execute(t, conn, `CREATE EVENT_SUBSCRIPTION there ON docs`)
	state := func() (text string) {
		t.Helper()
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT string_agg(subscription_id || version || updated_at || options, ' ') FROM EVENT_SUBSCRIPTIONS()`).Scan(&text))
		return text
	}
	before := state()
	for _, w := range wrongValues(t) {
		for _, form := range []string{
			`CREATE EVENT_SUBSCRIPTION s ON DATABASE WITH (description = 'é', %s = %s)`,
			`CREATE EVENT_SUBSCRIPTION s AS (description = 'é', %s = %s)`,
			`CREATE OR REPLACE EVENT_SUBSCRIPTION there AS (description = 'é', %s = %s)`,
			`ALTER EVENT_SUBSCRIPTION there SET (description = 'é', %s = %s)`,
		} {
			if w.option == "description" {
				form = strings.Replace(form, "description", "service_name", 1)
			}
			if w.option == "watch_collections" {
				form = strings.Replace(form, "s ON DATABASE WITH", "s AS", 1)
			}
			sql := fmt.Sprintf(form, w.option, w.value)
			e := optionError(t, conn, sql)
			require.Equal(t, "22023", e.Code, "%s: %v", sql, e)
			require.Contains(t, e.Message, `option "`+w.option+`"`, sql)
			require.Equal(t, at(sql, w.value), e.Position, sql)
			require.Contains(t, e.Hint, w.hint, sql)
		}
	}
	require.Equal(t, before, state())
}

// TestOptionsNamedTwice names each option twice, and takes back each one.
func TestOptionsNamedTwice(t *testing.T) {
	conn := testkit.Start(t, testkit.Embedded, &gateway.Options{}).Connect(t)
	execute(t, conn, `CREATE TABLE docs (n int)`)
	execute(t, conn, `CREATE EVENT_SUBSCRIPTION there AS (watch_collections = 'docs')`)
	var names []string
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT array_agg(key) FROM EVENT_SUBSCRIPTIONS(), jsonb_object_keys(options) key`).Scan(&names))
	require.Greater(t, len(names), 40)
	options := func() (text string) {
		t.Helper()
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT options::text FROM EVENT_SUBSCRIPTIONS()`).Scan(&text))
		return text
	}
	all := options()
	for _, name := range names {
		name = `"` + name + `"`
		for _, form := range []string{`CREATE EVENT_SUBSCRIPTION s AS (%s = NULL, %s = NULL)`, `ALTER EVENT_SUBSCRIPTION there SET (%s = NULL, %s = NULL)`, `ALTER EVENT_SUBSCRIPTION there RESET (%s, %s)`} {
			sql := fmt.Sprintf(form, name, name)
			e := optionError(t, conn, sql)
			if name == `"subscription_id"` && strings.HasPrefix(form, "ALTER") {
				require.Equal(t, "22023", e.Code, sql)
				require.Equal(t, strings.Index(sql, name)+1, int(e.Position), sql)
				require.Contains(t, e.Hint, "Drop the subscription", sql)
				continue
			}
			require.Equal(t, "42601", e.Code, "%s: %v", sql, e)
			require.Equal(t, at(sql, name), e.Position, sql)
			require.Contains(t, e.Message, "more than once", sql)
		}
		if name == `"subscription_id"` || name == `"watch_collections"` {
			continue
		}
		for _, form := range []string{`ALTER EVENT_SUBSCRIPTION there SET (%s = NULL)`, `ALTER EVENT_SUBSCRIPTION there RESET (%s)`} {
			execute(t, conn, fmt.Sprintf(form, name))
			require.Equal(t, all, options(), name)
		}
	}
	e := optionError(t, conn, `ALTER EVENT_SUBSCRIPTION there RESET (batchsize)`)
	require.Equal(t, "42704", e.Code)
	require.Contains(t, e.Hint, "batch_size")
}
