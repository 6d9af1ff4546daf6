package planner

import (
	"testing"

	"github.com/stretchr/testify/require"

	"weir/catalog"
	"weir/parser"
	"weir/sqlfunc"
)

func BenchmarkBuild(b *testing.B) {
	cat := &textCatalog{tables: map[string]*catalog.Table{"orders": {
		OID: 20000, Schema: "public", Name: "orders", Open: true, PrimaryKey: []string{"_id"},
		Columns: parseColumns(&testing.T{}, "_id objectid, customer objectid, total numeric, qty int4, tags text[]", nil),
	}}, funcs: map[string]*catalog.Table{}}
	funcs := sqlfunc.New()
	env := &Env{Resolver: cat, Funcs: funcs, Library: funcs.Library()}
	for name, sql := range map[string]string{
		"point": "SELECT * FROM orders WHERE _id = $1",
		"group": "SELECT customer, count(*), sum(total) FROM orders WHERE qty > 3 GROUP BY customer HAVING count(*) > 1 ORDER BY 2 DESC LIMIT 10",
	} {
		stmts, err := parser.Parse(sql)
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Build(b.Context(), env, stmts[0], nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
