package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/gateway"
	"weir/internal/testkit"
)

// receiver is a webhook endpoint that fails at a set rate and remembers what it
// took, in order.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	rng    *rand.Rand
	fail   float64
	taken  []delivered
	status int
}

type delivered struct{ id, key, op string }

func newReceiver(t testing.TB, fail float64) *receiver {
	r := &receiver{fail: fail, rng: rand.New(rand.NewPCG(7, 7)), status: http.StatusServiceUnavailable}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	var ce struct {
		ID      string `json:"id"`
		Subject string `json:"subject"`
		Type    string `json:"type"`
	}
	_ = json.Unmarshal(body, &ce)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rng.Float64() < r.fail {
		w.WriteHeader(r.status)
		return
	}
	r.taken = append(r.taken, delivered{ce.ID, ce.Subject, ce.Type})
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) set(fail float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = fail
}

func (r *receiver) all() []delivered {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivered{}, r.taken...)
}

func exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	_, err := conn.Exec(context.Background(), fmt.Sprintf(sql, args...), pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
}

func scalar[T any](t testing.TB, conn *pgx.Conn, sql string) (v T) {
	t.Helper()
	require.NoError(t, conn.QueryRow(context.Background(), sql).Scan(&v), sql)
	return v
}

// copied counts the rows of a sink's collection: none before its first event makes it.
func copied(t testing.TB, conn *pgx.Conn, table string) (n int64) {
	t.Helper()
	err := conn.QueryRow(context.Background(), `SELECT count(*) FROM `+table).Scan(&n)
	if missing := (*pgconn.PgError)(nil); errors.As(err, &missing) && missing.Code == "42P01" {
		return 0
	}
	require.NoError(t, err)
	return n
}

func connect(t testing.TB, g *gateway.Gateway, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), fmt.Sprintf("postgres://t@%s/%s?sslmode=disable", g.SQLAddr(), database))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

const patience = 2 * time.Minute // it only bounds a failure: a machine may be busy

func TestFailuresBecomeDeadLettersAndAreRedriven(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	r := newReceiver(t, 1)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE orders (_id int PRIMARY KEY)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON orders DELIVER TO '%s' WITH (max_retry_attempts = 2, retry_delay_ms = 1, max_retry_delay_ms = 2)`, r.URL)
	exec(t, conn, `INSERT INTO orders (_id) VALUES (1)`)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS() WHERE status = 'open' AND reason = 'max_attempts' AND attempts = 3 AND last_status = 503`) == 1
	}, patience, 10*time.Millisecond)
	status := func() string {
		return scalar[string](t, conn, `SELECT processing_status FROM CHANGE_STREAM_EVENTS('hooks')`)
	}
	require.Eventually(t, func() bool { return status() == "failed" }, patience, 10*time.Millisecond, "after its dead letter is there")
	_, err := conn.Exec(context.Background(), `DROP EVENT_SUBSCRIPTION hooks`)
	require.ErrorContains(t, err, "2BP01")
	id := scalar[string](t, conn, `SELECT event_id FROM DEAD_LETTER_EVENTS()`)

	r.set(0)
	exec(t, conn, `REDRIVE DEAD LETTERS FOR hooks`)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS() WHERE status = 'redriven'`) == 1
	}, patience, 10*time.Millisecond)
	require.Equal(t, id, r.all()[0].id)
	require.Equal(t, "completed", status())
	require.Eventually(t, func() bool { return scalar[string](t, conn, `SELECT status FROM EVENT_REDRIVES()`) == "done" }, patience, 10*time.Millisecond)
	exec(t, conn, `DROP EVENT_SUBSCRIPTION hooks`)
}

func TestOrderIsKeptPerKeyWhileAReceiverFails(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	r := newReceiver(t, 0.2)
	conn := g.Connect(t)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs FOR INSERT, UPDATE DELIVER TO '%s' WITH (max_retry_attempts = 1000, retry_delay_ms = 1, max_retry_delay_ms = 3)`, r.URL)
	coll := g.Mongo(t).Collection("docs")
	ctx := context.Background()
	const keys, updates = 8, 25
	for k := range keys {
		_, err := coll.InsertOne(ctx, bson.D{{Key: "_id", Value: fmt.Sprintf("k%d", k)}, {Key: "n", Value: 0}})
		require.NoError(t, err)
	}
	for n := range updates {
		for k := range keys {
			_, err := coll.UpdateByID(ctx, fmt.Sprintf("k%d", k), bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: n + 1}}}})
			require.NoError(t, err)
		}
	}
	const total = keys * (updates + 1)
	require.Eventually(t, func() bool { return len(unique(r.all())) == total }, patience, 10*time.Millisecond)
	last := map[string]string{}
	for _, d := range r.all() {
		require.GreaterOrEqual(t, d.id, last[d.key], "key %s went back", d.key)
		last[d.key] = d.id
	}
	require.Len(t, last, keys)
	require.EqualValues(t, 0, scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS()`))
}

func unique(ds []delivered) map[string]bool {
	ids := map[string]bool{}
	for _, d := range ds {
		ids[d.id] = true
	}
	return ids
}

func TestPausedEventsWaitAndSkippedOnesDoNot(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	r := newReceiver(t, 0)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s'`, r.URL)
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION hooks`)
	exec(t, conn, `INSERT INTO docs (_id) VALUES (1), (2)`)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks') WHERE processing_status = 'queued'`) == 2
	}, patience, 10*time.Millisecond)
	require.Empty(t, r.all())
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION hooks`)
	require.Eventually(t, func() bool { return len(r.all()) == 2 }, patience, 10*time.Millisecond)

	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION hooks`)
	exec(t, conn, `INSERT INTO docs (_id) VALUES (3)`)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks') WHERE processing_status = 'queued'`) == 1
	}, patience, 10*time.Millisecond)
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION hooks SKIP PENDING`)
	exec(t, conn, `INSERT INTO docs (_id) VALUES (4)`)
	require.Eventually(t, func() bool { return len(r.all()) == 3 }, patience, 10*time.Millisecond)
	require.Equal(t, "4", r.all()[2].key)
	require.EqualValues(t, 1, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks') WHERE processing_status = 'skipped'`))
}

