package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"weir/bench/delivery"
)

var benchEventsHelp = `weir bench events measures the event runtime from a write to its delivery and
prints a line per figure: the figure, what it is compared with in the same run,
the bar that it has to reach, and whether it does ("ok" or "below").

Without --mongodb-uri each measure runs on an embedded engine in a temporary
directory. With it, on that MongoDB (a replica set or a sharded cluster): databases
weir_bench_* and subscriptions bench_* are made and dropped there.

A figure says something about the machine, too: compare the ratios. Close what
else uses the processors and the disk; put --temp-dir on the disk in question.

Measures (--only takes some of them):
` + delivery.Names() + `
Examples:
  weir bench events
  weir bench events --only log,webhook --events 100000
  weir bench events --only notify --postgres-url postgres://postgres@127.0.0.1/postgres
  weir bench events --only fanout --profile-dir /tmp
  weir bench events --mongodb-uri 'mongodb://127.0.0.1:27017/?replicaSet=rs0'
`

func benchEvents(ctx context.Context, io streams, args []string) error {
	var o delivery.Options
	var only list
	fs := flags(io, "bench-events", benchEventsHelp)
	fs.StringVar(&o.MongoURI, "mongodb-uri", "", "`URI` of a MongoDB to measure in place of embedded engines")
	fs.StringVar(&o.PostgresURL, "postgres-url", "", "`URL` of a PostgreSQL to compare LISTEN and NOTIFY with")
	fs.StringVar(&o.Dir, "temp-dir", "", "`DIRECTORY` for the data of the measures")
	fs.StringVar(&o.Profiles, "profile-dir", "", "`DIRECTORY` for a CPU profile of each measure of log, fanout, catchup and notify")
	fs.Var(&only, "only", "`MEASURES` to run, with commas; all when it is not given")
	fs.IntVar(&o.Events, "events", 30_000, "`NUMBER` of events of a measure that is not paced")
	fs.IntVar(&o.Seconds, "seconds", 5, "`SECONDS` that a paced measure lasts")
	cache := fs.Int("cache-mb", 0, "bound of the engine's block cache in `MiB`; 0: as weir serve has it")
	if err := parse(fs, args); err != nil {
		return err
	}
	if o.Events < 100 || o.Seconds < 1 {
		return errUsage{errors.New("--events is 100 or more, --seconds 1 or more")}
	}
	o.Only, o.CacheSize = only, cacheBytes(*cache)
	if err := delivery.Check(only); err != nil {
		return errUsage{err}
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	o.Program = program
	o.Logger = slog.New(slog.NewTextHandler(io.err, &slog.HandlerOptions{Level: slog.LevelError}))
	return delivery.Events(ctx, io.out, o)
}
