package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// Bounds of one batch of the reader.
const (
	batchEvents = 1000
	// serverBatchEvents is batchEvents of a log on a server: each batch waits for its way
	// there, and for the disks of a majority.
	serverBatchEvents = 3000

	batchBytes = 16 << 20
	keptArena  = 1 << 20 // memory that a reader keeps which is up with its stream
	idleWait   = time.Second
	// idleSave is how often the token of an idle stream is saved.
	idleSave = 2 * time.Second
)

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// published is what a reader hands over once its save has begun: the rows up to
// a position.
type published struct {
	database string
	to       string
	rows     map[string][]bson.Raw // by subscription_id, in order
	lean     bool                  // some rows name their images: all are to be read from the log
}

// reader follows the change stream of one database and writes its events to the log.
type reader struct {
	db      string
	st      store.Store // of the log
	data    store.Store // that is read
	gateway string
	log     *slog.Logger
	clock   func() time.Time
	publish func(published)
	suspend func(ctx context.Context, id, reason, detail string) error
	resume  func(ctx context.Context, db string) error // what was suspended for want of room
	full    atomic.Bool                                // there may be such
	step    func(Step)
	lease   lease

	router *router                  // guarded by writer.under; replaced as a whole
	routes atomic.Pointer[[]*route] // those of router, for who must not wait for a batch

	writer writer

	state    readerState
	numbered string          // position of the last event that was numbered
	at       *bson.Timestamp // where to begin without a token, nil: now
	stream   store.ChangeStream
	most     int // events of a batch
	events   []Event
	arena    []byte
	rows     []byte
	apart    *sharing // of the event that is being routed where it is large, else nil
	wide     []byte   // its row
	whole    bool     // rows are given to a client: their images stay in them
	labels   labels   // of the event that is being routed
	alone    Event    // it without what was looked up for others
	stats    readerStats
	wait     time.Duration // for an event
	budget   *budget
	recovery recovery
	shape    string        // of its streams
	cluster  string        // that it reads
	width    sync.Mutex    // guards the next two
	matching []string      // collections that the stream is open for, nil: all
	widened  bool          // it is to be for all
	widen    chan struct{} // it is to be opened anew for all
	asked    atomic.Int64  // since when the stream is waited for, in nanoseconds; 0: it is not
	rest     []Event       // of a batch, whose rows would have been too many at once
	opened   chan struct{} // closed when the first stream is open
	once     sync.Once
	saved    time.Time

	injections chan *injection // of backfills
	injecting  *injection      // waits for its place
	hurried    atomic.Int32    // backfills under way: an idle stream is not waited for
	passed     atomic.Value    // string: the position up to which the stream was read and published
	ended      chan struct{}   // closed when Run has ended

	adopted     int64 // version of the definitions that it goes by; used by coordination only
	adoptedOnce bool

	fenced func() // is called at once when the lease is lost
	over   bool   // it is, or Run has ended: nothing is delivered here any more; guarded by Manager.mu
}

// readerState is the stored part: a document of event_readers.
type readerState struct {
	Token     bson.Raw `bson:"token"`
	LastPos   string   `bson:"last_pos"`
	Published string   `bson:"published_pos"`
	Wanted    int64    `bson:"defs_wanted"`
	Shape     string   `bson:"stream_shape"` // of the stream that the token is of
	Cluster   string   `bson:"cluster_id"`   // likewise, "": not known
}

// batchEvents is how many events go into a batch.
func (m *Manager) batchEvents() int {
	if m.st.Capabilities().OrderedJournal {
		return batchEvents
	}
	return serverBatchEvents
}

