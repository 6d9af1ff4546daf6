package index_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/value"
	"weir/mongoerr"
)

func doc(t *testing.T, s string) bson.Raw {
	t.Helper()
	var d bson.D
	require.NoError(t, bson.UnmarshalExtJSON([]byte(s), false, &d))
	b, err := bson.Marshal(d)
	require.NoError(t, err)
	return b
}

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		key, doc, want string
		multikey       bool
	}{
		{`{"a": 1}`, `{"a": 5}`, `{ a: 5 }`, false},
		{`{"a": 1}`, `{}`, `{ a: null }`, false},
		{`{"a.b": 1}`, `{"a": {"b": "x"}}`, `{ a.b: "x" }`, false},
		{`{"a.b": 1}`, `{"a": 5}`, `{ a.b: null }`, false},
		{`{"a": 1}`, `{"a": [1, 2]}`, `{ a: 1 } { a: 2 }`, true},
		{`{"a": 1}`, `{"a": []}`, `{ a: undefined }`, true},
		{`{"a": 1}`, `{"a": [[1, 2], 3]}`, `{ a: [ 1, 2 ] } { a: 3 }`, true},
		{`{"a.b": 1}`, `{"a": [{"b": 1}, {"b": [2, 3]}, {}]}`, `{ a.b: 1 } { a.b: 2 } { a.b: 3 } { a.b: null }`, true},
		{`{"a.0": 1}`, `{"a": [7, 8]}`, `{ a.0: 7 }`, false},
		{`{"a.b": 1, "a.c": -1}`, `{"a": [{"b": 1, "c": 2}, {"b": 3, "c": 4}]}`, `{ a.b: 1, a.c: 2 } { a.b: 3, a.c: 4 }`, true},
		{`{"a": 1, "b": 1}`, `{"a": [1, 2], "b": 9}`, `{ a: 1, b: 9 } { a: 2, b: 9 }`, true},
	} {
		d := &index.Definition{Fields: index.FieldsOf(doc(t, c.key))}
		var g index.Generator
		var got []string
		multikey, err := g.Keys(d, doc(t, c.doc), func(values []value.Value) error {
			got = append(got, d.Describe(values))
			return nil
		})
		require.NoError(t, err, c.doc)
		require.Equal(t, c.want, strings.Join(got, " "), "%s of %s", c.key, c.doc)
		require.Equal(t, c.multikey, multikey, c.doc)
	}
}

func TestParallelArrays(t *testing.T) {
	d := &index.Definition{Fields: index.FieldsOf(doc(t, `{"a": 1, "b": 1}`))}
	var g index.Generator
	_, err := g.Keys(d, doc(t, `{"a": [1], "b": [2]}`), func([]value.Value) error { return nil })
	require.EqualValues(t, 171, mongoerr.CodeOf(err))
}

func TestSparse(t *testing.T) {
	d := &index.Definition{Sparse: true, Fields: index.FieldsOf(doc(t, `{"a": 1, "b": 1}`))}
	var g index.Generator
	n := 0
	for _, s := range []string{`{"c": 1}`, `{"a": null}`, `{"b": 1}`} {
		_, err := g.Keys(d, doc(t, s), func([]value.Value) error { n++; return nil })
		require.NoError(t, err)
	}
	require.Equal(t, 2, n)
}

func TestDefaultName(t *testing.T) {
	require.Equal(t, "a_1_b.c_-1_h_hashed", index.DefaultName(doc(t, `{"a": 1, "b.c": -1, "h": "hashed"}`)))
}
