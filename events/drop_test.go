package events_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// TestCutDropIsFinished ends a gateway in the midst of DROP … CASCADE, before each of
// the collections that hold something of the subscription: what is left is removed
// by the other gateway, or by one that begins later, and the name can be had again.
func TestCutDropIsFinished(t *testing.T) {
	t.Parallel()
	const lease = 600 * time.Millisecond
	for i, coll := range []string{"event_log", "dead_letter_events", "event_cursors", "event_subscriptions"} {
		later := i%2 == 1
		t.Run(fmt.Sprintf("%s %v", coll, later), func(t *testing.T) {
			t.Parallel()
			e := openEngine(t)
			db := fmt.Sprintf("cut%d", i)
			r := newReceiver(t, 1)
			m := &mortal{Store: e}
			m.before = func(ns store.Namespace, ops []store.WriteOp) bool {
				return ns.Coll == coll && ops[0].Kind == store.Delete
			}
			first := startNode(t, m, lease)
			defer first.end(t)
			conn := connect(t, first.Gateway, db)
			exec(t, conn, `CREATE TABLE docs (_id text PRIMARY KEY)`)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO '%s' WITH (max_retry_attempts = 0)`, r.URL)
			exec(t, conn, `INSERT INTO docs VALUES ('a')`)
			require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT dead_open FROM EVENT_SUBSCRIPTIONS()`) == 1 }, patience, 5*time.Millisecond)
			var other *node
			if !later {
				other = startNode(t, e, lease)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := conn.Exec(ctx, `DROP EVENT_SUBSCRIPTION s CASCADE`)
			require.Error(t, err)
			if later {
				other = startNode(t, e, lease)
			}
			defer other.end(t)
			conn = connect(t, other.Gateway, db)
			_, err = conn.Exec(t.Context(), `RESUME EVENT_SUBSCRIPTION s`)
			require.Error(t, err) // 55006, or 42704 already
			require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_SUBSCRIPTIONS()`) == 0 }, patience, 5*time.Millisecond)
			for _, of := range []string{"event_log", "dead_letter_events", "event_cursors", "event_subscriptions", "event_stats"} {
				require.NotContains(t, storedText(t, e, of), "\x02_id\x00\x02\x00\x00\x00s\x00", of)
			}
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO '%s'`, r.URL)
			require.Zero(t, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('s')`))
		})
	}
}

// TestDrainingIsRefused has a DROP go on: what is asked for the subscription meanwhile
// is refused, and does not bring it back.
func TestDrainingIsRefused(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	reached, goOn := make(chan struct{}), make(chan struct{})
	m := &mortal{Store: e}
	m.before = func(ns store.Namespace, ops []store.WriteOp) bool {
		if ns.Coll == "event_log" && ops[0].Kind == store.Delete {
			close(reached)
			<-goOn
		}
		return false
	}
	const db = "draining"
	n, other := startNode(t, m, 0), startNode(t, e, 0)
	defer n.end(t)
	defer other.end(t)
	conn := connect(t, other.Gateway, db)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs`)
	dropped := make(chan error, 1)
	dropping := connect(t, n.Gateway, db)
	go func() {
		_, err := dropping.Exec(context.Background(), `DROP EVENT_SUBSCRIPTION s`)
		dropped <- err
	}()
	<-reached
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	require.Eventually(t, func() bool { return scalar[string](t, conn, `SELECT status FROM EVENT_SUBSCRIPTIONS()`) == "draining" }, patience, 5*time.Millisecond)
	for _, sql := range []string{
		`RESUME EVENT_SUBSCRIPTION s`, `PAUSE EVENT_SUBSCRIPTION s`, `ALTER EVENT_SUBSCRIPTION s SET (description = 'x')`, `REWIND EVENT_SUBSCRIPTION s TO NOW`,
		`CREATE EVENT_SUBSCRIPTION s ON docs`, `CREATE OR REPLACE EVENT_SUBSCRIPTION s ON docs`, `CREATE EVENT_SUBSCRIPTION IF NOT EXISTS s ON docs`,
	} {
		_, err := conn.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "55006", sql)
	}
	release()
	require.NoError(t, <-dropped)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs`)
	raw, err := bson.Marshal(bson.D{{Key: "_id", Value: 1}})
	require.NoError(t, err)
	_, err = e.Write(t.Context(), store.Namespace{DB: db, Coll: "docs"}, []store.WriteOp{{Kind: store.Insert, Document: raw}}, store.WriteOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('s')`) == 1 }, patience, 5*time.Millisecond)
	exec(t, conn, `DROP EVENT_SUBSCRIPTION s`)
}