func newReader(m *Manager, db string) *reader {
	return &reader{
		db: db, st: m.st, data: m.data, gateway: m.gateway, log: m.log.With("database", db), clock: m.clock, publish: m.publish, suspend: m.suspendID, resume: m.resumeFull, step: m.step,
		opened: make(chan struct{}), wait: idleWait, router: newRouter(nil),
		injections: make(chan *injection), ended: make(chan struct{}), budget: &m.budget, fenced: func() {},
		widen:    make(chan struct{}, 1),
		writer:   writer{under: semaphore.NewWeighted(allUnder)},
		most:     m.batchEvents(),
		shape:    streamShape(db, m.data.Capabilities()),
		recovery: recovery{patience: stallAfter, silence: stallAfter},
		lease:    lease{st: m.st, coll: collReaders, id: db, owner: m.gateway, ttl: m.lease},
	}
}

// setRoutes replaces the routes between two batches: what was routed before is written.
func (r *reader) setRoutes(ctx context.Context, routes []*route) error {
	if err := r.writer.under.Acquire(ctx, allUnder); err != nil {
		return err
	}
	defer r.writer.under.Release(allUnder)
	r.router = newRouter(routes)
	r.routes.Store(&routes)
	return nil
}

// currentRoutes are the routes in force. Who asks may look while the store stands still.
func (r *reader) currentRoutes() []*route {
	if routes := r.routes.Load(); routes != nil {
		return *routes
	}
	return nil
}

// acquire takes the lease and reads the stored state; false: another gateway
// reads this database.
func (r *reader) acquire(ctx context.Context) (bool, error) {
	if err := r.lease.prepare(ctx); err != nil {
		return false, err
	}
	doc, err := r.lease.acquire(ctx)
	if err != nil || doc == nil {
		return false, err
	}
	r.state = readerState{}
	if err := bson.Unmarshal(slices.Clone(doc), &r.state); err != nil {
		return false, fmt.Errorf("read the reader's state: %w", err)
	}
	return true, nil
}

// Run follows the stream, under the lease that acquire took, until ctx ends, the
// lease is lost, or the history is.
func (r *reader) Run(ctx context.Context) error {
	r.full.Store(true) // as far as the reader before it left behind
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := r.lease.keep(gctx)
		if err != nil {
			r.fenced()
		}
		return err
	})
	g.Go(func() error {
		err := r.sameCluster(gctx)
		if err == nil {
			err = r.followAll(gctx)
		}
		if err == nil {
			err = gctx.Err() // ends the lease's renewal
		}
		return err
	})
	err := g.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// followAll reopens the stream after failures of the store, with a growing
// delay, at most 10 s.
func (r *reader) followAll(ctx context.Context) error {
	defer r.close()
	const longest = 10 * time.Second
	delay := 50 * time.Millisecond
	for {
		err := r.follow(ctx, func() { delay = 50 * time.Millisecond })
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errFenced), isHistoryLost(err) && !r.tryToken():
			return err
		case errors.Is(err, io.EOF), errors.Is(err, errWiden): // after an invalidate event
			continue
		}
		r.learn(err)
		r.suspendFull(ctx, err)
		r.stats.reopened(err)
		r.log.Warn("change stream failed; it will be reopened", "error", err, "delay", delay)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
		delay = min(2*delay, longest)
	}
}

func isHistoryLost(err error) bool {
	switch mongoerr.CodeOf(err) {
	case mongoerr.ChangeStreamHistoryLost, mongoerr.ChangeStreamFatalError, mongoerr.InvalidResumeToken, mongoerr.CappedPositionLost:
		return true
	}
	return false
}

func (r *reader) close() {
	if r.stream != nil {
		_ = r.stream.Close()
		r.stream = nil
	}
}

// open opens the shared stream.
func (r *reader) open(ctx context.Context) error {
	if err := r.watch(ctx); err != nil {
		return err
	}
	if r.state.Token == nil {
		// Without this a crash before the first event would begin at a later now.
		if err := r.save(ctx, r.state.LastPos); err != nil {
			return err
		}
	}
	r.once.Do(func() { close(r.opened) })
	return nil
}

// follow opens the stream and processes batches until something fails. worked
// is called after each batch.
func (r *reader) follow(ctx context.Context, worked func()) error {
	r.close()
	r.rest = nil
	if err := r.open(ctx); err != nil {
		return err
	}
	if r.numbered = r.state.LastPos; r.recovery.skip != "" {
		r.numbered = "" // a time is counted from its first event on
	}
	return r.runBatches(ctx, worked)
}

