package events_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/gateway"
	"weir/internal/testkit"
	"weir/store"
)

// TestWebhookFaults has an endpoint misbehave once in each way; every event
// arrives all the same, once it answers, and the attempts are on record.
func TestWebhookFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct {
		serve func(w http.ResponseWriter, req *http.Request)
		error string
	}{
		"stall": {func(_ http.ResponseWriter, req *http.Request) {
			_, _ = io.Copy(io.Discard, req.Body)
			<-req.Context().Done()
		}, "deadline exceeded"},
		"reset":   {func(w http.ResponseWriter, _ *http.Request) { hangUp(w, "HTTP/1.1 200 OK\r\nContent-Le") }, "broken"},
		"half":    {func(w http.ResponseWriter, _ *http.Request) { hangUp(w, "") }, "EOF"},
		"slow":    {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "0"); w.WriteHeader(429) }, "429"},
		"away":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "503"},
		"garbage": {func(w http.ResponseWriter, _ *http.Request) { hangUp(w, "SMTP ready\r\n\r\n") }, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ok := newReceiver(t, 0)
			var once sync.Once
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				failed := false
				once.Do(func() { failed = true })
				if failed {
					fault.serve(w, req)
					return
				}
				ok.ServeHTTP(w, req)
			}))
			defer srv.Close()
			g := testkit.Start(t, testkit.Embedded, nil)
			conn := g.Connect(t)
			timeout := 200
			if name != "stall" {
				timeout = 10_000 // a busy machine must not make another failure of it
			}
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s' WITH (processing_timeout_ms = %d, %s)`, srv.URL, timeout, fast)
			insertDocs(t, g.Store(), g.Database, 0, 5)
			require.Eventually(t, func() bool { return len(keysOf(ok.all())) == 5 }, patience, 5*time.Millisecond)
			require.Eventually(t, func() bool {
				return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_ATTEMPTS() WHERE outcome = 'retrying'`) >= 1
			}, patience, 5*time.Millisecond)
			require.Contains(t, scalar[string](t, conn, `SELECT error FROM EVENT_ATTEMPTS() ORDER BY started_at LIMIT 1`), fault.error)
		})
	}
}

// hangUp writes a beginning and closes the connection.
func hangUp(w http.ResponseWriter, beginning string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_, _ = conn.Write([]byte(beginning))
		_ = conn.Close()
	}
}

// TestRetryAfterIsHonoured has a receiver ask for a second.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	ok := newReceiver(t, 0)
	var once sync.Once
	var asked time.Time
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		first := false
		once.Do(func() { first, asked = true, time.Now() })
		if first {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		ok.ServeHTTP(w, req)
	}))
	defer srv.Close()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s' WITH (%s)`, srv.URL, fast)
	insertDocs(t, g.Store(), g.Database, 0, 1)
	require.Eventually(t, func() bool { return len(ok.all()) == 1 }, patience, 5*time.Millisecond)
	require.GreaterOrEqual(t, time.Since(asked), time.Second)
}

// TestWebhookConnection takes base URL, headers and secret of a connection, and
// rotates a secret of a subscription's own: both sign.
func TestWebhookConnection(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []*http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, req)
	}))
	defer srv.Close()
	last := func(n int) *http.Request {
		require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == n }, patience, 5*time.Millisecond)
		return got[n-1]
	}
	g, conn := brokered(t)
	exec(t, conn, `CREATE CONNECTION team TO WEBHOOK (base_url = '%s/in/', headers = JSON_OBJECT('x-team', 'ops', 'x-both', 'connection'), secret = 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')`, srv.URL)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO 'orders?x=1' USING team WITH (headers = JSON_OBJECT('x-both', 'own'))`)
	insertDocs(t, g.Store(), g.Database, 0, 1)
	req := last(1)
	require.Equal(t, "/in/orders?x=1", req.URL.String())
	require.Equal(t, "ops", req.Header.Get("x-team"))
	require.Equal(t, "own", req.Header.Get("x-both"))
	require.Len(t, strings.Fields(req.Header.Get("webhook-signature")), 1)
	exec(t, conn, `DROP EVENT_SUBSCRIPTION hooks`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION own ON docs DELIVER TO '%s'`, srv.URL)
	exec(t, conn, `ROTATE SECRET FOR own`)
	insertDocs(t, g.Store(), g.Database, 1, 1)
	require.Len(t, strings.Fields(last(2).Header.Get("webhook-signature")), 2)
}

