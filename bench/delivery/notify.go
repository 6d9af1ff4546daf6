package delivery

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sync/errgroup"

	"weir/store"
)

// way is the way of events from their insert to a listener. Its times are counted
// from its begin, and so hold no pointers for the collector of garbage to follow:
// it runs in the process that is measured.
type way struct {
	begin            time.Time
	sent, acked, got []time.Duration // by number of the event; 0: not yet
	n                atomic.Int64
	made             documents // made beforehand: it is not what is measured
}

func newWay(n int) *way {
	return &way{begin: time.Now(), sent: make([]time.Duration, n), acked: make([]time.Duration, n), got: make([]time.Duration, n), made: makeDocuments(n)}
}

func (w *way) now() time.Duration { return time.Since(w.begin) }

// latencies gives the times from the insert's begin and from its acknowledgement.
func (w *way) latencies() (begun, acked []time.Duration) {
	for i, got := range w.got {
		if got == 0 {
			continue
		}
		begun = append(begun, got-w.sent[i])
		acked = append(acked, max(0, got-w.acked[i]))
	}
	return begun, acked
}

// listen takes notifications until all are there. It reads them from the connection
// itself: what a client does beside that is not what is measured.
func (w *way) listen(conn *pgx.Conn, number func(payload string) (int, error)) error {
	if err := conn.PgConn().Conn().SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for w.n.Load() < int64(len(w.sent)) {
		m, err := conn.PgConn().Frontend().Receive()
		if err != nil {
			return fmt.Errorf("after %d of %d notifications: %w", w.n.Load(), len(w.sent), err)
		}
		n, ok := m.(*pgproto3.NotificationResponse)
		if !ok {
			return fmt.Errorf("%T in place of a notification", m)
		}
		i, err := number(n.Payload)
		if err != nil {
			return err
		}
		if i < len(w.got) && w.got[i] == 0 {
			w.got[i] = w.now()
			w.n.Add(1)
		}
	}
	return nil
}

