package events_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/gateway"
	"weir/store"
)

// mortal is a store as one process sees it: when it dies, every call fails, and
// what was under way is not heard of again.
type mortal struct {
	store.Store
	dead atomic.Bool
	// before and after a write that reaches the store; true kills the process there.
	before, after func(ns store.Namespace, ops []store.WriteOp) bool
}

var errDead = errors.New("the process is dead")

func (m *mortal) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if m.dead.Load() || m.before != nil && m.before(ns, ops) {
		m.dead.Store(true)
		return store.WriteResult{}, errDead
	}
	res, err := m.Store.Write(ctx, ns, ops, o)
	if m.dead.Load() || m.after != nil && m.after(ns, ops) {
		m.dead.Store(true)
		if res.Wait != nil {
			_ = res.Wait()
		}
		return store.WriteResult{}, errDead
	}
	return res, err
}

func (m *mortal) Aggregate(ctx context.Context, ns store.Namespace, p []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	return m.Store.Aggregate(ctx, ns, p, o)
}

func (m *mortal) Command(ctx context.Context, db string, cmd bson.Raw) (bson.Raw, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	return m.Store.Command(ctx, db, cmd)
}

func (m *mortal) Watch(ctx context.Context, scope store.Namespace, p []bson.Raw, o store.WatchOptions) (store.ChangeStream, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	s, err := m.Store.Watch(ctx, scope, p, o)
	return &mortalStream{s, m}, err
}

type mortalStream struct {
	store.ChangeStream
	m *mortal
}

func (s *mortalStream) Next(ctx context.Context, wait time.Duration) (bson.Raw, error) {
	if s.m.dead.Load() {
		return nil, errDead
	}
	return s.ChangeStream.Next(ctx, wait)
}

// node is a gateway on a shared store.
type node struct {
	*gateway.Gateway
	stop  context.CancelFunc
	ended chan error
}

func (n *node) end(t testing.TB) {
	t.Helper()
	n.stop()
	require.NoError(t, <-n.ended)
	require.NoError(t, n.Close())
}

func startNode(t testing.TB, st store.Store, lease time.Duration) *node {
	return startNodeBy(t, gateway.Options{Store: st, EventLease: lease, EventProbe: soon})
}

// startNodeAt starts a gateway with a clock of its own.
func startNodeAt(t testing.TB, st store.Store, now func() time.Time) *node {
	return startNodeBy(t, gateway.Options{Store: st, Now: now})
}

func startNodeBy(t testing.TB, o gateway.Options) *node {
	t.Helper()
	o.AllowPrivateTargets = true
	ctx, stop := context.WithCancel(context.Background())
	g, err := gateway.Open(ctx, o)
	require.NoError(t, err)
	n := &node{Gateway: g, stop: stop, ended: make(chan error, 1)}
	go func() { n.ended <- g.Run(ctx) }()
	return n
}

