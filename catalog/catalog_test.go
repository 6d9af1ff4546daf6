package catalog_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine"
	"weir/parser"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/store"
)

// world is an engine in memory with a catalog over it.
type world struct {
	t     *testing.T
	store store.Store
	cat   *catalog.Catalog
	funcs *sqlfunc.Table
}

func newWorld(t *testing.T) *world {
	e, err := engine.Open("", engine.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return &world{t: t, store: e, cat: catalog.New(e, catalog.Options{}), funcs: sqlfunc.New()}
}

func (w *world) insert(coll string, docs ...string) {
	w.t.Helper()
	var ops []store.WriteOp
	for _, d := range docs {
		var doc bson.D
		require.NoError(w.t, bson.UnmarshalExtJSON([]byte(d), false, &doc))
		raw, err := bson.Marshal(doc)
		require.NoError(w.t, err)
		ops = append(ops, store.WriteOp{Kind: store.Insert, Document: raw})
	}
	res, err := w.store.Write(w.t.Context(), store.Namespace{DB: "app", Coll: coll}, ops, store.WriteOptions{})
	require.NoError(w.t, err)
	require.NoError(w.t, res.Err())
	w.cat.Touch(store.Namespace{DB: "app", Coll: coll})
}

func (w *world) scoped() *catalog.Scoped { return w.cat.In(catalog.Scope{Database: "app"}) }

// ddl runs a statement and gives its tag and notices, or its error.
func (w *world) ddl(sql string) string {
	w.t.Helper()
	stmts, err := parser.Parse(sql)
	require.NoError(w.t, err)
	s := w.scoped()
	env := &planner.Env{Resolver: s, Funcs: w.funcs}
	ch, err := s.DDL(w.t.Context(), planner.ForDDL{Env: env}, stmts[0])
	if err != nil {
		e := sqlerr.As(err)
		return strings.TrimSpace(fmt.Sprintf("%s %s %s %s", e.Code, e.Message, e.Detail, e.Hint))
	}
	out := ch.Tag
	for _, n := range ch.Notices {
		out += " | " + n.Severity + " " + n.Message
	}
	return out
}

// columns prints the columns of a table.
func (w *world) columns(name string) string {
	w.t.Helper()
	t, ok, err := w.scoped().Table(w.t.Context(), "", name, false)
	require.NoError(w.t, err)
	require.True(w.t, ok, "no table %s", name)
	return columnText(t.Columns)
}

func columnText(cols []catalog.Column) string {
	var words []string
	for _, c := range cols {
		w := c.Name + " " + c.Type.String()
		if c.NotNull {
			w += " not null"
		}
		if c.Default != "" {
			w += " default " + c.Default
		}
		if len(c.Fields) > 0 {
			w += " {" + columnText(c.Fields) + "}"
		}
		if !c.Hidden {
			words = append(words, w)
		}
	}
	return strings.Join(words, ", ")
}

func TestSampleMakesColumns(t *testing.T) {
	w := newWorld(t)
	w.insert("orders",
		`{"_id": {"$oid": "507f1f77bcf86cd799439011"}, "n": 1, "s": "x", "tags": ["a", "b"], "address": {"zip": "8001", "geo": {"lat": 1.5}}, "mixed": 1, "at": {"$date": "2024-01-01T00:00:00Z"}}`,
		`{"_id": {"$oid": "507f1f77bcf86cd799439012"}, "n": {"$numberLong": "5"}, "items": [{"sku": 1}], "mixed": "text", "flag": true, "nums": [1, {"$numberLong": "2"}], "odd": [1, "x"]}`,
		`{"_id": {"$oid": "507f1f77bcf86cd799439013"}, "n": 2.5, "s": null, "doc": {"a": 1}}`,
		`{"_id": {"$oid": "507f1f77bcf86cd799439014"}, "doc": 5, "amount": {"$numberDecimal": "1.50"}}`)
	require.Equal(t, "_id text not null, n double precision, s text, tags text[], address jsonb {zip text, geo jsonb {lat double precision}}, "+
		"mixed text, at timestamp with time zone, items jsonb, flag boolean, nums bigint[], odd jsonb, doc jsonb {a integer}, amount numeric", w.columns("Orders"))
	flat, ok, err := w.cat.In(catalog.Scope{Database: "app", Flatten: true}).Table(t.Context(), "public", "orders", false)
	require.NoError(t, err)
	require.True(t, ok)
	require.Contains(t, columnText(flat.Columns), "address.zip text, address.geo.lat double precision")
}

func TestNamesInAnyCase(t *testing.T) {
	w := newWorld(t)
	w.insert("MyOrders", `{"a": 1}`)
	w.insert("Dup", `{"a": 1}`)
	w.insert("DUP", `{"a": 1}`)
	for _, name := range []string{"MyOrders", "myorders", "MYORDERS"} {
		tab, ok, err := w.scoped().Table(t.Context(), "", name, false)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, "MyOrders", tab.Name)
	}
	_, _, err := w.scoped().Table(t.Context(), "", "dup", false)
	require.ErrorContains(t, err, "ambiguous")
	tab, ok, err := w.scoped().Table(t.Context(), "", "DUP", true)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "DUP", tab.Name)
	_, ok, err = w.scoped().Table(t.Context(), "", "nope", false)
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, []string{"MyOrders"}, w.scoped().Near(t.Context(), "myorder"))
}

