package events_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"weir/gateway"
	"weir/internal/testkit"
)

// TestShowLike shows subscriptions by name, not by id, and connections; case does
// not count and a backslash takes the meaning of what follows.
func TestShowLike(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{})
	conn, ctx := g.Connect(t), t.Context()
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY)`)
	for i, name := range []string{"orders_paid", "orders-late", `Üser`, "users"} {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION "%s" ON docs WITH (subscription_id = 'id%d')`, name, i)
		exec(t, conn, `CREATE CONNECTION "c_%s" TO NATS (url = 'nats://127.0.0.1:1')`, name)
	}
	all, orders := []string{"orders_paid", "orders-late", "Üser", "users"}, []string{"orders_paid", "orders-late"}
	for pattern, want := range map[string][]string{
		`%`: all, `orders_%`: orders, `ORDERS%`: orders, `orders\_%`: {"orders_paid"}, `_ser`: {"Üser"}, `u%`: {"users"}, `users`: {"users"}, `user`: nil, `id%`: nil, ``: nil, `(.*`: nil, `users\`: nil, `%\\`: nil,
	} {
		for _, what := range []string{"EVENT_SUBSCRIPTIONS", "EVENT SUBSCRIPTIONS", "CHANGE_STREAMS", "change streams", "CONNECTIONS"} {
			column, prefix := "subscription_name", ""
			if what == "CONNECTIONS" {
				column, prefix = "name", "c_"
			}
			sql := fmt.Sprintf(`SHOW %s LIKE '%s%s'`, what, prefix, pattern)
			for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeDescribeExec} {
				rows, err := conn.Query(ctx, sql, mode)
				require.NoError(t, err, sql)
				shown, err := pgx.CollectRows(rows, pgx.RowToMap)
				require.NoError(t, err, sql)
				var names []string
				for _, row := range shown {
					names = append(names, row[column].(string)[len(prefix):])
				}
				require.ElementsMatch(t, want, names, sql)
			}
		}
	}
}
