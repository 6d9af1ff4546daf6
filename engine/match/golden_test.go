package match_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/engine/value/valuetest"
	"weir/mongoerr"
)

// TestGolden runs the files in testdata: "docs" sets the documents, "match"
// prints the _id of those that each filter finds, or its error, "explain" why
// a filter (first line) does not take a document (second line).
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var docs []bson.Raw
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			if d.Cmd == "explain" {
				return explained(t, d.Input)
			}
			for line := range strings.Lines(d.Input) {
				doc := valuetest.Doc(t, line)
				if d.Cmd == "docs" {
					docs = append(docs, doc)
				} else {
					fmt.Fprintln(&out, found(doc, docs))
				}
			}
			if d.Cmd == "docs" {
				return "ok\n"
			}
			return out.String()
		})
	})
}

func explained(t *testing.T, input string) string {
	filter, doc, _ := strings.Cut(input, "\n")
	why := match.Explain(&expr.Context{}, valuetest.Doc(t, filter), valuetest.Doc(t, doc), nil)
	require.NoError(t, value.Validate(why))
	text, err := bson.MarshalExtJSON(why, false, false)
	require.NoError(t, err)
	return string(text) + "\n"
}

func found(filter bson.Raw, docs []bson.Raw) string {
	m, err := match.Compile(filter, nil)
	if err != nil {
		return fmt.Sprintf("error %d: %v", mongoerr.CodeOf(err), err)
	}
	ids := []string{}
	for _, d := range docs {
		ok, err := m.Match(&expr.Context{}, d)
		if err != nil {
			return err.Error()
		}
		if ok {
			ids = append(ids, value.Lookup(d, "_id").String())
		}
	}
	return "[" + strings.Join(ids, " ") + "]"
}

func TestTreeIsReadable(t *testing.T) {
	m, err := match.Compile(valuetest.Doc(t, `{"a.b": {"$gte": 1, "$lt": 5}, "$or": [{"c": {"$in": [1, 2]}}, {"d": {"$ne": null}}]}`), nil)
	require.NoError(t, err)
	all, ok := m.Root().(*match.And)
	require.True(t, ok)
	require.Len(t, all.Of, 3)
	low := all.Of[0].(*match.Compare)
	require.Equal(t, "a.b", low.Path.Text)
	require.Equal(t, []string{"a", "b"}, low.Path.Parts)
	require.Equal(t, match.Gte, low.Op)
	either := all.Of[2].(*match.Or)
	require.Len(t, either.Of[0].(*match.In).Values, 2)
	require.Equal(t, match.Eq, either.Of[1].(*match.Not).Of.(*match.Compare).Op)
	require.False(t, m.All())
	m, err = match.Compile(valuetest.Doc(t, `{"$comment": "all"}`), nil)
	require.NoError(t, err)
	require.True(t, m.All())
}

func TestCollation(t *testing.T) {
	col, err := value.ParseCollation(valuetest.Doc(t, `{"locale": "en", "strength": 2}`))
	require.NoError(t, err)
	for _, filter := range []string{`{"s": "CAFÉ"}`, `{"s": {"$in": ["CAFÉ", 1]}}`, `{"$expr": {"$eq": ["$s", "CAFÉ"]}}`} {
		m, err := match.Compile(valuetest.Doc(t, filter), &expr.CompileOptions{Collation: col})
		require.NoError(t, err)
		ok, err := m.Match(&expr.Context{}, valuetest.Doc(t, `{"s": "café"}`))
		require.NoError(t, err)
		require.True(t, ok, filter)
		ok, err = m.Match(&expr.Context{}, valuetest.Doc(t, `{"s": "cafe"}`))
		require.NoError(t, err)
		require.False(t, ok, filter)
	}
}

// TestOneMatcherManyGoroutines is for the race detector.
func TestOneMatcherManyGoroutines(t *testing.T) {
	col, err := value.ParseCollation(valuetest.Doc(t, `{"locale": "de", "numericOrdering": true}`))
	require.NoError(t, err)
	m, err := match.Compile(valuetest.Doc(t, `{"$or": [{"s": {"$regex": "(?=b)b$"}}, {"s": {"$gt": "item2"}}, {"$expr": {"$eq": [{"$hour": {"date": "$d", "timezone": "$z"}}, 5]}}]}`), &expr.CompileOptions{Collation: col})
	require.NoError(t, err)
	doc := valuetest.Doc(t, `{"s": "item10", "d": {"$date": "2024-01-01T00:00:00Z"}, "z": "Asia/Karachi"}`)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c := &expr.Context{}
			for range 200 {
				if ok, err := m.Match(c, doc); !ok || err != nil {
					t.Errorf("no match: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}
