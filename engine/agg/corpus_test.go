package agg_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/engine/value/valuetest"
	"weir/mongoerr"
	"weir/store"
)

// The recorded answers of a real MongoDB lie beside the repository where the
// engine is developed; see the README there.
const corpusDir = "../../../shared/tools/mqlcorpus/recorded"

// corpusLines reads the lines of one recorded file, or skips the test.
func corpusLines(t *testing.T, name string) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(corpusDir, name))
	if err != nil {
		t.Skipf("the recorded corpus is not here: %v", err)
	}
	defer f.Close()
	var out []string
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 64<<20)
	for sc.Scan() {
		out = append(out, sc.Text())
	}
	require.NoError(t, sc.Err())
	return out
}

// corpusData is one collection of a dataset: a list, or {docs: list, …}.
func corpusData(t *testing.T, raw json.RawMessage) []bson.Raw {
	t.Helper()
	if len(raw) > 0 && raw[0] == '{' {
		var d struct{ Docs json.RawMessage }
		require.NoError(t, json.Unmarshal(raw, &d))
		if d.Docs == nil {
			return nil
		}
		raw = d.Docs
	}
	var list []json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &list))
	var out []bson.Raw
	for _, l := range list {
		// What is missing in an array was stored as null.
		out = append(out, extJSON(t, strings.ReplaceAll(string(l), `{"$missing":1}`, "null")))
	}
	return out
}

func extJSON(t testing.TB, text string) bson.Raw {
	t.Helper()
	var d bson.Raw
	require.NoError(t, bson.UnmarshalExtJSON([]byte(text), true, &d), text)
	return d
}

type corpusCase struct {
	ID    string          `json:"id"`
	Setup json.RawMessage `json:"setup"`
	Cmd   json.RawMessage `json:"cmd"`
	OK    json.RawMessage `json:"ok"`
	Err   *struct {
		Code int32 `json:"code"`
	} `json:"err"`
	Rows   string          `json:"rows"`
	Sets   []string        `json:"sets"`
	Mask   []string        `json:"mask"`
	Pick   []string        `json:"pick"`
	View   string          `json:"view"`
	Raw    bool            `json:"raw"`
	Approx bool            `json:"approx"`
	State  json.RawMessage `json:"state"`
	After  []string        `json:"after"`
	Copy   string          `json:"copy"`
	DB     string          `json:"db"`
}

type memDB map[string][]bson.Raw

func (m memDB) collections(_ context.Context, ns store.Namespace) (agg.Source, error) {
	return memSource(m[ns.Coll]), nil
}

type memSource []bson.Raw

func (m memSource) Open(context.Context, agg.Request) (store.Cursor, agg.Satisfied, error) {
	return agg.Documents(m), agg.Satisfied{}, nil
}

func readAll(ctx context.Context, cur store.Cursor) ([]bson.Raw, error) {
	defer cur.Close()
	out := []bson.Raw{}
	for {
		d, err := cur.Next(ctx)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, slices.Clone(d))
	}
}

func loadDatasets(t *testing.T) map[string]memDB {
	out := map[string]memDB{}
	for _, line := range corpusLines(t, "datasets.jsonl") {
		var d struct {
			Dataset string
			Colls   map[string]json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(line), &d))
		if d.Dataset == "" {
			continue
		}
		db := memDB{}
		for name, raw := range d.Colls {
			db[name] = corpusData(t, raw)
		}
		out[d.Dataset] = db
	}
	return out
}

// runCommand runs find and aggregate; ok is false for what only a server does.
func runCommand(db memDB, cmd bson.Raw) (docs []bson.Raw, ok bool, err error) {
	get := func(k string) value.Value { return value.Lookup(cmd, k) }
	env := &agg.Env{NS: store.Namespace{DB: "mqlc"}, Collections: db.collections, AllowDiskUse: true}
	if c := get("collation"); c.IsDocument() {
		if env.Collation, err = value.ParseCollation(c.Doc()); err != nil {
			return nil, false, nil
		}
	}
	it := value.Walk(cmd)
	it.Next()
	switch it.Key() {
	case "find":
		return runFind(db, it.Value().Str(), cmd, env)
	case "aggregate":
		if !it.Value().IsString() || !get("pipeline").IsArray() || !get("let").IsMissing() || !get("explain").IsMissing() {
			return nil, false, nil
		}
		var pipeline []bson.Raw
		for s := value.Walk(get("pipeline").Doc()); s.Next(); {
			if !s.Value().IsDocument() {
				return nil, false, nil
			}
			switch k := s.Value().Doc(); firstName(k) {
			case "$out", "$merge", "$collStats", "$indexStats", "$changeStream", "$planCacheStats", "$mergeCursors", "$search", "$queue":
				return nil, false, nil
			}
			pipeline = append(pipeline, s.Value().Doc())
		}
		docs, err = runPipeline(db, it.Value().Str(), pipeline, env)
		return docs, true, err
	}
	return nil, false, nil
}

