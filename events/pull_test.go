package events_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// explained keeps what was asked of the log last, as commands that can be explained.
type explained struct {
	store.Store
	mu          sync.Mutex
	read, write bson.D
}

func (a *explained) Aggregate(ctx context.Context, ns store.Namespace, p []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	if ns.Coll == "event_log" {
		a.mu.Lock()
		a.read = bson.D{{Key: "aggregate", Value: ns.Coll}, {Key: "pipeline", Value: p}, {Key: "cursor", Value: bson.D{}}}
		a.mu.Unlock()
	}
	return a.Store.Aggregate(ctx, ns, p, o)
}

func (a *explained) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if ns.Coll == "event_log" && ops[0].Kind == store.Update && ops[0].Multi {
		a.mu.Lock()
		a.write = bson.D{{Key: "update", Value: ns.Coll}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: ops[0].Filter}, {Key: "u", Value: ops[0].Update}, {Key: "multi", Value: true}}}}}
		a.mu.Unlock()
	}
	return a.Store.Write(ctx, ns, ops, o)
}

// examined tells how many keys and documents are read for a command.
func (a *explained) examined(t *testing.T, cmd func() bson.D) (keys, docs int64) {
	t.Helper()
	a.mu.Lock()
	raw, err := bson.Marshal(bson.D{{Key: "explain", Value: cmd()}, {Key: "verbosity", Value: "executionStats"}})
	a.mu.Unlock()
	require.NoError(t, err)
	reply, err := a.Command(t.Context(), "weir", raw)
	require.NoError(t, err)
	stats, err := reply.LookupErr("executionStats")
	if err != nil {
		stats, err = reply.LookupErr("stages", "0", "$cursor", "executionStats")
	}
	require.NoError(t, err, reply.String())
	return stats.Document().Lookup("totalKeysExamined").AsInt64(), stats.Document().Lookup("totalDocsExamined").AsInt64()
}

func positions(t testing.TB, conn *pgx.Conn, sql string) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	require.NoError(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return got
}

// TestPullGoesOnFromWhatIsAcknowledged has a subscription that is pulled leave many
// acknowledged rows behind, beside another one with many that wait: what is read, and
// acknowledged, next does not walk either.
func TestPullGoesOnFromWhatIsAcknowledged(t *testing.T) {
	t.Parallel()
	const n, few = 500, 5
	st := &explained{Store: openEngine(t)}
	node := startNode(t, st, 0)
	defer node.end(t)
	conn := connect(t, node.Gateway, "pulls")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION waits ON docs DELIVER TO NOTIFY ch; PAUSE EVENT_SUBSCRIPTION waits`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION pulled ON docs DELIVER TO PULL`)
	insertDocs(t, st, "pulls", 0, n)
	var all []string
	next := `SELECT position FROM CHANGE_STREAM_EVENTS('pulled') WHERE processing_status = 'queued' ORDER BY position LIMIT 5`
	require.Eventually(t, func() bool {
		all = positions(t, conn, `SELECT position FROM CHANGE_STREAM_EVENTS('pulled') ORDER BY position`)
		return len(all) == n && publishedPos(t, st, "pulls") >= all[n-1]
	}, patience, 10*time.Millisecond)
	exec(t, conn, `ACKNOWLEDGE EVENT_SUBSCRIPTION pulled UP TO '%s'`, all[n-2*few-1])

	require.Equal(t, all[n-2*few:n-few], positions(t, conn, next))
	keys, docs := st.examined(t, func() bson.D { return st.read })
	require.Less(t, keys+docs, int64(10*few), "read %d keys and %d rows for %d", keys, docs, few)
	exec(t, conn, `ACKNOWLEDGE EVENT_SUBSCRIPTION pulled UP TO '%s'`, all[n-few-1])
	keys, docs = st.examined(t, func() bson.D { return st.write })
	require.Less(t, keys+docs, int64(10*few), "acknowledging read %d keys and %d rows for %d", keys, docs, few)
	require.Equal(t, all[n-few:], positions(t, conn, next))
}

// logWrite is a write of the log.
type logWrite = func([]store.WriteOp) (store.WriteResult, error)

// tampered lets a test do something at a write of the log, once; what that gives is
// the result of the write.
type tampered struct {
	store.Store
	mu sync.Mutex
	at func(ops []store.WriteOp) bool
	do func(write logWrite, ops []store.WriteOp) (store.WriteResult, error)
}

func (s *tampered) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	write := func(ops []store.WriteOp) (store.WriteResult, error) { return s.Store.Write(ctx, ns, ops, o) }
	if ns.Coll != "event_log" {
		return write(ops)
	}
	s.mu.Lock()
	do := s.do
	if do != nil && s.at(ops) {
		s.do = nil
	} else {
		do = nil
	}
	s.mu.Unlock()
	if do == nil {
		return write(ops)
	}
	return do(write, ops)
}

