package events_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/engine"
	"weir/engine/opmsg"
	"weir/gateway"
)

// serveEngine runs an engine behind a MongoDB port and gives its URI.
func serveEngine(t *testing.T) (*engine.Engine, string) {
	t.Helper()
	e := openEngine(t)
	return e, serve(t, e)
}

// serve runs a MongoDB port in front of an engine and gives its URI.
func serve(t *testing.T, e *engine.Engine) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- opmsg.NewServer(e, opmsg.Options{}).Serve(ctx, ln) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-served) })
	return "mongodb://" + ln.Addr().String() + "/?directConnection=true"
}

// TestLogElsewhere keeps what the runtime keeps in another deployment than the data:
// all of it is there and nothing with the data, deliveries and what is made of the log
// are as ever, a gateway that begins later goes on, and a collection gets each event
// as one document though it cannot be one transaction with the log.
func TestLogElsewhere(t *testing.T) {
	t.Parallel()
	for name, embedded := range map[string]bool{"remote": false, "embedded": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, dataURI := serveEngine(t)
			logged, logURI := serveEngine(t)
			o := gateway.Options{MongoURI: dataURI, EventsURI: logURI, EventProbe: soon, EventLease: time.Second}
			if embedded {
				o.MongoURI, o.Store = "", data
			}
			const db = "apart"
			r := newReceiver(t, 0.3)
			n := startNodeBy(t, o)
			conn := connect(t, n.Gateway, db)
			insertDocs(t, data, db, 0, 5)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs FOR INSERT, UPDATE, DDL DELIVER TO '%s' WITH BACKFILL WITH (%s)`, r.URL, fast)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION copied ON docs DELIVER TO COLLECTION copies WITH (inbox = true)`)
			insertDocs(t, data, db, 5, 20)
			exec(t, conn, `UPDATE docs SET n = 1 WHERE _id = 'd7'`)
			require.Eventually(t, func() bool { return len(r.all()) >= 26 }, patience, 5*time.Millisecond)
			require.Eventually(t, func() bool { return copied(t, conn, "copies") == 21 && copied(t, conn, "copies_inbox") == 21 }, patience, 5*time.Millisecond)
			require.Equal(t, int64(20), scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks') e JOIN docs d ON d._id = e.document_key->>'_id' WHERE e.event_type = 'insert'`))
			require.Equal(t, "1", scalar[string](t, conn, `SELECT upper(event_data->>'n') FROM CHANGE_STREAM_EVENTS('hooks') WHERE event_type = 'update' ORDER BY position DESC LIMIT 1`))
			require.Equal(t, int64(2), scalar[int64](t, conn, `SELECT count(*) FROM weir.subscription_health`))
			require.Less(t, scalar[float64](t, conn, `SELECT max(resume_token_lag_seconds) FROM EVENT_SUBSCRIPTIONS()`), 60.0)
			names, err := data.Databases(t.Context())
			require.NoError(t, err)
			require.NotContains(t, names, "weir")
			names, err = logged.Databases(t.Context())
			require.NoError(t, err)
			require.Contains(t, names, "weir")
			require.NotContains(t, names, db)

			exec(t, conn, `REWIND EVENT_SUBSCRIPTION copied TO BEGINNING`)
			require.Eventually(t, func() bool {
				return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('copied') WHERE processing_status <> 'completed'`) == 0
			}, patience, 5*time.Millisecond)
			require.Equal(t, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('copied')`), scalar[int64](t, conn, `SELECT count(*) FROM copies`))
			n.end(t)

			insertDocs(t, data, db, 25, 5)
			n = startNodeBy(t, o)
			conn = connect(t, n.Gateway, db)
			require.Eventually(t, func() bool {
				return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks') WHERE event_type = 'insert' AND processing_status = 'completed'`) == 25
			}, patience, 5*time.Millisecond)
			exec(t, conn, `DROP EVENT_SUBSCRIPTION hooks`)
			require.Equal(t, int64(1), scalar[int64](t, conn, `SELECT count(*) FROM EVENT_SUBSCRIPTIONS()`))
			n.end(t)
		})
	}
}

// TestLogOfOtherData has a gateway begin whose log belongs to gateways of other data:
// it says so and ends.
func TestLogOfOtherData(t *testing.T) {
	t.Parallel()
	logged, logURI := serveEngine(t)
	data := openEngine(t)
	n := startNodeBy(t, gateway.Options{Store: logged})
	defer n.end(t)
	exec(t, connect(t, n.Gateway, "apart"), `CREATE EVENT_SUBSCRIPTION s ON docs`)
	other, err := gateway.Open(t.Context(), gateway.Options{Store: data, EventsURI: logURI})
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	require.ErrorContains(t, other.Run(t.Context()), "whose data are in another cluster")
}
