package translator_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"weir/catalog"
	"weir/parser"
	"weir/planner"
	"weir/sqlfunc"
	"weir/sqltype"
	"weir/store"
	"weir/translator"
)

// textTables is a catalog written as text, a table a line:
//
//	orders 15000 o_orderkey: o_orderkey int4, o_comment varchar(79), …
//
// with its number of documents and the columns of its unique index.
type textTables map[string]*catalog.Table

func (c textTables) Table(_ context.Context, _, name string, _ bool) (*catalog.Table, bool, error) {
	t, ok := c[name]
	return t, ok, nil
}

func (textTables) TableFunction(string, string) (*catalog.Table, bool) { return nil, false }
func (textTables) Near(context.Context, string) []string               { return nil }
func (textTables) TypeNamed(context.Context, string, string) (sqltype.OID, error) {
	return sqltype.Invalid, nil
}
func (textTables) DomainOf(context.Context, sqltype.OID) (*catalog.Domain, error) { return nil, nil }
func (textTables) References(context.Context, *catalog.Table) (out, in []catalog.Reference, err error) {
	return nil, nil, nil
}
func (c textTables) Within(*catalog.Table) catalog.Resolver { return c }

func (textTables) Refresh(_ context.Context, t *catalog.Table) (*catalog.Table, error) {
	return t, nil
}

func (c textTables) add(t *testing.T, line string) {
	head, cols, ok := strings.Cut(line, ": ")
	require.True(t, ok, line)
	w := strings.Fields(head)
	n, err := strconv.ParseInt(w[1], 10, 64)
	require.NoError(t, err)
	tab := &catalog.Table{OID: uint32(20000 + len(c)), Schema: "public", Name: w[0], Version: 1, Estimate: n, NS: store.Namespace{DB: "tpch", Coll: w[0]}}
	ix := catalog.Index{Name: w[0] + "_pkey", Unique: true, Primary: true}
	for _, k := range strings.Split(w[2], ",") {
		ix.Keys = append(ix.Keys, catalog.IndexKey{Path: k})
	}
	tab.Indexes, tab.PrimaryKey = []catalog.Index{ix}, strings.Split(w[2], ",")
	for i, f := range strings.Split(cols, "; ") {
		name, typ, _ := strings.Cut(f, " ")
		ty, err := sqltype.ParseName(typ)
		require.NoError(t, err)
		tab.Columns = append(tab.Columns, catalog.Column{Name: name, Attr: int16(i + 1), Type: ty, Path: []string{name}, Kinds: catalog.DeclaredKinds(ty), NotNull: true})
	}
	c[tab.Name] = tab
}

// TestPipelines prints what becomes of statements: "embedded" for the engine
// in the process, "remote" for a MongoDB 7.0 elsewhere.
func TestPipelines(t *testing.T) {
	funcs := sqlfunc.New()
	library := funcs.Library()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		cat := textTables{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "tables" {
				for _, line := range strings.Split(d.Input, "\n") {
					cat.add(t, line)
				}
				return ""
			}
			stmts, err := parser.Parse(d.Input)
			require.NoError(t, err)
			plan, err := planner.Build(context.Background(), &planner.Env{Resolver: cat, Funcs: funcs, Library: library, Strict: true}, stmts[0], nil)
			require.NoError(t, err)
			caps := store.Capabilities{Version: [3]int{7, 0, 0}, LookupWithPipeline: true, SetWindowFields: true, DensifyFill: true, DateTrunc: true,
				TopN: true, Percentile: true, Embedded: d.Cmd == "embedded"}
			prog, err := translator.Translate(plan, translator.Options{Capabilities: caps, Funcs: funcs, Library: library, Strict: true})
			require.NoError(t, err)
			bound, err := prog.Bind(context.Background(), nil, nil)
			require.NoError(t, err)
			return strings.Join(bound.Explain(), "\n") + "\n"
		})
	})
}
