package events_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/gateway"
	"weir/mongoerr"
	"weir/store"
)

// TestFewRights runs subscriptions as a user of MongoDB that may read and write the
// database of the data and the runtime's own, and nothing else.
func TestFewRights(t *testing.T) {
	t.Parallel()
	e, err := engine.Open("", engine.Options{Auth: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	uri := strings.Replace(serve(t, e), "mongodb://", "mongodb://clerk:p@", 1) + "&authSource=admin"
	role := func(db string) bson.D { return bson.D{{Key: "role", Value: "readWrite"}, {Key: "db", Value: db}} }
	user, err := bson.Marshal(bson.D{{Key: "createUser", Value: "clerk"}, {Key: "pwd", Value: "p"}, {Key: "roles", Value: bson.A{role("shop"), role("weir")}}})
	require.NoError(t, err)
	_, err = e.Command(t.Context(), "admin", user)
	require.NoError(t, err)

	o := gateway.Options{MongoURI: uri, EventLease: time.Second, EventProbe: soon}
	n := startNodeBy(t, o)
	conn := connect(t, n.Gateway, "shop")
	r := newReceiver(t, 0)
	r.status = 404
	r.set(1)
	exec(t, conn, `CREATE TABLE docs (_id text PRIMARY KEY, n int)`)
	exec(t, conn, `INSERT INTO docs VALUES ('before', 1)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s' WITH BACKFILL WITH (max_retry_attempts = 0, on_dead_letter = 'block_key')`, r.URL)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION copied ON docs DELIVER TO COLLECTION copies START AT BEGINNING WITH (inbox = true)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION shards ON docs DELIVER TO NOTIFY ch WITH (delivery_shards = 2)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION pulled ON docs DELIVER TO PULL`)
	heard := listen(t, n.Gateway, "shop", "ch")
	exec(t, conn, `INSERT INTO docs VALUES ('a', 1), ('b', 2)`)
	exec(t, conn, `UPDATE docs SET n = 3 WHERE _id = 'a'`)
	settled := func(id string) func() bool {
		return func() bool {
			return scalar[bool](t, conn, fmt.Sprintf(`SELECT count(*) FILTER (WHERE processing_status IN ('queued', 'processing', 'retrying')) = 0 AND count(*) > 2 FROM CHANGE_STREAM_EVENTS('%s')`, id))
		}
	}
	require.Eventually(t, settled("copied"), patience, 10*time.Millisecond)
	require.EqualValues(t, 4, scalar[int64](t, conn, `SELECT count(*) FROM copies_inbox`))
	require.Eventually(t, func() bool { return len(heard.all()) == 3 }, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS()`) == 3 }, patience, 10*time.Millisecond)
	r.set(0)
	exec(t, conn, `REDRIVE DEAD LETTERS FOR hooks`)
	require.Eventually(t, settled("hooks"), patience, 10*time.Millisecond)
	exec(t, conn, `ALTER EVENT_SUBSCRIPTION shards SET (delivery_shards = 3)`)
	exec(t, conn, `REWIND EVENT_SUBSCRIPTION copied TO BEGINNING`)
	require.Eventually(t, settled("copied"), patience, 10*time.Millisecond)
	exec(t, conn, `ACKNOWLEDGE EVENT_SUBSCRIPTION pulled UP TO 'ffffffffffffffffffffffff'`)
	require.EqualValues(t, 4, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('copies', since => now() - interval '5 min') WHERE operation_type = 'insert'`))
	require.EqualValues(t, 4, scalar[int64](t, conn, `SELECT count(*) FROM EVENT_SUBSCRIPTIONS() WHERE status IN ('active', 'degraded')`))
	require.Eventually(t, func() bool {
		return scalar[bool](t, conn, `SELECT coalesce(bool_and(oplog_window_seconds >= 0), false) FROM ACTIVE_CHANGE_STREAMS() WHERE kind = 'reader'`)
	}, patience, 10*time.Millisecond)
	exec(t, conn, `DROP EVENT_SUBSCRIPTION hooks CASCADE`)
	n.end(t)
}

// slowOplog is a store whose oplog the user may not read, and which takes long to open a
// stream in the past.
type slowOplog struct {
	store.Store
	asked chan struct{}
}

func (s *slowOplog) Aggregate(ctx context.Context, ns store.Namespace, p []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	if ns.DB == "local" {
		return nil, mongoerr.New(mongoerr.Unauthorized, "not authorized on local")
	}
	return s.Store.Aggregate(ctx, ns, p, o)
}

func (s *slowOplog) Watch(ctx context.Context, scope store.Namespace, p []bson.Raw, o store.WatchOptions) (store.ChangeStream, error) {
	if o.StartAtOperationTime != nil && o.BatchSize == 1 {
		select {
		case s.asked <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Store.Watch(ctx, scope, p, o)
}

// TestHousekeepingWaitsForNoOplog has a server take long to tell how far its oplog
// reaches back: the gateway shows that it lives all the same.
func TestHousekeepingWaitsForNoOplog(t *testing.T) {
	t.Parallel()
	s := &slowOplog{openEngine(t), make(chan struct{}, 1)}
	n := startNode(t, s, 0)
	defer n.end(t)
	conn := connect(t, n.Gateway, "slow")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs`)
	<-s.asked
	const beat = `SELECT heartbeat_at FROM EVENT_GATEWAYS()`
	first := scalar[time.Time](t, conn, beat)
	require.Eventually(t, func() bool { return scalar[time.Time](t, conn, beat).After(first.Add(1500 * time.Millisecond)) }, 20*time.Second, 50*time.Millisecond)
}