func (r *reader) readBatches(ctx context.Context, worked func()) error {
	for {
		if err := r.readBatch(ctx); err != nil {
			if werr := r.settle(ctx); werr != nil {
				return werr
			}
			return err
		}
		r.heard()
		if err := r.writeBatch(ctx, worked); err != nil {
			return err
		}
		if r.tookSingly() {
			if err := r.settle(ctx); err != nil {
				return err
			}
			return io.EOF // and on as usual
		}
		if err := r.takeInjections(ctx); err != nil {
			return err
		}
	}
}

// readBatch waits for events and takes those that the reply holds. A batch never
// ends within the fragments of an event.
func (r *reader) readBatch(ctx context.Context) error {
	if len(r.rest) > 0 {
		r.events, r.rest = r.rest, nil
		return nil
	}
	r.events, r.arena = r.events[:0], r.arena[:0]
	if cap(r.arena) > keptArena && r.stream.Buffered() == 0 || cap(r.arena) > 2*batchBytes {
		r.events, r.arena = nil, nil
	}
	wait := r.wait
	limit := r.batchLimit()
	defer r.asked.Store(0)
	for len(r.events) < limit && len(r.arena) < batchBytes || r.inFragments() {
		r.asked.Store(time.Now().UnixNano())
		raw, err := r.stream.Next(ctx, wait)
		if err != nil {
			return err
		}
		if raw == nil {
			if r.inFragments() {
				continue
			}
			break
		}
		r.take(raw)
		switch {
		case r.inFragments():
			wait = idleWait
		case r.stream.Buffered() == 0:
			return nil
		}
	}
	return nil
}

// take copies an event. The arena may move while it grows, so the events are
// parsed by number afterwards.
func (r *reader) take(raw bson.Raw) {
	e := Event{Raw: raw}
	from := len(r.arena)
	r.arena = append(r.arena, raw...)
	e.Raw = bson.Raw(r.arena[from:len(r.arena):len(r.arena)])
	r.events = append(r.events, e)
}

// inFragments tells whether the last event is a fragment that others follow.
func (r *reader) inFragments() bool {
	if len(r.events) == 0 {
		return false
	}
	n, of, ok := fragment(r.events[len(r.events)-1].Raw)
	return ok && n < of
}

// logBatch is R2 to R4: the rows of a batch are in the log. It gives the
// position of the last event.
func (r *reader) logBatch(ctx context.Context) (last string, err error) {
	out, last, err := r.routeBatch(ctx, r.state.LastPos)
	if err == nil {
		err = r.writeRows(ctx, out)
	}
	return last, err
}

// routeBatch is R2 and R3 of a batch that comes after a position.
func (r *reader) routeBatch(ctx context.Context, after string) (out routed, last string, err error) {
	r.events = joinFragments(r.events)
	last = r.number(after)
	if err := r.lookUp(ctx); err != nil {
		return out, last, err
	}
	out = r.route()
	if n := out.events; n < len(r.events) {
		r.events, r.rest = r.events[:n], r.events[n:]
		last = r.events[n-1].position()
	}
	r.step(StepRouted)
	return out, last, nil
}

// token is where the stream goes on behind the events that were routed.
func (r *reader) token() bson.Raw {
	if len(r.rest) > 0 {
		return slices.Clone(r.events[len(r.events)-1].Token)
	}
	return r.stream.ResumeToken()
}

// reached is a position that the stream has passed with the events that were routed.
func (r *reader) reached() string {
	if len(r.rest) > 0 {
		return ""
	}
	return scanned(r.stream)
}

// largeBatch is from how many bytes on the memory of a batch is reserved, batchTimes
// how much it takes in relation to its events: them and their rows.
const (
	largeBatch = 4 << 20
	batchTimes = 2
)

