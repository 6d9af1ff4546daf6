package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"weir/catalog"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/store"
)

// Deps are what the runtime works with.
type Deps struct {
	Store    store.Store
	Language Language
	// Sinks opens the sinks of subscriptions.
	Sinks SinkFactory
	// Relations resolves names for a session.
	Relations func(catalog.Session) catalog.Resolver
}

// Options of a Manager; the zero value works.
type Options struct {
	Gateway string           // name of this gateway in the monitoring data; "": made up
	Version string           // of the program
	Logger  *slog.Logger     // nil: discard
	Now     func() time.Time // nil: time.Now
}

// Manager runs the subscriptions of all databases of a store.
type Manager struct {
	st      store.Store
	lang    Language
	sinks   SinkFactory
	resolve func(catalog.Session) catalog.Resolver
	gateway string
	version string
	log     *slog.Logger
	clock   func() time.Time
	started time.Time

	ready chan struct{} // closed when Run has loaded the definitions
	mu    sync.Mutex    // guards all below; never held over a call to the store
	group *errgroup.Group
	ctx   context.Context //nolint:containedctx // the life of Run, for what statements start
	subs  map[string]*subscription
	scope map[string]*running[*reader] // by database
	brk   map[string]*breaker          // by endpoint
	tails map[*tail]struct{}

	changes sync.Mutex // serialises the statements that change subscriptions
}

// running is a goroutine that the manager started.
type running[T any] struct {
	it     T
	cancel context.CancelFunc
	done   chan struct{}
	err    error // after done
}

// stop ends it and waits.
func (r *running[T]) stop() {
	if r != nil {
		r.cancel()
		<-r.done
	}
}

// New makes a manager; Run starts it.
func New(d Deps, o Options) *Manager {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Gateway == "" {
		o.Gateway = bson.NewObjectID().Hex()
	}
	return &Manager{
		st: d.Store, lang: d.Language, sinks: d.Sinks, resolve: d.Relations, gateway: o.Gateway, version: o.Version, log: o.Logger, clock: o.Now, started: o.Now(),
		ready: make(chan struct{}), subs: map[string]*subscription{}, scope: map[string]*running[*reader]{}, brk: map[string]*breaker{}, tails: map[*tail]struct{}{},
	}
}

// Run loads the subscriptions and runs them until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	if err := prepare(ctx, m.st); err != nil {
		return fmt.Errorf("prepare the event collections: %w", err)
	}
	if err := reopenStale(ctx, m.st); err != nil {
		return fmt.Errorf("open dead letters again: %w", err)
	}
	subs, err := loadSubscriptions(ctx, m.st)
	if err != nil {
		return fmt.Errorf("load the event subscriptions: %w", err)
	}
	g, gctx := errgroup.WithContext(ctx)
	m.mu.Lock()
	m.group, m.ctx = g, gctx
	for _, s := range subs {
		m.subs[s.Spec.ID] = s
	}
	m.mu.Unlock()
	g.Go(func() error { return m.housekeeping(gctx) })
	for _, db := range databases(subs) {
		if err := m.adopt(ctx, db); err != nil && ctx.Err() == nil {
			m.log.Warn("a reader could not start; it goes on trying", "database", db, "error", err)
		}
	}
	for _, s := range subs {
		m.startDispatcher(s)
	}
	close(m.ready)
	return g.Wait()
}

