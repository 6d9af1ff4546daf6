package events_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/internal/testkit"
)

// TestStartInThePast creates subscriptions after the writes that they want.
func TestStartInThePast(t *testing.T) {
	t.Parallel()
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			g := testkit.Start(t, mode, nil)
			r := newReceiver(t, 0)
			conn := g.Connect(t)
			from := time.Now().UTC().Truncate(time.Second)
			insertDocs(t, g.Store(), g.Database, 0, 20)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION timed ON docs DELIVER TO '%s' START AT TIMESTAMP '%s'`, r.URL, from.Format(time.RFC3339))
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION whole ON docs START AT BEGINNING`)
			insertDocs(t, g.Store(), g.Database, 20, 5)
			require.Eventually(t, func() bool { return len(keysOf(r.all())) == 25 }, patience, 5*time.Millisecond)
			require.Len(t, r.all(), 25)
			const same = `SELECT count(DISTINCT position) FROM CHANGE_STREAM_EVENTS()`
			require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('whole')`) == 25 }, patience, 5*time.Millisecond)
			require.EqualValues(t, 25, scalar[int64](t, conn, same), "an event has the same position in every subscription")
			require.Eventually(t, func() bool {
				return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_SUBSCRIPTIONS() WHERE status = 'active'`) == 2
			}, patience, 5*time.Millisecond)

			token := scalar[string](t, conn, `SELECT resume_token FROM CHANGE_STREAM_EVENTS('timed') ORDER BY position LIMIT 1 OFFSET 9`)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION after_token ON docs START AT TOKEN '%s'`, token)
			require.Eventually(t, func() bool {
				return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('after_token')`) == 15
			}, patience, 5*time.Millisecond)
			exec(t, conn, `DROP EVENT_SUBSCRIPTION timed; DROP EVENT_SUBSCRIPTION whole; DROP EVENT_SUBSCRIPTION after_token`)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION from_oplog ON docs START AT TOKEN '%s'`, token)
			require.Eventually(t, func() bool {
				return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('from_oplog')`) == 15
			}, patience, 5*time.Millisecond)
		})
	}
}

func TestRewind(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	r := newReceiver(t, 0)
	conn := g.Connect(t)
	insertDocs(t, g.Store(), g.Database, 0, 3)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s'`, r.URL)
	insertDocs(t, g.Store(), g.Database, 3, 4)
	require.Eventually(t, func() bool { return len(r.all()) == 4 }, patience, 5*time.Millisecond)
	token := scalar[string](t, conn, `SELECT resume_token FROM CHANGE_STREAM_EVENTS('hooks') ORDER BY position LIMIT 1 OFFSET 1`)
	exec(t, conn, `REWIND EVENT_SUBSCRIPTION hooks TO TOKEN '%s'`, token)
	require.Eventually(t, func() bool { return len(r.all()) == 6 }, patience, 5*time.Millisecond)
	exec(t, conn, `REWIND EVENT_SUBSCRIPTION hooks TO BEGINNING`)
	require.Eventually(t, func() bool { return len(r.all()) == 13 }, patience, 5*time.Millisecond)
	var order []string
	for i := range 7 {
		order = append(order, fmt.Sprintf("d%d", i))
	}
	var got []string
	for _, d := range r.all()[6:] {
		got = append(got, d.key)
	}
	require.ElementsMatch(t, order, got)
	require.Len(t, unique(r.all()), 7, "a rewind keeps the ids")
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks') WHERE processing_status = 'completed'`) == 7
	}, patience, 5*time.Millisecond)
}
