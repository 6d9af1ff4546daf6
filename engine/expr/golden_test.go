package expr_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/engine/value/valuetest"
	"weir/mongoerr"
)

// TestGolden runs the files in testdata: "doc" sets the document, "eval"
// evaluates one expression a line and prints a value or an error code.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		doc := value.EmptyDocument
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "doc" {
				doc = valuetest.Doc(t, d.Input)
				return "ok\n"
			}
			var out strings.Builder
			for line := range strings.Lines(d.Input) {
				fmt.Fprintln(&out, evalLine(t, strings.TrimSpace(line), doc))
			}
			return out.String()
		})
	})
}

func evalLine(t *testing.T, line string, doc bson.Raw) string {
	e, err := expr.CompileValue(valuetest.Val(t, line), nil)
	c := context()
	c.Root = doc
	var v value.Value
	if err == nil {
		v, err = e.Eval(c)
	}
	if err != nil {
		return fmt.Sprintf("error %d: %v", mongoerr.CodeOf(err), err)
	}
	return valuetest.Format(v)
}

func TestVariablesFromOutside(t *testing.T) {
	opts := &expr.CompileOptions{Vars: []string{"x", "y", "x"}}
	e, err := expr.CompileValue(valuetest.Val(t, `{"$let": {"vars": {"z": "$$x"}, "in": {"$concat": ["$$x", "$$y.s", "$$z", "$f"]}}}`), opts)
	require.NoError(t, err)
	c := context()
	c.Root = valuetest.Doc(t, `{"f": "f"}`)
	c.Vars = []value.Value{value.String("hidden"), valuetest.Val(t, `{"s": "y"}`), value.String("x")}
	v, err := e.Eval(c)
	require.NoError(t, err)
	require.Equal(t, "xyxf", v.Str())
}

func TestLibrary(t *testing.T) {
	lib := &expr.Library{Functions: map[string]expr.Function{"twice": {MinArgs: 1, MaxArgs: 1, Eval: func(_ *expr.Context, args []value.Value) (value.Value, error) {
		return value.Add(args[0], args[0]), nil
	}}}}
	call := valuetest.Val(t, `{"$add": [{"$weir.twice": ["$n"]}, 1]}`)
	e, err := expr.CompileValue(call, &expr.CompileOptions{Library: lib})
	require.NoError(t, err)
	c := context()
	c.Root = valuetest.Doc(t, `{"n": 4}`)
	v, err := e.Eval(c)
	require.NoError(t, err)
	require.Equal(t, int32(9), v.AsInt32())

	_, err = expr.CompileValue(call, nil)
	require.ErrorIs(t, err, mongoerr.Code(mongoerr.InvalidPipelineOperator))
	require.ErrorContains(t, err, "Unrecognized expression '$weir.twice'")
	_, err = expr.CompileValue(valuetest.Val(t, `{"$weir.twice": [1, 2]}`), &expr.CompileOptions{Library: lib})
	require.ErrorIs(t, err, mongoerr.Code(16020))
}

func TestDeps(t *testing.T) {
	var deps expr.Deps
	_, err := expr.CompileValue(valuetest.Val(t, `{"$map": {"input": "$a.b", "as": "i", "in": {"$add": ["$$i.x", "$$ROOT.c", "$$CURRENT.d"]}}}`), &expr.CompileOptions{Deps: &deps})
	require.NoError(t, err)
	require.Equal(t, []string{"a.b", "c", "d"}, deps.Fields)
	require.False(t, deps.Whole)
	_, err = expr.CompileValue(valuetest.Val(t, `{"$mergeObjects": ["$$ROOT"]}`), &expr.CompileOptions{Deps: &deps})
	require.NoError(t, err)
	require.True(t, deps.Whole)
}

func TestConstantsAreFolded(t *testing.T) {
	e, err := expr.CompileValue(valuetest.Val(t, `{"$add": [1, {"$cond": [true, 2, "$x"]}, {"$strLenCP": "abc"}]}`), nil)
	require.NoError(t, err)
	k, ok := expr.Constant(e)
	require.True(t, ok)
	require.Equal(t, int32(6), k.AsInt32())
	_, err = expr.CompileValue(valuetest.Val(t, `{"$divide": [1, 0]}`), nil)
	require.Error(t, err)
	e, err = expr.CompileValue(valuetest.Val(t, `{"$rand": {}}`), nil)
	require.NoError(t, err)
	_, ok = expr.Constant(e)
	require.False(t, ok)
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{`{"$add": ["$a", 1]}`, `{"$map": {"input": [1, 2], "in": {"$multiply": ["$$this", 2]}}}`, `{"$regexFind": {"input": "abc", "regex": "b(c)?"}}`,
		`{"$dateToString": {"date": {"$toDate": "2020-01-01"}, "format": "%Y"}}`, `{"$switch": {"branches": [{"case": "$a", "then": 1}], "default": 2}}`,
		`{"$sortArray": {"input": [3, 1, {"a": 1}], "sortBy": {"a": 1}}}`, `{"$substrCP": ["héllo", 1, 2]}`, `{"$round": [1.5, -3]}`, `{"$range": [0, 10, 3]}`} {
		f.Add([]byte(valuetest.Doc(f, `{"e": `+s+`}`)))
	}
	doc := valuetest.Doc(f, `{"a": [1, {"b": "x"}], "s": "text", "d": {"$date": "2020-02-29T00:00:00Z"}}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		if value.Validate(data) != nil || len(data) > 4096 {
			return
		}
		for it := value.Walk(data); it.Next(); {
			e, err := expr.CompileValue(it.Value(), nil)
			if err != nil {
				continue
			}
			c := context()
			c.Root = doc
			if v, err := e.Eval(c); err == nil {
				var b value.Builder
				b.Add("v", v)
				require.NoError(t, value.Validate(b.Doc()))
			}
		}
	})
}
