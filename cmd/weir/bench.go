package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"weir/gateway"
)

const benchHelp = `weir bench measures the whole path over loopback, from a PostgreSQL client to the
store and back, and prints a line per measure: median, 99th percentile, rate.

Without --mongodb-uri it runs an embedded engine in a temporary directory.
weir bench engine measures the engine alone; see weir bench engine --help.

weir bench events measures event subscriptions: log, delivery, takeover.

Examples:
  weir bench
  weir bench events
  weir bench --count 20000
  weir bench --mongodb-uri 'mongodb://127.0.0.1:27017/?replicaSet=rs0'
`

// benchDatabase is the database that bench writes to.
const benchDatabase = "weir_bench"

type benchConfig struct {
	mongoURI string
	count    int
	rate     int
	seconds  int
}

func runBench(ctx context.Context, io streams, args []string) error {
	switch {
	case len(args) > 0 && args[0] == "engine":
		return benchEngine(ctx, io, args[1:])
	case len(args) > 0 && args[0] == "events":
		return benchEvents(ctx, io, args[1:])
	}
	var c benchConfig
	fs := flags(io, "bench", benchHelp)
	fs.StringVar(&c.mongoURI, "mongodb-uri", "", "`URI` of a MongoDB to measure in place of the embedded engine")
	fs.IntVar(&c.count, "count", 5000, "`NUMBER` of statements of each kind")
	fs.IntVar(&c.rate, "rate", 200, "`INSERTS` per second when the way to LISTEN is measured")
	fs.IntVar(&c.seconds, "seconds", 5, "`SECONDS` to measure the way to LISTEN for")
	if err := parse(fs, args); err != nil {
		return err
	}
	if c.count < 1 || c.rate < 1 || c.seconds < 1 {
		return errUsage{errors.New("--count, --rate and --seconds are 1 or more")}
	}
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	g, err := gateway.Open(ctx, gateway.Options{MongoURI: c.mongoURI, Dir: dir, Version: version, Logger: slog.New(slog.NewTextHandler(io.err, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	rctx, stop := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return g.Run(rctx) })
	err = c.run(ctx, io, fmt.Sprintf("postgres://bench@%s/%s?sslmode=disable", g.SQLAddr(), benchDatabase))
	stop()
	return errors.Join(err, group.Wait())
}

func (c *benchConfig) run(ctx context.Context, io streams, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, s := range []string{`DROP TABLE IF EXISTS points`, `CREATE TABLE points (_id int PRIMARY KEY, name text, amount numeric)`,
		`INSERT INTO points SELECT i, 'name ' || i, i * 1.5 FROM generate_series(1, 10000) i`} {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	for _, m := range []struct {
		name string
		sql  string
		args func(i int) []any
	}{
		{"SELECT 1", "SELECT 1", func(int) []any { return nil }},
		{"point query by _id", "SELECT _id, name, amount FROM points WHERE _id = $1", func(i int) []any { return []any{i*7919%10000 + 1} }},
		{"group 10,000 rows", "SELECT length(name), count(*), sum(amount) FROM points GROUP BY 1", nil},
		{"insert one", "INSERT INTO points (_id, name, amount) VALUES ($1, $2, 1)", func(i int) []any { return []any{100_000 + i, "new"} }},
	} {
		n := c.count
		args := m.args
		if args == nil {
			n, args = max(5, c.count/200), func(int) []any { return nil }
		}
		times, err := measure(n, func(i int) error { return drain(ctx, conn, m.sql, args(i)) })
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		report(io, m.name, times)
	}
	return c.listen(ctx, io, dsn, conn)
}

func drain(ctx context.Context, conn *pgx.Conn, sql string, args []any) error {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return rows.Err()
}

func measure(n int, f func(i int) error) ([]time.Duration, error) {
	times := make([]time.Duration, 0, n)
	for i := range n {
		start := time.Now()
		if err := f(i); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
	}
	return times, nil
}

func report(io streams, name string, times []time.Duration) {
	slices.Sort(times)
	total := time.Duration(0)
	for _, t := range times {
		total += t
	}
	at := func(q float64) time.Duration { return times[min(len(times)-1, int(q*float64(len(times))))] }
	fmt.Fprintf(io.out, "%-26s p50 %9s  p99 %9s  %8.0f/s\n", name, at(0.5).Round(time.Microsecond), at(0.99).Round(time.Microsecond),
		float64(len(times))/max(total.Seconds(), 1e-9))
}

// listen measures the way of an event: a write, the log, a notification.
func (c *benchConfig) listen(ctx context.Context, io streams, dsn string, writer *pgx.Conn) error {
	listener, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close(ctx) }()
	for _, s := range []string{`DROP EVENT_SUBSCRIPTION IF EXISTS bench_points CASCADE`,
		`CREATE EVENT_SUBSCRIPTION bench_points ON points FOR INSERT DELIVER TO NOTIFY bench`, `LISTEN bench`} {
		if _, err := listener.Exec(ctx, s); err != nil {
			return fmt.Errorf("prepare LISTEN: %w", err)
		}
	}
	n := c.rate * c.seconds
	sent := make(chan time.Time, n)
	var group errgroup.Group
	group.Go(func() error {
		tick := time.NewTicker(time.Second / time.Duration(c.rate))
		defer tick.Stop()
		for i := range n {
			<-tick.C
			sent <- time.Now()
			if _, err := writer.Exec(ctx, "INSERT INTO points (_id, name, amount) VALUES ($1, $2, 1)", 1_000_000+i, "event"); err != nil {
				return err
			}
		}
		return nil
	})
	wait, cancel := context.WithTimeout(ctx, time.Duration(c.seconds)*time.Second+30*time.Second)
	defer cancel()
	var times []time.Duration
	for range n {
		if _, err := listener.WaitForNotification(wait); err != nil {
			return fmt.Errorf("after %d of %d notifications: %w", len(times), n, errors.Join(err, group.Wait()))
		}
		times = append(times, time.Since(<-sent))
	}
	report(io, fmt.Sprintf("insert to LISTEN, %d/s", c.rate), times)
	return group.Wait()
}
