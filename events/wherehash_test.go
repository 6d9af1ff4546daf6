package events_test

import (
	"fmt"
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
	paths := []string{`full_document->>'k'`, `full_document->'o'->>'k'`, `full_document->'a'->0->>'k'`, `document_key->>'_id'`, `full_document->'o'->'k'->>'k'`}
	texts := []string{"5", "05", "5.0", "true", "", "x", "{}", "[5]", `{"k": 5}`, "1", "0.1"}
	var wheres []string
	for _, p := range paths {
		for _, text := range texts {
			wheres = append(wheres, fmt.Sprintf(`%s = '%s'`, p, text))
		}
		wheres = append(wheres, fmt.Sprintf(`'5' = %s AND event_type <> 'delete'`, p), fmt.Sprintf(`event_type = 'update' AND %s = '5'`, p),
			fmt.Sprintf(`%s = '5' OR %s = 'x'`, p, p), fmt.Sprintf(`NOT (%s = '5')`, p), fmt.Sprintf(`%s = NULL`, p))
	}
	for i, w := range wheres {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION s%d ON docs WHERE %s`, i, w)
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
	require.Greater(t, found, 100)
}
