package events_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/gateway"
	"weir/internal/testkit"
	"weir/store"
)

// TestClocksOfGateways has a gateway whose clock is an hour ahead put an event off and
// die: one whose clock is right sends it when its time has come.
func TestClocksOfGateways(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	r := newReceiver(t, 1)
	m := &mortal{Store: e}
	a := startNodeBy(t, gateway.Options{Store: m, EventLease: time.Second, EventProbe: soon, Now: func() time.Time { return time.Now().Add(time.Hour) }})
	conn := connect(t, a.Gateway, "clocks")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s' WITH (%s)`, r.URL, fast)
	insertDocs(t, e, "clocks", 0, 1)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks') WHERE processing_status = 'retrying'`) == 1
	}, patience, 5*time.Millisecond)
	m.dead.Store(true)
	a.stop()
	<-a.ended
	r.set(0)
	b := startNode(t, e, time.Second)
	defer b.end(t)
	require.Eventually(t, func() bool { return len(r.all()) == 1 }, patience, 5*time.Millisecond)
}

// TestLateFailure has a send fail when another gateway has delivered the event: it
// stays delivered.
func TestLateFailure(t *testing.T) {
	t.Parallel()
	sent, answer := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(sent)
		<-answer
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer srv.Close()
	e := openEngine(t)
	n := startNode(t, e, 0)
	defer n.end(t)
	conn := connect(t, n.Gateway, "late")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s' WITH (retry_delay_ms = 3600000, max_retry_delay_ms = 3600000)`, srv.URL)
	insertDocs(t, e, "late", 0, 1)
	<-sent
	set := bson.D{{Key: "$set", Value: bson.D{{Key: "processing_status", Value: "completed"}}}}
	raw, err := bson.Marshal(set)
	require.NoError(t, err)
	_, err = e.Write(t.Context(), store.Namespace{DB: "weir", Coll: "event_log"}, []store.WriteOp{{Kind: store.Update, Multi: true,
		Filter: bson.Raw("\x05\x00\x00\x00\x00"), Update: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}}}, store.WriteOptions{})
	require.NoError(t, err)
	close(answer)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_ATTEMPTS()`) == 1
	}, patience, 5*time.Millisecond)
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION hooks`) // all that is known is written then
	require.Equal(t, "completed", scalar[string](t, conn, `SELECT processing_status FROM CHANGE_STREAM_EVENTS('hooks')`))
}

// TestDeathBeforeTheOthersKnow has a gateway die when it has changed a definition and
// told nobody: the same statement on the gateway that reads has its effect, and
// without one the change is in force after a while.
func TestDeathBeforeTheOthersKnow(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	r := newReceiver(t, 0)
	reads := startNode(t, e, 0)
	defer reads.end(t)
	conn := connect(t, reads.Gateway, "death")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s'`, r.URL)
	die := func(sql string) {
		t.Helper()
		m := &mortal{Store: e}
		m.after = func(ns store.Namespace, ops []store.WriteOp) bool {
			rev, err := bson.Raw(ops[0].Update.Value).LookupErr("$inc", "rev")
			return ns.Coll == "event_subscriptions" && (ops[0].Kind == store.Insert || err == nil && rev.AsInt64() == 1)
		}
		n := startNode(t, m, 0)
		t.Cleanup(func() { n.stop(); <-n.ended })
		_, err := connect(t, n.Gateway, "death").Exec(context.Background(), sql)
		require.Error(t, err)
		require.True(t, m.dead.Load())
	}
	delivers := func(from, n int) {
		t.Helper()
		insertDocs(t, e, "death", from, 1)
		require.Eventually(t, func() bool { return len(r.all()) == n }, patience, 5*time.Millisecond)
	}
	delivers(0, 1)
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION hooks`)
	die(`RESUME EVENT_SUBSCRIPTION hooks`)
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION hooks`)
	delivers(1, 2)

	die(`PAUSE EVENT_SUBSCRIPTION hooks`)
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION hooks`)
	delivers(2, 3)

	die(`CREATE EVENT_SUBSCRIPTION second ON docs`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION IF NOT EXISTS second ON docs`)
	insertDocs(t, e, "death", 3, 1)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('second')`) == 1
	}, patience, 5*time.Millisecond)

	die(`DROP EVENT_SUBSCRIPTION second`)
	exec(t, conn, `DROP EVENT_SUBSCRIPTION second`)
	die(`PAUSE EVENT_SUBSCRIPTION hooks`)
	require.Eventually(t, func() bool {
		return scalar[string](t, conn, `SELECT status FROM EVENT_SUBSCRIPTIONS()`) == "paused"
	}, patience, 20*time.Millisecond)
}

// slowRewind is a store that takes its time over the rows that a rewind changes.
type slowRewind struct {
	store.Store
	begun   atomic.Bool
	through chan struct{}
}

func (s *slowRewind) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if ns.Coll == "event_log" && len(ops) == 1 && ops[0].Multi && ops[0].Kind == store.Update {
		s.begun.Store(true)
		<-s.through
	}
	return s.Store.Write(ctx, ns, ops, o)
}

// TestRewindOfManyRows takes longer to rewind than a hold lasts: nothing is delivered
// meanwhile that would pass over what is still to be changed.
func TestRewindOfManyRows(t *testing.T) {
	t.Parallel()
	const lease = time.Second
	s := &slowRewind{Store: openEngine(t), through: make(chan struct{})}
	n := startNode(t, s, lease)
	defer n.end(t)
	r := newReceiver(t, 0)
	conn := connect(t, n.Gateway, "many")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s'`, r.URL)
	insertDocs(t, s, "many", 0, 3)
	require.Eventually(t, func() bool { return len(r.all()) == 3 }, patience, 5*time.Millisecond)
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), `REWIND EVENT_SUBSCRIPTION hooks TO TIMESTAMP '2020-01-01'`)
		ended <- err
	}()
	require.Eventually(t, s.begun.Load, patience, time.Millisecond)
	held := time.After(3 * lease)
	insertDocs(t, s, "many", 3, 1)
	<-held
	require.Len(t, r.all(), 3, "it is held")
	close(s.through)
	require.NoError(t, <-ended)
	require.Eventually(t, func() bool { return len(r.all()) == 7 }, patience, 5*time.Millisecond)
}

// TestSummaryOfWhatWasPutOff has the row of an event record that it was put off, which
// spent no attempt: when it is delivered, the cursor alone does not tell.
func TestSummaryOfWhatWasPutOff(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{EventProbe: soon})
	conn := g.Connect(t)
	var gone atomic.Bool
	gone.Store(true)
	ok := newReceiver(t, 0)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if gone.Load() {
			w.WriteHeader(http.StatusGone)
			return
		}
		ok.ServeHTTP(w, req)
	}))
	defer srv.Close()
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s' WITH (tracking = 'summary', %s)`, srv.URL, fast)
	insertDocs(t, g.Store(), g.Database, 0, 5)
	require.Eventually(t, func() bool {
		return scalar[string](t, conn, `SELECT status FROM EVENT_SUBSCRIPTIONS()`) == "suspended"
	}, patience, 5*time.Millisecond)
	gone.Store(false)
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION hooks`)
	require.Eventually(t, func() bool { return len(keysOf(ok.all())) == 5 }, patience, 5*time.Millisecond)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks') WHERE processing_status = 'completed'`) == 5
	}, patience, 5*time.Millisecond)
}
