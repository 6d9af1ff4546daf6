package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"weir/catalog"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/sqlerr"
	"weir/store"
)

// Deps are what the runtime works with.
type Deps struct {
	Store store.Store // that is subscribed to
	// Log holds the log and all else that the runtime keeps; nil: Store does.
	Log      store.Store
	Language Language
	// Sinks opens the sinks of subscriptions.
	Sinks SinkFactory
	// Notify hands a notification of another gateway to the sessions here; nil: nobody listens.
	Notify func(database, channel, payload string)
	// Relations resolves names for a session.
	Relations func(catalog.Session) catalog.Resolver
}

// Options of a Manager; the zero value works.
type Options struct {
	Gateway string // name of this gateway in the monitoring data; "": made up
	Host    string // that it runs on, for the monitoring data
	// Connections counts the clients of this gateway, for the monitoring data; nil: nobody does.
	Connections func() int
	Version     string           // of the program
	Key         []byte           // encrypts the credentials of connections; nil: none are stored
	Lease       time.Duration    // how long a lease lasts without renewal; 0: 15 s
	Probe       time.Duration    // how long an endpoint rests that fails again and again, before it is tried; it doubles up to 60 times that. 0: 1 s
	Logger      *slog.Logger     // nil: discard
	Now         func() time.Time // nil: time.Now
	// Step is told of every step of the runtime when it is done, for tests that
	// end the process between two of them; nil: nobody is.
	Step func(Step)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Step == nil {
		o.Step = func(Step) {}
	}
	if o.Gateway == "" {
		o.Gateway = bson.NewObjectID().Hex()
	}
	if o.Connections == nil {
		o.Connections = func() int { return 0 }
	}
	if o.Lease == 0 {
		o.Lease = defaultLease
	}
	if o.Probe == 0 {
		o.Probe = probeFirst
	}
	return o
}

// Manager runs the subscriptions of all databases of a store. Several managers
// on one store share the work: each database is read by one of them, which also
// delivers its events (coordinate.go).
type Manager struct {
	st      store.Store // of the log, and all else that the runtime keeps
	data    store.Store // that is subscribed to: mostly the same
	lang    Language
	sinks   SinkFactory
	resolve func(catalog.Session) catalog.Resolver
	gateway string
	cluster string // of the data, "": not known
	host    string
	version string
	lease   time.Duration
	probe   time.Duration // before the first one of an endpoint that fails
	vault   *vault
	log     *slog.Logger
	server  serverClock
	clock   func() time.Time // the server's
	clients func() int
	started time.Time // by the gateway's clock
	step    func(Step)

	ready   chan struct{} // closed when Run has loaded the definitions
	poked   chan struct{} // there is something to coordinate
	mu      sync.Mutex    // guards all below; never held over a call to the store
	group   *errgroup.Group
	ctx     context.Context //nolint:containedctx // the life of Run, for what statements start
	subs    map[string]*subscription
	dropped int64                         // so many were taken out of subs
	order   *inOrder                      // of subs; nil: to be made anew
	scope   map[string]*running[*reader]  // by database
	seen    map[string]int64              // version of the definitions that are loaded, by database
	own     map[string]ownChange          // likewise: the last one that was made here
	upTo    map[string]string             // published position, by database
	feeds   map[string]map[string][]*feed // by database and subscription_id
	brk     map[string]*breaker           // by endpoint

	tails      sharedTails              // has a mutex of its own, which comes before mu
	streams    map[*openStream]struct{} // that are open here
	opens      int64                    // so many were opened
	oplogStart bson.Timestamp           // zero: not known
	oplogDue   time.Time                // when it is looked for again
	oplogBusy  bool                     // it is being looked for
	noNotes    atomic.Bool              // the server does not take oplog notes of ours

	budget         budget
	census         recount[census]     // of what waits
	graves         recount[[]bson.Raw] // dead letters by what they are
	minutes, hours past                // of the monitoring views

	outcomes *bulk // of all dispatchers
	cursors  *bulk
	crew     *crew // that runs them

	reopened  time.Time  // when stale redrives were looked for; used by housekeeping only
	strayed   time.Time  // likewise for definitions that nobody announced
	dropsSeen time.Time  // likewise for DROPs that were cut off
	finishing sync.Mutex // held while such DROPs are finished
	sweep     bodySweep  // used by housekeeping only
	pairs     pairsOf    // likewise
	rollups   rollups
	turn      string              // the subscription whose counters are to be saved next; used by housekeeping only
	changes   *semaphore.Weighted // of one: statements that change subscriptions
	looking   *semaphore.Weighted // of one: coordination
	following *semaphore.Weighted // of one: who reads definitions that changed
	claims    claims              // guarded by looking

	notices notices
	notify  func(database, channel, payload string)
}