func firstName(d bson.Raw) string {
	it := value.Walk(d)
	if !it.Next() {
		return ""
	}
	return it.Key()
}

func runPipeline(db memDB, coll string, pipeline []bson.Raw, env *agg.Env) ([]bson.Raw, error) {
	p, err := agg.Compile(pipeline, env)
	if err != nil {
		return nil, err
	}
	cur, err := p.Run(context.Background(), memSource(db[coll]))
	if err != nil {
		return nil, err
	}
	return readAll(context.Background(), cur)
}

func runFind(db memDB, coll string, cmd bson.Raw, env *agg.Env) ([]bson.Raw, bool, error) {
	var pipeline []bson.Raw
	add := func(name string, v value.Value) {
		var b value.Builder
		b.Add(name, v)
		pipeline = append(pipeline, b.Doc())
	}
	for it := value.Walk(cmd); it.Next(); {
		switch it.Key() {
		case "find", "filter", "sort", "skip", "limit", "projection", "batchSize", "collation", "singleBatch":
		default:
			return nil, false, nil
		}
	}
	filter := value.Lookup(cmd, "filter")
	if filter.IsMissing() {
		filter = value.Document(value.EmptyDocument)
	}
	if !filter.IsDocument() {
		return nil, false, nil
	}
	add("$match", filter)
	for _, k := range []string{"sort", "skip", "limit"} {
		v := value.Lookup(cmd, k)
		if v.IsMissing() || v.IsNumber() && v.AsInt64() == 0 || k == "sort" && v.IsDocument() && len(v.Doc()) <= 5 {
			continue
		}
		if k == "sort" && !v.IsDocument() || v.IsNumber() && v.AsInt64() < 0 {
			return nil, false, nil
		}
		add("$"+k, v)
	}
	proj := value.Lookup(cmd, "projection")
	if !proj.IsMissing() && !proj.IsDocument() {
		return nil, false, nil
	}
	var fp *agg.FindProjection
	if proj.IsDocument() && len(proj.Doc()) > 5 {
		m, err := match.Compile(filter.Doc(), &expr.CompileOptions{Collation: env.Collation})
		if err != nil {
			return nil, true, err
		}
		if fp, err = agg.CompileFindProjection(proj.Doc(), m, env); err != nil {
			return nil, true, err
		}
	}
	docs, err := runPipeline(db, coll, pipeline, env)
	if err != nil || fp == nil {
		return docs, true, err
	}
	x := &expr.Context{}
	for i := range docs {
		d, err := fp.Apply(x, docs[i])
		if err != nil {
			return nil, true, err
		}
		docs[i] = slices.Clone(d)
	}
	return docs, true, nil
}

// sortedArray sorts the items of an array whose order is not defined.
func sortedArray(d bson.Raw, path []string) bson.Raw {
	v := value.Lookup(d, path[0])
	var b value.Builder
	for it := value.Walk(d); it.Next(); {
		switch {
		case it.Key() != path[0]:
			b.AddElement(it.Element())
		case len(path) > 1 && v.IsDocument():
			b.Add(path[0], value.Document(sortedArray(v.Doc(), path[1:])))
		case len(path) == 1 && v.IsArray():
			items := value.Items(nil, v.Doc())
			slices.SortStableFunc(items, func(a, b value.Value) int { return strings.Compare(a.RawValue().String(), b.RawValue().String()) })
			b.Add(path[0], value.ArrayFrom(items))
		default:
			b.AddElement(it.Element())
		}
	}
	return b.Doc()
}

// near tells whether two texts are equal but for rounding in their numbers.
func near(a, b string) bool {
	x, y := splitQuotes(a), splitQuotes(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		f, err1 := strconv.ParseFloat(x[i], 64)
		g, err2 := strconv.ParseFloat(y[i], 64)
		if x[i] != y[i] && (err1 != nil || err2 != nil || math.Abs(f-g) > 1e-12*math.Max(math.Abs(f), math.Abs(g))) {
			return false
		}
	}
	return true
}

// present turns documents into comparable lines.
func present(docs []bson.Raw, c *corpusCase) []string {
	var lines []string
	for _, d := range docs {
		for _, path := range c.Sets {
			d = sortedArray(d, strings.Split(path, "."))
		}
		text, err := bson.MarshalExtJSON(d, true, false)
		if err != nil {
			text = []byte(err.Error())
		}
		lines = append(lines, string(text))
	}
	if c.Rows == "set" {
		sort.Strings(lines)
	}
	return lines
}

// newerThanRecorded tells whether the recorded server was only too old for a
// stage or operator that 7.0 has.
func newerThanRecorded(c *corpusCase) bool {
	if c.Err == nil {
		return false
	}
	cmd := string(c.Cmd)
	switch c.Err.Code {
	case 40324:
		for _, s := range []string{"$densify", "$fill", "$documents"} {
			if strings.Contains(cmd, s) {
				return true
			}
		}
	case 15952, 40237:
		for _, s := range []string{"$top", "$bottom", "$firstN", "$lastN", "$maxN", "$minN", "$count"} {
			if strings.Contains(cmd, s) {
				return true
			}
		}
	case 9:
		return strings.Contains(cmd, "$setWindowFields")
	}
	return false
}

