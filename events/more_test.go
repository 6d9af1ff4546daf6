package events_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/internal/testkit"
)

// TestBlockedKeyStaysBlocked has a dead letter block its key, over a restart,
// until it is discarded.
func TestBlockedKeyStaysBlocked(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	r := newReceiver(t, 1)
	a := startNode(t, e, 0)
	conn := connect(t, a.Gateway, "block")
	exec(t, conn, `CREATE TABLE docs (_id text PRIMARY KEY, n int)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs DELIVER TO '%s' WITH (max_retry_attempts = 0, on_dead_letter = 'block_key')`, r.URL)
	exec(t, conn, `INSERT INTO docs (_id, n) VALUES ('x', 0)`)
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT blocked_keys FROM EVENT_SUBSCRIPTIONS()`) == 1 }, patience, 5*time.Millisecond)
	r.set(0)
	exec(t, conn, `UPDATE docs SET n = 1 WHERE _id = 'x'`)
	exec(t, conn, `INSERT INTO docs (_id, n) VALUES ('y', 0)`)
	require.Eventually(t, func() bool { return len(r.all()) == 1 }, patience, 5*time.Millisecond)
	a.end(t)

	b := startNode(t, e, 0)
	defer b.end(t)
	conn = connect(t, b.Gateway, "block")
	exec(t, conn, `INSERT INTO docs (_id, n) VALUES ('z', 0)`)
	require.Eventually(t, func() bool { return len(r.all()) == 2 }, patience, 5*time.Millisecond)
	require.EqualValues(t, 1, scalar[int64](t, conn, `SELECT blocked_keys FROM EVENT_SUBSCRIPTIONS()`))
	require.Equal(t, map[string]bool{"y": true, "z": true}, keysOf(r.all()))
	exec(t, conn, `DISCARD DEAD LETTERS FOR hooks WHERE document_key->>'_id' = 'other'`)
	require.EqualValues(t, 1, scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS() WHERE status = 'open'`))
	exec(t, conn, `DISCARD DEAD LETTERS FOR hooks WHERE document_key->>'_id' = 'x' AND attempts = 1`)
	require.Eventually(t, func() bool { return len(r.all()) == 3 }, patience, 5*time.Millisecond)
	require.Equal(t, "x", r.all()[2].key)
	require.EqualValues(t, 1, scalar[int64](t, conn, `SELECT count(*) FROM EVENT_ATTEMPTS() WHERE status_code = 503 AND outcome = 'failed'`))
}

// TestAdhoc reads the oplog where nobody has subscribed.
func TestAdhoc(t *testing.T) {
	t.Parallel()
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			g := testkit.Start(t, mode, nil)
			conn := g.Connect(t)
			insertDocs(t, g.Store(), g.Database, 0, 300)
			require.EqualValues(t, 300, scalar[int64](t, conn, `SELECT count(DISTINCT position) FROM CHANGE_STREAM_EVENTS('docs', now() - interval '5 minutes') WHERE event_type = 'insert'`))
			for i, size := range []int{100 << 10, 3 << 20} { // what a log would store apart
				_, err := g.Mongo(t).Collection("large").InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}, {Key: "pad", Value: strings.Repeat("x", size)}})
				require.NoError(t, err)
			}
			require.EqualValues(t, 100<<10+3<<20, scalar[int64](t, conn, `SELECT sum(length(full_document->>'pad')) FROM CHANGE_STREAM_EVENTS('large') WHERE event_type = 'insert'`))
			require.Equal(t, "d7", scalar[string](t, conn, `SELECT document_key->>'_id' FROM CHANGE_STREAM_EVENTS('docs') WHERE event_type = 'insert' ORDER BY position LIMIT 1 OFFSET 7`))
			require.EqualValues(t, 0, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('docs', now() - interval '20 minutes', now() - interval '10 minutes')`))
			require.EqualValues(t, 0, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS()`), "nothing was logged")
		})
	}
}

