package events_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/gateway"
	"weir/mongoerr"
	"weir/store"
	"weir/store/remote"
)

// faultyMongo runs an engine behind its MongoDB port that takes fail points.
func faultyMongo(t *testing.T) (uri string) {
	e, err := engine.Open("", engine.Options{TestCommands: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return serve(t, e)
}

func remoteStore(t *testing.T, uri string) store.Store {
	st, err := remote.Open(context.Background(), uri, remote.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return st
}

// fault is what a server does to the commands of the gateway, as it does while
// another primary is elected.
type fault struct {
	commands string
	code     int32
	label    string
	times    int
	closes   bool
	concern  int32 // of a writeConcernError
}

func (f fault) String() string {
	return fmt.Sprintf("%s %d %s %t %d", f.commands, f.code, f.label, f.closes, f.concern)
}

func (f fault) set(t *testing.T, st store.Store) {
	data := bson.D{{Key: "failCommands", Value: bson.A{f.commands}}, {Key: "appName", Value: "gateway"}}
	if f.code != 0 {
		data = append(data, bson.E{Key: "errorCode", Value: f.code})
	}
	if f.label != "" {
		data = append(data, bson.E{Key: "errorLabels", Value: bson.A{f.label}})
	}
	if f.closes {
		data = append(data, bson.E{Key: "closeConnection", Value: true})
	}
	if f.concern != 0 {
		data = append(data, bson.E{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: f.concern}, {Key: "errmsg", Value: "waiting for replication was interrupted"}}})
	}
	cmd, err := bson.Marshal(bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: bson.D{{Key: "times", Value: f.times}}}, {Key: "data", Value: data}})
	require.NoError(t, err)
	_, err = st.Command(context.Background(), "admin", cmd)
	require.NoError(t, err)
}

// TestFailover has the server fail the commands of readers and dispatchers as it does
// in an election, at shutdown, or when it loses a cursor: every event is delivered,
// those of a collection target once, and none is given up.
func TestFailover(t *testing.T) {
	t.Parallel()
	const resumable, retryable, transient, unknown = "ResumableChangeStreamError", "RetryableWriteError", "TransientTransactionError", "UnknownTransactionCommitResult"
	uri := faultyMongo(t)
	own := remoteStore(t, uri)
	g := startNodeBy(t, gateway.Options{Store: remoteStore(t, uri+"&appName=gateway&heartbeatFrequencyMS=500")})
	t.Cleanup(func() { g.stop(); <-g.ended })
	conn := connect(t, g.Gateway, "elected")
	got := newReceiver(t, 0)
	srv := httptest.NewServer(got)
	defer srv.Close()
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s'`, srv.URL)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION copied ON docs DELIVER TO COLLECTION copies WITH (inbox = true)`)
	total := 0
	for _, f := range []fault{
		{commands: "getMore", code: mongoerr.NotWritablePrimary, label: resumable, times: 3},
		{commands: "getMore", code: mongoerr.PrimarySteppedDown, times: 3}, // without the label, as of an old server
		{commands: "getMore", code: mongoerr.CursorNotFound, times: 1},
		{commands: "getMore", code: mongoerr.CursorKilled, times: 2},
		{commands: "getMore", code: mongoerr.InterruptedAtShutdown, label: resumable, times: 2},
		{commands: "getMore", closes: true, times: 3},
		{commands: "aggregate", code: mongoerr.NotWritablePrimary, times: 4},
		{commands: "aggregate", closes: true, times: 3},
		{commands: "insert", code: mongoerr.NotWritablePrimary, label: retryable, times: 3},
		{commands: "insert", closes: true, times: 3},
		{commands: "insert", concern: 91, label: retryable, times: 3},
		{commands: "insert", code: mongoerr.WriteConflict, label: transient, times: 2},
		{commands: "update", code: mongoerr.PrimarySteppedDown, label: retryable, times: 4},
		{commands: "update", closes: true, times: 4},
		{commands: "update", code: mongoerr.NoSuchTransaction, label: transient, times: 1},
		{commands: "findAndModify", code: mongoerr.NotWritablePrimary, label: retryable, times: 3},
		{commands: "commitTransaction", code: mongoerr.NotWritablePrimary, label: retryable, times: 2},
		{commands: "commitTransaction", code: mongoerr.NoSuchTransaction, label: transient, times: 1},
		{commands: "commitTransaction", code: mongoerr.MaxTimeMSExpired, label: unknown, times: 3},
		{commands: "commitTransaction", concern: 64, label: unknown, times: 4},
		{commands: "commitTransaction", closes: true, times: 2},
	} {
		began := time.Now()
		f.set(t, own)
		insertDocs(t, own, "elected", total, 5)
		total += 5
		require.Eventually(t, func() bool { return len(unique(got.all())) == total }, patience, 5*time.Millisecond, "%s", f)
		require.Eventually(t, func() bool { return countIn(t, own, "elected", "copies") == total }, patience, 5*time.Millisecond, "%s", f)
		t.Log(f, time.Since(began))
	}
	fault{commands: "nothing", times: 1}.set(t, own)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE processing_status = 'completed'`) == int64(2*total)
	}, patience, 10*time.Millisecond)
	require.Equal(t, total, countIn(t, own, "elected", "copies_inbox"))
	require.EqualValues(t, 0, scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS()`))
	require.EqualValues(t, 0, scalar[int64](t, conn, `SELECT count(*) FROM EVENT_GAPS()`))
	require.EqualValues(t, total, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('copies', since => now() - interval '5 min') WHERE event_type IN ('insert', 'update', 'replace')`), "each was written once")
	require.Greater(t, scalar[int64](t, conn, `SELECT reopens FROM ACTIVE_CHANGE_STREAMS()`), int64(3))
}

func countIn(t *testing.T, st store.Store, db, coll string) (n int) {
	cur, err := st.Aggregate(context.Background(), store.Namespace{DB: db, Coll: coll}, nil, store.AggregateOptions{})
	require.NoError(t, err)
	defer func() { _ = cur.Close() }()
	for {
		if _, err := cur.Next(context.Background()); err != nil {
			return n
		}
		n++
	}
}
