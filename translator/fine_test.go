package translator_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/translator"
)

// condition makes a random comparison with moments around 0 to 5 ms.
func condition(r *rand.Rand) value.Value {
	moment := func() value.Value { return value.DateMicros(int64(r.IntN(5)), []int{0, 0, 1, 500, 999}[r.IntN(5)]) }
	var b value.Builder
	switch name := []string{"$gt", "$gte", "$lt", "$lte", "$eq", "$in", "$nin"}[r.IntN(7)]; name {
	case "$in", "$nin":
		items := []value.Value{moment(), moment(), value.Null()}
		b.Add(name, value.ArrayFrom(items[:1+r.IntN(3)]))
	default:
		b.Add(name, moment())
	}
	return b.DocumentOf()
}

func filter(r *rand.Rand, depth int) bson.Raw {
	var b value.Builder
	if depth > 0 && r.IntN(3) == 0 {
		b.Add([]string{"$and", "$or", "$nor"}[r.IntN(3)], value.ArrayFrom([]value.Value{value.Document(filter(r, depth-1)), value.Document(filter(r, depth-1))}))
		return b.Doc()
	}
	b.Add("t", condition(r))
	if r.IntN(4) == 0 {
		b.Add("u", condition(r))
	}
	return b.Doc()
}

// TestMillisFiltersFindTheSame holds filters as a store gets them to the ones
// that were asked for, on documents as a store has them.
func TestMillisFiltersFindTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	var docs []bson.Raw
	for i := range 8 {
		for j := range 3 {
			var b value.Builder
			if i < 6 {
				b.Add("t", value.Date(int64(i)))
			} else if i == 6 {
				b.Add("t", value.Null())
			}
			b.Add("u", value.Date(int64(j)))
			docs = append(docs, b.Doc())
		}
	}
	changed := 0
	for range 3000 {
		asked := filter(r, 2)
		sent, ok := translator.Floored(asked)
		require.True(t, ok, "%s", value.Document(asked))
		require.False(t, holdsFine(value.Document(sent)))
		if holdsFine(value.Document(asked)) {
			changed++
		}
		for _, d := range docs {
			require.Equal(t, matches(t, asked, d), matches(t, sent, d), "%s sent as %s: %s", value.Document(asked), value.Document(sent), value.Document(d))
		}
	}
	require.Greater(t, changed, 1000)
}

func matches(t *testing.T, filter, doc bson.Raw) bool {
	m, err := match.Compile(filter, &expr.CompileOptions{})
	require.NoError(t, err)
	ok, err := m.Match(&expr.Context{}, doc)
	require.NoError(t, err)
	return ok
}

func holdsFine(v value.Value) bool {
	if !v.IsDocument() && !v.IsArray() {
		return v.IsMicros()
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		if holdsFine(it.Value()) {
			return true
		}
	}
	return false
}

// TestMillisLeavesExpressions: a moment in an expression has no filter of
// milliseconds that does the same.
func TestMillisLeavesExpressions(t *testing.T) {
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, "$expr")
	b.Add("$gt", value.ArrayFrom([]value.Value{value.String("$t"), value.DateMicros(1, 1)}))
	b.Close()
	_, ok := translator.Floored(b.Doc())
	require.False(t, ok)
}