func openEngine(t testing.TB) *engine.Engine {
	t.Helper()
	e, err := engine.Open("", engine.Options{InternalDatabases: []string{"weir"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func insertDocs(t testing.TB, st store.Store, db string, from, n int) {
	t.Helper()
	for i := range n {
		raw, err := bson.Marshal(bson.D{{Key: "_id", Value: fmt.Sprintf("d%d", from+i)}})
		require.NoError(t, err)
		res, err := st.Write(context.Background(), store.Namespace{DB: db, Coll: "docs"}, []store.WriteOp{{Kind: store.Insert, Document: raw}}, store.WriteOptions{})
		require.NoError(t, err)
		require.NoError(t, res.Err())
	}
}

// readers gives the hosts of the gateways that read the database, as a gateway tells.
func readers(t testing.TB, conn *pgx.Conn) string {
	return scalar[string](t, conn, `SELECT coalesce(string_agg(g.host, ','), '') FROM ACTIVE_CHANGE_STREAMS() s JOIN EVENT_GATEWAYS() g ON g.gateway_id = s.gateway`)
}

// TestOneGatewayReads has two gateways on one store: one of them reads and
// delivers, statements on the other take effect, and a stop hands over at once.
func TestOneGatewayReads(t *testing.T) {
	e := openEngine(t)
	r := newReceiver(t, 0)
	a, b := startNodeBy(t, gateway.Options{Store: e, Host: "a"}), startNodeBy(t, gateway.Options{Store: e, Host: "b"})
	ca, cb := connect(t, a.Gateway, "pair"), connect(t, b.Gateway, "pair")
	exec(t, ca, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s'`, r.URL)
	exec(t, cb, `CREATE EVENT_SUBSCRIPTION second ON docs`)
	insertDocs(t, e, "pair", 0, 10)
	require.Eventually(t, func() bool { return len(r.all()) == 10 }, patience, 5*time.Millisecond)
	require.Eventually(t, func() bool {
		return scalar[int64](t, cb, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('second')`) == 10
	}, patience, 5*time.Millisecond)
	require.Eventually(t, func() bool { // each heard of the other's stream
		one, two := readers(t, ca), readers(t, cb)
		return one == two && (one == "a" || one == "b")
	}, patience, 5*time.Millisecond)
	require.EqualValues(t, 10, scalar[int64](t, cb, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks')`))

	exec(t, cb, `PAUSE EVENT_SUBSCRIPTION hooks`)
	insertDocs(t, e, "pair", 10, 1)
	require.Eventually(t, func() bool {
		return scalar[int64](t, cb, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks') WHERE processing_status = 'queued'`) == 1
	}, patience, 5*time.Millisecond)
	require.Len(t, r.all(), 10)
	exec(t, ca, `RESUME EVENT_SUBSCRIPTION hooks`)
	require.Eventually(t, func() bool { return len(r.all()) == 11 }, patience, 5*time.Millisecond)

	first, rest, conn := a, b, cb
	if readers(t, ca) == "b" {
		first, rest, conn = b, a, ca
	}
	left := readers(t, conn)
	first.end(t)
	from := time.Now()
	insertDocs(t, e, "pair", 11, 1)
	require.Eventually(t, func() bool { return len(r.all()) == 12 }, patience, time.Millisecond)
	require.Less(t, time.Since(from), 5*time.Second, "a stopped gateway hands over at once, not when its lease of 15 s is over")
	require.Eventually(t, func() bool { now := readers(t, conn); return now != left && len(now) == 1 }, patience, 5*time.Millisecond)
	rest.end(t)
	require.Len(t, keysOf(r.all()), 12)
	require.Len(t, r.all(), 12, "nothing came twice")
}

// TestTakeoverAfterDeath kills the gateway that reads between any two writes of
// the reader and of the dispatcher; the other one takes over after the lease,
// and every event arrives, a repeated one with the same id.
func TestTakeoverAfterDeath(t *testing.T) {
	t.Parallel()
	isLog := func(ns store.Namespace, ops []store.WriteOp, kind store.WriteKind) bool {
		return ns.Coll == "event_log" && ops[0].Kind == kind
	}
	for name, at := range map[string]struct {
		after bool
		match func(ns store.Namespace, ops []store.WriteOp) bool
	}{
		"before the log (R4)":      {false, func(ns store.Namespace, ops []store.WriteOp) bool { return isLog(ns, ops, store.Insert) }},
		"after the log (R4)":       {true, func(ns store.Namespace, ops []store.WriteOp) bool { return isLog(ns, ops, store.Insert) }},
		"after the token (R5)":     {true, func(ns store.Namespace, _ []store.WriteOp) bool { return ns.Coll == "event_readers" }},
		"after the send (D3)":      {false, func(ns store.Namespace, ops []store.WriteOp) bool { return isLog(ns, ops, store.Update) }},
		"after the outcome (D4)":   {true, func(ns store.Namespace, ops []store.WriteOp) bool { return isLog(ns, ops, store.Update) }},
		"before the cursor (D5)":   {false, func(ns store.Namespace, _ []store.WriteOp) bool { return ns.Coll == "event_cursors" }},
		"after the cursor (D5)":    {true, func(ns store.Namespace, _ []store.WriteOp) bool { return ns.Coll == "event_cursors" }},
		"after a dead letter (D4)": {true, func(ns store.Namespace, _ []store.WriteOp) bool { return ns.Coll == "dead_letter_events" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := openEngine(t)
			r := newReceiver(t, 0)
			var armed atomic.Bool
			hook := func(ns store.Namespace, ops []store.WriteOp) bool {
				return armed.Load() && at.match(ns, ops)
			}
			m := &mortal{Store: e}
			if at.after {
				m.after = hook
			} else {
				m.before = hook
			}
			a := startNode(t, m, time.Second)
			conn := connect(t, a.Gateway, "kill")
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s' WITH (max_retry_attempts = 0, batch_processing = false)`, r.URL)
			insertDocs(t, e, "kill", 0, 3)
			require.Eventually(t, func() bool { return len(r.all()) == 3 }, patience, time.Millisecond)
			dies := strings.Contains(name, "dead letter")
			if dies {
				r.set(1)
			}
			armed.Store(true)
			insertDocs(t, e, "kill", 3, 5)
			require.Eventually(t, m.dead.Load, patience, time.Millisecond)
			r.set(0)
			b := startNode(t, e, time.Second)
			insertDocs(t, e, "kill", 8, 2)
			cb := connect(t, b.Gateway, "kill")
			if dies {
				require.Eventually(t, func() bool {
					return scalar[int64](t, cb, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks') WHERE processing_status IN ('completed', 'failed')`) == 10
				}, patience, 5*time.Millisecond)
			} else {
				require.Eventually(t, func() bool { return len(keysOf(r.all())) == 10 }, patience, time.Millisecond)
			}
			ids := map[string]string{}
			for _, d := range r.all() {
				require.True(t, ids[d.key] == "" || ids[d.key] == d.id, "%s came with two ids", d.key)
				ids[d.key] = d.id
			}
			require.EqualValues(t, 10, scalar[int64](t, cb, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks')`))
			a.stop()
			<-a.ended
			b.end(t)
		})
	}
}

// listener collects what a session is notified of.
type listener struct {
	mu  sync.Mutex
	got []string
}

func listen(t testing.TB, g *gateway.Gateway, database string, channels ...string) *listener {
	t.Helper()
	l := &listener{}
	conn := connect(t, g, database)
	for _, c := range channels {
		exec(t, conn, `LISTEN %s`, c)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			n, err := conn.WaitForNotification(ctx)
			if err != nil {
				return
			}
			l.mu.Lock()
			l.got = append(l.got, n.Channel+" "+n.Payload)
			l.mu.Unlock()
		}
	}()
	t.Cleanup(func() { stop(); <-ended })
	return l
}

func (l *listener) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got)
}

// TestNotificationsReachEveryGateway has sessions of two gateways listen: what either
// gateway sends, by itself or for a subscription, comes to both once and in order,
// also while one ends.
func TestNotificationsReachEveryGateway(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	a, b := startNode(t, e, time.Second), startNode(t, e, time.Second)
	sa, sb := connect(t, a.Gateway, "told"), connect(t, b.Gateway, "told")
	exec(t, sa, `CREATE EVENT_SUBSCRIPTION told ON docs DELIVER TO NOTIFY changes`)
	la, lb := listen(t, a.Gateway, "told", "changes", "plain"), listen(t, b.Gateway, "told", "changes", "plain")
	other := listen(t, b.Gateway, "another", "plain")

	var want []string
	for i := range 50 {
		exec(t, sa, `NOTIFY plain, 'a%d'`, i)
		want = append(want, fmt.Sprintf("plain a%d", i))
	}
	require.Eventually(t, func() bool { return len(lb.all()) >= 50 }, patience, 5*time.Millisecond)
	exec(t, sb, `SELECT pg_notify('plain', 'b')`)
	want = append(want, "plain b")
	both := func(n int) func() bool { return func() bool { return len(la.all()) >= n && len(lb.all()) >= n } }
	require.Eventually(t, both(51), patience, 5*time.Millisecond)
	for _, l := range []*listener{la, lb} {
		require.Equal(t, want, l.all())
	}

	insertDocs(t, e, "told", 0, 200)
	require.Eventually(t, both(251), patience, 5*time.Millisecond)
	require.Equal(t, la.all()[51:], lb.all()[51:])
	require.Len(t, la.all(), 251)

	heard, best := 251, time.Hour
	for try := 0; try < 20 && best > time.Second; try++ { // a busy machine may be late once
		began := time.Now()
		exec(t, sa, `NOTIFY plain, 'soon'`)
		heard++
		require.Eventually(t, both(heard), patience, time.Millisecond)
		best = min(best, time.Since(began))
	}
	require.Less(t, best, time.Second)

	a.end(t) // b delivers now
	insertDocs(t, e, "told", 200, 100)
	heard += 100
	require.Eventually(t, func() bool { return len(lb.all()) >= heard }, patience, 5*time.Millisecond)
	require.Len(t, lb.all(), heard)
	c := startNode(t, e, time.Second)
	lc, sc := listen(t, c.Gateway, "told", "plain"), connect(t, c.Gateway, "told")
	exec(t, sb, `NOTIFY plain, 'to the new one'`)
	exec(t, sc, `NOTIFY plain, 'from the new one'`)
	require.Eventually(t, func() bool { return len(lc.all()) == 2 && len(lb.all()) == heard+2 }, patience, 5*time.Millisecond)
	require.Empty(t, other.all(), "channels belong to a database")
	b.end(t)
	c.end(t)
}
