package events_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/internal/testkit"
)

// TestLargestDocuments inserts, replaces and deletes documents of nearly 16 MiB with
// both images: events that no document holds, which a server splits. Whoever takes
// them gets them whole; who cannot has a dead letter that says why.
func TestLargestDocuments(t *testing.T) {
	if !raceDetector { // under it, others would have no time to keep their leases
		t.Parallel()
	}
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) { largestDocuments(t, mode) })
	}
}

func largestDocuments(t *testing.T, mode testkit.Mode) {
	const size = largestPad // with both images an event is more than a document holds
	g := testkit.Start(t, mode, nil)
	conn, ctx := g.Connect(t), t.Context()
	var mu sync.Mutex
	got := map[string][2]int{} // type: how many As and Bs came
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		_, kind, _ := strings.Cut(string(body), `"type":"`)
		kind, _, _ = strings.Cut(kind, `"`)
		mu.Lock()
		defer mu.Unlock()
		got[kind] = [2]int{strings.Count(string(body), "A"), strings.Count(string(body), "B")}
	}))
	defer srv.Close()
	db := g.Mongo(t)
	require.NoError(t, db.RunCommand(ctx, bson.D{{Key: "create", Value: "docs"}, {Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: true}}}}).Err())
	for name, deliver := range map[string]string{
		"hooks": `DELIVER TO '` + srv.URL + `'`, "copied": `DELIVER TO COLLECTION copies`, "told": `DELIVER TO NOTIFY told`, "pulled": `DELIVER TO PULL`,
	} {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION %s ON docs %s WITH (full_document_before_change = 'whenAvailable', max_retry_attempts = 2, retry_delay_ms = 10, processing_timeout_ms = 60000)`, name, deliver)
	}
	tail := g.Connect(t)
	exec(t, tail, `BEGIN`)
	exec(t, tail, `DECLARE c CURSOR FOR SUBSCRIBE TO pulled`)
	coll := db.Collection("docs")
	big := func(c string) bson.D {
		return bson.D{{Key: "_id", Value: 1}, {Key: "pad", Value: strings.Repeat(c, size)}}
	}
	_, err := coll.InsertOne(ctx, big("A"))
	require.NoError(t, err)
	_, err = coll.ReplaceOne(ctx, bson.D{{Key: "_id", Value: 1}}, big("B"))
	require.NoError(t, err)
	_, err = coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "pad", Value: strings.Repeat("A", size)}}}})
	require.NoError(t, err)
	_, err = coll.DeleteOne(ctx, bson.D{{Key: "_id", Value: 1}})
	require.NoError(t, err)
	_, err = coll.InsertOne(ctx, bson.D{{Key: "_id", Value: 2}})
	require.NoError(t, err)

	const about = "com.mongodb.document."
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) == 4
	}, patience, 20*time.Millisecond)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE processing_status IN ('completed', 'failed')`) == 3*5
	}, patience, 20*time.Millisecond)
	mu.Lock()
	require.InDelta(t, size, got[about+"replaced"][0], 10)
	require.InDelta(t, size, got[about+"replaced"][1], 10)
	require.InDelta(t, 2*size, got[about+"updated"][0], 10) // the document and what was set
	require.InDelta(t, size, got[about+"updated"][1], 10)
	require.InDelta(t, size, got[about+"deleted"][0], 10)
	mu.Unlock()
	const lengths = `event_type || ' ' || coalesce(length(full_document->>'pad')::text, '-') || ' ' || coalesce(length(full_document_before_change->>'pad')::text, '-')`
	want := []string{fmt.Sprintf("insert %d -", size), fmt.Sprintf("replace %d %[1]d", size), fmt.Sprintf("update %d %[1]d", size), fmt.Sprintf("delete - %d", size), "insert - -"}
	rows, err := conn.Query(ctx, `SELECT `+lengths+` FROM CHANGE_STREAM_EVENTS('pulled') ORDER BY position`)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, want, lines)
	require.Equal(t, want, fetched(t, tail, 5))
	// A document that holds both images is none.
	require.Equal(t, "replace too_large, update too_large", scalar[string](t, conn,
		`SELECT coalesce(string_agg(event_type || ' ' || reason, ', ' ORDER BY position), '') FROM DEAD_LETTER_EVENTS() WHERE subscription_id = 'copied'`))
	require.EqualValues(t, 3, scalar[int64](t, conn, `SELECT count(*) FROM copies`))
	require.EqualValues(t, 2, scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS()`))
}

// fetched gives the events that a cursor of SUBSCRIBE yields, with the sizes of their images.
func fetched(t *testing.T, conn *pgx.Conn, n int) (out []string) {
	t.Helper()
	size := func(doc map[string]any) string {
		if pad, ok := doc["pad"].(string); ok {
			return fmt.Sprint(len(pad))
		}
		return "-"
	}
	for end := time.Now().Add(patience); len(out) < n && time.Now().Before(end); {
		rows, err := conn.Query(context.Background(), `FETCH 1 FROM c WITH (timeout = '1s')`)
		require.NoError(t, err)
		found, err := pgx.CollectRows(rows, pgx.RowToMap)
		require.NoError(t, err)
		for _, row := range found {
			full, _ := row["full_document"].(map[string]any)
			before, _ := row["full_document_before_change"].(map[string]any)
			out = append(out, fmt.Sprint(row["event_type"], " ", size(full), " ", size(before)))
		}
	}
	return out
}

// TestTooLargeForABroker has an event that a broker does not take go with others: it
// is a dead letter after one send, the others arrive.
func TestTooLargeForABroker(t *testing.T) {
	t.Parallel()
	for kind, start := range map[string]func(*testing.T) *broker{"nats": natsBroker, "kafka": kafkaBroker} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			g, conn := brokered(t)
			exec(t, conn, `CREATE CONNECTION bus TO %s`, b.connect)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION sent ON docs DELIVER TO %s`, b.deliver)
			exec(t, conn, `PAUSE EVENT_SUBSCRIPTION sent`)
			insertDocs(t, g.Store(), g.Database, 0, 3)
			_, err := g.Mongo(t).Collection("docs").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "large"}, {Key: "pad", Value: strings.Repeat("x", 2<<20)}})
			require.NoError(t, err)
			insertDocs(t, g.Store(), g.Database, 3, 3)
			exec(t, conn, `RESUME EVENT_SUBSCRIPTION sent`)
			require.Eventually(t, func() bool { return distinct(b.taken()) == 6 }, patience, 10*time.Millisecond)
			require.Eventually(t, func() bool {
				return scalar[string](t, conn, `SELECT coalesce(string_agg(document_key->>'_id' || ' ' || reason || ' ' || attempts, ','), '') FROM DEAD_LETTER_EVENTS()`) == "large too_large 1"
			}, patience, 10*time.Millisecond)
		})
	}
}