// running is a goroutine that the manager started.
type running[T any] struct {
	it     T
	cancel context.CancelFunc
	done   chan struct{}
	err    error // after done
}

// end has it end, and does not wait.
func (r *running[T]) end() {
	if r != nil {
		r.cancel()
	}
}

// stop ends it and waits.
func (r *running[T]) stop() {
	if r != nil {
		r.cancel()
		<-r.done
	}
}

// alive tells whether it still runs.
func (r *running[T]) alive() bool { return r != nil && !finished(r.done) }

// New makes a manager; Run starts it.
func New(d Deps, o Options) *Manager {
	o = o.withDefaults()
	v, err := newVault(o.Key)
	if err != nil {
		panic(fmt.Sprintf("events: a key of 32 bytes is refused: %v", err))
	}
	if d.Log == nil {
		d.Log = d.Store
	}
	m := &Manager{
		vault: v,
		st:    d.Log, data: d.Store, lang: d.Language, sinks: d.Sinks, resolve: d.Relations, gateway: o.Gateway, host: o.Host, version: o.Version, lease: o.Lease, probe: o.Probe,
		log: o.Logger, clients: o.Connections, step: o.Step,
		ready: make(chan struct{}), poked: make(chan struct{}, 1), subs: map[string]*subscription{}, scope: map[string]*running[*reader]{},
		seen: map[string]int64{}, own: map[string]ownChange{}, upTo: map[string]string{}, feeds: map[string]map[string][]*feed{}, brk: map[string]*breaker{}, claims: newClaims(), budget: budget{limit: budgetLimit}, streams: map[*openStream]struct{}{},
		minutes: throughputPast(), hours: metricsPast(),
		changes: semaphore.NewWeighted(1), looking: semaphore.NewWeighted(1), following: semaphore.NewWeighted(1),
	}
	m.started, m.server.local = o.Now(), o.Now
	m.clock = m.server.now
	m.notices = newNotices(o.Gateway, o.Now())
	if m.notify = d.Notify; m.notify == nil {
		m.notify = func(string, string, string) {}
	}
	m.outcomes = &bulk{st: d.Log, coll: collLog, spawn: m.within, hurry: make(chan struct{}, 1)}
	m.cursors = &bulk{st: d.Log, coll: collCursors, spawn: m.within, hurry: make(chan struct{}, 1)}
	m.crew = newCrew(m.within)
	return m
}

// within runs f in the group of Run, at its end too. Only what runs in the group itself calls it.
func (m *Manager) within(f func()) {
	m.group.Go(func() error {
		f()
		return nil
	})
}

// Run loads the subscriptions and runs them until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	if err := m.patiently(ctx, "prepare the event collections", func() error { return prepare(ctx, m.st) }); err != nil {
		return ended(ctx, err)
	}
	if err := m.patiently(ctx, "look at the other gateways", func() error { return m.ofSameData(ctx) }); err != nil {
		return ended(ctx, err)
	}
	g, gctx := errgroup.WithContext(ctx)
	if err := m.patiently(ctx, "learn the server's time", func() error { return m.beat(ctx) }); err != nil {
		return ended(ctx, err)
	}
	m.mu.Lock()
	m.group, m.ctx = g, gctx
	m.mu.Unlock()
	if err := m.patiently(ctx, "load the event subscriptions", func() error { return m.reload(ctx, "") }); err != nil {
		return ended(ctx, err)
	}
	g.Go(func() error { return m.housekeeping(gctx) })
	g.Go(func() error { return m.coordinate(gctx) })
	g.Go(func() error { return m.exchange(gctx) })
	close(m.ready)
	return g.Wait()
}

