package delivery

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Options of a run.
type Options struct {
	MongoURI    string       // the MongoDB to measure; "": embedded engines in temporary directories
	PostgresURL string       // a PostgreSQL to compare LISTEN and NOTIFY with; "": none
	Program     string       // the weir program, for the measures that kill one; "": they are left out
	Dir         string       // where temporary directories are made; "": the system's place
	Profiles    string       // the directory for CPU profiles of what is measured; "": none are made
	Only        []string     // names of measures; empty: all
	Events      int          // events per measure; 0: 30,000
	Seconds     int          // of paced measures; 0: 5
	CacheSize   int64        // bytes of the engine's block cache; 0: 256 MiB
	Logger      *slog.Logger // nil: discard
}

func (o Options) withDefaults() Options {
	if o.Events == 0 {
		o.Events = 30_000
	}
	if o.Seconds == 0 {
		o.Seconds = 5
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// line is one printed result.
type line struct {
	name   string
	figure string
	beside string // what it is compared with, and the ratio
	must   string
	ok     bool
}

// measure is one of the measures: its lines, and what they mean.
type measure struct {
	name string
	help string
	run  func(ctx context.Context, o Options) ([]line, error)
}

// measures in the order in which they run.
var measures = []measure{
	{"log", "reader and durable log of one database, against a plain append + fdatasync in batches of 100", measureLog},
	{"driver", "the same with --mongodb-uri, against a bare change stream of the driver + insertMany", measureDriver},
	{"fanout", "logged and delivered with 1,000 subscriptions of which one wants each event; CPU per event against one subscription; change streams opened", measureFanout},
	{"webhook", "signed webhooks with durable outcome, 16 in flight, against a bare net/http client", measureWebhook},
	{"notify", "insert to NOTIFY at 1,000 inserts a second, against LISTEN and NOTIFY of --postgres-url", measureNotify},
	{"notify1000", "the same at 10,000 a second with 1,000 subscriptions", measureNotifyMany},
	{"catchup", "reading a subscription's log from its beginning, against a sequential read of the same bytes", measureCatchup},
	{"create", "CREATE of 1,000 subscriptions, the time of the first and of the last", measureCreate},
	{"monitor", "the monitoring functions and views over a log of ten times --events rows and the counters of a day", measureMonitor},
	{"memory", "heap with 100 subscriptions at full rate whose receiver stalls", measureMemory},
	{"takeover", "kill -9 and SIGTERM of the gateway that delivers, until another one does (two processes of weir serve)", measureTakeover},
}

// Names lists the measures with what they measure.
func Names() string {
	var b strings.Builder
	for _, m := range measures {
		fmt.Fprintf(&b, "  %-11s %s\n", m.name, m.help)
	}
	return b.String()
}

// Check refuses names that are none.
func Check(only []string) error {
	for _, name := range only {
		if !slices.ContainsFunc(measures, func(m measure) bool { return m.name == name }) {
			return fmt.Errorf("there is no measure %q", name)
		}
	}
	return nil
}

// Events runs the measures and prints a line for each figure: the figure, what
// it is compared with, and the bar.
func Events(ctx context.Context, out io.Writer, o Options) error {
	o = o.withDefaults()
	if err := Check(o.Only); err != nil {
		return err
	}
	for _, m := range measures {
		if len(o.Only) > 0 && !slices.Contains(o.Only, m.name) {
			continue
		}
		lines, err := m.run(ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, l := range lines {
			verdict := "ok"
			if !l.ok {
				verdict = "below"
			}
			if l.must == "" {
				verdict = ""
			}
			fmt.Fprintf(out, "%-30s %16s  %-44s %-22s %s\n", l.name, l.figure, l.beside, l.must, verdict)
		}
	}
	return nil
}

// perSecond is a rate in words.
func perSecond(rate float64) string { return fmt.Sprintf("%.0f/s", rate) }

func rate(n int, d time.Duration) float64 { return float64(n) / max(d.Seconds(), 1e-9) }

// quantiles of durations in milliseconds.
func quantiles(times []time.Duration) (p50, p99 float64) {
	if len(times) == 0 {
		return 0, 0
	}
	slices.Sort(times)
	at := func(q float64) float64 {
		return float64(times[min(len(times)-1, int(q*float64(len(times))))].Microseconds()) / 1000
	}
	return at(0.5), at(0.99)
}
