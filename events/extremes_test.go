package events_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// asked keeps what is asked of a collection.
type asked struct {
	store.Store
	coll string
	mu   sync.Mutex
	last string
}

func (a *asked) Aggregate(ctx context.Context, ns store.Namespace, p []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	if ns.Coll == a.coll {
		a.mu.Lock()
		a.last = ""
		for _, s := range p {
			a.last += s.String()
		}
		a.mu.Unlock()
	}
	return a.Store.Aggregate(ctx, ns, p, o)
}

// askedOf runs a gateway that keeps what is asked of a collection, and connects to a database.
func askedOf(t *testing.T, coll, database string) (*asked, *pgx.Conn) {
	t.Helper()
	st := &asked{Store: openEngine(t), coll: coll}
	n := startNode(t, st, 0)
	t.Cleanup(func() { n.end(t) })
	return st, connect(t, n.Gateway, database)
}

// TestExtremesOfTheLog asks for least and greatest values: they are read by an index
// where one orders them, and are those of all rows.
func TestExtremesOfTheLog(t *testing.T) {
	t.Parallel()
	st, conn := askedOf(t, "event_log", "extremes")
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY); CREATE TABLE others (_id int PRIMARY KEY)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION a ON docs DELIVER TO PULL; CREATE EVENT_SUBSCRIPTION b ON docs, others`)
	for i := range 5 {
		exec(t, conn, `INSERT INTO docs VALUES (%d); INSERT INTO others VALUES (%d)`, i, i)
	}
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS()`) == 15 }, patience, time.Millisecond)
	for _, of := range []string{``, `('a')`, `('others')`, `('nobody', now() - interval '1 minute')`} {
		for _, where := range []string{``, `WHERE processing_status = 'queued'`, `WHERE processing_status IN ('queued', 'completed') AND event_timestamp <= now()`, `WHERE collection_name = 'docs'`, `WHERE subscription_id = 'none'`} {
			from := ` FROM CHANGE_STREAM_EVENTS` + of + ` ` + where
			if of == `` {
				from = ` FROM CHANGE_STREAM_EVENTS() ` + where
			}
			if strings.HasPrefix(of, `('nobody'`) && where != `` {
				continue // of the oplog
			}
			for _, list := range []string{`max(position)`, `min(position), max(position)`, `min(event_timestamp), max(position), max(event_timestamp)`} {
				all := `SELECT ROW(` + strings.NewReplacer("min(", "min((", "max(", "max((", ")", ") || '')").Replace(strings.ReplaceAll(list, "event_timestamp", "event_timestamp::text")) + `)::text` + from
				want := scalar[string](t, conn, all)
				got := scalar[string](t, conn, `SELECT ROW(`+strings.ReplaceAll(strings.ReplaceAll(list, "min(event_timestamp)", "min(event_timestamp)::text"), "max(event_timestamp)", "max(event_timestamp)::text")+`)::text`+from)
				require.Equal(t, want, got, list+from)
				exec(t, conn, `BEGIN`)
				got = scalar[string](t, conn, `SELECT ROW(`+strings.ReplaceAll(strings.ReplaceAll(list, "min(event_timestamp)", "min(event_timestamp)::text"), "max(event_timestamp)", "max(event_timestamp)::text")+`)::text`+from)
				exec(t, conn, `COMMIT`)
				require.Equal(t, want, got, "in a transaction: "+list+from)
			}
		}
	}
	_ = scalar[string](t, conn, `SELECT max(position) FROM CHANGE_STREAM_EVENTS('a')`)
	require.Contains(t, st.last, `{"$sort": {"position": {"$numberInt":"-1"}}}{"$limit": {"$numberLong":"1"}}{"$group"`)
}

// TestEventsOfACollection finds the rows of a collection by the subscriptions that may
// have some: also of one that wants it no more, and of one that is told of its renaming.
func TestEventsOfACollection(t *testing.T) {
	t.Parallel()
	st, conn := askedOf(t, "event_log", "loggers")
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY); CREATE TABLE others (_id int PRIMARY KEY); CREATE TABLE fresh (_id int PRIMARY KEY)`)
	for _, sub := range []string{`plain ON docs`, `pattern AS (watch_collections = 'd*')`, `moved ON docs`, `whole ON DATABASE`, `elsewhere ON others`} {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION %s`, sub)
	}
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION told ON named FOR INSERT, DDL`)
	exec(t, conn, `INSERT INTO docs VALUES (1)`)
	exec(t, conn, `INSERT INTO others VALUES (1)`)
	exec(t, conn, `ALTER EVENT_SUBSCRIPTION moved SET (watch_collections = 'fresh')`)
	exec(t, conn, `ALTER TABLE docs RENAME TO named`)
	const all = `SELECT coalesce(string_agg(subscription_id || ' ' || event_type, ', ' ORDER BY subscription_id, position), '') FROM CHANGE_STREAM_EVENTS`
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS()`) == 7 }, patience, time.Millisecond)
	const want = "moved insert, pattern insert, plain insert, told rename, whole insert"
	for _, where := range []string{`('docs')`, `() WHERE collection_name = 'docs'`, `('docs', now() - interval '1 hour', now()) WHERE event_type <> 'drop'`, `() WHERE concat(collection_name, '') = 'docs'`} {
		require.Equal(t, want, scalar[string](t, conn, all+where), where)
		require.Equal(t, !strings.Contains(where, "concat"), strings.Contains(st.last, `"subscription_id": {"$in": `), where)
	}
	require.Equal(t, "elsewhere insert, whole insert", scalar[string](t, conn, all+`('others')`))
}

// TestJoinsAskForOneSubscription joins what is known of a subscription with its minutes:
// those of the others are not read.
func TestJoinsAskForOneSubscription(t *testing.T) {
	t.Parallel()
	st, conn := askedOf(t, "event_stats", "joined")
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION a ON docs; CREATE EVENT_SUBSCRIPTION b ON docs; INSERT INTO docs VALUES (1)`)
	for _, join := range []string{`JOIN EVENT_STATS() t USING (subscription_id) WHERE`, `JOIN EVENT_STATS() t ON t.subscription_id = s.subscription_id AND t.bucket <= now() WHERE`, `, EVENT_STATS() t WHERE t.subscription_id = s.subscription_id AND`} {
		require.Eventually(t, func() bool {
			return scalar[string](t, conn, `SELECT coalesce(string_agg(s.subscription_id || t.subscription_id || t.received, ','), '') FROM EVENT_SUBSCRIPTIONS() s `+join+` s.subscription_id = 'a'`) == "aa1"
		}, patience, 10*time.Millisecond, join)
		require.Contains(t, st.last, `{"subscription_id": {"$in": ["a"]}}`, join)
	}
}
