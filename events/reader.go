package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// Bounds of one batch of the reader.
const (
	batchEvents = 1000
	batchBytes  = 16 << 20
	idleWait    = time.Second
	// idleSave is how often the token of an idle stream is saved.
	idleSave = 2 * time.Second
)

// errFenced ends a reader whose lease another gateway took.
var errFenced = errors.New("the reader's lease was taken over")

// errHistoryLost ends a reader whose token is no longer in the oplog.
var errHistoryLost = errors.New("the change stream's history was lost")

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// published is what a reader hands over after its rows are durable.
type published struct {
	position string
	rows     map[string][]bson.Raw // by subscription_id, in order
}

// reader follows the change stream of one database and writes its events to the log.
type reader struct {
	db      string
	st      store.Store
	lang    Language
	gateway string
	log     *slog.Logger
	clock   func() time.Time
	publish func(published)

	mu     sync.Mutex
	routes []*route // replaced as a whole, never changed

	state  readerState
	epoch  int64
	stream store.ChangeStream
	events []Event
	arena  []byte
	rows   []byte
	stats  readerStats
	opened chan struct{} // closed when the first stream is open
	once   sync.Once
	saved  time.Time
}

// readerState is the stored part: a document of event_readers.
type readerState struct {
	Token     bson.Raw `bson:"token"`
	LastPos   string   `bson:"last_pos"`
	Published string   `bson:"published_pos"`
}

func newReader(m *Manager, db string) *reader {
	return &reader{
		db: db, st: m.st, lang: m.lang, gateway: m.gateway, log: m.log.With("database", db),
		clock: m.clock, publish: m.publish, opened: make(chan struct{}),
	}
}

// setRoutes replaces the routes. Events of a batch that is being written go by
// the old ones; they were all written before setRoutes was called.
func (r *reader) setRoutes(routes []*route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes = routes
}

func (r *reader) currentRoutes() []*route {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.routes
}

// Run follows the stream until ctx ends, the lease is lost, or the history is.
// Failures of the store are retried with a growing delay, at most 10 s.
func (r *reader) Run(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	defer r.close()
	const longest = 10 * time.Second
	delay := 50 * time.Millisecond
	for {
		err := r.follow(ctx, func() { delay = 50 * time.Millisecond })
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errFenced), isHistoryLost(err):
			return err
		}
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

// load takes the lease and reads the stored token.
func (r *reader) load(ctx context.Context) error {
	reply, err := command(ctx, r.st, bson.D{
		{Key: "findAndModify", Value: collReaders}, {Key: "query", Value: bson.D{{Key: "_id", Value: r.db}}},
		{Key: "update", Value: bson.A{bson.D{{Key: "$set", Value: bson.D{
			{Key: "owner", Value: r.gateway},
			{Key: "epoch", Value: bson.D{{Key: "$add", Value: bson.A{bson.D{{Key: "$ifNull", Value: bson.A{"$epoch", int64(0)}}}, int64(1)}}}},
			{Key: "expires_at", Value: bson.D{{Key: "$add", Value: bson.A{"$$NOW", leaseTTL.Milliseconds()}}}},
		}}}}},
		{Key: "upsert", Value: true}, {Key: "new", Value: true},
	})
	if err != nil {
		return fmt.Errorf("take the reader's lease: %w", err)
	}
	var found struct {
		Value struct {
			readerState `bson:",inline"`
			Epoch       int64 `bson:"epoch"`
		} `bson:"value"`
	}
	if err := bson.Unmarshal(reply, &found); err != nil {
		return fmt.Errorf("read the reader's state: %w", err)
	}
	r.state, r.epoch = found.Value.readerState, found.Value.Epoch
	return nil
}

// leaseTTL is how long a lease lasts without renewal.
const leaseTTL = 15 * time.Second

// open opens the stream after the stored token, or at now.
func (r *reader) open(ctx context.Context) error {
	caps := r.st.Capabilities()
	opts := store.WatchOptions{ShowExpandedEvents: caps.ExpandedEvents, BatchSize: batchEvents, StartAfter: r.state.Token}
	if caps.PreAndPostImages {
		opts.FullDocument, opts.FullDocumentBeforeChange = store.ImageWhenAvailable, store.ImageWhenAvailable
	}
	var pipeline []bson.Raw
	if caps.SplitLargeEvents {
		pipeline = append(pipeline, marshal(bson.D{{Key: "$changeStreamSplitLargeEvent", Value: bson.D{}}}))
	}
	stream, err := r.st.Watch(ctx, store.Namespace{DB: r.db}, pipeline, opts)
	if err != nil {
		return fmt.Errorf("open the change stream of %s: %w", r.db, err)
	}
	r.stream = stream
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
	if err := r.open(ctx); err != nil {
		return err
	}
	for {
		if err := r.readBatch(ctx); err != nil {
			return err
		}
		if err := r.writeBatch(ctx); err != nil {
			return err
		}
		worked()
	}
}

