package expr_test

import (
	stdctx "context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/mongoerr"
)

func compiled(t *testing.T, src string) expr.Expr {
	var doc bson.Raw
	require.NoError(t, bson.UnmarshalExtJSON([]byte(`{"e": `+src+`}`), false, &doc))
	e, err := expr.Compile(doc.Lookup("e"), nil)
	require.NoError(t, err)
	return e
}

// Each of these would run for hours, or take all memory there is.
func TestLongEvaluationsEndWithTheirContext(t *testing.T) {
	numbers := func(n string) string { return `{"$range": [0, ` + n + `]}` }
	for _, src := range []string{
		`{"$size": {"$map": {"input": ` + numbers("100000") + `, "in": {"$size": {"$map": {"input": ` + numbers("100000") + `, "in": 1}}}}}}`,
		`{"$size": {"$filter": {"input": ` + numbers("1000000") + `, "cond": {"$size": {"$filter": {"input": ` + numbers("1000000") + `, "cond": "$x"}}}}}}`,
		`{"$reduce": {"input": ` + numbers("1000000") + `, "initialValue": [], "in": {"$concatArrays": ["$$value", ["$$this"]]}}}`,
		`{"$regexMatch": {"input": "` + strings.Repeat("a", 100_000) + `", "regex": "(a?){1000}b"}}`,
	} {
		e := compiled(t, src)
		_, folded := expr.Constant(e)
		require.False(t, folded, "what takes long is not done by compiling: %.60s", src)
		ctx, cancel := stdctx.WithCancel(t.Context())
		cancel()
		c := &expr.Context{}
		c.Attend(ctx)
		_, err := e.Eval(c)
		require.ErrorIs(t, err, stdctx.Canceled, "%.60s", src)
	}
}

func TestValuesAreBounded(t *testing.T) {
	long := `{"$reduce": {"input": {"$range": [0, 25]}, "initialValue": "x", "in": {"$concat": ["$$value", "$$value"]}}}`
	for src, code := range map[string]int32{
		`{"$range": [0, 1000000000]}`: mongoerr.ExceededMemoryLimit,
		`{"$reduce": {"input": {"$range": [0, 60]}, "initialValue": "x", "in": {"$concat": ["$$value", "$$value"]}}}`:           mongoerr.BufferTooLarge,
		`{"$reduce": {"input": {"$range": [0, 60]}, "initialValue": [1], "in": {"$concatArrays": ["$$value", "$$value"]}}}`:     mongoerr.ExceededMemoryLimit,
		`{"$reduce": {"input": {"$range": [0, 60]}, "initialValue": {"a": ["xxxxxxxx"]}, "in": {"a": ["$$value", "$$value"]}}}`: mongoerr.ExceededMemoryLimit,
		`{"$map": {"input": {"$range": [0, 100000]}, "in": {"$range": [0, 10000]}}}`:                                            mongoerr.ExceededMemoryLimit,
		`{"$replaceAll": {"input": ` + long + `, "find": "x", "replacement": "yyyyyyyyyyyyyyyyyyyy"}}`:                          mongoerr.BufferTooLarge,
		`{"$setUnion": [` + strings.Repeat(`[`+long+`], `, 19) + `[` + long + `]]}`:                                             mongoerr.ExceededMemoryLimit,
	} {
		var doc bson.Raw
		require.NoError(t, bson.UnmarshalExtJSON([]byte(`{"e": `+src+`}`), false, &doc))
		e, err := expr.Compile(doc.Lookup("e"), nil)
		if err == nil {
			_, err = e.Eval(&expr.Context{})
		}
		require.Error(t, err, "%.80s", src)
		require.Equal(t, code, mongoerr.CodeOf(err), "%.80s", src)
	}
}

func TestCatastrophicPatternIsAnError(t *testing.T) {
	p, err := expr.CompilePattern(`(a*)*\1b`, "")
	require.NoError(t, err)
	_, err = p.Matches(nil, strings.Repeat("a", 60))
	require.Equal(t, int32(51156), mongoerr.CodeOf(err))
}