func TestCreateTable(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, "CREATE TABLE", w.ddl(`CREATE TABLE users (id serial PRIMARY KEY, email varchar(40) UNIQUE NOT NULL, age int CHECK (age > 0), born date DEFAULT '2000-01-01', doc jsonb)`))
	require.Equal(t, "id integer not null default nextval('app.users_id_seq'), email character varying(40) not null, age integer, born date default '2000-01-01', doc jsonb", w.columns("users"))
	require.Contains(t, w.ddl(`CREATE TABLE users (x int)`), `42P07 relation "users" already exists`)
	require.Equal(t, `CREATE TABLE | NOTICE relation "users" already exists, skipping`, w.ddl(`CREATE TABLE IF NOT EXISTS users (x int)`))
	require.Contains(t, w.ddl(`CREATE TABLE t2 (x int, x text)`), `42701 column "x" specified more than once`)
	require.Contains(t, w.ddl(`CREATE TABLE t2 (x nope)`), `42704 type "nope" does not exist`)
	require.Contains(t, w.ddl(`CREATE TABLE t2 (x int DEFAULT 'abc')`), `22P02`)
	require.Contains(t, w.ddl(`CREATE TABLE t2 (x int CHECK (y > 0))`), `42703 column "y" does not exist`)
	require.Contains(t, w.ddl(`CREATE TABLE nowhere.t2 (x int)`), `3F000 schema "nowhere" does not exist`)
	require.Equal(t, `CREATE TABLE`, w.ddl(`CREATE TABLE t3 (u int REFERENCES users (id))`))

	tab, _, err := w.scoped().Table(t.Context(), "", "users", false)
	require.NoError(t, err)
	require.Equal(t, []string{"id"}, tab.PrimaryKey)
	require.False(t, tab.Open)
	require.Equal(t, "users_age_check", tab.Checks[0].Name)
	var names []string
	for _, ix := range tab.Indexes {
		names = append(names, fmt.Sprintf("%s %v %v", ix.Name, ix.Unique, ix.Primary))
	}
	require.Equal(t, []string{"_id_ true false", "users_pkey true true", "users_email_key true false"}, names)

	// The same OIDs and columns after a restart.
	again := catalog.New(w.store, catalog.Options{}).In(catalog.Scope{Database: "app"})
	tab2, ok, err := again.Table(t.Context(), "", "users", false)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, tab.OID, tab2.OID)
	require.Equal(t, tab.Columns, tab2.Columns)

	n, err := again.NextVal(t.Context(), "", "users_id_seq")
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	n, err = w.scoped().NextVal(t.Context(), "public", "users_id_seq")
	require.NoError(t, err)
	require.EqualValues(t, 2, n)

	require.Equal(t, "DROP TABLE | NOTICE drop cascades to constraint t3_u_fkey on table t3", w.ddl(`DROP TABLE users CASCADE`))
	_, ok = w.scoped().RelationNamed(t.Context(), "", "users_id_seq")
	require.False(t, ok, "the owned sequence goes with its table")
}

func TestValidatorRefusesWrongTypes(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, "CREATE TABLE", w.ddl(`CREATE TABLE v (id int NOT NULL)`))
	doc, err := bson.Marshal(bson.D{{Key: "id", Value: "text"}})
	require.NoError(t, err)
	res, err := w.store.Write(t.Context(), store.Namespace{DB: "app", Coll: "v"}, []store.WriteOp{{Kind: store.Insert, Document: doc}}, store.WriteOptions{})
	require.NoError(t, err)
	require.Error(t, res.Err())
}

