package events_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/internal/testkit"
)

// TestBacklogIsCounted has more events wait and die than a question counts by
// itself: the figures become those of the rows, and follow what happens.
func TestBacklogIsCounted(t *testing.T) {
	t.Parallel()
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) { t.Parallel(); backlogIsCounted(t, mode) })
	}
}

func backlogIsCounted(t *testing.T, mode testkit.Mode) {
	const n = 700
	g := testkit.Start(t, mode, nil)
	conn := g.Connect(t)
	r := newReceiver(t, 1)
	r.status = http.StatusNotFound
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION waits ON docs DELIVER TO NOTIFY ch`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION dies ON docs DELIVER TO '%s' WITH (max_retry_attempts = 0, preserve_order = false)`, r.URL)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION few ON others DELIVER TO PULL`)
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION waits`)
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION dies`)
	insertDocs(t, g.Store(), g.Database, 0, n)
	figure := func(name, id string) int64 {
		return scalar[int64](t, conn, `SELECT `+name+` FROM EVENT_SUBSCRIPTIONS() WHERE subscription_id = '`+id+`'`)
	}
	becomes := func(want int64, name, id string) {
		t.Helper()
		require.Eventually(t, func() bool { return figure(name, id) == want }, patience, 20*time.Millisecond, "%s of %s", name, id)
	}
	becomes(n, "pending", "waits")
	becomes(n, "pending", "dies")
	becomes(0, "pending", "few")
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION dies SKIP PENDING`)
	becomes(0, "pending", "dies")
	insertDocs(t, g.Store(), g.Database, n, n)
	becomes(2*n, "pending", "waits")
	becomes(n, "dead_open", "dies")
	require.EqualValues(t, n, scalar[int64](t, conn, `SELECT dead_letters FROM weir.dead_letter_summary WHERE status = 'open' AND reason = 'terminal_status'`))
	require.EqualValues(t, n, scalar[int64](t, conn, `SELECT errors FROM weir.error_summary WHERE last_status = 404`))
	exec(t, conn, `DISCARD DEAD LETTERS FOR dies`)
	becomes(0, "dead_open", "dies")
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION waits`)
	becomes(0, "pending", "waits")
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION waits`)
	exec(t, conn, `REWIND EVENT_SUBSCRIPTION waits TO BEGINNING`)
	becomes(2*n, "pending", "waits")
}
