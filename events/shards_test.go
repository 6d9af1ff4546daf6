package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/store"
)

// sequences is a receiver of documents {k: key, n: number}: it holds the numbers
// of each key in the order of arrival, leaving out repeats of an id.
type sequences struct {
	*httptest.Server
	mu    sync.Mutex
	seen  map[string]bool
	byKey map[string][]int
}

func newSequences(t testing.TB) *sequences {
	s := &sequences{seen: map[string]bool{}, byKey: map[string][]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		var ce struct {
			ID   string `json:"id"`
			Data struct {
				Full struct {
					K string `json:"k"`
					N int    `json:"n"`
				} `json:"fullDocument"`
			} `json:"data"`
		}
		_ = json.Unmarshal(body, &ce)
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.seen[ce.ID] {
			s.seen[ce.ID] = true
			s.byKey[ce.Data.Full.K] = append(s.byKey[ce.Data.Full.K], ce.Data.Full.N)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sequences) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

func (s *sequences) requireOrder(t testing.TB) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, ns := range s.byKey {
		for i, n := range ns {
			require.Equal(t, i, n, "key %s came as %v", k, ns)
		}
	}
}

func insertKeyed(t testing.TB, st store.Store, db string, from, n int) {
	t.Helper()
	const keys = 20
	var ops []store.WriteOp
	for i := from; i < from+n; i++ {
		doc, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "k", Value: fmt.Sprint("k", i%keys)}, {Key: "n", Value: i / keys}})
		require.NoError(t, err)
		ops = append(ops, store.WriteOp{Kind: store.Insert, Document: doc})
	}
	_, err := st.Write(context.Background(), store.Namespace{DB: db, Coll: "docs"}, ops, store.WriteOptions{})
	require.NoError(t, err)
}

// shardOwners tells which gateways hold leases of cursors now.
func shardOwners(t testing.TB, e *engine.Engine) map[string]int {
	t.Helper()
	match, err := bson.Marshal(bson.D{{Key: "$match", Value: bson.D{{Key: "$expr", Value: bson.D{{Key: "$gt", Value: bson.A{"$expires_at", "$$NOW"}}}}}}})
	require.NoError(t, err)
	cur, err := e.Aggregate(context.Background(), store.Namespace{DB: "weir", Coll: "event_cursors"}, []bson.Raw{match}, store.AggregateOptions{})
	require.NoError(t, err)
	defer func() { _ = cur.Close() }()
	out := map[string]int{}
	for {
		doc, err := cur.Next(context.Background())
		if err == io.EOF {
			return out
		}
		require.NoError(t, err)
		owner, _ := doc.Lookup("owner").StringValueOK()
		out[string([]byte(owner))]++
	}
}

// steady is how long leases last where a machine that is busy must not lose them.
const steady = 3 * time.Second

// TestShards spreads the keys of a subscription over two gateways, changes the
// number of shards and what decides them under load, and has one gateway die:
// nothing is lost and no key is out of order.
func TestShards(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	r := newSequences(t)
	mortal := &mortal{Store: e}
	a, b := startNode(t, e, steady), startNode(t, mortal, steady)
	conn := connect(t, a.Gateway, "shards")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s' WITH (ordering_key = 'fullDocument.k', delivery_shards = 16, %s)`, r.URL, fast)
	require.Eventually(t, func() bool {
		owners, held := shardOwners(t, e), 0
		for _, n := range owners {
			held += n
		}
		return held == 16 && len(owners) == 2 // that one has all of so many is one chance in 32768
	}, patience, 5*time.Millisecond)

	written := 0
	write := func() { insertKeyed(t, e, "shards", written, 200); written += 200 }
	for _, shards := range []int{3, 1, 5} {
		write()
		exec(t, conn, `ALTER EVENT_SUBSCRIPTION hooks SET (delivery_shards = %d)`, shards)
		write()
	}
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION hooks`)
	write()
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION hooks`)
	require.Eventually(t, func() bool { return r.count() == written }, patience, 5*time.Millisecond)
	r.requireOrder(t)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooks') WHERE processing_status = 'completed'`) == int64(written)
	}, patience, 5*time.Millisecond)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT delivered_total FROM EVENT_SUBSCRIPTIONS()`) == int64(written)
	}, patience, 50*time.Millisecond)

	mortal.dead.Store(true)
	write()
	require.Eventually(t, func() bool { return r.count() == written }, patience, 5*time.Millisecond)
	r.requireOrder(t)
	b.stop()
	<-b.ended
	exec(t, conn, `DROP EVENT_SUBSCRIPTION hooks`)
	require.Empty(t, shardOwners(t, e))
	a.end(t)
}