// TestCollectionElsewhere writes to another deployment, away at first.
func TestCollectionElsewhere(t *testing.T) {
	t.Parallel()
	const n = 20
	addr := "127.0.0.1:" + testkit.FreePort(t)
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{EventProbe: soon})
	conn := g.Connect(t)
	exec(t, conn, `CREATE CONNECTION far TO MONGODB (uri = 'mongodb://%s/?directConnection=true')`, addr)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION copied ON docs DELIVER TO COLLECTION archive.docs USING far WITH (inbox = true, processing_timeout_ms = 500, %s)`, fast)
	insertDocs(t, g.Store(), g.Database, 0, n)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('copied') WHERE processing_status = 'retrying'`) > 0
	}, patience, 5*time.Millisecond)
	other := startMongo(t, addr)
	count := func(coll string) (n int64) {
		cur, err := other.Aggregate(t.Context(), store.Namespace{DB: "archive", Coll: coll}, nil, store.AggregateOptions{})
		require.NoError(t, err)
		defer func() { _ = cur.Close() }()
		for {
			if _, err := cur.Next(t.Context()); err != nil {
				return n
			}
			n++
		}
	}
	require.Eventually(t, func() bool { return count("docs") == n && count("docs_inbox") == n }, patience, 10*time.Millisecond)
}

// startMongo runs another engine behind a MongoDB port.
func startMongo(t *testing.T, addr string) store.Store {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	g, err := gateway.Open(ctx, gateway.Options{MongoListen: addr})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, g.Close())
	})
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, patience, 5*time.Millisecond)
	return g.Store()
}

// TestBackfillBesideWrites backfills while documents are written and the gateway
// is stopped half-way: each document that stays comes, nothing newer is followed
// by something older, and what comes again has the same id.
func TestBackfillBesideWrites(t *testing.T) {
	t.Parallel()
	const docs = 5000
	e := openEngine(t)
	r := newReceiver(t, 0)
	a := startNode(t, e, 0)
	insertDocs(t, e, "fill", 0, docs)
	conn := connect(t, a.Gateway, "fill")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s' WITH BACKFILL WITH (batch_processing = false)`, r.URL)
	write := func(n int) {
		set, err := bson.Marshal(bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: n}}}})
		require.NoError(t, err)
		id, err := bson.Marshal(bson.D{{Key: "_id", Value: fmt.Sprintf("d%d", n)}})
		require.NoError(t, err)
		_, err = e.Write(t.Context(), store.Namespace{DB: "fill", Coll: "docs"}, []store.WriteOp{{Kind: store.Update, Filter: id,
			Update: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: set}}}, store.WriteOptions{})
		require.NoError(t, err)
	}
	for n := range 200 {
		write(n * 25)
	}
	a.end(t)
	b := startNode(t, e, 0)
	defer b.end(t)
	conn = connect(t, b.Gateway, "fill")
	for n := range 200 {
		write(n * 20)
	}
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_BACKFILLS() WHERE status = 'done'`) == 1
	}, patience, 20*time.Millisecond)
	require.Eventually(t, func() bool { return len(keysOf(r.all())) == docs }, patience, 20*time.Millisecond)
	ids := map[string]string{}
	updated := map[string]bool{}
	for _, d := range r.all() {
		read := strings.HasSuffix(d.op, ".read")
		if read {
			require.True(t, ids[d.key] == "" || ids[d.key] == d.id, "%s was read under two ids", d.key)
			ids[d.key] = d.id
		}
		updated[d.key] = updated[d.key] || !read
	}
	require.NotEmpty(t, ids)
	require.EqualValues(t, scalar[int64](t, conn, `SELECT count(DISTINCT event_id) FROM CHANGE_STREAM_EVENTS('hooks')`),
		scalar[int64](t, conn, `SELECT count(DISTINCT position) FROM CHANGE_STREAM_EVENTS('hooks')`), "positions are unique")
}
