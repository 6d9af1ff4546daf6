package events_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"weir/internal/testkit"
	"weir/store"
)

// unevenLog takes its time for the rows of the log, some longer than others, and
// sometimes fails before it has written them or after.
type unevenLog struct {
	store.Store
	mu     sync.Mutex
	rng    *rand.Rand
	saves  int // that are under way
	beside int // writes of rows that began meanwhile
	fails  int // so many are left
}

func (s *unevenLog) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if ns.Coll == "event_readers" {
		s.add(1)
		defer s.add(-1)
		time.Sleep(5 * time.Millisecond) // as servers have it
	}
	if ns.Coll != "event_log" || len(ops) < 100 || ops[0].Kind != store.Insert {
		return s.Store.Write(ctx, ns, ops, o)
	}
	s.mu.Lock()
	s.beside += min(s.saves, 1)
	pause, before, after := time.Duration(s.rng.IntN(20))*time.Millisecond, false, false
	if s.fails > 0 && s.rng.IntN(5) == 0 {
		before, after = s.fails%2 == 0, s.fails%2 == 1
		s.fails--
	}
	s.mu.Unlock()
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

func (s *unevenLog) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves += n
}

// TestRowsAreWrittenBesideSaves has many events, and now and then a few, of which the
// log takes the many slowly: on a server that is while the batch before is saved. Some of
// the writes fail there: every event comes, those of a document in order, and a repeat has
// the same id. Who reads the log by position meanwhile sees no row behind one that is
// still to come.
func TestRowsAreWrittenBesideSaves(t *testing.T) {
	t.Parallel()
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) { t.Parallel(); rowsAreWrittenBesideSaves(t, mode) })
	}
}

func rowsAreWrittenBesideSaves(t *testing.T, mode testkit.Mode) {
	const docs, rounds = 1000, 8
	var mu sync.Mutex
	at, ids, wrong := map[string]int{}, map[string]string{}, []string{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var all []struct {
			ID   string `json:"id"`
			Data struct {
				DocumentKey struct {
					ID string `json:"_id"`
				} `json:"documentKey"`
				FullDocument struct {
					N int `json:"n"`
				} `json:"fullDocument"`
				UpdateDescription struct {
					UpdatedFields struct {
						N int `json:"n"`
					} `json:"updatedFields"`
				} `json:"updateDescription"`
			} `json:"data"`
		}
		if err := json.NewDecoder(req.Body).Decode(&all); err != nil {
			panic(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range all {
			id, n := e.Data.DocumentKey.ID, cmp.Or(e.Data.UpdateDescription.UpdatedFields.N, e.Data.FullDocument.N)
			key := fmt.Sprint(id, " ", n)
			switch ids[key] {
			case "":
				if ids[key] = e.ID; at[id] != n-1 {
					wrong = append(wrong, key)
				}
				at[id] = n
			case e.ID:
			default:
				wrong = append(wrong, key+" has two ids")
			}
		}
	}))
	defer srv.Close()
	s := &unevenLog{rng: rand.New(rand.NewPCG(1, 2))}
	var to func() *pgx.Conn
	if mode == testkit.Remote {
		g := testkit.StartBehind(t, func(st store.Store) store.Store { s.Store = st; return s })
		to = func() *pgx.Conn { return g.Connect(t) }
		s.fails = 6
	} else {
		s.Store = openEngine(t)
		n := startNode(t, s, 0)
		t.Cleanup(func() { n.end(t) })
		to = func() *pgx.Conn { return connect(t, n.Gateway, "beside") }
	}
	conn, reads := to(), to()
	exec(t, conn, `CREATE TABLE docs (_id text PRIMARY KEY, n int)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooked ON docs DELIVER TO '%s' WITH (batch_processing = true, batch_size = 500)`, srv.URL)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION pulled ON docs DELIVER TO PULL`)
	var seen []string
	followed, ended := make(chan error, 1), make(chan struct{})
	go func() {
		last := ""
		for done := false; ; {
			rows, err := reads.Query(context.Background(), `SELECT position FROM CHANGE_STREAM_EVENTS('pulled') WHERE position > $1 ORDER BY position`, last)
			if err == nil {
				var some []string
				if some, err = pgx.CollectRows(rows, pgx.RowTo[string]); len(some) > 0 {
					seen, last = append(seen, some...), some[len(some)-1]
				}
			}
			if err != nil || done {
				followed <- err
				return
			}
			select {
			case <-ended:
				done = true
			default:
			}
		}
	}()
	exec(t, conn, `INSERT INTO docs SELECT 'd' || i, 1 FROM generate_series(1, %d) i`, docs)
	for n := range rounds - 1 {
		exec(t, conn, `UPDATE docs SET n = n + 1 WHERE _id <> 'd1'`)
		exec(t, conn, `UPDATE docs SET n = %d WHERE _id = 'd1'`, n+2)
	}
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(ids) == docs*rounds }, patience, 10*time.Millisecond)
	require.Empty(t, wrong)
	require.EqualValues(t, docs*rounds, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('hooked')`))
	close(ended)
	require.NoError(t, <-followed)
	rows, err := conn.Query(t.Context(), `SELECT position FROM CHANGE_STREAM_EVENTS('pulled') ORDER BY position`)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Len(t, all, docs*rounds)
	require.Equal(t, all, seen)
	s.mu.Lock()
	defer s.mu.Unlock()
	if mode == testkit.Remote {
		require.Less(t, s.fails, 6, "some fail")
		require.Positive(t, s.beside)
	}
}