// TestSourceThatIsNotThere is told, whatever it may be: it has no events.
func TestSourceThatIsNotThere(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	told, notices := noticed(t, g.Connect(t))
	exec(t, told, `CREATE TABLE docs (_id int PRIMARY KEY)`)
	exec(t, told, `CREATE EVENT_SUBSCRIPTION logged ON docs`)
	exec(t, told, `CREATE EVENT_SUBSCRIPTION every ON DATABASE`)
	exec(t, told, `CREATE EVENT_SUBSCRIPTION early ON later`)
	for source, want := range map[string]string{
		"doc": `NOTICE no event subscription, collection or database is named "doc"`, "public.lgged": `NOTICE no event subscription, collection or database is named "lgged"`,
		"docs": "", "public.docs": "", "logged": "", "early": "", "later": "", g.Database: "",
	} {
		*notices = nil
		require.Zero(t, scalar[int64](t, told, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('`+source+`') WHERE event_type = 'insert'`))
		require.Equal(t, want, strings.Join(*notices, ","), source)
	}
}

// TestReaderMakesDeadLetters has a filter fail on an event, and an image missing.
func TestReaderMakesDeadLetters(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	r := newReceiver(t, 0)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, n int)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION hooks ON docs WHERE 10 / (full_document->>'n')::int > 1 DELIVER TO '%s'`, r.URL)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION images ON docs FOR DELETE DELIVER TO '%s' WITH (full_document_before_change = 'required')`, r.URL)
	exec(t, conn, `INSERT INTO docs (_id, n) VALUES (1, 0), (2, 5), (3, 10)`)
	exec(t, conn, `DELETE FROM docs WHERE _id = 1`)
	for reason, id := range map[string]string{"filter_error": "hooks", "image_missing": "images"} {
		require.Eventually(t, func() bool {
			return scalar[int64](t, conn, fmt.Sprintf(`SELECT count(*) FROM DEAD_LETTER_EVENTS() WHERE reason = '%s' AND subscription_id = '%s' AND status = 'open'`, reason, id)) >= 1
		}, patience, 5*time.Millisecond, reason)
	}
	require.Eventually(t, func() bool { return len(r.all()) == 1 && r.all()[0].key == "2" }, patience, 5*time.Millisecond)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION logged ON docs WHERE 10 / (full_document->>'n')::int > 1`)
	exec(t, conn, `INSERT INTO docs (_id, n) VALUES (4, 0), (5, 5)`)
	const counted = `SELECT string_agg(subscription_name || ' ' || pending || ' ' || events_total || ' ' || delivered_total || ' ' || failed_total || coalesce(' ' || last_error, ''), ', ' ORDER BY subscription_name) FROM EVENT_SUBSCRIPTIONS()`
	const want = `hooks 0 4 2 2 division by zero, images 0 1 0 1 the event has no image that the subscription requires, logged 0 2 1 1 division by zero`
	require.Eventually(t, func() bool { return scalar[string](t, conn, counted) == want }, patience, 10*time.Millisecond, "failed without a send is failed")
	exec(t, conn, `COMMENT ON EVENT_SUBSCRIPTION hooks IS 'small ones'`)
	require.Equal(t, "small ones", scalar[string](t, conn, `SELECT description FROM EVENT_SUBSCRIPTIONS() WHERE subscription_id = 'hooks'`))
}

// TestTail follows a subscription from a past time to its end, and a slow one
// that falls behind what is kept for it in memory.
func TestTail(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION logged ON docs`)
	insertDocs(t, g.Store(), g.Database, 0, 3)
	exec(t, conn, `BEGIN; DECLARE c CURSOR FOR SUBSCRIBE TO logged AS OF now() - interval '1 minute'`)
	insertDocs(t, g.Store(), g.Database, 3, 2)
	var got []string
	for len(got) < 5 {
		rows, err := conn.Query(t.Context(), `FETCH 10 FROM c WITH (timeout = '5s')`)
		require.NoError(t, err)
		for rows.Next() {
			v, err := rows.Values()
			require.NoError(t, err)
			got = append(got, v[0].(string))
		}
		require.NoError(t, rows.Err())
	}
	require.Len(t, got, 5)
	require.IsIncreasing(t, got)
}

// TestUpToIsInclusive ends live queries and reads of the log at the very time of
// an event: times are kept in milliseconds, and now() right after a write falls
// into the same one.
func TestUpToIsInclusive(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION feed ON docs`)
	insertDocs(t, g.Store(), g.Database, 0, 3)
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('feed')`) == 3 }, patience, time.Millisecond)
	last := scalar[time.Time](t, conn, `SELECT max(event_timestamp) FROM CHANGE_STREAM_EVENTS('feed')`).UTC().Format("2006-01-02T15:04:05.000Z")
	for _, sql := range []string{
		`SUBSCRIBE TO (SELECT event_id FROM CHANGE_STREAM_EVENTS('feed')) WITH (SNAPSHOT) UP TO '%s'`,
		`SUBSCRIBE TO (SELECT event_id FROM CHANGE_STREAM_EVENTS('feed', until => '%s')) WITH (SNAPSHOT)`,
		`SELECT event_id FROM CHANGE_STREAM_EVENTS('feed', until => '%s')`,
	} {
		rows, err := conn.Query(t.Context(), fmt.Sprintf(sql, last), pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
		n := 0
		for rows.Next() {
			n++
		}
		require.NoError(t, rows.Err())
		require.Equal(t, 3, n, sql)
	}
}

// TestRenameOntoAWatchedName renames a collection onto one that is watched: that is
// told to who watches either name, and the old collection of the name is gone.
func TestRenameOntoAWatchedName(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn, ctx := g.Connect(t), t.Context()
	db := g.Mongo(t)
	for _, name := range []string{"old", "young", "other"} {
		require.NoError(t, db.CreateCollection(ctx, name))
	}
	for name, on := range map[string]string{"of_old": "old", "of_young": "young", "of_other": "other"} {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION %s ON %s FOR INSERT, DDL`, name, on)
	}
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION guard ON old WITH (on_collection_drop = 'suspend')`)
	require.NoError(t, db.Client().Database("admin").RunCommand(ctx, bson.D{{Key: "renameCollection", Value: db.Name() + ".young"}, {Key: "to", Value: db.Name() + ".old"}, {Key: "dropTarget", Value: true}}).Err())
	insertDocs(t, g.Store(), g.Database, 0, 1)
	_, err := db.Collection("old").InsertOne(ctx, bson.D{{Key: "_id", Value: 1}})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return scalar[string](t, conn, `SELECT coalesce(string_agg(subscription_id || ' ' || event_type, ', ' ORDER BY position, subscription_id), '') FROM CHANGE_STREAM_EVENTS() WHERE event_type IN ('rename', 'insert')`) ==
			"of_old rename, of_young rename, guard insert, of_old insert"
	}, patience, 10*time.Millisecond)
	require.Equal(t, "suspended collection_dropped", scalar[string](t, conn, `SELECT status || ' ' || status_reason FROM EVENT_SUBSCRIPTIONS() WHERE subscription_id = 'guard'`))
}
