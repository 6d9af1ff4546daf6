package events_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/internal/testkit"
)

// TestSchemaChangesAreBarriers has an event of a collection fail: the changes of that
// collection's schema wait for it, later events wait for these, and other collections
// wait for nothing. A rename tells the new name.
func TestSchemaChangesAreBarriers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	refuse := true
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		var ce struct {
			Subject, Source, Type string
			Data                  struct{ To struct{ DB, Coll string } }
		}
		_ = json.Unmarshal(body, &ce)
		mu.Lock()
		defer mu.Unlock()
		if refuse && strings.Contains(ce.Subject, "slow") {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		line := ce.Type[strings.LastIndex(ce.Type, ".")+1:] + " " + ce.Source[strings.LastIndex(ce.Source, "/")+1:] + " " + strings.Trim(ce.Subject, `"`) + ce.Data.To.Coll
		got = append(got, strings.TrimSpace(line))
	}))
	defer srv.Close()
	all := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, got...)
	}
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id text PRIMARY KEY)`)
	exec(t, conn, `CREATE TABLE others (_id text PRIMARY KEY)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON DATABASE FOR INSERT, "drop", "rename" DELIVER TO '%s' WITH (retry_delay_ms = 5, max_retry_delay_ms = 20, max_retry_attempts = -1)`, srv.URL)
	exec(t, conn, `INSERT INTO docs VALUES ('slow'), ('quick')`)
	exec(t, conn, `ALTER TABLE docs RENAME TO renamed`)
	exec(t, conn, `INSERT INTO renamed VALUES ('a')`)
	exec(t, conn, `DROP TABLE renamed`)
	exec(t, conn, `INSERT INTO others VALUES ('x')`)
	exec(t, conn, `CREATE TABLE docs (_id text PRIMARY KEY)`)
	exec(t, conn, `INSERT INTO docs VALUES ('new')`)
	require.Eventually(t, func() bool { return len(all()) == 2 }, patience, 5*time.Millisecond)
	require.Eventually(t, func() bool {
		return scalar[bool](t, conn, `SELECT coalesce(max(retry_count), 0) > 4 FROM CHANGE_STREAM_EVENTS('s')`)
	}, patience, 5*time.Millisecond)
	require.ElementsMatch(t, []string{"inserted docs quick", "inserted others x"}, all())
	mu.Lock()
	refuse = false
	mu.Unlock()
	require.Eventually(t, func() bool { return len(all()) == 7 }, patience, 5*time.Millisecond)
	rest := all()[2:]
	require.Equal(t, "inserted docs slow", rest[0])
	require.Equal(t, "renamed docs renamed", rest[1])
	var after []string // the rename was of both; from then on each is by itself
	for _, line := range rest[2:] {
		if strings.Contains(line, "renamed") {
			after = append(after, line)
		}
	}
	require.Equal(t, []string{"inserted renamed a", "dropped renamed"}, after)
	require.Contains(t, rest, "inserted docs new")
}

// TestUnblockedKeysAreWaitedFor has a dead letter block a key: a change of the schema
// does not wait for what is behind it. When the key is free again, the next one does.
func TestUnblockedKeysAreWaitedFor(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	status := http.StatusNotFound // of what is of x
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		var ce struct{ Subject, Type string }
		_ = json.Unmarshal(body, &ce)
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(ce.Subject, "x") && status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		got = append(got, strings.TrimSpace(ce.Type[strings.LastIndex(ce.Type, ".")+1:]+" "+strings.Trim(ce.Subject, `"`)))
	}))
	defer srv.Close()
	set := func(s int) {
		mu.Lock()
		defer mu.Unlock()
		status = s
	}
	becomes := func(want ...string) {
		t.Helper()
		require.Eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(got) >= len(want)
		}, patience, 5*time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, want, got)
	}
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id text PRIMARY KEY, n int)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs FOR INSERT, UPDATE, "createIndexes", "dropIndexes" DELIVER TO '%s' WITH (retry_delay_ms = 5, max_retry_delay_ms = 20, max_retry_attempts = 0, on_dead_letter = 'block_key')`, srv.URL)
	exec(t, conn, `INSERT INTO docs VALUES ('x', 0)`)
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT blocked_keys FROM EVENT_SUBSCRIPTIONS()`) == 1 }, patience, 5*time.Millisecond)
	exec(t, conn, `UPDATE docs SET n = 1 WHERE _id = 'x'`)
	exec(t, conn, `CREATE INDEX first ON docs (n)`)
	becomes("indexes_created")
	exec(t, conn, `ALTER EVENT_SUBSCRIPTION s SET (max_retry_attempts = -1)`)
	set(http.StatusServiceUnavailable)
	exec(t, conn, `DISCARD DEAD LETTERS FOR s`)
	exec(t, conn, `DROP INDEX first`)
	exec(t, conn, `INSERT INTO docs VALUES ('y', 0)`)
	require.Eventually(t, func() bool {
		return scalar[bool](t, conn, `SELECT coalesce(max(retry_count), 0) > 4 FROM CHANGE_STREAM_EVENTS('s')`)
	}, patience, 5*time.Millisecond)
	becomes("indexes_created")
	set(http.StatusOK)
	becomes("indexes_created", "updated x", "indexes_dropped", "inserted y")
}
