package events_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/events"
	"weir/internal/testkit"
	"weir/store"
)

// countDocs counts the documents of a collection of the runtime that a filter finds.
func countDocs(t testing.TB, st store.Store, coll string, filter bson.D) int {
	t.Helper()
	raw, err := bson.Marshal(bson.D{{Key: "$match", Value: filter}})
	require.NoError(t, err)
	cur, err := st.Aggregate(context.Background(), store.Namespace{DB: events.Database, Coll: coll}, []bson.Raw{raw}, store.AggregateOptions{})
	require.NoError(t, err)
	defer func() { _ = cur.Close() }()
	n := 0
	for {
		if _, err := cur.Next(context.Background()); err != nil {
			return n
		}
		n++
	}
}

var (
	lean   = bson.D{{Key: "bodies", Value: bson.D{{Key: "$exists", Value: true}}}, {Key: "full_document", Value: bson.D{{Key: "$exists", Value: false}}}}
	inline = bson.D{{Key: "bodies", Value: bson.D{{Key: "$exists", Value: false}}}}
)

func TestImagesOfSharedEventsAreStoredOnce(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	r := newReceiver(t, 0)
	conn := g.Connect(t)
	st := g.Store()
	exec(t, conn, `CREATE TABLE orders (_id int PRIMARY KEY, status text, note text)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION logged ON orders`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION slim ON orders WITH (full_document = 'off')`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON orders DELIVER TO '%s'`, r.URL)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION copied ON orders DELIVER TO COLLECTION copies`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION pulled ON orders DELIVER TO PULL`)
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION hooks`) // so that it reads the log
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION copied`)
	note := strings.Repeat("a note ", 1000)
	exec(t, conn, `INSERT INTO orders (_id, status, note) VALUES (1, 'new', '%s'), (2, 'old', 'short')`, note)
	exec(t, conn, `UPDATE orders SET status = 'paid' WHERE _id = 1`)
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('pulled')`) == 3 }, patience, 10*time.Millisecond)

	require.Equal(t, 2, countDocs(t, st, "event_bodies", bson.D{}), "the insert's document and the update's")
	require.Equal(t, 5+4, countDocs(t, st, "event_log", lean), "the update has no document for slim")
	require.Equal(t, 5+1, countDocs(t, st, "event_log", inline), "small events stay in their rows")

	for _, name := range []string{"logged", "pulled"} {
		require.Equal(t, int64(2), scalar[int64](t, conn, fmt.Sprintf(`SELECT count(*) FROM CHANGE_STREAM_EVENTS('%s') WHERE full_document->>'note' = '%s'`, name, note)))
		require.Equal(t, "paid", scalar[string](t, conn, fmt.Sprintf(`SELECT event_data->>'status' FROM CHANGE_STREAM_EVENTS('%s') WHERE event_type = 'update'`, name)))
		require.Equal(t, "new,old,paid", scalar[string](t, conn, fmt.Sprintf(`SELECT string_agg(event_data->>'status', ',' ORDER BY position) FROM CHANGE_STREAM_EVENTS('%s')`, name)))
	}
	require.Equal(t, int64(2), scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('slim') WHERE full_document IS NOT NULL`))
	require.Equal(t, int64(2), scalar[int64](t, conn, `SELECT count(DISTINCT o.note) FROM CHANGE_STREAM_EVENTS('logged') e JOIN orders o ON o._id = (e.full_document->>'_id')::int`))
	require.Equal(t, "short", scalar[string](t, conn, `SELECT full_document->>'note' FROM CHANGE_STREAM_EVENTS('logged') WHERE full_document->>'status' = 'old' AND event_type = 'insert' ORDER BY position DESC LIMIT 1`))

	exec(t, conn, `RESUME EVENT_SUBSCRIPTION hooks`)
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION copied`)
	require.Eventually(t, func() bool { return len(r.all()) == 3 && copied(t, conn, "copies") == 3 }, patience, 10*time.Millisecond)
	require.Equal(t, int64(2), scalar[int64](t, conn, fmt.Sprintf(`SELECT count(*) FROM copies c WHERE to_jsonb(c) #>> '{data,fullDocument,note}' = '%s'`, note)))
	exec(t, conn, `REWIND EVENT_SUBSCRIPTION hooks TO BEGINNING`)
	require.Eventually(t, func() bool { return len(r.all()) == 6 }, patience, 10*time.Millisecond)
	rows, err := conn.Query(context.Background(), `TEST EVENT_SUBSCRIPTION hooks ON LAST 3 EVENTS`)
	require.NoError(t, err)
	full := 0
	for rows.Next() {
		v, err := rows.Values()
		require.NoError(t, err)
		if strings.Contains(v[2].(string), note) {
			full++
		}
	}
	require.NoError(t, rows.Err())
	require.Equal(t, 2, full)
}

