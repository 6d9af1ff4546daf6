package testkit_test

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// consistent checks what is stored when everything has arrived: nothing waits,
// nothing failed without cause, no event is there under two ids, the leases are with
// gateways that live, and these have not grown.
func (c *chaos) consistent() {
	c.redriveAll()
	c.settled()
	made := c.writers.total()
	names := []string{"watched", "lean", "sharded", "batched", "copied", "pulled", "told", "poisoned", "logged"}
	for _, b := range c.brokers {
		names = append(names, b.track.name)
	}
	for _, name := range names {
		require.EqualValues(c.t, made, c.number(`SELECT count(*) FROM CHANGE_STREAM_EVENTS('`+name+`')`), "events of %s", name)
	}
	for _, coll := range []string{"copies", "copies_inbox"} {
		require.EqualValues(c.t, made, c.number(`SELECT count(*) FROM "`+coll+`"`))
	}
	require.Empty(c.t, c.violations())
	for _, r := range c.rows(`SELECT job_id, status FROM EVENT_BACKFILLS()`) {
		require.Equal(c.t, "done", r[1])
		require.Equal(c.t, chaosDocs, c.in.read(r[0].(string)), "documents of a backfill")
	}
	c.leases()
	for i := range c.gateways {
		require.Less(c.t, c.any(i).memory(), 400<<20, "memory of a gateway")
	}
}

// redriveAll has the receiver take what it never took, and sends that again. There
// is a dead letter for each of these changes and for no other.
func (c *chaos) redriveAll() {
	t := c.track("poisoned")
	want := 0
	for key, most := range c.writers.made() {
		for n := int64(1); n <= most; n++ {
			if t.refused(key, n) {
				want++
			}
		}
	}
	require.EqualValues(c.t, want, c.number(`SELECT count(*) FROM DEAD_LETTER_EVENTS()`), "dead letters")
	require.EqualValues(c.t, want, c.number(`SELECT count(*) FROM DEAD_LETTER_EVENTS() WHERE subscription_id = 'poisoned' AND reason = 'terminal_status' AND attempts >= 3`), "dead letters")
	c.poisoned.healed.Store(true)
	c.await("dead letters are left", func() (int64, []string) {
		c.try(`REDRIVE DEAD LETTERS FOR poisoned`)
		open := c.number(`SELECT count(*) FROM DEAD_LETTER_EVENTS() WHERE status <> 'redriven'`)
		if open == 0 {
			return 0, nil
		}
		return -open, []string{fmt.Sprint(open)}
	})
	refused := t.refused
	t.refused = nil
	require.Empty(c.t, t.missing(c.writers.made()))
	t.refused = refused
}

// settled waits until no event waits for anything.
func (c *chaos) settled() {
	for _, sql := range []string{
		`SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE processing_status <> 'completed'`,
		`SELECT count(*) FROM EVENT_SUBSCRIPTIONS() WHERE status <> 'active' OR desired_status <> 'active' OR pending <> 0 OR retrying <> 0 OR blocked_keys <> 0 OR dead_open <> 0`,
		`SELECT count(*) FROM EVENT_BACKFILLS() WHERE status = 'running'`,
		`SELECT count(*) FROM EVENT_REDRIVES() WHERE status = 'running'`,
	} {
		c.await(sql, func() (int64, []string) {
			n := c.number(sql)
			if n == 0 {
				return 0, nil
			}
			return -n, []string{fmt.Sprint(n)}
		})
	}
}

// leases checks that the reader and the shards are with gateways that live.
func (c *chaos) leases() {
	live := map[string]bool{}
	for _, r := range c.rows(`SELECT gateway_id, host FROM EVENT_GATEWAYS()`) {
		for i := range c.gateways {
			live[r[0].(string)] = live[r[0].(string)] || r[1] == fmt.Sprint(c.any(i).cmd.Process.Pid)
		}
	}
	require.GreaterOrEqual(c.t, len(live), len(c.gateways))
	for _, coll := range []string{"event_readers", "event_cursors"} {
		cur, err := c.client.Database("weir").Collection(coll).Find(context.Background(), bson.D{{Key: "expires_at", Value: bson.D{{Key: "$gt", Value: time.Now()}}}})
		require.NoError(c.t, err)
		for cur.Next(context.Background()) {
			owner, _ := cur.Current.Lookup("owner").StringValueOK()
			require.True(c.t, live[owner], "%s: %s", coll, cur.Current)
		}
		require.NoError(c.t, cur.Err())
	}
}

func (c *chaos) rows(sql string) (out [][]any) {
	c.t.Helper()
	var err error
	for range 100 {
		if out, err = c.query(c.any(0), sql); err == nil {
			return out
		}
		time.Sleep(100 * time.Millisecond)
	}
	require.NoError(c.t, err, sql)
	return nil
}

func (c *chaos) number(sql string) int64 {
	c.t.Helper()
	return c.rows(sql)[0][0].(int64)
}
