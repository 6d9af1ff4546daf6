package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/internal/testkit"
	"weir/store"
)

// unevenLog takes its time for the rows of the log, some longer than others, and
// sometimes fails before it has written them or after.
type unevenLog struct {
	store.Store
	mu    sync.Mutex
	rng   *rand.Rand
	under int // writes of rows
	most  int // of them at once
	saved int // saves of the reader while there were some
	fails int // so many are left
}

func (s *unevenLog) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if ns.Coll == "event_readers" {
		s.mu.Lock()
		s.saved += min(s.under, 1)
		s.mu.Unlock()
	}
	if ns.Coll != "event_log" || len(ops) < 100 || ops[0].Kind != store.Insert {
		return s.Store.Write(ctx, ns, ops, o)
	}
	s.mu.Lock()
	s.under++
	s.most = max(s.most, s.under)
	pause, before, after := time.Duration(s.rng.IntN(20))*time.Millisecond, false, false
	if s.fails > 0 && s.rng.IntN(5) == 0 {
		before, after = s.fails%2 == 0, s.fails%2 == 1
		s.fails--
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.under--
		s.mu.Unlock()
	}()
	time.Sleep(pause)
	if before {
		return store.WriteResult{}, errors.New("the connection broke before the rows were written")
	}
	res, err := s.Store.Write(ctx, ns, ops, o)
	if after {
		return store.WriteResult{}, errors.New("the connection broke behind the rows")
	}
	return res, err
}

// TestRowsAreWrittenBesideSaves has many events on a server: the rows of a batch are
// written by some commands at once, and while the batch before is saved. Some of these
// fail: every event comes, those of a document in order, and a repeat has the same id.
func TestRowsAreWrittenBesideSaves(t *testing.T) {
	t.Parallel()
	const docs, rounds = 1000, 8
	var mu sync.Mutex
	at, ids, inverted := map[string]int{}, map[string]string{}, []string{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var all []struct {
			ID   string `json:"id"`
			Data struct {
				FullDocument struct {
					ID string `json:"_id"`
					N  int    `json:"n"`
				} `json:"fullDocument"`
			} `json:"data"`
		}
		if err := json.NewDecoder(req.Body).Decode(&all); err != nil {
			panic(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range all {
			d := e.Data.FullDocument
			if key := d.ID + " " + string(rune('0'+d.N)); ids[key] != "" && ids[key] != e.ID {
				inverted = append(inverted, key+" has two ids")
			} else if ids[key] == "" {
				if ids[key] = e.ID; at[d.ID] != d.N-1 {
					inverted = append(inverted, key)
				}
				at[d.ID] = d.N
			}
		}
	}))
	defer srv.Close()
	s := &unevenLog{rng: rand.New(rand.NewPCG(1, 2))}
	g := testkit.StartBehind(t, func(st store.Store) store.Store { s.Store = st; return s })
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id text PRIMARY KEY, n int)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooked ON docs DELIVER TO '%s' WITH (batch_processing = true, batch_size = 500, full_document = 'required')`, srv.URL)
	s.mu.Lock()
	s.fails = 6
	s.mu.Unlock()
	exec(t, conn, `INSERT INTO docs SELECT 'd' || i, 1 FROM generate_series(1, %d) i`, docs)
	for range rounds - 1 {
		exec(t, conn, `UPDATE docs SET n = n + 1`)
	}
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(ids) == docs*rounds }, patience, 10*time.Millisecond)
	require.Empty(t, inverted)
	require.EqualValues(t, docs*rounds, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooked')`))
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Greater(t, s.most, 4, "rows of two batches at once")
	require.Positive(t, s.saved, "a save while rows are written")
	require.Zero(t, s.fails)
}
