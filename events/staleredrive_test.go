package events_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/events"
	"weir/store"
)

// TestBlockedKeysOfAPausedSubscription follows dead letters while nothing delivers.
func TestBlockedKeysOfAPausedSubscription(t *testing.T) {
	t.Parallel()
	n := startNode(t, openEngine(t), 0)
	defer n.end(t)
	for _, shards := range []string{"1", "3"} {
		r := newReceiver(t, 1)
		conn := connect(t, n.Gateway, "paused"+shards)
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks%s ON docs DELIVER TO '%s' WITH (max_retry_attempts = 0, on_dead_letter = 'block_key', delivery_shards = %[1]s)`, shards, r.URL)
		blocked := func(want int64) {
			t.Helper()
			require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT blocked_keys FROM EVENT_SUBSCRIPTIONS()`) == want }, patience, 5*time.Millisecond)
		}
		insertDocs(t, n.Store(), "paused"+shards, 0, 5)
		blocked(5)
		exec(t, conn, `PAUSE EVENT_SUBSCRIPTION hooks%s`, shards)
		exec(t, conn, `DISCARD DEAD LETTERS FOR hooks%s LIMIT 2`, shards)
		require.EqualValues(t, 3, scalar[int64](t, conn, `SELECT blocked_keys FROM EVENT_SUBSCRIPTIONS()`))
		r.set(0)
		told, notices := noticed(t, conn)
		exec(t, told, `REDRIVE DEAD LETTERS FOR hooks%s LIMIT 2`, shards)
		require.Empty(t, *notices, "later events of a blocked key have waited")
		blocked(1)
		exec(t, conn, `RESUME EVENT_SUBSCRIPTION hooks%s`, shards)
		blocked(1)
	}
}

// TestRedriveOfAGatewayThatIsGone opens what was not sent, says so of the job, and
// frees the keys of what was; a clock that is an hour early takes nobody for dead.
func TestRedriveOfAGatewayThatIsGone(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	a := startNode(t, e, 0)
	defer a.end(t)
	r := newReceiver(t, 1)
	r.status = http.StatusNotFound
	held := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-held:
		case <-req.Context().Done():
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer slow.Close()
	defer close(held)
	conn := connect(t, a.Gateway, "stale")
	open := func(id string) string {
		return scalar[string](t, conn, `SELECT coalesce(string_agg(document_key->>'_id' || ' ' || status, ', ' ORDER BY position), '') FROM DEAD_LETTER_EVENTS() WHERE subscription_id = '`+id+`'`)
	}
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO '%s' WITH (max_retry_attempts = 0, on_dead_letter = 'block_key')`, r.URL)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION live ON docs DELIVER TO '%s' WITH (max_retry_attempts = 0)`, r.URL)
	insertDocs(t, e, "stale", 0, 2)
	require.Eventually(t, func() bool { return open("s") == "d0 open, d1 open" && open("live") == "d0 open, d1 open" }, patience, 5*time.Millisecond)
	exec(t, conn, `ALTER EVENT_SUBSCRIPTION live SET (target = '%s')`, slow.URL)
	exec(t, conn, `REDRIVE DEAD LETTERS FOR live`)
	require.Equal(t, "d0 redriving, d1 redriving", open("live"))

	// A redrive of s has sent d0 when its gateway dies.
	write := func(coll string, op store.WriteOp) {
		res, err := e.Write(t.Context(), store.Namespace{DB: events.Database, Coll: coll}, []store.WriteOp{op}, store.WriteOptions{})
		require.NoError(t, err)
		require.NoError(t, res.Err())
	}
	raw := func(d bson.D) bson.Raw {
		doc, err := bson.Marshal(d)
		require.NoError(t, err)
		return doc
	}
	set := func(key, status string) {
		update := bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: status}, {Key: "redriven_by", Value: "gone"}}}}
		write("dead_letter_events", store.WriteOp{
			Kind: store.Update, Filter: raw(bson.D{{Key: "subscription_id", Value: "s"}, {Key: "document_key._id", Value: key}}),
			Update: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw(update)},
		})
	}
	set("d0", "redriven")
	set("d1", "redriving")
	write("event_redrives", store.WriteOp{Kind: store.Insert, Document: raw(bson.D{{Key: "_id", Value: "job"}, {Key: "subscription_id", Value: "s"}, {Key: "status", Value: "running"}, {Key: "redriven_by", Value: "gone"}})})
	b := startNodeAt(t, e, func() time.Time { return time.Now().Add(time.Hour) })
	defer b.end(t)
	require.Eventually(t, func() bool {
		return scalar[string](t, conn, `SELECT status || ': ' || coalesce(last_error, '') FROM EVENT_REDRIVES() WHERE job_id = 'job'`) == "failed: the gateway that ran it ended"
	}, patience, 5*time.Millisecond)
	require.Equal(t, "d0 redriven, d1 open", open("s"))
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT blocked_keys FROM EVENT_SUBSCRIPTIONS() WHERE subscription_id = 's'`) == 1
	}, patience, 5*time.Millisecond)
	require.Equal(t, "d0 redriving, d1 redriving", open("live"), "it is under way")
}