func replay(t *testing.T, file string) (passed, ran int, _ string) {
	sets := loadDatasets(t)
	except := valuetest.Exceptions(t, filepath.Join("..", "testdata", "exceptions.txt"))
	var failures bytes.Buffer
	for _, line := range corpusLines(t, file) {
		var c corpusCase
		require.NoError(t, json.Unmarshal([]byte(line), &c))
		var name string
		if c.Setup == nil || json.Unmarshal(c.Setup, &name) != nil || sets[name] == nil {
			continue
		}
		if name == "jn_views" || strings.HasPrefix(c.ID, "stages.aggregate.") {
			continue // views and the command itself are the engine's
		}
		if c.View != "" || c.Mask != nil || c.Pick != nil || c.Raw || c.DB != "" || newerThanRecorded(&c) || except[c.ID] != "" {
			continue
		}
		docs, ok, err := runCommand(sets[name], extJSON(t, string(c.Cmd)))
		if !ok {
			continue
		}
		ran++
		if why := compare(t, &c, docs, err); why != "" {
			fmt.Fprintf(&failures, "%s %s\n\t%s\n", c.ID, short(string(c.Cmd)), why)
			continue
		}
		passed++
	}
	return passed, ran, failures.String()
}

func short(s string) string {
	if len(s) > 400 {
		return s[:400] + "…"
	}
	return s
}

func compare(t *testing.T, c *corpusCase, docs []bson.Raw, err error) string {
	if c.Err != nil {
		if err == nil {
			return fmt.Sprintf("no error, want code %d", c.Err.Code)
		}
		if got := mongoerr.CodeOf(err); got != c.Err.Code {
			return fmt.Sprintf("code %d (%v), want %d", got, err, c.Err.Code)
		}
		return ""
	}
	if err != nil {
		return fmt.Sprintf("error %d: %v", mongoerr.CodeOf(err), err)
	}
	var list []json.RawMessage
	if json.Unmarshal(c.OK, &list) != nil {
		return "the answer is no list"
	}
	var want []bson.Raw
	for _, l := range list {
		want = append(want, extJSON(t, string(l)))
	}
	w, g := present(want, c), present(docs, c)
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b && !(c.Approx && near(a, b)) {
			return fmt.Sprintf("row %d of %d (want %d)\n\t got  %s\n\t want %s", i, len(g), len(w), short(b), short(a))
		}
	}
	return ""
}

func TestRecordedAnswers(t *testing.T) {
	for _, x := range []struct {
		file  string
		floor int
	}{{"sortgroup.jsonl", 110}, {"stages.jsonl", 490}} {
		passed, ran, failures := replay(t, x.file)
		t.Logf("%s: %d of %d\n%s", x.file, passed, ran, failures)
		require.Equal(t, ran, passed, x.file)
		require.GreaterOrEqual(t, ran, x.floor, x.file)
	}
}

// TestStagesOneByOne runs every recorded pipeline as it is and once more with
// each stage as a pipeline of its own, where nothing can be rewritten.
func TestStagesOneByOne(t *testing.T) {
	sets := loadDatasets(t)
	n := 0
	for _, line := range corpusLines(t, "stages.jsonl") {
		var c corpusCase
		require.NoError(t, json.Unmarshal([]byte(line), &c))
		var name string
		if c.Setup == nil || json.Unmarshal(c.Setup, &name) != nil || sets[name] == nil || c.Err != nil || strings.Contains(line, "$sample") {
			continue
		}
		cmd := extJSON(t, string(c.Cmd))
		docs, ok, err := runCommand(sets[name], cmd)
		if !ok || err != nil || firstName(cmd) != "aggregate" {
			continue
		}
		n++
		env := &agg.Env{NS: store.Namespace{DB: "mqlc"}, Collections: sets[name].collections, AllowDiskUse: true}
		if v := value.Lookup(cmd, "collation"); v.IsDocument() {
			env.Collation, err = value.ParseCollation(v.Doc())
			require.NoError(t, err)
		}
		single := []bson.Raw(sets[name][value.Lookup(cmd, "aggregate").Str()])
		for it := value.Walk(value.Lookup(cmd, "pipeline").Doc()); it.Next(); {
			p, err := agg.Compile([]bson.Raw{it.Value().Doc()}, env)
			require.NoError(t, err, c.ID)
			cur, err := p.RunOver(context.Background(), agg.Documents(single))
			require.NoError(t, err, c.ID)
			single, err = readAll(context.Background(), cur)
			require.NoError(t, err, c.ID)
		}
		require.Equal(t, present(single, &c), present(docs, &c), c.ID)
	}
	require.Greater(t, n, 200)
}
