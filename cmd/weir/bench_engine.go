package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	measures "weir/bench"
)

const benchEngineHelp = `weir bench engine measures the embedded engine in a temporary directory, and
prints a line for each load, with the ratio to what it is compared with in the
same run, the sides in turns:

  filter, group, scan, count, sort     documents a second, beside PostgreSQL (one
                                       worker) with --postgres-url
  read by _id                          in process, and by the driver over loopback
  insertMany, insertOne                durable, beside a bare Pebble that syncs
  change event                         from the acknowledged write to the stream, p99
  memory, open                         at the end

A ratio above 1 says that weir is faster. With --mongodb-uri the same loads go to
that MongoDB, too, into its database weir_bench_engine, which is dropped first.
Figures of different runs or machines cannot be compared; ratios can.

Examples:
  weir bench engine
  weir bench engine --documents 100000 --only insert
  weir bench engine --postgres-url postgres://postgres@127.0.0.1/postgres
  weir bench engine --mongodb-uri 'mongodb://127.0.0.1:27017/?replicaSet=rs0'
`

func benchEngine(ctx context.Context, io streams, args []string) error {
	c := measures.Config{Report: func(line string) { fmt.Fprintln(io.out, line) }}
	fs := flags(io, "bench engine", benchEngineHelp)
	fs.StringVar(&c.MongoURI, "mongodb-uri", "", "`URI` of a MongoDB to compare with")
	fs.StringVar(&c.PostgresURL, "postgres-url", "", "`URL` of a PostgreSQL to compare with; it gets a table weir_bench_orders")
	fs.IntVar(&c.Documents, "documents", 1_000_000, "`NUMBER` of documents to read")
	fs.IntVar(&c.Rounds, "rounds", 3, "`NUMBER` of turns of each side; medians are printed")
	fs.DurationVar(&c.Time, "time", time.Second, "`TIME` for each load, side and turn")
	cache := fs.Int("cache-mb", 0, "bound of the engine's block cache in `MiB`; 0: as weir serve has it")
	fs.StringVar(&c.Only, "only", "", "run only the loads whose name holds this `TEXT`")
	quiet := quietFlag(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	if c.Documents < 1000 || c.Rounds < 1 || c.Time <= 0 {
		return errUsage{errors.New("--documents is 1000 or more, --rounds 1 or more, --time above 0")}
	}
	c.CacheSize = cacheBytes(*cache)
	if !*quiet {
		c.Progress = func(line string) { fmt.Fprintln(io.err, line) }
	}
	_, err := measures.Run(ctx, c)
	return err
}
