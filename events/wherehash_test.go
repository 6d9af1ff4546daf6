package events_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/internal/testkit"
)

// A condition finds the events that it finds in the log of a subscription to all,
// whether a term of it is hashed or not.
func TestWhereFindsWhatTheLogHolds(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION everything ON docs`)
	paths := []string{`full_document->>'k'`, `full_document->'o'->>'k'`, `full_document->'a'->0->>'k'`, `document_key->>'_id'`, `full_document->'o'->'k'->>'k'`, `event_data->>'k'`, `event_data->'o'->>'k'`}
	texts := []string{"5", "05", "5.0", "true", "", "x", "{}", "[5]", `{"k": 5}`, "1", "0.1"}
	var wheres []string
	for _, p := range paths {
		for _, text := range texts {
			wheres = append(wheres, fmt.Sprintf(`%s = '%s'`, p, text))
		}
		wheres = append(wheres, fmt.Sprintf(`'5' = %s AND event_type <> 'delete'`, p), fmt.Sprintf(`event_type = 'update' AND %s = '5'`, p),
			fmt.Sprintf(`%s = '5' OR %s = 'x'`, p, p), fmt.Sprintf(`NOT (%s = '5')`, p), fmt.Sprintf(`%s = NULL`, p),
			fmt.Sprintf(`%s IN ('5', 'x', '5')`, p), fmt.Sprintf(`%s IN ('5', NULL)`, p), fmt.Sprintf(`%s NOT IN ('5', 'x')`, p), fmt.Sprintf(`(%s = '5' AND event_type = 'insert') OR '05' = %s`, p, p),
			fmt.Sprintf(`%s IN ('5', event_type, collection_name)`, p), fmt.Sprintf(`%s = '5' OR document_key->>'_id' = 'x' OR full_document->>'k' = 'true'`, p))
	}
	// Only numbers may be cast: the first term keeps the others away.
	for _, p := range []string{`full_document->>'k'`, `full_document->'o'->>'k'`} {
		for _, as := range []string{"int", "bigint", "numeric", "int8", "float8", "smallint"} {
			for _, n := range []string{"5", "05", "5.0", "0", "-5", "5000000000"} {
				digits := "[0-9]"
				if as == "numeric" || as == "float8" {
					digits = "[0-9.]"
				}
				wheres = append(wheres, fmt.Sprintf(`%s ~ '^%s{1,3}$' AND (%s)::%s = %s`, p, digits, p, as, n), fmt.Sprintf(`%s ~ '^%s{1,3}$' AND (%s)::%s IN (7, %s)`, p, digits, p, as, n))
			}
		}
	}
	for i, w := range wheres {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION s%d ON docs WHERE %s`, i, w)
	}
	// A filter finds what it finds inside an $or, which is never hashed.
	var filters []string
	for _, p := range []string{"fullDocument.k", "fullDocument.o.k", "fullDocument.a.k", "fullDocument.a.0.k", "documentKey._id"} {
		for _, c := range []string{`5`, `"5"`, `{"$eq": true}`, `{"$in": [5, "x", 5]}`, `{"$in": ["5", null]}`, `{"$in": []}`, `{"$in": ["5", {"k": 5}]}`, `{"$in": [5, "5"], "$ne": "5"}`} {
			filters = append(filters, fmt.Sprintf(`{"%s": %s}`, p, c))
		}
		filters = append(filters, fmt.Sprintf(`{"$and": [{"operationType": "insert"}, {"%s": {"$in": [5, true]}}]}`, p))
	}
	// Of event_data, each sees its own: what is joined with a text is not hashed.
	modes := []string{"off", "updateLookup", "whenAvailable"}
	for _, m := range modes {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION h_%s ON docs WHERE event_data->>'k' IN ('5', 'x') WITH (full_document = '%s')`, m, m)
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION u_%s ON docs WHERE (event_data->>'k') || '' IN ('5', 'x') WITH (full_document = '%s')`, m, m)
	}
	for i, f := range filters {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION f%d ON docs WITH (event_filter = '%s')`, i, f)
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION g%d ON docs WITH (event_filter = '{"$or": [%s]}')`, i, f)
	}
	decimal, err := bson.ParseDecimal128("5.0")
	require.NoError(t, err)
	docs := g.Mongo(t).Collection("docs")
	values := []any{"5", int32(5), int64(5), 5.0, decimal, true, nil, "x", "", "05", 0.1, bson.A{int32(5)}, bson.A{"5"}, bson.D{}, bson.D{{Key: "k", Value: int32(5)}},
		bson.NewObjectID(), time.Now(), bson.Regex{Pattern: "5"}, bson.Binary{Data: []byte("5")}, bson.Symbol("5")}
	n := 0
	for i, v := range values {
		for _, d := range []bson.D{
			{{Key: "k", Value: v}}, {{Key: "o", Value: bson.D{{Key: "k", Value: v}}}}, {{Key: "a", Value: bson.A{bson.D{{Key: "k", Value: v}}}}},
			{{Key: "o", Value: bson.A{bson.D{{Key: "k", Value: v}}}}}, {{Key: "o", Value: v}}, {{Key: "o", Value: bson.D{{Key: "k", Value: bson.D{{Key: "k", Value: v}}}}}},
		} {
			d = append(bson.D{{Key: "_id", Value: fmt.Sprint(i, n)}}, d...)
			_, err := docs.InsertOne(t.Context(), d)
			require.NoError(t, err)
			n++
		}
	}
	for _, id := range []any{"5", int32(5), "x", true, "05"} {
		_, err := docs.InsertOne(t.Context(), bson.D{{Key: "_id", Value: id}})
		require.NoError(t, err)
		_, err = docs.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$set", Value: bson.D{{Key: "k", Value: "5"}}}})
		require.NoError(t, err)
		_, err = docs.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: id}})
		require.NoError(t, err)
		n += 3
	}
	require.Eventually(t, func() bool {
		return scalar[int](t, conn, `SELECT count(*)::int FROM CHANGE_STREAM_EVENTS('everything')`) == n
	}, patience, 10*time.Millisecond)
	found := 0
	for i, w := range wheres {
		want := scalar[int](t, conn, fmt.Sprintf(`SELECT count(*)::int FROM CHANGE_STREAM_EVENTS('everything') WHERE %s`, w))
		got := scalar[int](t, conn, fmt.Sprintf(`SELECT count(*)::int FROM CHANGE_STREAM_EVENTS('s%d')`, i))
		require.Equal(t, want, got, w)
		found += got
	}
	ids := func(subscription string) *string {
		return scalar[*string](t, conn, `SELECT string_agg(substring(event_id FROM ':.*'), ',' ORDER BY position) FROM CHANGE_STREAM_EVENTS('`+subscription+`')`)
	}
	for i, f := range filters {
		require.Equal(t, ids(fmt.Sprint("g", i)), ids(fmt.Sprint("f", i)), f)
	}
	for _, m := range modes {
		require.NotNil(t, ids("h_"+strings.ToLower(m)), m)
		require.Equal(t, ids("u_"+strings.ToLower(m)), ids("h_"+strings.ToLower(m)), m)
	}
	require.Greater(t, found, 100)
}

