package engine_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/store"
)

// Updates by _id in an internal database see what was written last, however it was
// written: by an insert, by an update of another kind, in a transaction, or before
// the document was deleted and inserted again.
func TestUpdatesOfRecentInserts(t *testing.T) {
	e := openEngine(t, "", engine.Options{InternalDatabases: []string{"d"}})
	at := store.Namespace{DB: "d", Coll: "c"}
	random := rand.New(rand.NewPCG(3, 4))
	held := map[int]int64{}
	increment := func(id int) store.WriteOp {
		return store.WriteOp{Kind: store.Update, Filter: js(t, fmt.Sprintf(`{"_id": %d}`, id)), Update: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: js(t, `{"$inc": {"n": 1}}`)}}
	}
	write := func(q store.Queryer, ops ...store.WriteOp) store.WriteResult {
		res, err := q.Write(t.Context(), at, ops, store.WriteOptions{Unordered: true})
		require.NoError(t, err)
		return res
	}
	for range 600 {
		first := random.IntN(5000)
		switch random.IntN(6) {
		case 0, 1:
			var ops []store.WriteOp
			for id := first; id < first+20; id++ {
				ops = append(ops, store.WriteOp{Kind: store.Insert, Document: js(t, fmt.Sprintf(`{"_id": %d, "n": {"$numberLong": "1"}}`, id))})
				if held[id] == 0 {
					held[id] = 1
				}
			}
			write(e, ops...)
		case 2, 3:
			var ops []store.WriteOp
			matched := int64(0)
			for id := first; id < first+30; id++ {
				ops = append(ops, increment(id))
				if held[id] > 0 {
					matched++
					held[id]++
				}
			}
			require.Equal(t, matched, write(e, ops...).Matched)
		case 4:
			run(t, e, fmt.Sprintf(`{"delete": "c", "deletes": [{"q": {"_id": {"$gte": %d, "$lt": %d}}, "limit": 0}]}`, first, first+10))
			run(t, e, fmt.Sprintf(`{"update": "c", "updates": [{"q": {"_id": {"$gte": %d, "$lt": %d}}, "u": {"$inc": {"n": 1}}, "multi": true}]}`, first+10, first+20))
			for id := first; id < first+20; id++ {
				if id < first+10 {
					delete(held, id)
				} else if held[id] > 0 {
					held[id]++
				}
			}
		case 5:
			tx, err := e.Begin(t.Context())
			require.NoError(t, err)
			res := write(tx, increment(first), increment(first+1))
			require.NoError(t, tx.Commit(t.Context()))
			for _, id := range []int{first, first + 1} {
				if held[id] > 0 {
					res.Matched--
					held[id]++
				}
			}
			require.Zero(t, res.Matched)
		}
	}
	cur, err := e.Aggregate(t.Context(), at, nil, store.AggregateOptions{})
	require.NoError(t, err)
	defer cur.Close()
	for range held {
		doc, err := cur.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, held[int(doc.Lookup("_id").AsInt64())], doc.Lookup("n").AsInt64(), doc)
	}
	require.EqualValues(t, len(held), run(t, e, `{"count": "c"}`).Lookup("n").AsInt64())
}