// ended leaves out the error of what the end of Run cut off.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// patiently does a step of the start, again and again while the store cannot be
// reached. Any other failure ends it.
func (m *Manager) patiently(ctx context.Context, step string, do func() error) error {
	const longest = 5 * time.Second
	for delay := 100 * time.Millisecond; ; delay = min(2*delay, longest) {
		err := do()
		if err == nil {
			return nil
		}
		if err = fmt.Errorf("%s: %w", step, err); !mongoerr.Passing(err) || ctx.Err() != nil {
			return err
		}
		m.log.Warn("the event runtime cannot start yet; it is tried again", "error", err, "delay", delay)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay):
		}
	}
}

// wait waits until the manager runs.
func (m *Manager) wait(ctx context.Context) error {
	select {
	case <-m.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(startWait):
		return sqlerr.New(sqlerr.CannotConnectNow, "the event runtime is starting up").WithHint("Try again in a moment.")
	}
}

const startWait = 10 * time.Second

// spawn runs f in the group of Run. Its end is told by the result's done. It is
// called under mu.
func spawn[T any](m *Manager, it T, f func(ctx context.Context) error) *running[T] {
	ctx, cancel := context.WithCancel(m.ctx)
	r := &running[T]{it: it, cancel: cancel, done: make(chan struct{})}
	m.group.Go(func() error {
		defer close(r.done)
		defer cancel()
		r.err = f(ctx)
		return nil
	})
	return r
}

func finished(done chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// publish hands a batch over to the dispatchers and live tails of a database.
func (m *Manager) publish(p published) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.upTo[p.database] = p.to
	now := m.clock()
	for id, rows := range p.rows {
		if s := m.subs[id]; s != nil {
			s.count.received(rows, p.lean, s.Spec.Target.Kind == TargetNone, now)
		}
		for _, f := range m.feeds[p.database][id] {
			if p.lean {
				f.behind(p.to)
				continue
			}
			f.offer(p.to, rows)
		}
	}
	if whole := m.feeds[p.database][""]; len(whole) > 0 {
		if p.lean {
			for _, f := range whole {
				f.behind(p.to)
			}
			return
		}
		rows := p.merged()
		for _, f := range whole {
			f.offer(p.to, rows)
		}
	}
}

// merged gives the rows of all subscriptions by position.
func (p published) merged() []bson.Raw {
	out := []bson.Raw{}
	for _, rows := range p.rows {
		out = append(out, rows...)
	}
	slices.SortFunc(out, func(a, b bson.Raw) int {
		return cmp.Or(compareText(position(a), position(b)), compareText(text(value.Lookup(a, "_id")), text(value.Lookup(b, "_id"))))
	})
	return out
}

// follow begins a feed of a subscription's rows after a position; leave ends it.
func (m *Manager) follow(db, id, after string, limit int) *feed {
	m.mu.Lock()
	defer m.mu.Unlock()
	published := m.upTo[db]
	if s := m.subs[id]; s != nil && s.Catchup == nil {
		published = max(published, s.CaughtUp)
	}
	f := newFeed(m.st, &m.budget, db, id, after, published, limit)
	if m.feeds[db] == nil {
		m.feeds[db] = map[string][]*feed{}
	}
	m.feeds[db][id] = append(m.feeds[db][id], f)
	f.poke()
	return f
}

func (m *Manager) leave(db string, f *feed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f.drop()
	rest := slices.DeleteFunc(m.feeds[db][f.id], func(o *feed) bool { return o == f })
	if len(rest) == 0 {
		delete(m.feeds[db], f.id)
		return
	}
	m.feeds[db][f.id] = rest
}

// inOrder are the subscriptions in order of their ids. It is not changed once it
// is made.
type inOrder struct {
	all []*subscription
	of  map[string][]*subscription // by database
}

func (m *Manager) inOrder() *inOrder {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.order != nil {
		return m.order
	}
	o := &inOrder{all: make([]*subscription, 0, len(m.subs)), of: map[string][]*subscription{}}
	for _, s := range m.subs {
		o.all = append(o.all, s)
	}
	slices.SortFunc(o.all, func(a, b *subscription) int { return compareText(a.ID, b.ID) })
	for _, s := range o.all {
		o.of[s.Database] = append(o.of[s.Database], s)
	}
	m.order = o
	return o
}

// list gives the subscriptions in order of their ids. The caller does not change it.
func (m *Manager) list() []*subscription { return m.inOrder().all }

// of gives the subscriptions of a database, like list.
func (m *Manager) of(db string) []*subscription { return m.inOrder().of[db] }

