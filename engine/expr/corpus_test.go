package expr_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/engine/value/valuetest"
	"weir/mongoerr"
)

// corpusFloor is the least number of recorded answers that must be equal.
const corpusFloor = 21003

// TestRecordedAnswers replays what a MongoDB server answered to expressions.
// WEIR_TEST_DIFFS=id prints the differences of the ids that begin so.
func TestRecordedAnswers(t *testing.T) {
	dir := valuetest.Recorded(t)
	r := &replay{t: t, lists: map[string][]value.Value{}, by: map[string][2]int{}, show: os.Getenv("WEIR_TEST_DIFFS"),
		except: valuetest.Exceptions(t, filepath.Join("..", "testdata", "exceptions.txt"))}
	valuetest.Lines(t, filepath.Join(dir, "datasets.jsonl"), func(line bson.Raw) {
		if name := value.Lookup(line, "values"); name.IsString() {
			r.lists[name.Str()] = value.Items(nil, value.Lookup(line, "items").Doc())
		}
	})
	valuetest.Lines(t, filepath.Join(dir, "expr.jsonl"), r.line)
	var names []string
	for k := range r.by {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		if n := r.by[k]; n[0] < n[1] {
			t.Logf("%-32s %5d of %5d", k, n[0], n[1])
		}
	}
	t.Logf("equal: %d of %d, documented exceptions: %d", r.equal, r.total, r.excepted)
	require.GreaterOrEqual(t, r.equal, corpusFloor, "recorded answers that are equal")
}

type replay struct {
	t                      *testing.T
	lists                  map[string][]value.Value
	equal, total, excepted int
	by                     map[string][2]int
	show                   string
	except                 map[string]string
}

func (r *replay) line(line bson.Raw) {
	id := value.Lookup(line, "id").Str()
	approx := value.Lookup(line, "approx").Truthy()
	if value.Lookup(line, "kind").Str() == "exprs" {
		var b value.Builder
		b.Add("_id", value.Int32(0))
		for it := value.Walk(value.Lookup(line, "doc").Doc()); it.Next(); {
			b.AddElement(it.Element())
		}
		doc := b.Doc()
		exprs := value.Items(nil, value.Lookup(line, "exprs").Doc())
		for i, want := range value.Items(nil, value.Lookup(line, "out").Doc()) {
			got, err := run(exprs[i], doc)
			r.check(id, i, valuetest.Format(exprs[i]), line, want, got, err, approx)
		}
		return
	}
	e, compileErr := expr.CompileValue(value.Lookup(line, "expr"), nil)
	if want := value.Lookup(line, "err"); !want.IsMissing() {
		r.check(id, 0, valuetest.Format(value.Lookup(line, "expr")), line, want, value.Value{}, compileErr, approx)
		return
	}
	lists := r.crossed(value.Lookup(value.Lookup(line, "in").Doc(), "cross"))
	c := context()
	for i, want := range value.Items(nil, value.Lookup(line, "out").Doc()) {
		doc := tuple(i, lists)
		got, err := value.Value{}, compileErr
		if err == nil {
			c.Root = doc
			got, err = e.Eval(c)
		}
		r.check(id, i, valuetest.Format(value.Document(doc)), line, want, got, err, approx)
	}
}

func context() *expr.Context {
	return &expr.Context{Now: 1700000000000, ClusterTime: value.Timestamp(1700000000, 1)}
}

func run(e value.Value, doc bson.Raw) (value.Value, error) {
	x, err := expr.CompileValue(e, nil)
	if err != nil {
		return value.Value{}, err
	}
	c := context()
	c.Root = doc
	return x.Eval(c)
}

func (r *replay) crossed(lists value.Value) [][]value.Value {
	var out [][]value.Value
	for it := value.Walk(lists.Doc()); it.Next(); {
		if v := it.Value(); v.IsString() {
			require.Contains(r.t, r.lists, v.Str())
			out = append(out, r.lists[v.Str()])
		} else {
			out = append(out, value.Items(nil, v.Doc()))
		}
	}
	return out
}

// tuple is the n-th document of the product of the lists; the last list runs
// fastest.
func tuple(n int, lists [][]value.Value) bson.Raw {
	var b value.Builder
	b.Add("_id", value.Int32(int32(n)))
	picked := make([]value.Value, len(lists))
	for i := len(lists) - 1; i >= 0; i-- {
		picked[i] = lists[i][n%len(lists[i])]
		n /= len(lists[i])
	}
	for i, v := range picked {
		if v.IsArray() && value.Len(v.Doc()) == 1 && marked(value.Index(v.Doc(), 0), "$missing") {
			v = value.ArrayFrom([]value.Value{value.Null()})
		}
		if !marked(v, "$missing") {
			b.Add(string(rune('a'+i)), v)
		}
	}
	return b.Doc()
}

func marked(v value.Value, mark string) bool {
	return v.IsDocument() && value.Len(v.Doc()) == 1 && !value.Lookup(v.Doc(), mark).IsMissing()
}

func (r *replay) check(id string, i int, input string, line bson.Raw, want, got value.Value, err error, approx bool) {
	key := strings.Join(strings.SplitN(id, ".", 4)[:min(3, strings.Count(id, ".")+1)], ".")
	n := r.by[key]
	n[1]++
	r.total++
	expected, result, ok := "", "", false
	code := value.Value{}
	switch {
	case marked(want, "$err"):
		e := value.Index(value.Lookup(line, "errs").Doc(), int(value.Lookup(want.Doc(), "$err").AsInt64()))
		code, expected = value.Lookup(e.Doc(), "code"), valuetest.Format(e)
	case want.IsDocument() && !value.Lookup(want.Doc(), "codeName").IsMissing() && !value.Lookup(want.Doc(), "msg").IsMissing():
		code, expected = value.Lookup(want.Doc(), "code"), valuetest.Format(want)
	case marked(want, "$missing"):
		expected, want = "missing", value.Value{}
	default:
		expected = valuetest.Format(want)
	}
	if err != nil {
		result = fmt.Sprintf("error %d %v", mongoerr.CodeOf(err), err)
	} else {
		result = valuetest.Format(got)
	}
	if !code.IsMissing() {
		ok = err != nil && sameCode(int32(code.AsInt64()), mongoerr.CodeOf(err))
	} else {
		ok = err == nil && valuetest.Same(want, got, approx)
	}
	one := fmt.Sprintf("%s#%d", id, i)
	switch {
	case ok:
		r.equal++
		n[0]++
	case r.except[id] != "" || r.except[one] != "":
		r.excepted++
		n[0]++
	case r.show != "" && strings.HasPrefix(id, r.show):
		r.t.Logf("%s %.160s\n   recorded %.200s\n   ours     %.200s", one, input, expected, result)
	}
	r.by[key] = n
}

// sameCode knows that $project reports unknown operators, and two operators
// side by side, by codes of its own.
func sameCode(want, got int32) bool {
	return want == got || want == 31325 && got == mongoerr.InvalidPipelineOperator || want == 16410 && got == 15983
}
