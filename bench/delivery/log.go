package delivery

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// appended is how fast plain records of a size in bytes are appended to a file,
// made durable every 100.
func appended(dir string, n, size int) (float64, error) {
	f, err := os.CreateTemp(dir, "weir-bench-append-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close(); _ = os.Remove(f.Name()) }()
	const batch = 100
	block := bytes.Repeat([]byte{'x'}, batch*size)
	from := time.Now()
	for at := 0; at < n; at += batch {
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := syncData(f); err != nil {
			return 0, err
		}
	}
	return rate(n, time.Since(from)), nil
}

// readerRate is how fast events that are in the oplog come into the log.
// size is that of a row of the log.
func readerRate(ctx context.Context, o Options, name string) (perS float64, size int, err error) {
	r, err := newRig(ctx, o, name)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	if err := r.exec(ctx, `CREATE EVENT_SUBSCRIPTION bench_logged ON docs`); err != nil {
		return 0, 0, err
	}
	base, err := r.logged(ctx)
	if err != nil {
		return 0, 0, err
	}
	if err := r.behind(ctx, o.Events); err != nil {
		return 0, 0, err
	}
	if have, err := r.logged(ctx); err != nil || have != base {
		return 0, 0, errors.Join(err, errors.New("another gateway runs subscriptions on this MongoDB: stop it"))
	}
	err = o.profiled(name, func() error {
		from := time.Now()
		if err := r.start(ctx); err != nil {
			return err
		}
		err := r.untilLogged(ctx, base, int64(o.Events))
		perS = rate(o.Events, time.Since(from))
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	row, err := r.logRow(ctx)
	return perS, len(row), err
}

func measureLog(ctx context.Context, o Options) ([]line, error) {
	if o.MongoURI != "" {
		return nil, nil
	}
	got, size, err := readerRate(ctx, o, "log")
	if err != nil {
		return nil, err
	}
	plain, err := appended(o.Dir, o.Events, size)
	if err != nil {
		return nil, err
	}
	return []line{{"reader + log", perSecond(got), fmt.Sprintf("%.2fx of append+fdatasync of %d bytes, %.0f/s", got/plain, size, plain), ">= 30,000/s and 0.3x", got >= 30_000 && got >= 0.3*plain}}, nil
}

func measureDriver(ctx context.Context, o Options) ([]line, error) {
	if o.MongoURI == "" {
		return nil, nil
	}
	bare, err := bareDriver(ctx, o)
	if err != nil {
		return nil, err
	}
	got, _, err := readerRate(ctx, o, "driver")
	if err != nil {
		return nil, err
	}
	return []line{{"reader + log, real server", perSecond(got), fmt.Sprintf("%.2fx of the bare driver, %.0f/s", got/bare, bare), ">= 0.8x", got >= 0.8*bare}}, nil
}

// bareDriver is how fast the driver alone takes the events of a change stream
// and inserts them again, 1,000 at a time.
func bareDriver(ctx context.Context, o Options) (_ float64, err error) {
	client, err := mongo.Connect(options.Client().ApplyURI(o.MongoURI))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, client.Disconnect(ctx)) }()
	db := client.Database("weir_bench_bare")
	if err := db.Drop(ctx); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Drop(ctx)) }()
	stream, err := db.Collection(docs).Watch(ctx, bson.A{}, options.ChangeStream().SetBatchSize(1000))
	if err != nil {
		return 0, err
	}
	defer func() { _ = stream.Close(ctx) }()
	for at := 0; at < o.Events; at += 500 {
		var chunk []any
		for i := at; i < min(at+500, o.Events); i++ {
			chunk = append(chunk, document(i))
		}
		if _, err := db.Collection(docs).InsertMany(ctx, chunk); err != nil {
			return 0, err
		}
	}
	journaled := true
	into := db.Collection("log", options.Collection().SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled}))
	from := time.Now()
	var batch []any
	for n := 1; n <= o.Events; n++ {
		if !stream.Next(ctx) {
			return 0, stream.Err()
		}
		batch = append(batch, append(bson.Raw(nil), stream.Current...))
		if len(batch) == 1000 || n == o.Events {
			if _, err := into.InsertMany(ctx, batch, options.InsertMany().SetOrdered(false)); err != nil {
				return 0, err
			}
			batch = batch[:0]
		}
	}
	return rate(o.Events, time.Since(from)), nil
}

