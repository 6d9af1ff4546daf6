package delivery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/events"
	"weir/gateway"
	"weir/store"
	"weir/store/remote"
)

// docs is the collection that events are made on.
const docs = "docs"

// rig is a store with a gateway on it, which can be stopped while the store goes on.
type rig struct {
	o     Options
	db    string
	st    store.Store
	dir   string
	g     *gateway.Gateway
	stop  context.CancelFunc
	ended chan error
	conn  *pgx.Conn
}

// newRig opens a store of its own and starts a gateway on it.
func newRig(ctx context.Context, o Options, name string) (r *rig, err error) {
	r = &rig{o: o, db: "weir_bench_" + name}
	if o.MongoURI != "" {
		r.st, err = remote.Open(ctx, o.MongoURI, remote.Options{AppName: "weir bench"})
	} else if r.dir, err = os.MkdirTemp(o.Dir, "weir-bench-"); err == nil {
		r.st, err = engine.Open(r.dir, engine.Options{InternalDatabases: []string{events.Database}, CacheSize: o.CacheSize})
	}
	if err != nil {
		return nil, err
	}
	if o.MongoURI != "" {
		err = r.command(ctx, r.db, bson.D{{Key: "dropDatabase", Value: 1}})
	}
	if err == nil {
		err = r.start(ctx)
	}
	if err == nil && o.MongoURI != "" {
		err = r.forget(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, r.close(ctx))
	}
	return r, nil
}

// start runs a gateway.
func (r *rig) start(ctx context.Context) error {
	g, err := gateway.Open(ctx, gateway.Options{Store: r.st, AllowPrivateTargets: true, Logger: r.o.Logger})
	if err != nil {
		return err
	}
	rctx, stop := context.WithCancel(ctx)
	r.g, r.stop, r.ended = g, stop, make(chan error, 1)
	go func() { r.ended <- g.Run(rctx) }()
	r.conn, err = r.connect(ctx)
	return err
}

func (r *rig) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("postgres://bench@%s/%s?sslmode=disable", r.g.SQLAddr(), r.db))
}

// halt ends the gateway; the store stays open.
func (r *rig) halt(ctx context.Context) error {
	if r.g == nil {
		return nil
	}
	if r.conn != nil {
		_ = r.conn.Close(ctx)
	}
	r.stop()
	err := errors.Join(<-r.ended, r.g.Close())
	r.g, r.conn = nil, nil
	return err
}

// close ends everything and removes what was made.
func (r *rig) close(ctx context.Context) error {
	var errs []error
	if r.o.MongoURI != "" && r.conn != nil {
		errs = append(errs, r.forget(ctx))
	}
	errs = append(errs, r.halt(ctx))
	if r.o.MongoURI != "" {
		errs = append(errs, r.command(ctx, r.db, bson.D{{Key: "dropDatabase", Value: 1}}))
	}
	errs = append(errs, r.st.Close())
	if r.dir != "" {
		errs = append(errs, os.RemoveAll(r.dir))
	}
	return errors.Join(errs...)
}