func TestGoneSuspends(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	r := newReceiver(t, 1)
	r.status = http.StatusGone
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s'`, r.URL)
	exec(t, conn, `INSERT INTO docs (_id) VALUES (1)`)
	require.Eventually(t, func() bool {
		return scalar[string](t, conn, `SELECT status || ' ' || coalesce(status_reason, '') FROM EVENT_SUBSCRIPTIONS()`) == "suspended endpoint_gone"
	}, patience, 10*time.Millisecond)
	r.set(0)
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION hooks`)
	require.Eventually(t, func() bool { return len(r.all()) == 1 }, patience, 10*time.Millisecond)
}

func TestCollectionTarget(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, name text)`)
	exec(t, conn, `CREATE TABLE seen (_id text PRIMARY KEY, type text)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION copy ON docs FOR INSERT DELIVER TO COLLECTION seen`)
	exec(t, conn, `INSERT INTO docs (_id, name) VALUES (1, 'Ada'), (2, 'Bo')`)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM seen WHERE type = 'com.mongodb.document.inserted'`) == 2
	}, patience, 10*time.Millisecond)
}

// TestStopsLoseNothing stops and starts the gateway again and again while
// documents are written, and expects every event at the receiver.
func TestStopsLoseNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newReceiver(t, 0.1)
	const rounds, perRound = 4, 40
	want := map[string]bool{}
	for round := range rounds {
		ctx, stop := context.WithCancel(context.Background())
		g, err := gateway.Open(ctx, gateway.Options{Dir: dir, AllowPrivateTargets: true})
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx) }()
		conn := connect(t, g, "stops")
		if round == 0 {
			exec(t, conn, `CREATE TABLE docs (_id text PRIMARY KEY)`)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s' WITH (max_retry_attempts = 1000, retry_delay_ms = 1, max_retry_delay_ms = 5)`, r.URL)
		}
		for i := range perRound {
			key := fmt.Sprintf("r%d-%d", round, i)
			exec(t, conn, `INSERT INTO docs (_id) VALUES ('%s')`, key)
			want[key] = true
		}
		if round == rounds-1 {
			require.Eventually(t, func() bool { return len(keysOf(r.all())) == len(want) }, patience, 10*time.Millisecond)
		}
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, g.Close())
	}
	require.Equal(t, want, keysOf(r.all()))
	ids := map[string]string{}
	for _, d := range r.all() {
		require.True(t, ids[d.key] == "" || ids[d.key] == d.id, "%s came with two ids", d.key)
		ids[d.key] = d.id
		require.True(t, strings.HasPrefix(d.id, "hooks:"))
	}
}

func keysOf(ds []delivered) map[string]bool {
	keys := map[string]bool{}
	for _, d := range ds {
		keys[d.key] = true
	}
	return keys
}
