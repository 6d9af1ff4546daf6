package catalog_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/parser"
	"weir/parser/ast"
	"weir/planner"
	"weir/store"
)

// change runs a statement and gives what it left to do.
func (w *world) change(sql string) *catalog.Change {
	w.t.Helper()
	stmts, err := parser.Parse(sql)
	require.NoError(w.t, err)
	s := w.scoped()
	ch, err := s.DDL(w.t.Context(), planner.ForDDL{Env: &planner.Env{Resolver: s, Funcs: w.funcs}}, stmts[0])
	require.NoError(w.t, err)
	return ch
}

func printAll(list []ast.Statement) []string {
	var out []string
	for _, s := range list {
		out = append(out, strings.ReplaceAll(ast.Print(s), `"`, ""))
	}
	return out
}

func TestStatementsLeftToTheSession(t *testing.T) {
	w := newWorld(t)
	w.insert("orders", `{"total": 5, "who": "x"}`)
	ch := w.change(`CREATE TABLE copy (a, b) AS SELECT total, who FROM orders`)
	require.True(t, ch.Rows)
	require.Equal(t, []string{"INSERT INTO public.copy (a, b) SELECT total, who FROM orders"}, printAll(ch.Then))
	require.Equal(t, "a integer, b text", w.columns("copy"))
	require.Empty(t, w.change(`CREATE TABLE empty AS SELECT * FROM orders WITH NO DATA`).Then)

	ch = w.change(`CREATE MATERIALIZED VIEW m AS SELECT who, count(*) AS n FROM orders GROUP BY who`)
	require.Len(t, ch.Then, 1)
	ch = w.change(`REFRESH MATERIALIZED VIEW m`)
	require.Equal(t, []string{"DELETE FROM public.m", "INSERT INTO public.m (who, n) SELECT who, count(*) AS n FROM orders GROUP BY who"}, printAll(ch.Then))
	// Users may not write to it, the refresh may.
	for _, maintenance := range []bool{false, true} {
		env := &planner.Env{Resolver: w.scoped(), Funcs: w.funcs, Maintenance: maintenance}
		_, err := planner.Build(t.Context(), env, ch.Then[0], nil)
		require.Equal(t, maintenance, err == nil, "%v", err)
	}
	require.Contains(t, w.ddl(`DROP TABLE orders`), "materialized view m depends on table orders")

	ch = w.change(`ALTER TABLE copy ADD COLUMN c int NOT NULL DEFAULT 7`)
	require.Equal(t, []string{"UPDATE public.copy SET c = DEFAULT"}, printAll(ch.Then))
}

func TestSequences(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, "CREATE SEQUENCE", w.ddl(`CREATE SEQUENCE s INCREMENT BY 5 START WITH 10 MAXVALUE 20`))
	require.Contains(t, w.ddl(`CREATE SEQUENCE s`), "42P07")
	for _, want := range []int64{10, 15, 20} {
		n, err := w.scoped().NextVal(t.Context(), "", "s")
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	_, err := w.scoped().NextVal(t.Context(), "", "s")
	require.ErrorContains(t, err, `nextval: reached maximum value of sequence "s" (20)`)
	require.NoError(t, w.scoped().SetVal(t.Context(), "", "s", 15, false))
	n, err := w.scoped().NextVal(t.Context(), "", "s")
	require.NoError(t, err)
	require.EqualValues(t, 15, n)
	require.ErrorContains(t, w.scoped().SetVal(t.Context(), "", "s", 99, true), "out of bounds")
	require.Equal(t, "ALTER SEQUENCE", w.ddl(`ALTER SEQUENCE s RESTART`))
	n, err = w.scoped().NextVal(t.Context(), "", "s")
	require.NoError(t, err)
	require.EqualValues(t, 10, n)
	_, err = w.scoped().NextVal(t.Context(), "", "nope")
	require.ErrorContains(t, err, `relation "nope" does not exist`)
	require.Contains(t, w.ddl(`CREATE SEQUENCE t CACHE 0`), "22023 CACHE (0) must be greater than zero")
	require.Contains(t, w.ddl(`CREATE SEQUENCE t START 5 MAXVALUE 3`), "22023 START value (5) cannot be greater than MAXVALUE (3)")
}

