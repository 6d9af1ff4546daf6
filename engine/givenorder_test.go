package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
)

// The first documents of an order whose first keys an index has are read by the index,
// up to where no others can be among them; they are those that a sort of all gives.
func TestOrderThatBeginsLikeAnIndex(t *testing.T) {
	const n = 30_000
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"createIndexes": "c", "indexes": [{"key": {"at": 1}, "name": "at"}, {"key": {"few": 1}, "name": "few"}, {"key": {"of": 1, "at": -1}, "name": "of_at"}]}`)
	for from := 0; from < n; from += 10_000 {
		docs := bson.A{}
		for i := from; i < from+10_000; i++ {
			d := bson.D{{Key: "_id", Value: i}, {Key: "at", Value: i / 7}, {Key: "few", Value: i % 3}, {Key: "of", Value: i % 10}, {Key: "v", Value: uint32(i) * 2654435761}}
			if i%1000 == 13 {
				d[1].Value, d[4].Value = nil, bson.A{i, -i}
			}
			docs = append(docs, d)
		}
		_, err := e.Command(t.Context(), "d", raw(t, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: docs}}))
		require.NoError(t, err)
	}
	for _, c := range []struct {
		filter, sort string
		limit, most  int // most documents that may be read, 0: all are
	}{
		{`{}`, `{"at": 1, "v": 1}`, 5, 100},
		{`{}`, `{"at": -1, "v": 1}`, 20, 100},
		{`{}`, `{"at": -1, "v": -1, "_id": 1}`, 1, 100},
		{`{}`, `{"at": 1, "v": 1}`, 500, 700},
		{`{"of": 3}`, `{"at": 1, "_id": 1}`, 20, 3100},
		{`{"of": 3}`, `{"of": 1, "at": -1, "v": 1}`, 20, 100},
		{`{"v": {"$gte": 0}}`, `{"at": -1, "_id": -1}`, 20, 100},
		{`{}`, `{"few": 1, "at": -1}`, 5, 0}, // too many are alike
		{`{"_id": {"$lt": 50}}`, `{"at": -1, "v": 1}`, 10, 60},
	} {
		name := fmt.Sprint(c)
		pipeline := fmt.Sprintf(`[{"$match": %s}, {"$sort": %s}, {"$limit": %d}]`, c.filter, c.sort, c.limit)
		rows := func(hint string) bson.RawArray {
			r := run(t, e, fmt.Sprintf(`{"aggregate": "c", "cursor": {"batchSize": 1000}, "pipeline": %s%s}`, pipeline, hint))
			return r.Lookup("cursor", "firstBatch").Array()
		}
		require.Equal(t, rows(`, "hint": {"$natural": 1}`).String(), rows(``).String(), name)
		r := run(t, e, fmt.Sprintf(`{"explain": {"find": "c", "filter": %s, "sort": %s, "limit": %d}, "verbosity": "executionStats"}`, c.filter, c.sort, c.limit))
		for _, added := range []string{`{"n": {"$cond": [{"$gt": ["$v", 0]}, 1, 0]}}`, `{"v": 1}`} {
			// The same where a further key is computed.
			order := strings.TrimSuffix(strings.Replace(c.sort, `"v":`, `"n": 1, "v":`, 1), "}")
			if !strings.Contains(order, "_id") {
				order += `, "_id": 1`
			}
			order += "}"
			pipeline = fmt.Sprintf(`[{"$match": %s}, {"$addFields": %s}, {"$sort": %s}, {"$limit": %d}]`, c.filter, added, order, c.limit)
			require.Equal(t, rows(`, "hint": {"$natural": 1}`).String(), rows(``).String(), pipeline)
		}
		read := int(r.Lookup("executionStats", "totalDocsExamined").AsInt64())
		if c.most == 0 {
			require.Equal(t, n, read, name)
		} else {
			require.LessOrEqual(t, read, c.most, name)
		}
	}
}