// The clock of a condition and of a transform is that of the event, not the one of
// the time when they were compiled.
func TestConditionsReadTheClock(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	r := newReceiver(t, 0)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, at text)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION past ON docs WHERE (full_document->>'at')::timestamptz <= now()`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION day ON docs WHERE (full_document->>'at')::timestamptz BETWEEN current_timestamp - interval '1 day' AND localtimestamp`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION later ON docs WHERE (full_document->>'at')::timestamptz > now()`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION told ON docs DELIVER TO '%s' WITH (payload_format = 'change_event', transform = '(now() >= (full_document->>''at'')::timestamptz)::text AS type')`, r.URL)
	for name, term := range map[string]string{"filtered": `{"$lte": [{"$toDate": "$fullDocument.at"}, "$$NOW"]}`, "early": `{"$gt": [{"$toDate": "$fullDocument.at"}, "$$NOW"]}`, "timed": `{"$eq": ["$clusterTime", "$$CLUSTER_TIME"]}`} {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION %s ON docs WITH (event_filter = '{"$expr": %s}')`, name, term)
	}
	for i := range 3 {
		exec(t, conn, `INSERT INTO docs (_id, at) VALUES (%d, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`, i)
		require.Eventually(t, func() bool { return len(r.all()) == i+1 }, patience, time.Millisecond)
	}
	require.Equal(t, "day 3,filtered 3,past 3,timed 3,told 3", scalar[string](t, conn, `SELECT string_agg(s, ',' ORDER BY s) FROM (SELECT subscription_id || ' ' || count(*) FROM CHANGE_STREAM_EVENTS() GROUP BY subscription_id) AS c(s)`))
	for _, d := range r.all() {
		require.Equal(t, "true", d.op)
	}
}