func TestViewsAndDependencies(t *testing.T) {
	w := newWorld(t)
	w.insert("orders", `{"total": 5, "who": "x"}`)
	require.Equal(t, "CREATE VIEW", w.ddl(`CREATE VIEW big AS SELECT who, total * 2 AS twice FROM orders WHERE total > 3`))
	require.Equal(t, "who text, twice integer", w.columns("big"))
	require.Contains(t, w.ddl(`CREATE VIEW big AS SELECT 1 AS a`), "42P07")
	require.Contains(t, w.ddl(`CREATE OR REPLACE VIEW big AS SELECT 1 AS a`), "42P16 cannot drop columns from view")
	require.Equal(t, "CREATE VIEW", w.ddl(`CREATE OR REPLACE VIEW big AS SELECT who, total AS twice, 1 AS more FROM orders`))
	require.Equal(t, "CREATE VIEW", w.ddl(`CREATE VIEW bigger AS SELECT * FROM big`))
	require.Contains(t, w.ddl(`DROP VIEW big`), "2BP01 cannot drop view big because other objects depend on it view bigger depends on view big")
	require.Contains(t, w.ddl(`DROP TABLE big`), `42809 "big" is not a table`)
	require.Equal(t, "DROP TABLE | NOTICE drop cascades to view big | NOTICE drop cascades to view bigger", w.ddl(`DROP TABLE orders CASCADE`))
	require.Contains(t, w.ddl(`DROP VIEW big`), `42P01 view "big" does not exist`)
	require.Equal(t, `DROP VIEW | NOTICE view "big" does not exist, skipping`, w.ddl(`DROP VIEW IF EXISTS big`))
}

func TestAlterAndIndexes(t *testing.T) {
	w := newWorld(t)
	w.insert("c", `{"a": 1, "address": {"zip": "1"}}`, `{"a": 2}`)
	require.Equal(t, "ALTER TABLE", w.ddl(`ALTER TABLE c ALTER COLUMN a TYPE numeric(10,2)`))
	require.Equal(t, "_id text not null, a numeric(10,2), address jsonb {zip text}", w.columns("c"))
	require.Equal(t, "CREATE INDEX", w.ddl(`CREATE UNIQUE INDEX ON c (a DESC, address.zip) WHERE a > 5`))
	require.Contains(t, w.ddl(`CREATE INDEX ON c (lower(a))`), "0A000")
	tab, _, err := w.scoped().Table(t.Context(), "", "c", false)
	require.NoError(t, err)
	require.Equal(t, "c_a_address_zip_idx", tab.Indexes[1].Name)
	require.True(t, tab.Indexes[1].Keys[0].Desc)
	require.NotNil(t, tab.Indexes[1].Partial)
	require.Equal(t, "CREATE INDEX", w.ddl(`CREATE INDEX ttl ON c (at) WITH (expire_after_seconds = 60)`))
	require.Equal(t, "DROP INDEX", w.ddl(`DROP INDEX ttl`))
	require.Contains(t, w.ddl(`DROP INDEX ttl`), `42704 index "ttl" does not exist`)
	require.Equal(t, "COMMENT", w.ddl(`COMMENT ON COLUMN c.a IS 'the amount'`))
	require.Equal(t, "ALTER TABLE", w.ddl(`ALTER TABLE c RENAME TO d`))
	tab, ok, err := w.scoped().Table(t.Context(), "", "d", false)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "the amount", tab.Columns[1].Comment)
}

func TestSchemasAndSnapshot(t *testing.T) {
	w := newWorld(t)
	w.insert("orders", `{"a": 1}`)
	require.Equal(t, "CREATE SCHEMA", w.ddl(`CREATE SCHEMA reports`))
	require.Contains(t, w.ddl(`CREATE SCHEMA reports`), `42P06`)
	require.Equal(t, "CREATE TABLE", w.ddl(`CREATE TABLE reports.daily (d date)`))
	snap, err := w.scoped().Snapshot(t.Context(), true)
	require.NoError(t, err)
	var names []string
	for _, tab := range snap.Tables {
		names = append(names, tab.Schema+"."+tab.Name)
		require.GreaterOrEqual(t, tab.OID, uint32(catalog.FirstOID))
	}
	require.Equal(t, []string{"public.orders", "reports.daily"}, names)
	require.Contains(t, w.ddl(`DROP SCHEMA reports`), "2BP01")
	require.Equal(t, "DROP SCHEMA", w.ddl(`DROP SCHEMA reports CASCADE`))
	require.False(t, w.scoped().HasSchema(t.Context(), "reports"))
}

func TestNewFieldsAreSeen(t *testing.T) {
	w := newWorld(t)
	w.insert("c", `{"a": 1}`)
	require.Equal(t, "_id text not null, a integer", w.columns("c"))
	tab, _, err := w.scoped().Table(t.Context(), "", "c", false)
	require.NoError(t, err)
	w.insert("c", `{"a": 1, "b": true}`)
	require.NoError(t, w.cat.Analyze(context.WithoutCancel(t.Context()), tab.NS))
	require.Equal(t, "_id text not null, a integer, b boolean", w.columns("c"))
	require.False(t, w.scoped().Fresh(t.Context(), []catalog.Dep{{OID: tab.OID, Version: tab.Version}}))
}