func TestLargeEventOfOneSubscriptionIsStoredApart(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	r := newReceiver(t, 1)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE orders (_id int PRIMARY KEY, note text)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON orders DELIVER TO '%s' WITH (max_retry_attempts = 0)`, r.URL)
	note := strings.Repeat("large ", 20_000)
	exec(t, conn, `INSERT INTO orders (_id, note) VALUES (1, '%s')`, note)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS() WHERE status = 'open'`) == 1
	}, patience, 10*time.Millisecond)
	require.Equal(t, 1, countDocs(t, g.Store(), "event_log", lean))
	require.Equal(t, 1, countDocs(t, g.Store(), "event_bodies", bson.D{}))
	require.Equal(t, 1, countDocs(t, g.Store(), "dead_letter_events", bson.D{{Key: "full_document.note", Value: note}}), "a full copy")
	require.Equal(t, note, scalar[string](t, conn, `SELECT event_data->>'note' FROM DEAD_LETTER_EVENTS()`))
	r.set(0)
	exec(t, conn, `REDRIVE DEAD LETTERS FOR hooks WHERE event_data->>'note' LIKE 'large%%'`)
	require.Eventually(t, func() bool { return len(r.all()) == 1 }, patience, 10*time.Millisecond)
}

// bodyReads counts the questions for event_bodies.
type bodyReads struct {
	store.Store
	n *atomic.Int64
}

func (s bodyReads) Aggregate(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	if ns.Coll == "event_bodies" {
		s.n.Add(1)
	}
	return s.Store.Aggregate(ctx, ns, pipeline, o)
}

func TestImagesAreReadOnlyWhereTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	var reads atomic.Int64
	g := testkit.StartBehind(t, func(st store.Store) store.Store { return bodyReads{st, &reads} })
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE orders (_id int PRIMARY KEY, status text, note text)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION a ON orders`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION b ON orders`)
	exec(t, conn, `INSERT INTO orders SELECT i, 'new', repeat('note ', 1000) FROM generate_series(1, 200) i`)
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS()`) == 400 }, patience, 10*time.Millisecond)
	asked := func(sql string) int64 {
		reads.Store(0)
		_, err := conn.Exec(context.Background(), sql)
		require.NoError(t, err, sql)
		return reads.Load()
	}
	require.Eventually(t, func() bool { return asked(`SELECT 1`) == 0 }, patience, 10*time.Millisecond)
	for _, sql := range []string{
		`SELECT count(*) FROM CHANGE_STREAM_EVENTS()`,
		`SELECT event_id, document_key, size_bytes FROM CHANGE_STREAM_EVENTS('a') WHERE processing_status = 'completed' ORDER BY position DESC`,
		`SELECT event_type, count(*) FROM CHANGE_STREAM_EVENTS() GROUP BY 1`,
		`SELECT o.status, e.event_id FROM orders o JOIN CHANGE_STREAM_EVENTS('a') e ON e.document_key->>'_id' = o._id::text`,
		`SELECT * FROM weir.process_timeline`,
		`SELECT event_id FROM DEAD_LETTER_EVENTS()`,
	} {
		require.Zero(t, asked(sql), sql)
	}
	for sql, most := range map[string]int64{
		`SELECT event_data FROM CHANGE_STREAM_EVENTS('a') ORDER BY position DESC LIMIT 3`:                                            1,
		`SELECT event_id FROM CHANGE_STREAM_EVENTS('a') WHERE event_id = 'none' AND full_document->>'status' = 'new'`:                0,
		`SELECT count(*) FROM CHANGE_STREAM_EVENTS('a') WHERE full_document->>'status' = 'new'`:                                      9,
		`SELECT * FROM CHANGE_STREAM_EVENTS('a')`:                                                                                    9,
		`SELECT o.status FROM orders o JOIN CHANGE_STREAM_EVENTS('a') e ON (e.full_document->>'_id')::int = o._id WHERE o._id < 200`: 9,
	} {
		require.LessOrEqual(t, asked(sql), most, sql)
	}
	require.EqualValues(t, 200, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('b') e WHERE (to_jsonb(e)->'event_data'->>'status') = 'new'`))
	require.EqualValues(t, 1, scalar[int64](t, conn, `SELECT count(DISTINCT event_data) FROM CHANGE_STREAM_EVENTS() WHERE document_key->>'_id' = '7'`))
}
