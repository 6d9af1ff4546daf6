package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
)

// sides are what a run compares.
type sides struct {
	c       Config
	dir     string
	e       *engine.Engine
	process inProcess
	wire    wire
	mongo   *wire // nil: none
	pebble  *bare
	sql     *postgres // nil: none
	stop    []func()
	fresh   int // names of documents that were inserted
}

// Run measures in a temporary directory and reports a line for each load.
func Run(ctx context.Context, c Config) (_ []Result, err error) {
	c = c.withDefaults()
	s := &sides{c: c}
	defer func() {
		for i := len(s.stop) - 1; i >= 0; i-- {
			s.stop[i]()
		}
	}()
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.fill(ctx); err != nil {
		return nil, err
	}
	var results []Result
	for _, l := range s.loads() {
		if !strings.Contains(l.name, c.Only) {
			continue
		}
		r, err := c.measure(ctx, &l)
		if err != nil {
			return results, err
		}
		results = append(results, r)
		c.Report(c.line(&l, r))
	}
	return results, s.reopen(ctx)
}

func (s *sides) open(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "weir-bench-engine-"); err != nil {
		return err
	}
	s.stop = append(s.stop, func() { _ = os.RemoveAll(s.dir) })
	if s.e, err = engine.Open(filepath.Join(s.dir, "engine"), engine.Options{TTLInterval: -1, CacheSize: s.c.CacheSize}); err != nil {
		return err
	}
	s.stop = append(s.stop, func() { _ = s.e.Close() })
	s.process = inProcess{s.e}
	var stop func()
	if s.wire, stop, err = serve(ctx, s.e); err != nil {
		return err
	}
	s.stop = append(s.stop, stop)
	if s.pebble, err = openBare(filepath.Join(s.dir, "pebble")); err != nil {
		return err
	}
	s.stop = append(s.stop, s.pebble.close)
	if s.c.MongoURI != "" {
		m, err := connect(s.c.MongoURI)
		if err != nil {
			return err
		}
		s.mongo = &m
		s.stop = append(s.stop, func() { m.close(context.WithoutCancel(ctx)) })
	}
	if s.c.PostgresURL != "" {
		if s.sql, err = openPostgres(ctx, s.c.PostgresURL); err != nil {
			return err
		}
		s.stop = append(s.stop, func() { s.sql.close(context.WithoutCancel(ctx)) })
	}
	return nil
}

// fill puts the documents in place on all sides, with an index on status and time.
func (s *sides) fill(ctx context.Context) error {
	targets := []database{s.process}
	if s.mongo != nil {
		if err := s.mongo.command(ctx, bson.D{{Key: "dropDatabase", Value: 1}}); err != nil {
			return err
		}
		targets = append(targets, *s.mongo)
	}
	start := time.Now()
	const group = 1000
	for at := 0; at < s.c.Documents; at += group {
		if at%100_000 == 0 {
			s.c.Progress(fmt.Sprintf("insert the documents to read: %d of %d", at, s.c.Documents))
		}
		docs := make([]bson.Raw, min(group, s.c.Documents-at))
		for i := range docs {
			docs[i] = document(nil, at+i)
		}
		for _, d := range targets {
			if err := d.insert(ctx, "orders", docs); err != nil {
				return fmt.Errorf("insert: %w", err)
			}
		}
	}
	filled := time.Since(start)
	for _, d := range targets {
		s.c.Progress("build an index")
		if err := d.command(ctx, bson.D{{Key: "createIndexes", Value: "orders"}, {Key: "indexes", Value: bson.A{
			bson.D{{Key: "key", Value: bson.D{{Key: "status", Value: 1}, {Key: "at", Value: 1}}}, {Key: "name", Value: "status_at"}}}}}); err != nil {
			return err
		}
	}
	if s.sql != nil {
		s.c.Progress("copy the documents to PostgreSQL")
		if err := s.sql.fill(ctx, s.c.Documents); err != nil {
			return err
		}
	}
	s.c.Report(fmt.Sprintf("%d documents of %d bytes inserted in %s", s.c.Documents, len(document(nil, 1)), filled.Round(time.Millisecond)))
	return nil
}

// reopen tells the memory in use, closes the engine and measures how long it
// takes to open.
func (s *sides) reopen(ctx context.Context) error {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.c.Report(fmt.Sprintf("%-34s  %d MB in use, %d MB from the system", "memory", m.HeapInuse>>20, m.Sys>>20))
	s.stop[2]() // the port
	s.stop[2] = func() {}
	if err := s.e.Close(); err != nil {
		return err
	}
	start := time.Now()
	e, err := engine.Open(filepath.Join(s.dir, "engine"), engine.Options{TTLInterval: -1, CacheSize: s.c.CacheSize})
	if err != nil {
		return err
	}
	_, err = inProcess{e}.read(ctx, "orders", s.point(1))
	s.c.Report(fmt.Sprintf("%-34s  %s", "open and read a document", time.Since(start).Round(time.Millisecond)))
	return errors.Join(err, e.Close())
}
