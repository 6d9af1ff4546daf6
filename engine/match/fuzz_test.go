package match_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/engine/value/valuetest"
	"weir/mongoerr"
)

// mutation makes other filters out of filters.
func mutation(t testing.TB) *valuetest.Mutation {
	var odds []value.Value
	for _, s := range []string{`5`, `-1`, `{"$numberLong": "4611686018427387904"}`, `0.5`, `{"$numberDouble": "NaN"}`, `true`, `null`, `""`, `"$a"`, `"x"`, `{}`, `[]`,
		`[1, "b"]`, `[[1], {"b": 2}]`, `{"a": 1}`, `{"$gt": 1}`, `{"$undefined": true}`, `{"$minKey": 1}`, `{"$date": {"$numberLong": "0"}}`, `{"$numberDecimal": "1E+400"}`,
		`{"$regularExpression": {"pattern": "a", "options": "i"}}`, `{"$binary": {"base64": "AQ==", "subType": "00"}}`, `{"$timestamp": {"t": 1, "i": 1}}`, `{"$oid": "000000000000000000000000"}`} {
		odds = append(odds, valuetest.Val(t, s))
	}
	names := []string{"$eq", "$ne", "$gt", "$lte", "$in", "$nin", "$not", "$and", "$or", "$nor", "$exists", "$type", "$all", "$size", "$elemMatch", "$mod", "$regex", "$options",
		"$bitsAllSet", "$bitsAnyClear", "$expr", "$jsonSchema", "$comment", "$alwaysTrue", "$alwaysFalse", "$sampleRate", "$text", "$where", "$near", "$ref", "$id", "$db", "$x", "a", "a.b", "a.0", ""}
	return &valuetest.Mutation{Odds: odds, Names: names, Rate: 9}
}

// checkFilter runs a filter over a document, forwards and for its explanation.
// It tells whether there was an answer.
func checkFilter(t *testing.T, filter, doc bson.Raw) bool {
	m, err := match.Compile(filter, nil)
	if err != nil {
		require.NotZero(t, mongoerr.CodeOf(err), "%v", err)
		return false
	}
	ok, err := m.Match(&expr.Context{}, doc)
	if !ok || err != nil {
		require.NoError(t, value.Validate(match.Explain(&expr.Context{}, filter, doc, nil)))
	}
	return err == nil
}

// FuzzMatch compiles and runs what the bytes say and, where they are a
// document, a variation of it that the number decides.
func FuzzMatch(f *testing.F) {
	for _, s := range []string{`{"a": 5, "b.c": {"$gt": 1}}`, `{"a": {"$elemMatch": {"$in": [1, "x"]}}}`, `{"$or": [{"a": {"$regex": "x+", "$options": "i"}}, {"b": {"$type": 2}}]}`,
		`{"$jsonSchema": {"properties": {"a": {"bsonType": ["int", "array"]}}}}`, `{"a": {"$mod": [2, 0], "$bitsAnySet": [1, 5]}}`, `{"$expr": {"$gt": ["$a", 1]}}`, `{"a.0.b": {"$not": {"$all": [1]}}}`,
		`{"$jsonSchema": {"required": ["a"], "patternProperties": {"^a": {"items": [{"type": "number"}], "additionalItems": false}}, "dependencies": {"a": ["b"]}, "anyOf": [{"minProperties": 1}], "not": {"enum": [1]}}}`,
		`{"$nor": [{"a": {"$all": [{"$elemMatch": {"b": "x"}}]}}, {"a": {"$size": 3, "$exists": true}}], "b": {"$nin": [null, {"$regularExpression": {"pattern": "x", "options": ""}}]}}`} {
		for n := range uint64(3) {
			f.Add([]byte(valuetest.Doc(f, s)), n)
		}
	}
	doc := valuetest.Doc(f, `{"_id": 1, "a": [1, {"b": "x"}, [2]], "b": {"c": 5}, "s": "text"}`)
	m := mutation(f)
	f.Fuzz(func(t *testing.T, data []byte, n uint64) {
		if value.Validate(data) != nil || len(data) > 4096 {
			return
		}
		checkFilter(t, data, doc)
		r := rand.New(rand.NewPCG(n, 7))
		checkFilter(t, m.Mutate(r, data), m.Mutate(r, doc))
	})
}

// TestMutatedFilters runs variations of the recorded filters: whatever they
// are, the answer is yes, no or an error.
func TestMutatedFilters(t *testing.T) {
	dir := valuetest.Recorded(t)
	var docs []bson.Raw
	valuetest.Lines(t, filepath.Join(dir, "datasets.jsonl"), func(line bson.Raw) {
		if name := value.Lookup(line, "dataset"); name.IsString() {
			docs = append(docs, documents(value.Lookup(value.Lookup(line, "colls").Doc(), name.Str()))...)
		}
	})
	r, m := rand.New(rand.NewPCG(5, 6)), mutation(t)
	answered := 0
	valuetest.Lines(t, filepath.Join(dir, "match.jsonl"), func(line bson.Raw) {
		filter := value.Lookup(value.Lookup(line, "cmd").Doc(), "filter")
		if !filter.IsDocument() {
			return
		}
		for range 30 {
			if checkFilter(t, m.Mutate(r, filter.Doc()), m.Mutate(r, docs[r.IntN(len(docs))])) {
				answered++
			}
		}
	})
	require.Greater(t, answered, 10_000)
}
