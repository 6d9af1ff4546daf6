package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"
)

// stages makes a pipeline; what is in it always marshals.
func stages(docs ...bson.D) []bson.Raw {
	var out []bson.Raw
	for _, d := range docs {
		b, err := bson.Marshal(d)
		if err != nil {
			panic(err)
		}
		out = append(out, b)
	}
	return out
}

func op(name string, v any) bson.D { return bson.D{{Key: name, Value: v}} }

func (s *sides) point(i int) []bson.Raw {
	return stages(op("$match", op("_id", objectID(int(scatter(i)%uint64(s.c.Documents))))))
}

// loads are all the loads, in the order in which they run.
func (s *sides) loads() []load {
	every := s.c.Documents
	lastAt := 1_700_000_000_000 + int64(every)*100
	group := stages(op("$match", bson.D{{Key: "qty", Value: op("$lt", 500)}, {Key: "active", Value: true}}),
		op("$group", bson.D{{Key: "_id", Value: "$status"}, {Key: "n", Value: op("$sum", 1)}, {Key: "sum", Value: op("$sum", "$amount")}, {Key: "avg", Value: op("$avg", "$qty")}}))
	recent := stages(op("$match", bson.D{{Key: "status", Value: "paid"}, {Key: "at", Value: op("$gte", bson.DateTime(lastAt-int64(every)*50))}}), op("$count", "n"))
	covered := stages(op("$match", op("status", "paid")), op("$project", bson.D{{Key: "_id", Value: 0}, {Key: "status", Value: 1}, {Key: "at", Value: 1}}),
		op("$group", bson.D{{Key: "_id", Value: op("$hour", "$at")}, {Key: "n", Value: op("$sum", 1)}}))
	return []load{
		s.reading("filter and group", every, group, "SELECT status, count(*), sum(amount), avg(qty) FROM weir_bench_orders WHERE qty < 500 AND active GROUP BY status"),
		s.reading("scan, filter matches none", every, stages(op("$match", bson.D{{Key: "qty", Value: op("$gt", 5000)}})), "SELECT * FROM weir_bench_orders WHERE qty > 5000"),
		s.reading("count a range of an index", every/8, recent, fmt.Sprintf("SELECT count(*) FROM weir_bench_orders WHERE status = 'paid' AND at >= to_timestamp(%d)", (lastAt-int64(every)*50)/1000)),
		s.reading("group what an index covers", every/4, covered, "SELECT extract(hour from at), count(*) FROM weir_bench_orders WHERE status = 'paid' GROUP BY 1"),
		s.reading("distinct by an index", every, stages(op("$group", op("_id", "$status"))), "SELECT DISTINCT status FROM weir_bench_orders"),
		s.reading("sort, first 10", every, stages(op("$sort", op("amount", -1)), op("$limit", 10)), "SELECT * FROM weir_bench_orders ORDER BY amount DESC LIMIT 10"),
		s.points(),
		s.pointsOverWire(),
		s.batches(),
		s.writers(16),
		s.writers(64),
		s.events(),
		s.idleStreams(),
	}
}

// reading is a load of one pipeline that n documents or keys are touched for.
func (s *sides) reading(name string, n int, pipeline []bson.Raw, sql string) load {
	on := func(d database) func(context.Context) (float64, error) {
		return func(ctx context.Context) (float64, error) {
			return s.c.repeat(ctx, n, func(int) error {
				_, err := d.read(ctx, "orders", pipeline)
				return err
			})
		}
	}
	l := load{name: name, unit: "docs/s", sides: []side{{"weir", on(s.process)}}}
	if s.sql != nil {
		l.sides = append(l.sides, side{"postgresql", func(ctx context.Context) (float64, error) {
			return s.c.repeat(ctx, n, func(int) error { return s.sql.query(ctx, sql) })
		}})
	}
	if s.mongo != nil {
		l.sides = append(l.sides, side{"mongodb", on(*s.mongo)})
	}
	return l
}

func (s *sides) points() load {
	l := load{name: "read by _id, in process", unit: "docs/s", sides: []side{{"weir", func(ctx context.Context) (float64, error) {
		return s.c.repeat(ctx, 1, func(i int) error {
			_, err := s.process.read(ctx, "orders", s.point(i))
			return err
		})
	}}}}
	if s.sql != nil {
		l.sides = append(l.sides, side{"postgresql", func(ctx context.Context) (float64, error) {
			return s.c.repeat(ctx, 1, func(i int) error {
				id := objectID(int(scatter(i) % uint64(s.c.Documents)))
				return s.sql.query(ctx, "SELECT * FROM weir_bench_orders WHERE id = $1", id[:])
			})
		}})
	}
	return l
}

func (s *sides) pointsOverWire() load {
	on := func(d database) func(context.Context) (float64, error) {
		return func(ctx context.Context) (float64, error) {
			return s.c.together(ctx, 8, func(w, i int) error {
				_, err := d.read(ctx, "orders", s.point(w*1_000_000+i))
				return err
			})
		}
	}
	return s.compared(load{name: "read by _id, driver, 8 clients", unit: "docs/s"}, on)
}

