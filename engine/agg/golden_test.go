package agg_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// The golden files hold pipelines in relaxed Extended JSON:
//
//	docs NAME          the collection NAME, a document a line
//	run NAME [memory=N] [nodisk] [library]
//	find NAME          a filter and a projection, a line each
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		db := memDB{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			name := d.CmdArgs[0].Key
			switch d.Cmd {
			case "docs":
				db[name] = relaxedDocs(t, d.Input)
				return fmt.Sprintf("%d documents\n", len(db[name]))
			case "run":
				return golden(runGolden(t, db, name, d))
			case "find":
				return golden(findGolden(t, db, name, d.Input))
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

func relaxedDocs(t *testing.T, text string) (out []bson.Raw) {
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if line != "" {
			out = append(out, relaxed(t, line))
		}
	}
	return out
}

func relaxed(t testing.TB, text string) bson.Raw {
	var d bson.Raw
	require.NoError(t, bson.UnmarshalExtJSON([]byte(text), false, &d), text)
	return d
}

func golden(docs []bson.Raw, err error) string {
	if err != nil {
		return fmt.Sprintf("error %d: %v\n", mongoerr.CodeOf(err), err)
	}
	var b strings.Builder
	for _, d := range docs {
		text, err := bson.MarshalExtJSON(d, false, false)
		if err != nil {
			return err.Error()
		}
		b.Write(append(text, '\n'))
	}
	return b.String()
}

// concatAcc is a local accumulator for the tests.
type concatAcc struct{ s []string }

func (a *concatAcc) Add(args []value.Value) error {
	a.s = append(a.s, args[0].Str()+args[1].Str())
	return nil
}
func (a *concatAcc) Result() (value.Value, error) { return value.String(strings.Join(a.s, "")), nil }

// twice is a local stage for the tests.
type twice struct{}

func (twice) Run(ctx context.Context, in store.Cursor) (store.Cursor, error) {
	docs, err := readAll(ctx, in)
	return agg.Documents(append(docs, docs...)), err
}

func testLibrary() *expr.Library {
	return &expr.Library{
		Accumulators: map[string]func() expr.Accumulator{"concat": func() expr.Accumulator { return &concatAcc{} }},
		Functions: map[string]expr.Function{"len": {MinArgs: 1, MaxArgs: 1, Eval: func(_ *expr.Context, a []value.Value) (value.Value, error) {
			return value.Int32(int32(len(a[0].Str()))), nil
		}}},
	}
}

func runGolden(t *testing.T, db memDB, name string, d *datadriven.TestData) ([]bson.Raw, error) {
	env := &agg.Env{NS: store.Namespace{DB: "test", Coll: name}, Collections: db.collections, AllowDiskUse: true, TempDir: t.TempDir()}
	for _, a := range d.CmdArgs[1:] {
		switch a.Key {
		case "memory":
			n, err := strconv.ParseInt(a.Vals[0], 10, 64)
			require.NoError(t, err)
			env.MemoryLimit = n
		case "nodisk":
			env.AllowDiskUse = false
		case "library":
			env.Library = testLibrary()
			env.Stages = map[string]agg.StageFactory{"$weir.twice": func(bson.RawValue, *agg.Env) (agg.Stage, error) { return twice{}, nil }}
		}
	}
	var pipeline []bson.Raw
	wrapped := relaxed(t, `{"p": `+d.Input+`}`)
	for it := value.Walk(value.Lookup(wrapped, "p").Doc()); it.Next(); {
		pipeline = append(pipeline, it.Value().Doc())
	}
	return runPipeline(db, name, pipeline, env)
}

func findGolden(t *testing.T, db memDB, name, input string) ([]bson.Raw, error) {
	lines := relaxedDocs(t, input)
	m, err := match.Compile(lines[0], nil)
	require.NoError(t, err)
	p, err := agg.CompileFindProjection(lines[1], m, nil)
	if err != nil {
		return nil, err
	}
	x := &expr.Context{}
	var out []bson.Raw
	for _, doc := range db[name] {
		if ok, err := m.Match(x, doc); !ok || err != nil {
			continue
		}
		d, err := p.Apply(x, doc)
		if err != nil {
			return nil, err
		}
		out = append(out, append(bson.Raw(nil), d...))
	}
	return out, nil
}

// countingSource says which requests it got and can answer counts.
type countingSource struct {
	memSource
	got    agg.Request
	counts bool
}

func (s *countingSource) Open(ctx context.Context, r agg.Request) (store.Cursor, agg.Satisfied, error) {
	s.got = r
	return s.memSource.Open(ctx, r)
}

func (s *countingSource) Count(context.Context, agg.Request) (int64, bool, error) {
	return int64(len(s.memSource)), s.counts, nil
}

func TestSourceIsOffered(t *testing.T) {
	src := &countingSource{memSource: benchDocs(10)}
	p, err := agg.Compile(stages(t,
		`{"$project": {"region": {"$numberInt": "1"}, "q": "$qty"}}`,
		`{"$sort": {"region": {"$numberInt": "-1"}}}`,
		`{"$match": {"region": "north", "q": {"$gt": {"$numberInt": "2"}}}}`,
		`{"$limit": {"$numberInt": "5"}}`,
	), nil)
	require.NoError(t, err)
	cur, err := p.Run(context.Background(), src)
	require.NoError(t, err)
	docs, err := readAll(context.Background(), cur)
	require.NoError(t, err)
	require.Len(t, docs, 2)
	require.Equal(t, relaxed(t, `{"region": "north"}`), src.got.Filter, "the part of the filter that the projection passes through is offered")
	require.ElementsMatch(t, []string{"_id", "region", "qty"}, src.got.Fields)
}

func TestSourceCounts(t *testing.T) {
	src := &countingSource{memSource: benchDocs(10), counts: true}
	p, err := agg.Compile(stages(t, `{"$count": "n"}`), nil)
	require.NoError(t, err)
	cur, err := p.Run(context.Background(), src)
	require.NoError(t, err)
	docs, err := readAll(context.Background(), cur)
	require.NoError(t, err)
	require.Equal(t, "{\"n\":10}\n", golden(docs, nil))
	require.Nil(t, src.got.Context, "nothing is read")
}

func TestCancelReachesFilters(t *testing.T) {
	p, err := agg.Compile(stages(t, `{"$match": {"qty": {"$numberInt": "-1"}}}`), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cur, err := p.Run(ctx, benchDocs(5000))
	require.NoError(t, err)
	cancel()
	_, err = cur.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestElemMatchProjectionReadsItsField(t *testing.T) {
	p, err := agg.CompileFindProjection(relaxed(t, `{"b": {"$elemMatch": {"k": 2}}}`), nil, nil)
	require.NoError(t, err)
	require.True(t, p.Fields() == nil || slices.Contains(p.Fields(), "b"), "%v", p.Fields())
}