// catchupRounds is how often the log is read; the first time it is not in the cache.
const catchupRounds = 5

// measureCatchup reads a subscription's log from its beginning over the wire, in
// turns with a sequential read, once the store has put in order what was written.
func measureCatchup(ctx context.Context, o Options) (_ []line, err error) {
	r, err := newRig(ctx, o, "catchup")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	if err := r.exec(ctx, `CREATE EVENT_SUBSCRIPTION bench_logged ON docs`); err != nil {
		return nil, err
	}
	base, err := r.logged(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.write(ctx, 0, o.Events); err != nil {
		return nil, err
	}
	if err := r.untilLogged(ctx, base, int64(o.Events)); err != nil {
		return nil, err
	}
	settle(ctx)
	var got, plain, ratio []float64
	for range catchupRounds {
		var took time.Duration
		var size int
		read := func() (err error) {
			took, size, err = r.readLog(ctx, o.Events)
			return err
		}
		if err := o.profiled("catchup", read); err != nil { // of the last one
			return nil, err
		}
		sequential, err := sequentialRead(o.Dir, o.Events, size)
		if err != nil {
			return nil, err
		}
		got, plain = append(got, rate(o.Events, took)), append(plain, sequential)
		ratio = append(ratio, rate(o.Events, took)/sequential)
	}
	beside := fmt.Sprintf("%.3fx of a sequential read, %.0f/s; medians of %d, of the ratio %.3f..%.3f", middle(ratio), middle(plain), catchupRounds, slices.Min(ratio), slices.Max(ratio))
	return []line{{"catch-up from the log", perSecond(middle(got)), beside, ">= 0.05x", middle(ratio) >= 0.05}}, nil
}

// readLog copies n events of the log to a client and tells how long that took
// and the bytes of one.
func (r *rig) readLog(ctx context.Context, n int) (took time.Duration, size int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := r.connect(ctx)
	if err != nil {
		return 0, 0, err
	}
	w := &lineCounter{want: n, full: make(chan struct{})}
	ended := make(chan error, 1)
	from := time.Now()
	go func() {
		_, err := conn.PgConn().CopyTo(ctx, w, `COPY (SUBSCRIBE TO bench_logged AS OF '2000-01-01Z') TO STDOUT`)
		ended <- err
	}()
	select {
	case <-w.full:
	case err := <-ended:
		return 0, 0, fmt.Errorf("the tail ended after %d of %d rows: %w", w.lines, n, err)
	}
	took = time.Since(from)
	cancel()
	<-ended
	return took, w.bytes / max(1, w.lines), nil
}

// middle is the median.
func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// lineCounter counts the lines that are written to it.
type lineCounter struct {
	want, lines, bytes int
	full               chan struct{}
}

func (c *lineCounter) Write(p []byte) (int, error) {
	before := c.lines
	c.lines += bytes.Count(p, []byte{'\n'})
	c.bytes += len(p)
	if before < c.want && c.lines >= c.want {
		close(c.full)
	}
	return len(p), nil
}

// sequentialRead is how fast records with a length in front are read from a file.
func sequentialRead(dir string, n, size int) (float64, error) {
	f, err := os.CreateTemp(dir, "weir-bench-read-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close(); _ = os.Remove(f.Name()) }()
	record := bytes.Repeat([]byte{'x'}, size)
	w := bufio.NewWriter(f)
	for range n {
		_, _ = w.Write(record)
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	from := time.Now()
	in := bufio.NewReaderSize(f, 1<<20)
	for range n {
		if _, err := io.ReadFull(in, record); err != nil {
			return 0, err
		}
	}
	return rate(n, time.Since(from)), nil
}