func TestValidatorMakesColumns(t *testing.T) {
	w := newWorld(t)
	var cmd bson.D
	require.NoError(t, bson.UnmarshalExtJSON([]byte(`{"create": "v", "validator": {"$jsonSchema": {"required": ["name"], "properties": {
		"name": {"bsonType": "string"}, "age": {"bsonType": ["int", "null"]}, "tags": {"bsonType": "array", "items": {"bsonType": "string"}},
		"address": {"bsonType": "object", "properties": {"zip": {"bsonType": "string"}}}}}}}`), false, &cmd))
	raw, err := bson.Marshal(cmd)
	require.NoError(t, err)
	_, err = w.store.Command(t.Context(), "app", raw)
	require.NoError(t, err)
	require.Equal(t, "_id text not null, name text not null, age integer, tags text[], address jsonb {zip text}", w.columns("v"))
	w.insert("v", `{"name": "x", "more": 1.5}`)
	require.NoError(t, w.cat.Analyze(t.Context(), store.Namespace{DB: "app", Coll: "v"}))
	require.Equal(t, "_id text not null, name text not null, age integer, tags text[], address jsonb {zip text}, more double precision", w.columns("v"))
}

// counting counts the pipelines that a store runs.
type counting struct {
	store.Store
	pipelines atomic.Int64
}

func (c *counting) Aggregate(ctx context.Context, ns store.Namespace, p []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	c.pipelines.Add(1)
	return c.Store.Aggregate(ctx, ns, p, o)
}

// A connection to a database of many collections looks at the ones it uses.
func TestManyCollectionsAreLazy(t *testing.T) {
	w := newWorld(t)
	for i := range 200 {
		w.insert(fmt.Sprintf("c%03d", i), `{"a": 1}`)
	}
	st := &counting{Store: w.store}
	cat := catalog.New(st, catalog.Options{}).In(catalog.Scope{Database: "app"})
	snap, err := cat.Snapshot(t.Context(), false)
	require.NoError(t, err)
	require.Len(t, snap.Tables, 200)
	_, ok, err := cat.Table(t.Context(), "", "c007", false)
	require.NoError(t, err)
	require.True(t, ok)
	require.Less(t, st.pipelines.Load(), int64(10))
	snap, err = cat.Snapshot(t.Context(), true)
	require.NoError(t, err)
	for _, tab := range snap.Tables {
		require.NotEmpty(t, tab.Columns, tab.Name)
	}
}

// With Run there nobody waits for what is only a little old.
func TestRunRefreshes(t *testing.T) {
	w := newWorld(t)
	w.insert("c", `{"a": 1}`)
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	st := &counting{Store: w.store}
	cat := catalog.New(st, catalog.Options{Now: func() time.Time { return time.Unix(0, now.Load()) }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- cat.Run(ctx) }()
	s := cat.In(catalog.Scope{Database: "app"})
	_, ok, err := s.Table(t.Context(), "", "c", false)
	require.NoError(t, err)
	require.True(t, ok)
	before := st.pipelines.Load()
	require.Eventually(t, func() bool {
		now.Add(int64(10 * time.Second)) // everything is old each time
		_, _, err := s.Table(t.Context(), "", "c", false)
		require.NoError(t, err)
		return st.pipelines.Load() > before
	}, patience, 50*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

// A view over SELECT * keeps the columns that it was created with.
func TestViewColumnsStay(t *testing.T) {
	w := newWorld(t)
	w.insert("c", `{"_id": 1, "a": 1, "b": "x"}`)
	require.Equal(t, "CREATE VIEW", w.ddl(`CREATE VIEW v AS SELECT * FROM c`))
	require.Equal(t, "CREATE VIEW", w.ddl(`CREATE VIEW swapped (b, a) AS SELECT a, b FROM c`))
	ns := store.Namespace{DB: "app", Coll: "c"}
	res, err := w.store.Write(t.Context(), ns, []store.WriteOp{{Kind: store.Delete, Filter: bson.Raw{5, 0, 0, 0, 0}, Multi: true}}, store.WriteOptions{})
	require.NoError(t, err)
	require.NoError(t, res.Err())
	w.insert("c", `{"_id": 2, "b": "y", "new": true}`)
	w.cat = catalog.New(w.store, catalog.Options{}) // another order of columns
	plan := func(sql string) string {
		stmts, err := parser.Parse(sql)
		require.NoError(t, err)
		p, err := planner.Build(t.Context(), &planner.Env{Resolver: w.scoped(), Funcs: w.funcs}, stmts[0], nil)
		require.NoError(t, err)
		var names []string
		for _, c := range p.Cols {
			names = append(names, c.Name+" "+c.Type.String())
		}
		return strings.Join(names, ", ")
	}
	require.Equal(t, "_id integer, a integer, b text", plan(`SELECT * FROM v`))
	require.Equal(t, "b text, a text", plan(`SELECT * FROM swapped`))
}