func databases(subs []*subscription) []string {
	var out []string
	for _, s := range subs {
		if s.active() && !slices.Contains(out, s.Spec.Database) {
			out = append(out, s.Spec.Database)
		}
	}
	return out
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

// spawn runs f in the group of Run. Its end is told by the result's done.
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

// adopt gives the reader of a database the routes of its active subscriptions,
// starting it when it does not run. It returns when the stream is open: writes
// that are acknowledged afterwards reach the routes.
func (m *Manager) adopt(ctx context.Context, db string) error {
	routes, err := m.routes(ctx, db)
	if err != nil {
		return err
	}
	m.mu.Lock()
	r := m.scope[db]
	if r != nil && finished(r.done) {
		r = nil
	}
	if r == nil {
		rd := newReader(m, db)
		rd.stats.created = m.clock()
		rd.setRoutes(routes)
		r = spawn(m, rd, func(ctx context.Context) error { return m.runReader(ctx, rd) })
		m.scope[db] = r
	} else {
		r.it.setRoutes(routes)
	}
	m.mu.Unlock()
	select {
	case <-r.it.opened:
		return nil
	case <-r.done:
		return fmt.Errorf("the reader of %s ended: %w", db, cmpErr(r.err))
	case <-ctx.Done():
		return ctx.Err()
	}
}

func cmpErr(err error) error {
	if err == nil {
		return context.Canceled
	}
	return err
}

func finished(done chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// routes compiles the routes of a database's active subscriptions.
func (m *Manager) routes(ctx context.Context, db string) ([]*route, error) {
	var out []*route
	for _, s := range m.list() {
		if s.Spec.Database != db || !s.active() {
			continue
		}
		rt, err := compileRoute(ctx, m.lang, s.Spec)
		if err != nil {
			return nil, fmt.Errorf("subscription %s: %w", s.Spec.ID, err)
		}
		rt.after = s.StartAfter
		out = append(out, rt)
	}
	return out, nil
}

// runReader runs a reader. When history is lost its subscriptions do what they
// ask for, and it goes on from now for those that want that.
func (m *Manager) runReader(ctx context.Context, r *reader) error {
	for {
		err := r.Run(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		m.log.Error("a reader ended", "database", r.db, "error", err)
		if !isHistoryLost(err) {
			return err
		}
		goOn, gapErr := m.historyLost(ctx, r, err)
		if gapErr != nil || !goOn {
			return errors.Join(err, gapErr)
		}
		routes, routeErr := m.routes(ctx, r.db)
		if routeErr != nil {
			return errors.Join(err, routeErr)
		}
		r.setRoutes(routes)
	}
}

// publish hands a batch over to the dispatchers and live tails.
func (m *Manager) publish(p published) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, rows := range p.rows {
		s := m.subs[id]
		if s == nil {
			continue
		}
		s.count.received(rows, s.Spec.Target.Kind == TargetNone, m.clock())
		if s.dispatcher != nil {
			s.dispatcher.it.Wake()
		}
	}
	for t := range m.tails {
		t.offer(p)
	}
}

// list gives the subscriptions in order of their ids.
func (m *Manager) list() []*subscription {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]*subscription, 0, len(m.subs))
	for _, s := range m.subs {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *subscription) int { return compareText(a.Spec.ID, b.Spec.ID) })
	return out
}

// operationTime asks the server how far it is.
func (m *Manager) operationTime(ctx context.Context) (bson.Timestamp, error) {
	reply, err := command(ctx, m.st, bson.D{{Key: "ping", Value: 1}})
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
		m.brk[key] = &breaker{}
	}
	return m.brk[key]
}

// startDispatcher runs the dispatcher of a subscription that delivers.
func (m *Manager) startDispatcher(s *subscription) {
	if !s.delivers() {
		return
	}
	b := m.breakerOf(s.Spec.Target)
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.dispatcher != nil && !finished(s.dispatcher.done) {
		return
	}
	d := &dispatcher{
		st: m.st, spec: s.Spec, breaker: b, gateway: m.gateway, log: m.log.With("subscription", s.Spec.ID), clock: m.clock,
		wake: make(chan struct{}, 1), settled: s.count.settled,
		suspend: func(ctx context.Context, reason, detail string) error { return m.suspend(ctx, s, reason, detail) },
	}
	s.dispatcher = spawn(m, d, func(ctx context.Context) error { return m.runDispatcher(ctx, d) })
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
	if d.sink, err = m.sinks(ctx, d.spec); err != nil {
		return fmt.Errorf("open the sink: %w", err)
	}
	return d.Run(ctx)
}

// errSuspended ends the dispatcher of a subscription that was suspended.
var errSuspended = errors.New("the subscription is suspended")