// readBatch waits for events and takes those that the reply holds.
func (r *reader) readBatch(ctx context.Context) error {
	r.events, r.arena = r.events[:0], r.arena[:0]
	wait := idleWait
	for len(r.events) < batchEvents && len(r.arena) < batchBytes {
		raw, err := r.stream.Next(ctx, wait)
		if err != nil {
			return err
		}
		if raw == nil {
			break
		}
		r.take(raw)
		if wait = 0; r.stream.Buffered() == 0 && !r.inFragments() {
			break
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

// writeBatch is R2 to R6 of a batch.
func (r *reader) writeBatch(ctx context.Context) error {
	if len(r.events) == 0 {
		return r.saveIdle(ctx)
	}
	r.events = joinFragments(r.events)
	last := r.number()
	routes := r.currentRoutes()
	if err := r.lookUp(ctx, routes); err != nil {
		return err
	}
	out, docs, err := r.route(routes)
	if err != nil {
		return err
	}
	if err := insertAll(ctx, r.st, collLog, docs); err != nil {
		return fmt.Errorf("write to the event log: %w", err)
	}
	out.position = last
	if err := r.save(ctx, last); err != nil {
		return err
	}
	r.stats.batch(r.events, r.clock())
	r.publish(out)
	return nil
}

// number parses the events and gives them positions that are the same whenever
// the same stretch is read again; it returns the last one. The reader's state
// takes it only when it is saved: after a failure the stretch is numbered anew.
func (r *reader) number() string {
	last, ordinal, ok := ParsePosition(r.state.LastPos)
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
	e := &r.events[len(r.events)-1]
	return string(appendPosition(nil, e.Time, e.Ordinal))
}

// route makes the log's rows of the events.
func (r *reader) route(routes []*route) (published, []bson.Raw, error) {
	out := published{rows: map[string][]bson.Raw{}}
	var docs []bson.Raw
	r.rows = nil // rows are handed over, so each batch has its own
	nowMS := r.clock().UnixMilli()
	for i := range r.events {
		e := &r.events[i]
		position := string(appendPosition(nil, e.Time, e.Ordinal))
		for _, rt := range routes {
			if rt.after != "" && position <= rt.after {
				continue
			}
			row, err := r.routeOne(rt, e, position, nowMS)
			if err != nil {
				return out, nil, err
			}
			if row != nil {
				docs = append(docs, row)
				out.rows[rt.spec.ID] = append(out.rows[rt.spec.ID], row)
			}
		}
	}
	return out, docs, nil
}

// routeOne gives the row of an event for a subscription, nil: not wanted.
func (r *reader) routeOne(rt *route, e *Event, position string, nowMS int64) (bson.Raw, error) {
	ok, err := rt.wants(e)
	if err != nil || !ok {
		return nil, err
	}
	from := len(r.rows)
	seen := e.Full
	if rt.spec.FullDocument == string(store.ImageOff) && e.Op == "update" {
		e.Full = noValue
	}
	before := e.Before
	if rt.spec.FullDocumentBeforeChange == string(store.ImageOff) {
		e.Before = noValue
	}
	r.rows = rt.appendRow(r.rows, e, position, nowMS, r.gateway)
	e.Full, e.Before = seen, before
	row := bson.Raw(slices.Clip(r.rows[from:]))
	if rt.where != nil {
		if ok, err = rt.where.Match(row); err != nil || !ok {
			r.rows = r.rows[:from]
			return nil, err
		}
	}
	return row, nil
}

// save stores the token and the position up to which the log is complete, under
// the epoch.
func (r *reader) save(ctx context.Context, position string) error {
	token := r.stream.ResumeToken()
	set := bson.D{
		{Key: "token", Value: slices.Clone(token)}, {Key: "token_time", Value: r.stream.OperationTime()},
		{Key: "last_pos", Value: position}, {Key: "published_pos", Value: position},
		{Key: "saved_at", Value: r.clock()},
	}
	if token == nil {
		set = set[1:]
	}
	ok, err := updateOne(ctx, r.st, collReaders, bson.D{{Key: "_id", Value: r.db}, {Key: "epoch", Value: r.epoch}}, bson.D{{Key: "$set", Value: set}}, false)
	if err != nil {
		return fmt.Errorf("save the reader's token: %w", err)
	}
	if !ok {
		return errFenced
	}
	if token != nil {
		r.state.Token = slices.Clone(token)
		r.stats.savedToken(text(value.Lookup(r.state.Token, "_data")))
	}
	r.state.LastPos, r.state.Published = position, position
	r.saved = r.clock()
	return nil
}

// saveIdle saves the token of a stream without events now and then, so that it
// does not age out of the oplog.
func (r *reader) saveIdle(ctx context.Context) error {
	if r.clock().Sub(r.saved) < idleSave {
		return nil
	}
	r.stats.idle(r.stream.OperationTime(), r.clock())
	return r.save(ctx, r.state.LastPos)
}