// apart tells whether the log is in another store than the data.
func (m *Manager) apart() bool { return m.st != m.data }

// operationTime asks the server of the data how far it is.
func (m *Manager) operationTime(ctx context.Context) (bson.Timestamp, error) {
	reply, err := command(ctx, m.data, bson.D{{Key: "ping", Value: 1}})
	if err != nil {
		return bson.Timestamp{}, err
	}
	t, i := value.Lookup(reply, "operationTime").AsTimestamp()
	return bson.Timestamp{T: t, I: i}, nil
}

// breakerOf gives the breaker of a target's endpoint.
func (m *Manager) breakerOf(t Target) *breaker {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := endpoint(t)
	if m.brk[key] == nil {
		m.brk[key] = &breaker{first: m.probe}
	}
	return m.brk[key]
}

// startDispatcher runs the dispatcher of a subscription.
func (m *Manager) startDispatcher(s *subscription, def stored) {
	d := m.newDispatcher(s, &def)
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.dispatcher.alive() || !m.reads(s.Database) {
		return
	}
	s.dispatcher = spawn(m, d, func(ctx context.Context) error { return m.runDispatcher(ctx, d) })
}

func (m *Manager) newDispatcher(s *subscription, def *stored) *dispatcher {
	b, spec := m.breakerOf(def.Spec.Target), def.Spec
	return &dispatcher{
		st: m.st, spec: spec, version: def.Version, breaker: b, gateway: m.gateway, log: m.log.With("subscription", s.ID), clock: m.clock, step: m.step,
		budget: &m.budget, settled: s.count.settled, outcomes: m.outcomes, cursors: m.cursors, crew: m.crew,
		suspend: func(ctx context.Context, reason, detail string) error { return m.suspend(ctx, s, reason, detail) },
		join:    func(after string) *feed { return m.follow(spec.Database, s.ID, after, handedOver) },
	}
}

// stopDispatcher ends what runs for a subscription and waits until it wrote what it knew.
func (m *Manager) stopDispatcher(s *subscription) {
	m.mu.Lock()
	d, c, b := s.dispatcher, s.catching, s.backfills
	s.dispatcher, s.catching, s.backfills = nil, nil, nil
	m.mu.Unlock()
	b.stop()
	c.stop()
	d.stop()
}

// startCatchUp runs the private reader of a subscription's past.
func (m *Manager) startCatchUp(s *subscription, def stored) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !s.catching.alive() && m.reads(s.Database) {
		s.catching = spawn(m, s, func(ctx context.Context) error { return m.runCatchUp(ctx, s, def) })
	}
}

// runDispatcher opens the sink and runs the dispatcher; failures of the store
// are retried.
func (m *Manager) runDispatcher(ctx context.Context, d *dispatcher) error {
	const longest = 10 * time.Second
	delay := 100 * time.Millisecond
	for {
		err := m.openAndRun(ctx, d)
		switch {
		case ctx.Err() != nil, err == nil:
			return nil
		case errors.Is(err, errFenced), errors.Is(err, errSuspended):
			return err
		}
		d.log.Warn("a dispatcher failed; it will be restarted", "error", err, "delay", delay)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
		delay = min(2*delay, longest)
	}
}

func (m *Manager) openAndRun(ctx context.Context, d *dispatcher) (err error) {
	if d.spec.Transform != "" {
		if d.project, err = m.lang.Projection(ctx, d.spec.Transform); err != nil {
			return err
		}
	}
	if d.sink, err = m.openSink(ctx, d.spec); err != nil {
		return fmt.Errorf("open the sink: %w", err)
	}
	defer func() {
		if d.feed != nil {
			m.leave(d.spec.Database, d.feed)
		}
	}()
	return d.Run(ctx)
}

// openSink opens the sink of a subscription with its connection.
func (m *Manager) openSink(ctx context.Context, s *Spec) (Sink, error) {
	if s.locked != nil {
		return nil, s.locked
	}
	var conn *Connection
	if s.Connection != "" {
		var err error
		if conn, err = m.connection(ctx, s.Database, s.Connection); err != nil {
			return nil, err
		}
	}
	return m.sinks(ctx, s, conn)
}

// errSuspended ends the dispatcher of a subscription that was suspended.
var errSuspended = errors.New("the subscription is suspended")