// paced calls f with numbers below n, so many in a second, from several
// goroutines where one is too slow.
func paced(ctx context.Context, n, perSecond, workers int, f func(ctx context.Context, i int) error) error {
	var g errgroup.Group
	begin := time.Now()
	for worker := range workers {
		g.Go(func() error {
			for i := worker; i < n; i += workers {
				if wait := time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(perSecond))); wait > 0 {
					time.Sleep(wait)
				}
				if err := f(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// eventKey reads the number from {…, "key": {"_id": number}}.
func eventKey(payload string) (int, error) {
	at := strings.LastIndex(payload, keyBegin)
	if at < 0 {
		return 0, fmt.Errorf("the notification has no key: %s", payload)
	}
	digits := payload[at+len(keyBegin):]
	end := strings.IndexByte(digits, '}')
	return strconv.Atoi(strings.TrimSpace(digits[:max(end, 0)]))
}

const keyBegin = `"_id":`

// notified runs paced inserts and listens to all of them.
func notified(ctx context.Context, r *rig, w *way, perSecond, workers int, channels []string) error {
	listener, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close(ctx) }()
	for _, c := range channels {
		if _, err := listener.Exec(ctx, "LISTEN "+c); err != nil {
			return err
		}
	}
	var g errgroup.Group
	g.Go(func() error { return w.listen(listener, eventKey) })
	g.Go(func() error {
		return paced(ctx, len(w.sent), perSecond, workers, func(ctx context.Context, i int) error {
			w.sent[i] = w.now()
			err := r.insert(ctx, []store.WriteOp{{Kind: store.Insert, Document: w.made.at(i)}})
			w.acked[i] = w.now()
			return err
		})
	})
	return g.Wait()
}

func measureNotify(ctx context.Context, o Options) (_ []line, err error) {
	r, err := newRig(ctx, o, "notify")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	if err := r.exec(ctx, `CREATE EVENT_SUBSCRIPTION bench_told ON docs DELIVER TO NOTIFY told`); err != nil {
		return nil, err
	}
	const perSecond, workers = 1000, 4
	w := newWay(perSecond * o.Seconds)
	used := spentNow()
	if err := o.profiled("notify", func() error { return notified(ctx, r, w, perSecond, workers, []string{"told"}) }); err != nil {
		return nil, err
	}
	cpu, kb := used.perEvent(len(w.sent))
	begun, acked := w.latencies()
	p50, p99 := quantiles(acked)
	b50, b99 := quantiles(begun)
	lines := []line{
		{"acknowledged -> NOTIFY", fmt.Sprintf("p99 %.2f ms", p99), fmt.Sprintf("p50 %.2f ms, 1,000/s; an event %.0f us CPU, %.1f kB", p50, cpu, kb), "<= 2 ms", p99 <= 2},
		{"insert -> NOTIFY", fmt.Sprintf("p99 %.2f ms", b99), fmt.Sprintf("p50 %.2f ms, 1,000/s", b50), "", true},
	}
	if o.PostgresURL == "" {
		return lines, nil
	}
	pg, err := postgresNotify(ctx, o, perSecond, workers)
	if errors.Is(err, errNoSync) {
		lines[1].beside = err.Error()
		return lines, nil
	}
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL: %w", err)
	}
	_, pg99 := quantiles(pg)
	lines[1].beside = fmt.Sprintf("%.1fx of PostgreSQL's LISTEN/NOTIFY, p99 %.2f ms", b99/pg99, pg99)
	lines[1].must, lines[1].ok = "<= 4x", b99 <= 4*pg99
	return lines, nil
}

// errNoSync tells of a PostgreSQL that acknowledges what is not on its disk.
var errNoSync = errors.New("not compared: PostgreSQL runs with fsync or synchronous_commit off")

// postgresNotify is the same on PostgreSQL: a row and a notification in one
// transaction, from the statement's begin to the listener.
func postgresNotify(ctx context.Context, o Options, perSecond, workers int) (_ []time.Duration, err error) {
	listener, err := pgx.Connect(ctx, o.PostgresURL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = listener.Close(ctx) }()
	var synced bool
	err = listener.QueryRow(ctx, `SELECT current_setting('fsync') = 'on' AND current_setting('synchronous_commit') <> 'off'`).Scan(&synced)
	if err == nil && !synced {
		err = errNoSync
	}
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{`CREATE TABLE IF NOT EXISTS weir_bench_docs (id int, doc bytea)`, `LISTEN weir_bench`} {
		if _, err := listener.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	conns := make(chan *pgx.Conn, workers)
	for range workers {
		c, err := pgx.Connect(ctx, o.PostgresURL)
		if err != nil {
			return nil, err
		}
		defer func() { _ = c.Close(ctx) }()
		conns <- c
	}
	w := newWay(perSecond * o.Seconds)
	var g errgroup.Group
	g.Go(func() error { return w.listen(listener, strconv.Atoi) })
	g.Go(func() error {
		return paced(ctx, len(w.sent), perSecond, workers, func(ctx context.Context, i int) error {
			c := <-conns
			defer func() { conns <- c }()
			w.sent[i] = w.now()
			_, err := c.Exec(ctx, `WITH d AS (INSERT INTO weir_bench_docs VALUES ($1, $2) RETURNING id) SELECT pg_notify('weir_bench', id::text) FROM d`, i, []byte(document(i)))
			w.acked[i] = w.now()
			return err
		})
	})
	err = g.Wait()
	_, dropErr := listener.Exec(ctx, `DROP TABLE weir_bench_docs`)
	begun, _ := w.latencies()
	return begun, errors.Join(err, dropErr)
}

func measureNotifyMany(ctx context.Context, o Options) (_ []line, err error) {
	r, err := newRig(ctx, o, "notify1000")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	if err := createMany(ctx, r, manySubscriptions); err != nil {
		return nil, err
	}
	channels := make([]string, manySubscriptions)
	for i := range channels {
		channels[i] = fmt.Sprintf("c%d", i)
	}
	const perSec, workers = 10_000, 64
	w := newWay(perSec * o.Seconds)
	used, from := spentNow(), time.Now()
	if err := o.profiled("notify1000", func() error { return notified(ctx, r, w, perSec, workers, channels) }); err != nil {
		return nil, err
	}
	done := rate(len(w.sent), time.Since(from))
	cpu, kb := used.perEvent(len(w.sent))
	_, acked := w.latencies()
	p50, p99 := quantiles(acked)
	return []line{{"ack. -> NOTIFY, 1,000 subs", fmt.Sprintf("p99 %.2f ms", p99), fmt.Sprintf("p50 %.2f ms, %.0f/s of 10,000/s; %.0f us CPU, %.1f kB", p50, done, cpu, kb), "<= 8 ms", p99 <= 8}}, nil
}
