package events_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/events"
	"weir/store"
)

// counting counts the documents that are read of a collection.
type counting struct {
	store.Store
	coll string
	read atomic.Int64
}

func (c *counting) Aggregate(ctx context.Context, ns store.Namespace, p []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	cur, err := c.Store.Aggregate(ctx, ns, p, o)
	if err == nil && ns.Coll == c.coll {
		cur = &countingCursor{cur, c}
	}
	return cur, err
}

type countingCursor struct {
	store.Cursor
	of *counting
}

func (c *countingCursor) Next(ctx context.Context) (bson.Raw, error) {
	doc, err := c.Cursor.Next(ctx)
	if err == nil {
		c.of.read.Add(1)
	}
	return doc, err
}

// TestPastIsReadOnce asks for the throughput of many minutes again and again: what
// is over is read once, a filter reads what it asks for, new counts and new buckets
// show, and a subscription that is dropped does not.
func TestPastIsReadOnce(t *testing.T) {
	t.Parallel()
	st := &counting{Store: openEngine(t), coll: "event_stats"}
	n := startNode(t, st, 0)
	defer n.end(t)
	conn := connect(t, n.Gateway, "past")
	for _, id := range []string{"a", "b"} {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION %s ON docs_%[1]s`, id)
	}
	const minutes = 50
	bucket := func(id string, ago int, received int64) {
		at := time.Now().Add(-time.Duration(ago) * time.Minute).Truncate(time.Minute)
		doc, err := bson.Marshal(bson.D{{Key: "_id", Value: id + at.String()}, {Key: "subscription_id", Value: id}, {Key: "bucket", Value: at}, {Key: "received", Value: received}})
		require.NoError(t, err)
		res, err := st.Write(t.Context(), store.Namespace{DB: events.Database, Coll: "event_stats"}, []store.WriteOp{{Kind: store.Insert, Document: doc}}, store.WriteOptions{})
		require.NoError(t, err)
		require.NoError(t, res.Err())
	}
	for ago := range minutes {
		bucket("a", 5+ago, 1)
		bucket("b", 5+ago, 1)
		bucket("elsewhere", 5+ago, 1)
	}
	asked := func(sql string) (rows, read int64) {
		before := st.read.Load()
		rows = scalar[int64](t, conn, sql)
		return rows, st.read.Load() - before
	}
	const all = `SELECT sum(received)::bigint FROM weir.event_throughput`
	rows, _ := asked(all)
	require.EqualValues(t, 2*minutes, rows)
	bucket("b", 0, 7)
	rows, read := asked(all)
	require.EqualValues(t, 2*minutes+7, rows)
	require.LessOrEqual(t, read, int64(2), "the minutes that are over are not read again")
	rows, read = asked(all + ` WHERE subscription_id IN ('b', 'elsewhere')`)
	require.EqualValues(t, minutes+7, rows)
	require.LessOrEqual(t, read, int64(minutes+1))
	rows, _ = asked(`SELECT count(*) FROM weir.event_throughput WHERE bucket > now() - interval '10 minutes' AND subscription_id <> 'a'`)
	require.InDelta(t, 6, rows, 1) // a minute may have begun meanwhile
	exec(t, conn, `DROP EVENT_SUBSCRIPTION b`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION b ON docs_b`)
	rows, _ = asked(all)
	require.EqualValues(t, minutes, rows, "what is made anew has no past")
}

// TestSubscriptionsByName lists those of some names or ids alone.
func TestSubscriptionsByName(t *testing.T) {
	t.Parallel()
	n := startNode(t, openEngine(t), 0)
	defer n.end(t)
	conn := connect(t, n.Gateway, "named")
	for _, id := range []string{"a", "b", "c"} {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION name_%[1]s AS (subscription_id = '%[1]s', service_name = 'of %[1]s', target = 'pull', tags = ARRAY['t'])`, id)
	}
	for where, want := range map[string][]string{
		`TRUE`:                          {"a", "b", "c"},
		`subscription_name = 'name_b'`:  {"b"},
		`subscription_id IN ('c', 'a')`: {"a", "c"},
		`subscription_id = 'a' AND subscription_name = 'name_b'`: nil,
		`subscription_id = 'a' OR service_name = 'of c'`:         {"a", "c"},
		`subscription_name = 'nobody'`:                           nil,
		`tags = ARRAY['t'] AND sink = 'pull' AND pending = 0 AND options->>'batch_size' = '100' AND subscription_name LIKE '%\_c'`: {"c"},
	} {
		rows, err := conn.Query(t.Context(), `SELECT subscription_id FROM EVENT_SUBSCRIPTIONS() WHERE `+where+` ORDER BY 1`)
		require.NoError(t, err)
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		require.ElementsMatch(t, want, got, where)
	}
}
