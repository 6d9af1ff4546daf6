package catalog_test

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine"
	"weir/session"
	"weir/sqlfunc"
	"weir/sqltype"
	"weir/store"
	"weir/wire"
)

// patience only bounds a failure: a machine may be busy.
const patience = 2 * time.Minute

// gateway is the whole path over an engine in memory, with a view and a table
// function such as those of the event runtime.
func gateway(t testing.TB) (*pgconn.PgConn, store.Store) {
	t.Helper()
	st, err := engine.Open("", engine.Options{})
	require.NoError(t, err)
	funcs := sqlfunc.New()
	cat := catalog.New(st, catalog.Options{
		Functions: []*catalog.Table{{
			Name:    "recent_events",
			Params:  []catalog.Param{{Name: "source", Type: sqltype.Of(sqltype.Text), Required: true}, {Name: "n", Type: sqltype.Of(sqltype.Int4)}},
			Columns: []catalog.Column{{Name: "event_id", Type: sqltype.Of(sqltype.Text)}, {Name: "at", Type: sqltype.Of(sqltype.Timestamptz)}},
		}},
		Relations: []*catalog.Table{{
			Name: "readers", Kind: catalog.Virtual, Columns: []catalog.Column{{Name: "name", Type: sqltype.Of(sqltype.Text)}},
		}},
	})
	h := session.New(session.Deps{Store: st, Catalog: cat, Functions: funcs, Library: funcs.Library()}, session.Options{Version: "test"})
	for _, r := range h.Relations() {
		cat.AddRelation(r)
	}
	cat.AddSystemRelations(funcs)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- wire.NewServer(h, wire.Options{}).Serve(ctx, l) }()
	c, err := pgconn.Connect(ctx, "postgres://ann@"+l.Addr().String()+"/shop?sslmode=disable")
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = c.Close(context.Background())
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, st.Close())
	})
	return c, st
}

// TestSystem replays testdata/system/*: "exec" runs statements, "insert" puts
// the documents of its lines into a collection (db, coll), "command" runs one of
// MongoDB's in the database, "query" prints the result. {{name}} is the OID of a relation, in statements and in results.
func TestSystem(t *testing.T) {
	datadriven.Walk(t, "testdata/system", func(t *testing.T, path string) {
		c, st := gateway(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "command" {
				var cmd bson.Raw
				require.NoError(t, bson.UnmarshalExtJSON([]byte(d.Input), false, &cmd))
				_, err := st.Command(t.Context(), "shop", cmd)
				require.NoError(t, err)
				return ""
			}
			if d.Cmd == "insert" {
				var db, coll string
				d.ScanArgs(t, "db", &db)
				d.ScanArgs(t, "coll", &coll)
				return insert(t, st, store.Namespace{DB: db, Coll: coll}, d.Input)
			}
			return namedOIDs(t, c, answer(c, withOIDs(t, c, d.Input)))
		})
	})
}

func insert(t *testing.T, st store.Store, ns store.Namespace, lines string) string {
	var ops []store.WriteOp
	for line := range strings.Lines(lines) {
		var doc bson.Raw
		require.NoError(t, bson.UnmarshalExtJSON([]byte(line), false, &doc))
		ops = append(ops, store.WriteOp{Kind: store.Insert, Document: doc})
	}
	res, err := st.Write(t.Context(), ns, ops, store.WriteOptions{})
	require.NoError(t, err)
	require.NoError(t, res.Err())
	return ""
}

var oidNames = regexp.MustCompile(`{{([^}]+)}}`)

func withOIDs(t *testing.T, c *pgconn.PgConn, sql string) string {
	return oidNames.ReplaceAllStringFunc(sql, func(m string) string {
		name := oidNames.FindStringSubmatch(m)[1]
		res := c.ExecParams(t.Context(), "SELECT $1::regclass::oid", [][]byte{[]byte(name)}, nil, nil, nil).Read()
		require.NoError(t, res.Err)
		return string(res.Rows[0][0])
	})
}

var bigNumber = regexp.MustCompile(`\b[0-9]{6,10}\b`)

func namedOIDs(t *testing.T, c *pgconn.PgConn, out string) string {
	return bigNumber.ReplaceAllStringFunc(out, func(oid string) string {
		res := c.ExecParams(t.Context(), "SELECT oid::regclass::text FROM pg_class WHERE oid = $1::int8", [][]byte{[]byte(oid)}, nil, nil, nil).Read()
		require.NoError(t, res.Err)
		if len(res.Rows) == 0 {
			return oid
		}
		return "{{" + string(res.Rows[0][0]) + "}}"
	})
}

// answer runs statements and prints the columns, rows and errors.
func answer(c *pgconn.PgConn, sql string) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var b strings.Builder
	results := c.Exec(ctx, sql)
	for results.NextResult() {
		r := results.ResultReader()
		var heads []string
		for _, f := range r.FieldDescriptions() {
			heads = append(heads, fmt.Sprintf("%s:%s", f.Name, sqltype.FormatType(sqltype.OID(f.DataTypeOID), -1)))
		}
		if heads != nil {
			fmt.Fprintln(&b, strings.Join(heads, " | "))
		}
		for r.NextRow() {
			cells := make([]string, len(heads))
			for i, v := range r.Values() {
				cells[i] = "NULL"
				if v != nil {
					cells[i] = strings.ReplaceAll(string(v), "\n", "\\n")
				}
			}
			fmt.Fprintln(&b, strings.Join(cells, " | "))
		}
		tag, err := r.Close()
		if err == nil {
			fmt.Fprintln(&b, tag)
		}
	}
	if err := results.Close(); err != nil {
		fmt.Fprintln(&b, err)
	}
	return b.String()
}

// TestEveryRelation reads all relations of pg_catalog and information_schema:
// each row has to be encodable in the types that the columns promise.
func TestEveryRelation(t *testing.T) {
	c, _ := gateway(t)
	list := c.ExecParams(t.Context(), `SELECT oid::regclass::text, relnatts FROM pg_class WHERE relnamespace IN (11, 13207) ORDER BY 1`, nil, nil, nil, nil).Read()
	require.NoError(t, list.Err)
	require.Len(t, list.Rows, 208)
	for _, r := range list.Rows {
		for format := range int16(2) {
			got := c.ExecParams(t.Context(), "SELECT * FROM "+string(r[0]), nil, nil, nil, []int16{format})
			require.Equal(t, string(r[1]), fmt.Sprint(len(got.FieldDescriptions())), "columns of %s", r[0])
			_, err := got.Close()
			require.NoError(t, err, "%s, format %d", r[0], format)
		}
	}
}