// reserve waits for the memory that the rows of a large batch take.
func (r *reader) reserve(ctx context.Context) (release func(), err error) {
	n := 0
	for i := range r.events {
		n += len(r.events[i].Raw)
	}
	if n < largeBatch {
		return func() {}, nil
	}
	return r.budget.reserve(ctx, budgetReaders, batchTimes*n)
}

// number parses the events, which come after a position, and gives them positions
// that are the same whenever the same stretch is read again; it returns the last
// one. The reader's state takes it only when it is saved: after a failure the
// stretch is numbered anew.
func (r *reader) number(after string) string {
	last, ordinal, ok := ParsePosition(after)
	for i := range r.events {
		e := &r.events[i]
		e.parse(e.Raw)
		if ok && e.Time == last {
			ordinal++
		} else {
			ordinal = 0
		}
		e.Ordinal, last, ok = ordinal, e.Time, true
	}
	return r.events[len(r.events)-1].position()
}

// save stores the token and the position up to which the log is complete, under
// the epoch.
func (r *reader) save(ctx context.Context, position string) error {
	return r.saveAt(ctx, position, r.stream.ResumeToken(), r.stream.OperationTime())
}

// saveAt is save of a token of the stream and the server's time when it was read.
func (r *reader) saveAt(ctx context.Context, position string, token bson.Raw, at bson.Timestamp) error {
	wait, err := r.beginSave(ctx, position, token, at, false)
	if err == nil && wait != nil {
		err = wait()
	}
	return err
}

// beginSave is saveAt that need not wait for the disk: what it gives does, and must
// be called unless it is nil. A later save is never on the disk without this one.
func (r *reader) beginSave(ctx context.Context, position string, token bson.Raw, at bson.Timestamp, later bool) (wait func() error, err error) {
	var filter, update value.Builder
	filter.Add("_id", value.String(r.db))
	filter.Add("epoch", value.Int64(r.lease.epoch))
	update.Open(bson.TypeEmbeddedDocument, "$set")
	if token != nil {
		update.Add("token", value.Document(token))
	}
	update.Add("token_time", value.Timestamp(at.T, at.I))
	update.Add("last_pos", value.String(position))
	update.Add("published_pos", value.String(position))
	update.Add("saved_at", value.Date(r.clock().UnixMilli()))
	if r.shape != r.state.Shape || r.cluster != r.state.Cluster { // they seldom change
		update.Add("stream_shape", value.String(r.shape))
		update.Add("cluster_id", value.String(r.cluster))
	}
	update.Close()
	op := store.WriteOp{Kind: store.Update, Filter: filter.Doc(), Update: documentValue(update.Doc())}
	res, err := r.st.Write(ctx, ns(collReaders), []store.WriteOp{op}, store.WriteOptions{Durable: true, Later: later})
	if err == nil {
		err = res.Err()
	}
	switch {
	case err != nil && res.Wait != nil:
		return nil, fmt.Errorf("save the reader's token: %w", errors.Join(err, res.Wait()))
	case err != nil:
		return nil, fmt.Errorf("save the reader's token: %w", err)
	case res.Matched == 0:
		return nil, errFenced
	}
	if token != nil {
		r.state.Token = slices.Clone(token)
		r.stats.savedToken(text(value.Lookup(r.state.Token, "_data")))
	}
	r.state.LastPos, r.state.Published = position, position
	r.state.Shape, r.state.Cluster, r.recovery.byTime = r.shape, r.cluster, false
	r.saved = r.clock()
	return res.Wait, nil
}

// saveIdle saves the token of a stream without events now and then, so that it
// does not age out of the oplog.
func (r *reader) saveIdle(ctx context.Context) error {
	if err := r.moves(); err != nil {
		return err
	}
	r.stats.idle(passedTime(r.stream))
	r.passed.Store(max(r.state.LastPos, scanned(r.stream)))
	if r.clock().Sub(r.saved) < idleSave {
		return nil
	}
	if err := r.save(ctx, r.state.LastPos); err != nil {
		return err
	}
	r.hasRoom(ctx)
	return nil
}