func (s *tampered) once(at func([]store.WriteOp) bool, do func(logWrite, []store.WriteOp) (store.WriteResult, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.do = at, do
}

// TestAcknowledgedIsNotPassedOver acknowledges while a batch is half in the log, while
// the subscription is rewound, and positions that are not there yet: what comes into
// the log below what was acknowledged, or is to come again, is read.
func TestAcknowledgedIsNotPassedOver(t *testing.T) {
	t.Parallel()
	const top = "ffffffffffffffffffffffff"
	st := &tampered{Store: openEngine(t)}
	n := startNode(t, st, 0)
	defer n.end(t)
	conn, other := connect(t, n.Gateway, "pulls"), connect(t, n.Gateway, "pulls")
	queued := func() []string {
		return positions(t, conn, `SELECT position FROM CHANGE_STREAM_EVENTS('pulled') WHERE processing_status = 'queued' ORDER BY position`)
	}
	becomes := func(n int) []string {
		t.Helper()
		var got []string
		require.Eventually(t, func() bool { got = queued(); return len(got) == n }, patience, 5*time.Millisecond, "want %d", n)
		return got
	}
	insertDocs(t, st, "pulls", 0, 5)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION pulled ON docs DELIVER TO PULL`)
	acknowledge := func(position string) {
		t.Helper()
		exec(t, conn, `ACKNOWLEDGE EVENT_SUBSCRIPTION pulled UP TO '%s'`, position)
	}
	acknowledge(top)
	insertDocs(t, st, "pulls", 5, 5)
	becomes(5)
	acknowledge(top)
	require.Empty(t, queued())

	seen := make(chan struct{})
	st.once(func(ops []store.WriteOp) bool { return ops[0].Kind == store.Insert }, func(write logWrite, ops []store.WriteOp) (store.WriteResult, error) {
		require.Len(t, ops, 2)
		res, err := write(ops[1:])
		require.NoError(t, err)
		require.NoError(t, res.Err())
		<-seen
		return store.WriteResult{}, errDead
	})
	tx, err := st.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Write(t.Context(), store.Namespace{DB: "pulls", Coll: "docs"}, []store.WriteOp{{Kind: store.Insert, Document: docOf(t, "x")}, {Kind: store.Insert, Document: docOf(t, "y")}}, store.WriteOptions{})
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	var second string
	require.Eventually(t, func() bool {
		all := positions(t, conn, `SELECT position FROM CHANGE_STREAM_EVENTS('pulled') ORDER BY position`)
		second = all[len(all)-1]
		return len(all) == 6
	}, patience, 5*time.Millisecond)
	require.Empty(t, queued(), "the other of the two is still to come")
	acknowledge(second)
	close(seen)
	require.Equal(t, second, becomes(2)[1])
	acknowledge(second)
	require.Empty(t, queued())

	rewind := func() { exec(t, other, `REWIND EVENT_SUBSCRIPTION pulled TO BEGINNING`) }
	race := func(do func(write logWrite, ops []store.WriteOp) (store.WriteResult, error)) {
		st.once(func(ops []store.WriteOp) bool { return ops[0].Kind == store.Update && ops[0].Multi }, do)
		acknowledge(top)
	}
	insertDocs(t, st, "pulls", 10, 1)
	third := becomes(1)[0]
	require.Eventually(t, func() bool { return publishedPos(t, st, "pulls") >= third }, patience, time.Millisecond)
	race(func(write logWrite, ops []store.WriteOp) (store.WriteResult, error) {
		rewind() // its catch-up is at work when this ends
		return write(ops)
	})
	caughtUp := func() bool {
		return scalar[string](t, conn, `SELECT status FROM EVENT_SUBSCRIPTIONS() WHERE subscription_id = 'pulled'`) == "active"
	}
	require.Eventually(t, caughtUp, patience, 5*time.Millisecond)
	require.GreaterOrEqual(t, len(queued()), 12, "what was below the cursor then")
	race(func(write logWrite, ops []store.WriteOp) (store.WriteResult, error) {
		res, err := write(ops)
		rewind()
		return res, err
	})
	require.Len(t, queued(), 13)
	acknowledge(top)
	require.Empty(t, queued())
	exec(t, conn, `REWIND EVENT_SUBSCRIPTION pulled TO TOKEN '%s'`, third)
	require.Empty(t, queued())
	insertDocs(t, st, "pulls", 11, 1)
	becomes(1)
}

// publishedPos is up to where the reader of a database has published.
func publishedPos(t testing.TB, st store.Store, db string) string {
	t.Helper()
	cur, err := st.Aggregate(t.Context(), store.Namespace{DB: "weir", Coll: "event_readers"}, []bson.Raw{stageOf(t, bson.D{{Key: "$match", Value: bson.D{{Key: "_id", Value: db}}}})}, store.AggregateOptions{})
	require.NoError(t, err)
	defer func() { _ = cur.Close() }()
	doc, err := cur.Next(t.Context())
	require.NoError(t, err)
	return doc.Lookup("published_pos").StringValue()
}

func stageOf(t testing.TB, stage bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(stage)
	require.NoError(t, err)
	return raw
}

func docOf(t testing.TB, id string) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(bson.D{{Key: "_id", Value: id}})
	require.NoError(t, err)
	return raw
}
