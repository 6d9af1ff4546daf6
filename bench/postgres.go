package bench

import (
	"context"

	"github.com/jackc/pgx/v5"

	"weir/engine/value"
)

// postgres is one connection to a PostgreSQL, without parallel workers.
type postgres struct{ c *pgx.Conn }

func openPostgres(ctx context.Context, url string) (*postgres, error) {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	for _, s := range []string{"SET max_parallel_workers_per_gather = 0", "SET jit = off", "SET client_min_messages = warning",
		"DROP TABLE IF EXISTS weir_bench_orders",
		`CREATE UNLOGGED TABLE weir_bench_orders (id bytea PRIMARY KEY, qty int, total bigint, amount float8, status text, customer text, note text, active bool, at timestamptz, gone text)`} {
		if _, err := c.Exec(ctx, s); err != nil {
			return nil, err
		}
	}
	return &postgres{c}, nil
}

func (p *postgres) fill(ctx context.Context, n int) error {
	i := -1
	_, err := p.c.CopyFrom(ctx, pgx.Identifier{"weir_bench_orders"}, []string{"id", "qty", "total", "amount", "status", "customer", "note", "active", "at", "gone"},
		pgx.CopyFromFunc(func() ([]any, error) {
			if i++; i >= n {
				return nil, nil
			}
			d := document(nil, i)
			id := objectID(i)
			row := []any{id[:]}
			for it := value.Walk(d); it.Next(); {
				switch v := it.Value(); it.Key() {
				case "qty":
					row = append(row, int32(v.AsInt64()))
				case "total":
					row = append(row, v.AsInt64())
				case "amount":
					row = append(row, v.AsDouble())
				case "status", "customer", "note":
					row = append(row, v.Str())
				case "active":
					row = append(row, v.AsBool())
				case "at":
					row = append(row, v.RawValue().Time())
				case "gone":
					row = append(row, nil)
				}
			}
			return row, nil
		}))
	if err != nil {
		return err
	}
	for _, s := range []string{"CREATE INDEX ON weir_bench_orders (status, at)", "VACUUM ANALYZE weir_bench_orders"} {
		if _, err := p.c.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (p *postgres) query(ctx context.Context, sql string, args ...any) error {
	rows, err := p.c.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return rows.Err()
}

func (p *postgres) close(ctx context.Context) {
	_, _ = p.c.Exec(ctx, "DROP TABLE IF EXISTS weir_bench_orders")
	_ = p.c.Close(ctx)
}
