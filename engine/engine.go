package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"weir/engine/index"
	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/mongoerr"
)

// Engine is an open database. Its methods may be called concurrently.
type Engine struct {
	opts      Options
	db        *storage.DB
	log       *oplog.Log
	catalog   *catalog
	past      pastStates
	started   time.Time
	setID     bson.ObjectID // of the replica set: this data directory and its copies
	processID bson.ObjectID // of hello's topologyVersion

	// write is the writer lock: held while one document (or a small group) is
	// changed and applied, never while waiting for the disk.
	write   sync.Mutex
	gen     index.Generator         // of the holder of write
	keys    keyBuffer               // of the holder of write
	pending map[string]*transaction // keys that open transactions have changed
	merged  uint64                  // transactions that were applied; of the holder of write
	applied atomic.Uint64           // cluster time of the last applied change
	broken  atomic.Pointer[mongoerr.Error]

	cursors     cursorTable
	operations  operationTable
	sessions    sessionTable
	fail        failPoints
	counters    counters
	txnLifetime atomic.Int64 // how long a transaction may run
	commands    map[string]command
	// usersVersion changes with every change of users, so that logins read their roles anew.
	usersVersion atomic.Int64
	logLevel     atomic.Int32 // as setParameter set it

	lazySync chan struct{} // asks for a sync of writes that nobody waits for
	inserts  jointInserts
	groups   sync.Pool // of *groupMemory
	cancel   context.CancelFunc
	tasks    *errgroup.Group
	closed   atomic.Bool
	address  atomic.Pointer[string] // what hello names; nil: Options.Host
}

type counters struct {
	insert, query, update, delete, getmore, command atomic.Int64
	connections, connectionsTotal                   atomic.Int64
	expiries                                        atomic.Int64 // looks for transactions over time
}

// Open opens the database in dir, creating it if there is none; "" is memory.
func Open(dir string, opts Options) (*Engine, error) {
	opts = opts.withDefaults()
	db, err := storage.Open(dir, storage.Options{FS: opts.FS, CacheSize: opts.CacheSize, Logger: opts.Logger, Down: shutDown})
	if err != nil {
		return nil, err
	}
	e := &Engine{opts: opts, db: db, pending: map[string]*transaction{}, lazySync: make(chan struct{}, 1), started: opts.Now(), commands: newCommandTable(), processID: bson.NewObjectID()}
	e.cursors.open = map[int64]*serverCursor{}
	e.sessions.byID = map[string]*logicalSession{}
	e.txnLifetime.Store(int64(opts.TransactionLifetime))
	if e.log, err = oplog.Open(db, opts.Now); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	e.applied.Store(e.log.Last())
	if err := e.openSetID(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if e.catalog, err = openCatalog(e); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := e.catalog.clearLeftovers(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	e.startTasks()
	return e, nil
}

// SetHost changes the address that hello names, to that of a listener.
func (e *Engine) SetHost(address string) { e.address.Store(&address) }

func (e *Engine) host() string {
	if a := e.address.Load(); a != nil {
		return *a
	}
	return e.opts.Host
}

// startTasks runs what goes on in the background until Close.
func (e *Engine) startTasks() {
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	e.tasks, ctx = errgroup.WithContext(ctx)
	e.tasks.Go(func() error { return e.syncLazily(ctx) })
	e.tasks.Go(func() error { return e.every(ctx, time.Second, e.sweep) })
	e.tasks.Go(func() error { return e.every(ctx, 10*time.Minute, e.purge) })
	if e.opts.TTLInterval > 0 {
		e.tasks.Go(func() error { return e.every(ctx, e.opts.TTLInterval, e.sweepTTL) })
	}
}

func (e *Engine) every(ctx context.Context, d time.Duration, f func(context.Context)) error {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			f(ctx)
		}
	}
}

// sweep ends what is over time and trims the oplog.
func (e *Engine) sweep(context.Context) {
	now := e.opts.Now()
	e.cursors.expire(now.Add(-e.opts.CursorTimeout))
	e.sessions.expire(e, now)
	e.counters.expiries.Add(1)
	e.past.expire(now)
	if err := e.log.Trim(uint64(e.opts.OplogSize)); err != nil {
		e.opts.Logger.Error("trim the oplog", "error", err)
	}
}

func (e *Engine) purge(context.Context) {
	if err := e.purgeSessions(e.opts.Now()); err != nil {
		e.opts.Logger.Error("forget old sessions", "error", err)
	}
}

// syncLazily makes writes durable that were acknowledged without waiting, so
// that change streams see them soon, too.
func (e *Engine) syncLazily(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.lazySync:
			if err := e.sync(); err != nil {
				e.opts.Logger.Error("sync", "error", err)
			}
		}
	}
}

// sync makes everything applied so far durable and visible to change streams.
func (e *Engine) sync() error {
	if err := e.usable(); err != nil {
		return err
	}
	ts := e.applied.Load()
	if err := e.db.Sync(); err != nil {
		return e.breakDown(err)
	}
	e.log.MarkDurable(ts)
	return nil
}

// breakDown refuses all further writes: what is in memory may not be on disk.
func (e *Engine) breakDown(cause error) error {
	if mongoerr.CodeOf(cause) == mongoerr.InterruptedAtShutdown {
		return cause
	}
	err := mongoerr.New(mongoerr.InternalError, "the log of the data directory cannot be written, restart is needed: %v", cause)
	if e.broken.CompareAndSwap(nil, err) {
		e.opts.Logger.Error("write the log", "error", cause)
	}
	return err
}

// shutDown is what a closed engine answers.
func shutDown() error {
	return mongoerr.New(mongoerr.InterruptedAtShutdown, "interrupted at shutdown")
}

func (e *Engine) usable() error {
	if e.closed.Load() {
		return shutDown()
	}
	if err := e.broken.Load(); err != nil {
		return err
	}
	return nil
}

// Close ends background work, open transactions and cursors, and closes the store.
func (e *Engine) Close() error {
	if e.closed.Swap(true) {
		return nil
	}
	e.cancel()
	err := e.tasks.Wait()
	e.sessions.closeAll(e)
	e.cursors.closeAll()
	e.past.close()
	if e.broken.Load() == nil {
		err = errors.Join(err, e.db.Sync())
	}
	return errors.Join(err, e.db.Close())
}