// forget drops the subscriptions of the bench database.
func (r *rig) forget(ctx context.Context) error {
	rows, err := r.conn.Query(ctx, `SELECT subscription_name FROM EVENT_SUBSCRIPTIONS()`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := r.exec(ctx, `DROP EVENT_SUBSCRIPTION "`+name+`" CASCADE`); err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) exec(ctx context.Context, sql string) error {
	_, err := r.conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

func (r *rig) number(ctx context.Context, sql string) (n int64, err error) {
	err = r.conn.QueryRow(ctx, sql, pgx.QueryExecModeSimpleProtocol).Scan(&n)
	return n, err
}

func (r *rig) command(ctx context.Context, db string, cmd bson.D) error {
	raw, err := bson.Marshal(cmd)
	if err != nil {
		return err
	}
	_, err = r.st.Command(ctx, db, raw)
	return err
}

// customers is how many values the field customer has.
const customers = 1000

// document is an order of about 250 bytes.
func document(i int) bson.Raw {
	raw, err := bson.Marshal(bson.D{{Key: "_id", Value: i}, {Key: "customer", Value: i % customers}, {Key: "status", Value: "placed"}, {Key: "total", Value: 12.5},
		{Key: "correlationId", Value: fmt.Sprintf("c-%d", i)}, {Key: "at", Value: time.UnixMilli(1_700_000_000_000 + int64(i))},
		{Key: "note", Value: "a text of ordinary length, as orders of shops have them"}, {Key: "lines", Value: bson.A{1, 2, 3}}})
	if err != nil {
		panic(err)
	}
	return raw
}

// documents lie one after the other, so that the collector of garbage sees one thing.
type documents struct {
	bytes []byte
	ends  []int
}

func makeDocuments(n int) documents {
	m := documents{bytes: make([]byte, 0, n*(len(document(n))+16)), ends: make([]int, 0, n)}
	for i := range n {
		m.bytes = append(m.bytes, document(i)...)
		m.ends = append(m.ends, len(m.bytes))
	}
	return m
}

func (m documents) at(i int) bson.Raw {
	from := 0
	if i > 0 {
		from = m.ends[i-1]
	}
	return m.bytes[from:m.ends[i]]
}

// write inserts documents, 500 at a time.
func (r *rig) write(ctx context.Context, from, n int) error {
	const chunk = 500
	for at := 0; at < n; at += chunk {
		ops := make([]store.WriteOp, min(chunk, n-at))
		for i := range ops {
			ops[i] = store.WriteOp{Kind: store.Insert, Document: document(from + at + i)}
		}
		if err := r.insert(ctx, ops); err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) insert(ctx context.Context, ops []store.WriteOp) error {
	res, err := r.st.Write(ctx, store.Namespace{DB: r.db, Coll: docs}, ops, store.WriteOptions{})
	if err != nil {
		return err
	}
	return res.Err()
}

// behind writes n documents while no gateway runs: what follows the start of one
// is the runtime's own work.
func (r *rig) behind(ctx context.Context, n int) error {
	if err := r.halt(ctx); err != nil {
		return err
	}
	return r.write(ctx, 0, n)
}

// logged is how many rows the log has of all that ran here.
func (r *rig) logged(ctx context.Context) (int64, error) {
	raw, err := bson.Marshal(bson.D{{Key: "count", Value: "event_log"}})
	if err != nil {
		return 0, err
	}
	reply, err := r.st.Command(ctx, "weir", raw)
	if err != nil {
		return 0, err
	}
	return reply.Lookup("n").AsInt64(), nil
}

// logRow gives one row of the log.
func (r *rig) logRow(ctx context.Context) (bson.Raw, error) {
	limit, err := bson.Marshal(bson.D{{Key: "$limit", Value: int64(1)}})
	if err != nil {
		return nil, err
	}
	cur, err := r.st.Aggregate(ctx, store.Namespace{DB: events.Database, Coll: "event_log"}, []bson.Raw{limit}, store.AggregateOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = cur.Close() }()
	row, err := cur.Next(ctx)
	if err != nil {
		return nil, fmt.Errorf("read a row of the log: %w", err)
	}
	return slices.Clone(row), nil
}

// untilLogged waits until the log has n rows more than base.
func (r *rig) untilLogged(ctx context.Context, base, n int64) error {
	return until(ctx, func() (bool, error) {
		have, err := r.logged(ctx)
		return have-base >= n, err
	})
}

// unsettled tells of a row that waits for its delivery when its event was, nil: there is
// none. since leaves out those before a time, nil: none.
func (r *rig) unsettled(ctx context.Context, since any) (any, error) {
	match := bson.D{{Key: "processing_status", Value: bson.D{{Key: "$in", Value: bson.A{"queued", "processing", "retrying"}}}}}
	if since != nil {
		match = append(match, bson.E{Key: "event_timestamp", Value: bson.D{{Key: "$gte", Value: since}}})
	}
	found, err := r.someOf(ctx, "event_log", match, 1)
	for _, row := range found {
		for _, e := range row {
			if e.Key == "event_timestamp" {
				return e.Value, err
			}
		}
	}
	return nil, err
}

// untilSettled waits until nothing waits for its delivery. It goes on where it was: what
// is delivered has left keys in the index that who begins in front walks each time, and
// who measures is not to take what is measured.
func (r *rig) untilSettled(ctx context.Context) error {
	var at any
	return until(ctx, func() (bool, error) {
		next, err := r.unsettled(ctx, at)
		if err == nil && next == nil && at != nil {
			next, err = r.unsettled(ctx, nil)
		}
		at = next
		return next == nil, err
	})
}

// patience is how long a measure waits for its end.
const patience = 5 * time.Minute

// until asks again and again until the answer is yes, not so often that it is
// asking that is measured.
func until(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited too long: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
