// Package bench puts the same load on the embedded engine, in process and over
// its MongoDB port, on a real MongoDB, on PostgreSQL and on a bare Pebble, in
// turns within one run, and tells the ratios: only those mean anything beyond
// the machine and the moment.
//
// Start at Run. database.go has the sides, loads.go what is measured.
package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Config of Run. The zero value of a field stands for its default.
type Config struct {
	Documents   int           // in the collection that is read; 0: 1,000,000
	Rounds      int           // of each load, the sides in turns; 0: 3
	Time        time.Duration // for each load that is repeated, a side and round; 0: 1 s
	CacheSize   int64         // bytes of the engine's block cache; 0: 256 MiB
	Only        string        // part of the names of the loads to run; "": all
	MongoURI    string        // of a MongoDB to compare with; "": none
	PostgresURL string        // of a PostgreSQL to compare with; "": none
	// Report is called with each line of the result, Progress while work goes on.
	Report, Progress func(line string)
}

func (c Config) withDefaults() Config {
	if c.Documents == 0 {
		c.Documents = 1_000_000
	}
	if c.Rounds == 0 {
		c.Rounds = 3
	}
	if c.Time == 0 {
		c.Time = time.Second
	}
	if c.Report == nil {
		c.Report = func(string) {}
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	return c
}

// side is one of the things a load is put on; run gives a rate (more is
// better) or, for latencies, seconds (less is better).
type side struct {
	name string
	run  func(ctx context.Context) (float64, error)
}

// load is a thing to measure: the first side is the engine.
type load struct {
	name  string
	unit  string // "docs/s"
	sides []side
	less  bool // less is better
}

// Result is what a load came to: medians, and the ratios of the engine to the
// other sides by name, taken round by round.
type Result struct {
	Name   string
	Unit   string
	Values map[string]float64
	Ratios map[string]float64
}

// measure runs the sides of a load in turns.
func (c *Config) measure(ctx context.Context, l *load) (Result, error) {
	values, ratios := map[string][]float64{}, map[string][]float64{}
	for round := range c.Rounds {
		first := 0.0
		for i, s := range l.sides {
			c.Progress(fmt.Sprintf("%s, round %d of %d: %s", l.name, round+1, c.Rounds, s.name))
			v, err := s.run(ctx)
			if err != nil {
				return Result{}, fmt.Errorf("%s on %s: %w", l.name, s.name, err)
			}
			values[s.name] = append(values[s.name], v)
			if i == 0 {
				first = v
			} else if l.less {
				ratios[s.name] = append(ratios[s.name], v/first)
			} else {
				ratios[s.name] = append(ratios[s.name], first/v)
			}
		}
	}
	r := Result{Name: l.name, Unit: l.unit, Values: map[string]float64{}, Ratios: map[string]float64{}}
	for name, v := range values {
		r.Values[name] = median(v)
	}
	for name, v := range ratios {
		r.Ratios[name] = median(v)
	}
	return r, nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

func (c *Config) line(l *load, r Result) string {
	s := fmt.Sprintf("%-34s", r.Name)
	for i, side := range l.sides {
		s += fmt.Sprintf("  %s %s %s", side.name, number(r.Values[side.name]), r.Unit)
		if i > 0 {
			s += fmt.Sprintf(" (ratio %.2f)", r.Ratios[side.name])
		}
	}
	return s
}

// number writes a figure with about three digits.
func number(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.0fk", v/1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// repeat calls f until the time is over and gives calls per second, times n.
func (c *Config) repeat(ctx context.Context, n int, f func(i int) error) (float64, error) {
	start, calls := time.Now(), 0
	for time.Since(start) < c.Time || calls == 0 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := f(calls); err != nil {
			return 0, err
		}
		calls++
	}
	return float64(calls*n) / time.Since(start).Seconds(), nil
}

// together is repeat with several goroutines.
func (c *Config) together(ctx context.Context, workers int, f func(worker, i int) error) (float64, error) {
	type outcome struct {
		rate float64
		err  error
	}
	done := make(chan outcome, workers)
	for w := range workers {
		go func() {
			rate, err := c.repeat(ctx, 1, func(i int) error { return f(w, i) })
			done <- outcome{rate, err}
		}()
	}
	total, failed := 0.0, error(nil)
	for range workers {
		o := <-done
		total += o.rate
		if o.err != nil {
			failed = o.err
		}
	}
	return total, failed
}
