package events_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// TestCountsAreThoseOfTheLog counts events by status and subscription, for which the rows
// are not read, and compares it with counts over the rows: while events come and fail, are
// skipped, sent again, rewound to, expire, and are dropped with their subscription.
func TestCountsAreThoseOfTheLog(t *testing.T) {
	t.Parallel()
	var takes atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !takes.Load() {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer srv.Close()
	st := &asked{Store: openEngine(t), coll: "event_log"}
	n := startNode(t, st, 0)
	defer n.end(t)
	conn := connect(t, n.Gateway, "counts")
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooked ON docs DELIVER TO '%s' WITH (max_retry_attempts = 0)`, srv.URL)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION pulled ON docs DELIVER TO PULL; CREATE EVENT_SUBSCRIPTION logged ON docs`)
	list := func(sql string) []string {
		rows, err := conn.Query(t.Context(), sql)
		require.NoError(t, err)
		out, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return out
	}
	same := func(what string) {
		t.Helper()
		for _, of := range []string{``, `'hooked'`, `'nobody'`} {
			for _, where := range []string{`TRUE`, `processing_status = 'queued'`, `subscription_name IN ('pulled', 'logged')`, `subscription_id = 'hooked' AND processing_status <> 'completed'`} {
				if of == `'nobody'` {
					continue // a collection that no subscription logs: of the oplog
				}
				ask := func(plain string) []string {
					return list(fmt.Sprintf(`SELECT concat_ws(' ', s, p, count(*), count(CASE WHEN p = 'failed' THEN 1 END)) FROM (SELECT subscription_id AS s, processing_status AS p FROM CHANGE_STREAM_EVENTS(%s) WHERE %s AND %s) e GROUP BY s, p ORDER BY 1`, of, where, plain))
				}
				// A condition on the position has the rows read.
				require.Equal(t, ask(`position > ''`), ask(`TRUE`), "%s: CHANGE_STREAM_EVENTS(%s) WHERE %s", what, of, where)
			}
		}
	}
	status := func(id, status string, want int) {
		t.Helper()
		require.Eventually(t, func() bool {
			return scalar[int64](t, conn, fmt.Sprintf(`SELECT count(*) FROM CHANGE_STREAM_EVENTS('%s') WHERE processing_status = '%s'`, id, status)) == int64(want)
		}, patience, 2*time.Millisecond)
	}
	insert := func(from, to int) {
		exec(t, conn, `INSERT INTO docs SELECT i FROM generate_series(%d, %d) i`, from, to)
	}
	insert(1, 40)
	status("hooked", "failed", 40)
	status("pulled", "queued", 40)
	status("logged", "completed", 40)
	same("logged")
	takes.Store(true)
	exec(t, conn, `REDRIVE DEAD LETTERS FOR hooked LIMIT 10`)
	status("hooked", "completed", 10)
	same("redriven")
	exec(t, conn, `ACKNOWLEDGE EVENT_SUBSCRIPTION pulled UP TO '%s'`, scalar[string](t, conn, `SELECT position FROM CHANGE_STREAM_EVENTS('pulled') ORDER BY position LIMIT 1 OFFSET 9`))
	status("pulled", "completed", 10)
	same("acknowledged")
	exec(t, conn, `REWIND EVENT_SUBSCRIPTION pulled TO BEGINNING; REWIND EVENT_SUBSCRIPTION hooked TO BEGINNING`)
	status("hooked", "completed", 40)
	status("pulled", "queued", 40)
	same("rewound")
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION hooked`)
	insert(41, 60)
	status("hooked", "queued", 20)
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION hooked SKIP PENDING`)
	status("hooked", "skipped", 20)
	same("skipped")
	half, err := bson.Marshal(bson.D{{Key: "subscription_id", Value: "logged"}, {Key: "document_key._id", Value: bson.D{{Key: "$lt", Value: 20}}}}) // as what expires
	require.NoError(t, err)
	_, err = st.Write(t.Context(), store.Namespace{DB: "weir", Coll: "event_log"}, []store.WriteOp{{Kind: store.Delete, Filter: half, Multi: true}}, store.WriteOptions{})
	require.NoError(t, err)
	status("logged", "completed", 41)
	same("expired")
	exec(t, conn, `DROP EVENT_SUBSCRIPTION hooked CASCADE; CREATE EVENT_SUBSCRIPTION hooked ON docs`)
	insert(61, 62)
	status("hooked", "completed", 2)
	same("dropped")
	_ = scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE subscription_name = 'logged'`)
	require.Contains(t, st.last, `"subscription_id": {"$in": ["logged"]}`)
}