// compared adds our own port and a real MongoDB as sides of a load.
func (s *sides) compared(l load, on func(database) func(context.Context) (float64, error)) load {
	l.sides = append(l.sides, side{"weir", on(s.wire)})
	if s.mongo != nil {
		l.sides = append(l.sides, side{"mongodb", on(*s.mongo)})
	}
	return l
}

// inserted gives documents that are on no side yet.
func (s *sides) inserted(n int) []bson.Raw {
	docs := make([]bson.Raw, n)
	for i := range docs {
		s.fresh++
		docs[i] = document(nil, 1<<40+s.fresh)
	}
	return docs
}

func (s *sides) batches() load {
	const n = 1000
	on := func(d database) func(context.Context) (float64, error) {
		return func(ctx context.Context) (float64, error) {
			return s.c.repeat(ctx, n, func(int) error { return d.insert(ctx, "written", s.inserted(n)) })
		}
	}
	l := load{name: "insertMany(1000), durable", unit: "docs/s", sides: []side{{"weir", on(s.process)},
		{"pebble", func(ctx context.Context) (float64, error) {
			return s.c.repeat(ctx, n, func(i int) error { return s.pebble.insert(i*n, n) })
		}},
		{"weir, driver", on(s.wire)}}}
	if s.mongo != nil {
		l.sides = append(l.sides, side{"mongodb", on(*s.mongo)})
	}
	return l
}

func (s *sides) writers(n int) load {
	var mu sync.Mutex
	on := func(d database) func(context.Context) (float64, error) {
		return func(ctx context.Context) (float64, error) {
			return s.c.together(ctx, n, func(int, int) error {
				mu.Lock()
				doc := s.inserted(1)
				mu.Unlock()
				return d.insert(ctx, "written", doc)
			})
		}
	}
	l := load{name: fmt.Sprintf("insertOne, durable, %d writers", n), unit: "docs/s", sides: []side{{"weir", on(s.process)},
		{"pebble", func(ctx context.Context) (float64, error) {
			return s.c.together(ctx, n, func(w, i int) error { return s.pebble.insert(w*1_000_000+i, 1) })
		}},
		{"weir, driver", on(s.wire)}}}
	if s.mongo != nil {
		l.sides = append(l.sides, side{"mongodb", on(*s.mongo)})
	}
	return l
}

// events is the time from an acknowledged write to the return of a waiting
// stream, the 99th percentile of 1,000 writes a second.
func (s *sides) events() load {
	on := func(d database) func(context.Context) (float64, error) {
		return func(ctx context.Context) (float64, error) {
			p50, p99, err := s.latency(ctx, d)
			s.c.Progress(fmt.Sprintf("change event: p50 %.3f ms, p99 %.3f ms", p50*1e3, p99*1e3))
			return p99 * 1e3, err
		}
	}
	l := load{name: "change event after write, p99", unit: "ms", less: true, sides: []side{{"weir", on(s.process)}, {"weir, driver", on(s.wire)}}}
	if s.mongo != nil {
		l.sides = append(l.sides, side{"mongodb", on(*s.mongo)})
	}
	return l
}

func (s *sides) latency(ctx context.Context, d database) (p50, p99 float64, err error) {
	const pause = time.Millisecond
	if err := d.insert(ctx, "watched", s.inserted(1)); err != nil {
		return 0, 0, err
	}
	st, err := d.watch(ctx, "watched")
	if err != nil {
		return 0, 0, err
	}
	defer st.close(ctx)
	n := max(20, int(s.c.Time/pause))
	acknowledged, seen := make([]time.Time, n), make([]time.Time, n)
	var group errgroup.Group
	group.Go(func() error {
		for i := range n {
			if _, err := st.next(ctx); err != nil {
				return err
			}
			seen[i] = time.Now()
		}
		return nil
	})
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		if err := d.insert(ctx, "watched", s.inserted(1)); err != nil {
			return 0, 0, err
		}
		acknowledged[i] = time.Now()
	}
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	late := make([]float64, n)
	for i := range late {
		late[i] = max(0, seen[i].Sub(acknowledged[i]).Seconds())
	}
	slices.Sort(late)
	return late[n/2], late[n*99/100], nil
}

// idleStreams compares writing beside 1,000 streams on other collections with
// writing alone.
func (s *sides) idleStreams() load {
	const streams = 1000
	write := func(ctx context.Context) (float64, error) {
		return s.c.repeat(ctx, 1, func(int) error { return s.process.insert(ctx, "written", s.inserted(1)) })
	}
	return load{name: "insertOne beside 1,000 streams", unit: "docs/s", sides: []side{{"weir", func(ctx context.Context) (float64, error) {
		wctx, cancel := context.WithCancel(ctx)
		var group errgroup.Group
		for i := range streams {
			st, err := s.process.watch(ctx, fmt.Sprint("idle", i))
			if err != nil {
				cancel()
				return 0, err
			}
			group.Go(func() error {
				defer st.close(ctx)
				_, err := st.next(wctx)
				if wctx.Err() != nil {
					return nil
				}
				return err
			})
		}
		rate, err := write(ctx)
		cancel()
		if werr := group.Wait(); err == nil {
			err = werr
		}
		return rate, err
	}}, {"alone", write}}}
}
