// Package gateway puts the parts of Weir together: a store (the embedded engine
// or a remote MongoDB), the catalog, the event runtime, sessions, and the two
// listeners. Commands and tests open one and run it.
//
// It decides nothing by itself; start with Open.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"weir/catalog"
	"weir/engine"
	"weir/engine/opmsg"
	"weir/events"
	"weir/events/sink"
	"weir/mongoerr"
	"weir/session"
	"weir/sqlfunc"
	"weir/store"
	"weir/store/remote"
	"weir/translator"
	"weir/wire"
)

// Options of a Gateway; the zero value is an embedded engine in memory that
// listens on free loopback ports.
type Options struct {
	Store store.Store // to stand on, open; Close leaves it open. nil: as the following say
	// EventsURI is the MongoDB that holds what the event runtime keeps; "": the one, or
	// the engine, that holds the data.
	EventsURI string
	MongoURI  string // the MongoDB to stand in front of; "": the embedded engine
	// Await has Open wait for a MongoDB that cannot be reached yet, until its context ends.
	Await       bool
	Dir         string // of the embedded engine; "": in memory
	Listen      string // where PostgreSQL clients connect; "": a free loopback port
	MongoListen string // where MongoDB drivers reach the embedded engine; "": nowhere
	OplogBytes  int64  // bound of the embedded engine's oplog; 0: 1 GiB
	CacheBytes  int64  // bound of its block cache; 0: 256 MiB
	// TempSweep is how often temporary databases of gateways that are gone are
	// looked for, 0: every minute.
	TempSweep time.Duration
	Host      string // that this runs on, for the monitoring data
	TempDir   string // where rows go that are too many for memory; "": tmp below Dir, else the system's

	SecretKey  []byte            // encrypts the credentials of connections in the store; nil: none are stored
	EventLease time.Duration     // of the event runtime, see events.Options; 0: its default
	EventProbe time.Duration     // likewise
	EventStep  func(events.Step) // likewise; nil: nobody is told

	// AllowPrivateTargets lets webhooks go anywhere; AllowTargets adds prefixes.
	AllowPrivateTargets bool
	AllowTargets        []netip.Prefix

	Auth         bool        // clients must log in, as users of the store
	TLS          *tls.Config // of both listeners, which then take nothing else; nil: none
	TestCommands bool        // the embedded engine takes configureFailPoint
	Version      string
	Settings     map[string]string // defaults of session settings
	Logger       *slog.Logger      // nil: discard
	Now          func() time.Time  // nil: time.Now
}

