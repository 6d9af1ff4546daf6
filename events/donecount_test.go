package events_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/internal/testkit"
)

// TestDeliveriesWithoutDispatcherCount counts what is acknowledged and what is redriven
// as delivered, once; no rate is above 100, however often events are delivered.
func TestDeliveriesWithoutDispatcherCount(t *testing.T) {
	t.Parallel()
	var up atomic.Bool
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer hook.Close()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION pulled ON docs DELIVER TO PULL`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooked ON docs DELIVER TO '%s' WITH (max_retry_attempts = 0)`, hook.URL)
	insertDocs(t, g.Store(), g.Database, 0, 4)
	is := func(want, sql string) {
		t.Helper()
		require.Eventually(t, func() bool { return scalar[string](t, conn, sql) == want }, patience, 10*time.Millisecond, sql)
	}
	is("4", `SELECT count(*)::text FROM CHANGE_STREAM_EVENTS('pulled')`)
	is("4", `SELECT count(*)::text FROM DEAD_LETTER_EVENTS()`)
	up.Store(true)
	const up3 = `ACKNOWLEDGE EVENT_SUBSCRIPTION pulled UP TO '%s'`
	third := scalar[string](t, conn, `SELECT position FROM CHANGE_STREAM_EVENTS('pulled') ORDER BY position OFFSET 2 LIMIT 1`)
	exec(t, conn, up3, third)
	exec(t, conn, up3, third)
	told, notices := noticed(t, conn)
	exec(t, told, `REDRIVE DEAD LETTERS FOR hooked LIMIT 2`)
	require.Equal(t, []string{"NOTICE redriven events may be older than events of their keys that were delivered already"}, *notices)
	is("hooked 2 4, pulled 3 0", `SELECT string_agg(subscription_name || ' ' || delivered_total || ' ' || failed_total, ', ' ORDER BY subscription_name) FROM EVENT_SUBSCRIPTIONS()`)
	is("hooked 50, pulled 75", `SELECT coalesce(string_agg(subscription_id || ' ' || rate, ', ' ORDER BY subscription_id), '')
		FROM (SELECT subscription_id, (100 * sum(events_processed) / sum(total_events_received))::int AS rate FROM weir.event_stream_metrics GROUP BY subscription_id) AS r`)
	exec(t, conn, `REWIND EVENT_SUBSCRIPTION hooked TO BEGINNING`)
	is("6", `SELECT delivered_total::text FROM EVENT_SUBSCRIPTIONS() WHERE subscription_name = 'hooked'`)
	is("true", `SELECT (bool_and(success_rate_percent <= 100) AND sum(events_processed) = 9)::text FROM weir.event_stream_metrics`)
}
