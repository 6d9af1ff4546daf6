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

// Updates by _id that run together do what they do one by one: those that insert,
// those that fail, those that find nothing, and those that come twice.
func TestGroupsOfUpdatesDoWhatSingleOnesDo(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, internal := range []string{"", "d"} {
		e := openEngine(t, "", engine.Options{InternalDatabases: []string{internal}})
		together, apart := store.Namespace{DB: "d", Coll: "together"}, store.Namespace{DB: "d", Coll: "apart"}
		for _, at := range []store.Namespace{together, apart} {
			run(t, e, fmt.Sprintf(`{"createIndexes": %q, "indexes": [{"key": {"u": 1}, "name": "u", "unique": true, "sparse": true}]}`, at.Coll))
		}
		updates := []func() string{
			func() string { return fmt.Sprintf(`{"$set": {"a": %d, "b": "x"}}`, random.IntN(3)) },
			func() string { return `{"$inc": {"n": 1}, "$setOnInsert": {"made": true}}` },
			func() string { return fmt.Sprintf(`{"$set": {"u": %d}}`, random.IntN(200)) }, // may be there already
			func() string { return `{"$inc": {"b": 1}}` },                                 // fails where b is a text
			func() string { return fmt.Sprintf(`{"whole": %d}`, random.IntN(3)) },
		}
		for range 60 {
			var ops []store.WriteOp
			kind, upsert := random.IntN(len(updates)), random.IntN(2) == 0
			for range 1 + random.IntN(150) {
				if random.IntN(20) == 0 {
					kind = random.IntN(len(updates))
				}
				filter := fmt.Sprintf(`{"_id": %d}`, random.IntN(400))
				if random.IntN(10) == 0 {
					filter = fmt.Sprintf(`{"_id": %d, "a": 1}`, random.IntN(400))
				}
				ops = append(ops, store.WriteOp{Kind: store.Update, Filter: js(t, filter), Upsert: upsert,
					Update: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: js(t, updates[kind]())}})
			}
			got, err := e.Write(t.Context(), together, ops, store.WriteOptions{Unordered: true})
			require.NoError(t, err)
			var want store.WriteResult
			for i := range ops {
				one, err := e.Write(t.Context(), apart, ops[i:i+1], store.WriteOptions{})
				require.NoError(t, err)
				want.Matched, want.Modified = want.Matched+one.Matched, want.Modified+one.Modified
				for _, u := range one.Upserted {
					want.Upserted = append(want.Upserted, store.Upserted{Index: i, ID: u.ID})
				}
				for _, f := range one.Errors {
					f.Index = i
					want.Errors = append(want.Errors, f)
				}
			}
			require.Equal(t, want.Matched, got.Matched)
			require.Equal(t, want.Modified, got.Modified)
			require.Equal(t, want.Upserted, got.Upserted)
			require.Equal(t, len(want.Errors), len(got.Errors))
			for i := range want.Errors {
				require.Equal(t, want.Errors[i].Index, got.Errors[i].Index)
			}
			require.Equal(t, sorted(t, e, apart), sorted(t, e, together))
		}
	}
}

// sorted gives all documents of a collection by _id.
func sorted(t *testing.T, e *engine.Engine, at store.Namespace) (out []string) {
	cur, err := e.Aggregate(t.Context(), at, []bson.Raw{js(t, `{"$sort": {"_id": 1}}`)}, store.AggregateOptions{})
	require.NoError(t, err)
	defer cur.Close()
	for {
		doc, err := cur.Next(t.Context())
		if err != nil {
			return out
		}
		out = append(out, doc.String())
	}
}