func (o Options) withDefaults() Options {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Version == "" {
		o.Version = "0"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TempSweep == 0 {
		o.TempSweep = time.Minute
	}
	return o
}

// Gateway is an opened gateway. Run serves; Close gives everything back.
type Gateway struct {
	opts    Options
	store   store.Store
	log     store.Store    // of the event runtime
	engine  *engine.Engine // nil: remote
	catalog *catalog.Catalog
	events  *events.Manager
	sql     *wire.Server
	mongo   *opmsg.Server // nil: no listener
	sqlLn   net.Listener
	mongoLn net.Listener
}

// Open opens the store and the listeners. Clients are answered from Run on.
func Open(ctx context.Context, o Options) (*Gateway, error) {
	g := &Gateway{opts: o.withDefaults()}
	if err := g.openTemp(); err != nil {
		return nil, err
	}
	if err := g.openStore(ctx); err != nil {
		return nil, err
	}
	if err := g.listen(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	if err := g.assemble(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// openTemp makes the directory for temporary files. The files have no names
// once they are open, so nothing is there to be cleaned up after a crash.
func (g *Gateway) openTemp() error {
	o := &g.opts
	if o.TempDir == "" && o.Dir != "" && o.MongoURI == "" && o.Store == nil {
		o.TempDir = filepath.Join(o.Dir, "tmp")
	}
	if o.TempDir == "" {
		return nil
	}
	if err := os.MkdirAll(o.TempDir, 0o700); err != nil {
		return fmt.Errorf("make the directory for temporary files: %w", err)
	}
	return nil
}

func (g *Gateway) openStore(ctx context.Context) error {
	if err := g.openData(ctx); err != nil {
		return err
	}
	if g.log = g.store; g.opts.EventsURI == "" {
		return nil
	}
	st, err := g.openRemote(ctx, g.opts.EventsURI)
	if err != nil {
		return errors.Join(fmt.Errorf("open the store of the event runtime: %w", err), g.Close())
	}
	g.log = st
	return nil
}

func (g *Gateway) openData(ctx context.Context) error {
	o := &g.opts
	if o.Store != nil {
		g.store = o.Store
		return nil
	}
	if o.MongoURI != "" {
		st, err := g.openRemote(ctx, o.MongoURI)
		if err != nil {
			return err
		}
		g.store = st
		return nil
	}
	e, err := engine.Open(o.Dir, engine.Options{Logger: o.Logger, OplogSize: o.OplogBytes, CacheSize: o.CacheBytes, TempDir: o.TempDir, Auth: o.Auth, TestCommands: o.TestCommands,
		InternalDatabases: []string{events.Database}})
	if err != nil {
		return fmt.Errorf("open the embedded engine: %w", err)
	}
	g.engine, g.store = e, e
	return nil
}

// openRemote connects to a MongoDB.
func (g *Gateway) openRemote(ctx context.Context, uri string) (*remote.Store, error) {
	const longest = 5 * time.Second
	for delay := 200 * time.Millisecond; ; delay = min(2*delay, longest) {
		st, err := remote.Open(ctx, uri, remote.Options{AppName: "weir"})
		if err == nil || !g.opts.Await || !mongoerr.Passing(err) || ctx.Err() != nil {
			return st, err
		}
		g.opts.Logger.Warn("the MongoDB cannot be reached; it is tried again", "error", err, "delay", delay)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (g *Gateway) listen() (err error) {
	if g.sqlLn, err = net.Listen("tcp", g.opts.Listen); err != nil {
		return fmt.Errorf("listen for PostgreSQL clients: %w", err)
	}
	if g.engine != nil && g.opts.MongoListen != "" {
		if g.mongoLn, err = net.Listen("tcp", g.opts.MongoListen); err != nil {
			return fmt.Errorf("listen for MongoDB drivers: %w", err)
		}
		g.mongo = opmsg.NewServer(g.engine, opmsg.Options{Logger: g.opts.Logger, TLS: g.opts.TLS})
	}
	return nil
}

func (g *Gateway) assemble() error {
	o := &g.opts
	funcs := sqlfunc.New()
	library := translator.Library(funcs.Library())
	broker := session.NewBroker()
	lang := &language{funcs: funcs, library: library, caps: g.store.Capabilities(), now: o.Now}
	sinks := sink.Factory{
		Store: g.store, Apart: g.log != g.store, Client: sink.NewClient(g.policy()), Now: func() time.Time { return g.events.Now() }, Log: o.Logger,
		Notify: func(database, channel, payload string) { broker.Notify(database, channel, payload, 0) },
	}
	sinks.Relayed = func(ctx context.Context) error { return g.events.Relayed(ctx) }
	heard := func(database, channel, payload string) { broker.NotifyHere(database, channel, payload, 0) }
	g.events = events.New(events.Deps{Store: g.store, Log: g.log, Language: lang, Sinks: sinks.Open, Relations: g.relations, Notify: heard},
		events.Options{Host: o.Host, Connections: func() int { return g.sql.Connections() }, Version: o.Version, Key: o.SecretKey, Lease: o.EventLease, Probe: o.EventProbe, Step: o.EventStep, Logger: o.Logger, Now: o.Now})
	broker.Join(g.events)
	functions, views := g.events.Tables(), g.events.Views()
	if err := lang.describeViews(views, functions); err != nil {
		return err
	}
	g.catalog = catalog.New(g.store, catalog.Options{Functions: functions, Relations: views, Log: o.Logger, Now: o.Now})
	lang.relations(g.events.Tables())
	so := session.Options{Version: o.Version, Settings: o.Settings, TempDir: o.TempDir, Owner: g.events.Gateway(), Logger: o.Logger, Now: o.Now}
	if o.Auth {
		l, err := newLogin(g.store)
		if err != nil {
			return err
		}
		so.Credentials, so.Authorize, so.HasRole = l.credentials, l.authorize, l.has
	}
	handler := session.New(session.Deps{
		Store: g.store, Catalog: g.catalog, Functions: funcs, Library: library, Events: g.events, Broker: broker,
	}, so)
	for _, t := range handler.Relations() {
		g.catalog.AddRelation(t)
	}
	g.catalog.AddSystemRelations(funcs)
	g.sql = wire.NewServer(handler, wire.Options{Logger: o.Logger, TLS: o.TLS, RequireTLS: o.TLS != nil})
	return nil
}

// relations resolves names for the event runtime as the session would.
func (g *Gateway) relations(s catalog.Session) catalog.Resolver {
	return g.catalog.In(catalog.Scope{Database: s.Database()})
}

func (g *Gateway) policy() sink.AddressPolicy {
	if g.opts.AllowPrivateTargets {
		return func(netip.Addr) bool { return true }
	}
	return sink.PublicOnly(g.opts.AllowTargets...)
}

// SQLAddr is where PostgreSQL clients connect.
func (g *Gateway) SQLAddr() net.Addr { return g.sqlLn.Addr() }

// MongoAddr is where MongoDB drivers reach the embedded engine, nil: nowhere.
func (g *Gateway) MongoAddr() net.Addr {
	if g.mongoLn == nil {
		return nil
	}
	return g.mongoLn.Addr()
}

// Store is the store behind the gateway.
func (g *Gateway) Store() store.Store { return g.store }

// Run serves until ctx ends or a part fails.
func (g *Gateway) Run(ctx context.Context) error {
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.events.Run(gctx) })
	group.Go(func() error { return g.catalog.Run(gctx) })
	group.Go(func() error { return g.sweepTemporary(gctx) })
	group.Go(func() error { return g.sql.Serve(gctx, g.sqlLn) })
	if g.mongo != nil {
		group.Go(func() error { return g.mongo.Serve(gctx, g.mongoLn) })
	}
	err := group.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Close closes listeners and store. It is called after Run has returned.
func (g *Gateway) Close() error {
	var errs []error
	for _, l := range []net.Listener{g.sqlLn, g.mongoLn} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if g.log != nil && g.log != g.store {
		errs = append(errs, g.log.Close())
	}
	if g.store != nil && g.opts.Store == nil {
		errs = append(errs, g.store.Close())
	}
	return errors.Join(errs...)
}
