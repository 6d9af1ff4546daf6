package match_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/engine/value/valuetest"
	"weir/mongoerr"
)

// corpusFloor is the least number of recorded answers that must be equal.
const corpusFloor = 1139

// TestRecordedAnswers replays what a MongoDB server answered to finds.
// WEIR_TEST_DIFFS=id prints the differences of the ids that begin so.
func TestRecordedAnswers(t *testing.T) {
	dir := valuetest.Recorded(t)
	except := valuetest.Exceptions(t, filepath.Join("..", "testdata", "exceptions.txt"))
	sets := map[string][]bson.Raw{}
	valuetest.Lines(t, filepath.Join(dir, "datasets.jsonl"), func(line bson.Raw) {
		if name := value.Lookup(line, "dataset"); name.IsString() {
			sets[name.Str()] = documents(value.Lookup(value.Lookup(line, "colls").Doc(), name.Str()))
		}
	})
	show := os.Getenv("WEIR_TEST_DIFFS")
	equal, total, excepted, other := 0, 0, 0, 0
	by := map[string][2]int{}
	valuetest.Lines(t, filepath.Join(dir, "match.jsonl"), func(line bson.Raw) {
		id, cmd := value.Lookup(line, "id").Str(), value.Lookup(line, "cmd").Doc()
		if value.Lookup(cmd, "find").IsMissing() {
			other++
			return
		}
		got := answer(cmd, sets[value.Lookup(line, "setup").Str()])
		want := recorded(line)
		key := strings.Join(strings.Split(id, ".")[:2], ".")
		n := by[key]
		n[1]++
		total++
		switch {
		case got == want:
			equal++
			n[0]++
		case except[id] != "":
			excepted++
			n[0]++
		case show != "" && strings.HasPrefix(id, show):
			t.Logf("%s %.300s\n   recorded %.300s\n   ours     %.300s", id, valuetest.Format(value.Lookup(cmd, "filter")), want, got)
		}
		by[key] = n
	})
	var names []string
	for k := range by {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		if n := by[k]; n[0] < n[1] {
			t.Logf("%-32s %5d of %5d", k, n[0], n[1])
		}
	}
	t.Logf("equal: %d of %d, documented exceptions: %d, not finds: %d", equal, total, excepted, other)
	require.GreaterOrEqual(t, equal, corpusFloor, "recorded answers that are equal")
}

func documents(data value.Value) []bson.Raw {
	if data.IsDocument() {
		data = value.Lookup(data.Doc(), "docs")
	}
	var out []bson.Raw
	for _, v := range value.Items(nil, data.Doc()) {
		out = append(out, v.Doc())
	}
	slices.SortStableFunc(out, func(a, b bson.Raw) int { return value.Compare(value.Lookup(a, "_id"), value.Lookup(b, "_id")) })
	return out
}

func answer(cmd bson.Raw, docs []bson.Raw) string {
	var opts expr.CompileOptions
	c := &expr.Context{Now: 1700000000000, ClusterTime: value.Timestamp(1700000000, 1)}
	if spec := value.Lookup(cmd, "collation"); spec.IsDocument() {
		var err error
		if opts.Collation, err = value.ParseCollation(spec.Doc()); err != nil {
			return failure(err)
		}
	}
	if let := value.Lookup(cmd, "let"); let.IsDocument() {
		for it := value.Walk(let.Doc()); it.Next(); {
			opts.Vars, c.Vars = append(opts.Vars, it.Key()), append(c.Vars, it.Value())
		}
	}
	m, err := match.Compile(value.Lookup(cmd, "filter").Doc(), &opts)
	if err != nil {
		return failure(err)
	}
	var ids []string
	for _, d := range docs {
		ok, err := m.Match(c, d)
		if err != nil {
			return failure(err)
		}
		if ok {
			ids = append(ids, valuetest.Format(value.Lookup(d, "_id")))
		}
	}
	return strings.Join(ids, " ")
}

func failure(err error) string { return fmt.Sprintf("error %d", mongoerr.CodeOf(err)) }

func recorded(line bson.Raw) string {
	if e := value.Lookup(line, "err"); e.IsDocument() {
		return fmt.Sprintf("error %d", value.Lookup(e.Doc(), "code").AsInt64())
	}
	var ids []string
	for it := value.Walk(value.Lookup(line, "ok").Doc()); it.Next(); {
		ids = append(ids, valuetest.Format(value.Lookup(it.Value().Doc(), "_id")))
	}
	return strings.Join(ids, " ")
}
