package sqloracle

import (
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"
	tidb "github.com/pingcap/tidb/pkg/parser"
	"github.com/stretchr/testify/require"

	"weir/parser"
)

// typical are statements as applications and BI tools send them.
var typical = []struct{ name, sql string }{
	{"point", "SELECT id, name, email FROM users WHERE id = 42"},
	{"insert", "INSERT INTO orders (id, customer_id, status, total) VALUES (1, 42, 'new', 19.95)"},
	{"report", `SELECT c.region, count(*) AS orders, sum(o.total) AS revenue FROM orders o JOIN customers c ON o.customer_id = c.id
		WHERE o.status IN ('paid', 'shipped') AND o.created_at >= '2024-01-01' GROUP BY c.region HAVING sum(o.total) > 1000 ORDER BY revenue DESC LIMIT 20`},
	{"window", `WITH recent AS (SELECT user_id, amount, created_at FROM payments WHERE amount > 10)
		SELECT user_id, amount, row_number() OVER (PARTITION BY user_id ORDER BY created_at DESC) AS n FROM recent WHERE amount BETWEEN 10 AND 500`},
}

// BenchmarkParse compares our parser with PostgreSQL's and with TiDB's.
func BenchmarkParse(b *testing.B) {
	mysql := tidb.New()
	for _, s := range typical {
		for _, p := range []struct {
			name  string
			parse func(string) error
		}{
			{"weir", func(sql string) error { _, err := parser.Parse(sql); return err }},
			{"pg_query", func(sql string) error { _, err := pg.Parse(sql); return err }},
			{"tidb", func(sql string) error { _, _, err := mysql.ParseSQL(sql); return err }},
		} {
			b.Run(s.name+"/"+p.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					require.NoError(b, p.parse(s.sql))
				}
			})
		}
	}
}
