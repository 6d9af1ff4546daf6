package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
)

// coordinateEvery is how often a gateway looks at the others' doings.
const coordinateEvery = 200 * time.Millisecond

// coordinate takes free databases, follows changes of definitions that other
// gateways made, and brings their published positions to the live tails here.
// It polls the documents of event_readers; it never watches the log.
func (m *Manager) coordinate(ctx context.Context) error {
	tick := time.NewTicker(coordinateEvery)
	defer tick.Stop()
	for {
		if err := m.look(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn("coordination failed; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-m.poked:
		}
	}
}

// poke asks for a look at once.
func (m *Manager) poke() {
	select {
	case m.poked <- struct{}{}:
	default:
	}
}

// readerDoc is a document of event_readers as coordination sees it.
type readerDoc struct {
	DB        string `bson:"_id"`
	Owner     string `bson:"owner"`
	Wanted    int64  `bson:"defs_wanted"`  // version of the definitions that statements made
	Adopted   int64  `bson:"defs_adopted"` // version that the reader goes by
	Published string `bson:"published_pos"`
	Free      bool   `bson:"free"` // the lease, by the server's clock
}

func (m *Manager) readerDocs(ctx context.Context) (map[string]readerDoc, error) {
	out := map[string]readerDoc{}
	err := query(ctx, m.st, collReaders, []bson.D{{{Key: "$project", Value: bson.D{{Key: "owner", Value: 1}, {Key: "defs_wanted", Value: 1},
		{Key: "defs_adopted", Value: 1}, {Key: "published_pos", Value: 1}, {Key: "free", Value: leaseFree}}}}}, func(raw bson.Raw) error {
		var d readerDoc
		if err := bson.Unmarshal(slices.Clone(raw), &d); err != nil {
			return fmt.Errorf("document of event_readers: %w", err)
		}
		out[d.DB] = d
		return nil
	})
	return out, err
}

// look compares what is with what should be, and acts.
func (m *Manager) look(ctx context.Context) error {
	if err := m.looking.Acquire(ctx, 1); err != nil {
		return err
	}
	defer m.looking.Release(1)
	docs, err := m.refresh(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, db := range m.databases(docs) {
		errs = append(errs, m.lookAt(ctx, db, docs[db]))
	}
	errs = append(errs, m.lookAtShards(ctx))
	return errors.Join(errs...)
}

// refresh reads the definitions that changed, and gives what the readers have stored.
// It does not wait for what look does.
func (m *Manager) refresh(ctx context.Context) (map[string]readerDoc, error) {
	if err := m.following.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer m.following.Release(1)
	docs, err := m.readerDocs(ctx)
	if err != nil {
		return nil, err
	}
	for db, d := range docs {
		if err := m.followVersion(ctx, db, d.Wanted); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

// ownChange is a version of a database's definitions that a statement here made,
// and what it changed.
type ownChange struct {
	version int64
	ids     bson.A
}

// followVersion reads the definitions of a database that changed: where the last
// version was loaded and a statement here made the next one, those that it changed.
func (m *Manager) followVersion(ctx context.Context, db string, wanted int64) error {
	m.mu.Lock()
	seen, own := m.seen[db], m.own[db]
	m.mu.Unlock()
	if seen == wanted {
		return nil
	}
	var err error
	if own.version == wanted && seen == wanted-1 {
		err = m.load(ctx, own.ids, own.ids)
	} else {
		err = m.reload(ctx, db)
	}
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen[db] = wanted
	return nil
}

// databases are those with a reader or with subscriptions.
func (m *Manager) databases(docs map[string]readerDoc) []string {
	var out []string
	for db := range docs {
		out = append(out, db)
	}
	for db := range m.inOrder().of {
		if _, ok := docs[db]; !ok {
			out = append(out, db)
		}
	}
	return out
}

// lookAt brings the reader and dispatchers of a database to what its
// definitions ask for.
func (m *Manager) lookAt(ctx context.Context, db string, d readerDoc) error {
	wanted := slices.ContainsFunc(m.of(db), func(s *subscription) bool { return m.isActive(s) })
	m.mu.Lock()
	r := m.scope[db]
	m.mu.Unlock()
	switch {
	case r.alive() && !wanted:
		r.stop()
		return nil
	case r.alive():
		elsewhere, err := m.mustYield(ctx, db)
		if err != nil {
			return err
		}
		if elsewhere {
			m.log.Info("a database moves to another gateway", "database", db)
			r.stop()
			return nil
		}
		return m.reconcile(ctx, r.it, d.Wanted)
	case wanted && (d.Free || d.Owner == m.gateway || d.DB == ""):
		if mine, err := m.mayTake(ctx, db); err != nil || !mine {
			return err
		}
		return m.startReader(ctx, db)
	}
	for _, s := range m.of(db) {
		m.stopDispatcher(s) // of a reader that was here
	}
	m.offerRemote(db, d.Published)
	return nil
}

// offerRemote tells the feeds here of what another gateway published.
func (m *Manager) offerRemote(db, published string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if published <= m.upTo[db] {
		return
	}
	m.upTo[db] = published
	for _, feeds := range m.feeds[db] {
		for _, f := range feeds {
			f.behind(published)
		}
	}
}

// startReader takes the lease of a database and runs its reader.
func (m *Manager) startReader(ctx context.Context, db string) error {
	rd := newReader(m, db)
	rd.fenced = func() { m.cut(rd) }
	ok, err := rd.acquire(ctx)
	if err != nil || !ok {
		return err
	}
	if err := m.reload(ctx, db); err != nil {
		rd.lease.release(ctx)
		return err
	}
	if err := rd.setRoutes(ctx, m.routes(ctx, db)); err != nil {
		rd.lease.release(ctx)
		return err
	}
	m.offerRemote(db, rd.state.Published)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen[db] = rd.state.Wanted
	m.scope[db] = spawn(m, rd, func(ctx context.Context) error { return m.runReader(ctx, rd) })
	return nil
}

// runReader runs a reader to its end, then the dispatchers of its database, and
// gives the lease back. When history is lost its subscriptions do what they ask
// for, and it goes on from now for those that want that.
func (m *Manager) runReader(ctx context.Context, r *reader) error {
	closed := m.opened(&openStream{kind: streamReader, db: r.db, stats: &r.stats, reader: r})
	defer closed()
	err := r.Run(ctx)
	for err != nil && isHistoryLost(err) && ctx.Err() == nil {
		m.log.Error("the history of a change stream is lost", "database", r.db, "error", err)
		goOn, gapErr := m.historyLost(ctx, r, err)
		if err = gapErr; err == nil && goOn {
			if err = r.setRoutes(ctx, m.routes(ctx, r.db)); err == nil {
				err = r.Run(ctx)
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		m.log.Warn("a reader ended", "database", r.db, "error", err)
	}
	close(r.ended)
	m.cut(r)
	for _, s := range m.of(r.db) {
		m.stopDispatcher(s)
	}
	r.lease.release(ctx)
	return err
}

// cut has all that the lease of a reader covers end, without waiting for any of it:
// while one writes what it knew, and that may take its time, the others must not go on.
func (m *Manager) cut(r *reader) {
	all := m.of(r.db)
	m.mu.Lock()
	defer m.mu.Unlock()
	r.over = true
	for _, s := range all {
		s.backfills.end()
		s.catching.end()
		s.dispatcher.end()
	}
}

// reads tells whether a database is read here, under a lease. It is called under mu.
func (m *Manager) reads(db string) bool {
	scope := m.scope[db]
	return scope.alive() && !scope.it.over && m.ctx.Err() == nil
}

// reconcile gives an open reader the routes of its subscriptions, starts and
// stops dispatchers, and records that the definitions are in force.
func (m *Manager) reconcile(ctx context.Context, r *reader, version int64) error {
	if !finished(r.opened) {
		return nil
	}
	if r.adopted != version || !r.adoptedOnce {
		if err := r.setRoutes(ctx, m.routes(ctx, r.db)); err != nil {
			return err
		}
		if !r.covers() {
			return nil // it is looked at again when the stream is another one
		}
	}
	for _, s := range m.untidy(m.of(r.db)) {
		m.reconcileDispatcher(s)
	}
	if r.adopted == version && r.adoptedOnce {
		return nil
	}
	ok, err := updateOne(ctx, m.st, collReaders, bson.D{{Key: "_id", Value: r.db}, {Key: "epoch", Value: r.lease.epoch}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "defs_adopted", Value: version}}}}, false)
	if err == nil && ok {
		r.adopted, r.adoptedOnce = version, true
	}
	return err
}

// untidy gives those of which not the right thing runs: mostly none, which is asked
// several times a second of any number of them.
func (m *Manager) untidy(subs []*subscription) (out []*subscription) {
	now := m.clock()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range subs {
		delivers := s.delivers(now) && !s.sharded()
		if delivers != s.dispatcher.alive() || delivers && s.dispatcher.it.version != s.Version || s.Catchup != nil || s.Backfilling || s.backfills != nil {
			out = append(out, s)
		}
	}
	return out
}

func (m *Manager) reconcileDispatcher(s *subscription) {
	def := m.stored(s)
	m.mu.Lock()
	d := s.dispatcher
	m.mu.Unlock()
	if d != nil && (!def.delivers(m.clock()) || def.sharded() || d.it.version != def.Version) {
		m.stopDispatcher(s)
	}
	m.reconcileBackfill(s, def)
	switch {
	case def.Catchup != nil && def.active() && !m.clock().Before(def.HeldUntil):
		m.startCatchUp(s, def)
	case def.delivers(m.clock()) && !def.sharded() && !d.alive():
		m.startDispatcher(s, def)
	}
}

func (m *Manager) isActive(s *subscription) bool {
	def := m.stored(s)
	return def.active()
}

// stored gives a subscription's definition as it is now.
func (m *Manager) stored(s *subscription) stored {
	m.mu.Lock()
	defer m.mu.Unlock()
	return s.stored
}

// reload reads the definitions of a database, "": of all, that are not as they
// were when they were read last.
func (m *Manager) reload(ctx context.Context, db string) error {
	known := m.revisions(db)
	changed := bson.A{}
	err := eachRevision(ctx, m.st, db, func(id string, revision int64) {
		old, ok := known[id]
		delete(known, id) // what is left is gone
		if !ok || old != revision {
			changed = append(changed, strings.Clone(id))
		}
	})
	if err != nil {
		return err
	}
	absent := bson.A{}
	for id := range known {
		absent = append(absent, id)
	}
	return m.load(ctx, changed, absent)
}

// load reads definitions; those of absent that are not among them are gone.
func (m *Manager) load(ctx context.Context, ids, absent bson.A) error {
	found, err := loadSubscriptions(ctx, m.st, ids)
	if err != nil {
		return err
	}
	for _, def := range found {
		m.unseal(def.Spec)
	}
	there := map[any]bool{}
	m.mu.Lock()
	for _, def := range found {
		there[def.ID] = true
		if s := m.subs[def.ID]; s != nil {
			s.stored = *def
		} else {
			s = &subscription{ID: def.ID, Database: def.Spec.Database, stored: *def}
			s.count.stored = def.Counters
			m.subs[def.ID] = s
			m.order = nil
		}
	}
	var gone []*subscription
	for _, id := range absent {
		if s := m.subs[id.(string)]; s != nil && !there[id] {
			gone = append(gone, s)
			m.leaveOut(s.ID)
		}
	}
	m.mu.Unlock()
	for _, s := range gone {
		m.stopDispatcher(s)
		m.stopShards(s)
	}
	return nil
}

// leaveOut takes a subscription out of those that are known. It is called under mu.
func (m *Manager) leaveOut(id string) {
	if _, known := m.subs[id]; known {
		m.dropped++
	}
	delete(m.subs, id)
	m.order = nil
}

// revisions are those of the definitions of a database, "": of all, as they were read.
func (m *Manager) revisions(db string) map[string]int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string]int64, len(m.subs))
	for id, s := range m.subs {
		if db == "" || s.Database == db {
			out[id] = s.Revision
		}
	}
	return out
}

// routes gives the routes of a database's active subscriptions, compiled anew
// where the definition changed. One that cannot be compiled is suspended; it
// does not hold up the others.
func (m *Manager) routes(ctx context.Context, db string) []*route {
	var out []*route
	for _, s := range m.of(db) {
		def := m.stored(s)
		if !def.active() {
			continue
		}
		rt, err := m.routeOf(ctx, s, &def)
		if err != nil {
			_ = m.suspend(ctx, s, "filter_error", err.Error())
			continue
		}
		out = append(out, rt)
	}
	return out
}

func (m *Manager) routeOf(ctx context.Context, s *subscription, def *stored) (*route, error) {
	m.mu.Lock()
	rt, of := s.route, s.routeOf
	m.mu.Unlock()
	if rt != nil && of == def.Spec && rt.after == def.StartAfter {
		return rt, nil
	}
	rt, err := compileRoute(ctx, m.lang, def.Spec)
	if err != nil {
		return nil, err
	}
	rt.after = def.StartAfter
	m.mu.Lock()
	defer m.mu.Unlock()
	s.route, s.routeOf = rt, def.Spec
	return rt, nil
}

// bump makes a new version of a database's definitions, for all gateways to load.
func (m *Manager) bump(ctx context.Context, db string) (int64, error) {
	defer m.poke()
	return m.announce(ctx, db)
}

// announce is bump that has nobody look.
func (m *Manager) announce(ctx context.Context, db string) (int64, error) {
	reply, err := command(ctx, m.st, bson.D{
		{Key: "findAndModify", Value: collReaders}, {Key: "query", Value: bson.D{{Key: "_id", Value: db}}},
		{Key: "update", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "defs_wanted", Value: int64(1)}, {Key: "epoch", Value: int64(0)}}}}},
		{Key: "upsert", Value: true}, {Key: "new", Value: true}, durably,
	})
	if err != nil {
		return 0, fmt.Errorf("announce the definitions of %s: %w", db, err)
	}
	return value.Lookup(value.Lookup(reply, "value").Doc(), "defs_wanted").AsInt64(), nil
}

// adopt waits until the definitions of a database that are stored are in force,
// here or on the gateway that reads it: a write that is acknowledged afterwards
// meets them. ids are those that changed, where the caller knows.
func (m *Manager) adopt(ctx context.Context, db string, ids ...string) error {
	version, err := m.announce(ctx, db)
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		own := ownChange{version: version}
		for _, id := range ids {
			own.ids = append(own.ids, id)
		}
		m.mu.Lock()
		m.own[db] = own
		m.mu.Unlock()
	}
	limit := time.NewTimer(m.lease + 10*time.Second)
	defer limit.Stop()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if err := m.look(ctx); err != nil {
			return err
		}
		done, err := m.inForce(ctx, db, version)
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return m.notAdopted(db)
		case <-time.After(pause):
		}
	}
}

func (m *Manager) inForce(ctx context.Context, db string, version int64) (bool, error) {
	docs, err := m.readerDocs(ctx)
	if err != nil {
		return false, err
	}
	d := docs[db]
	if d.Adopted >= version {
		return true, nil
	}
	return d.Free && !slices.ContainsFunc(m.of(db), func(s *subscription) bool { return m.isActive(s) }), nil
}

func (m *Manager) notAdopted(db string) error {
	e := sqlerr.New(sqlerr.CannotConnectNow, "the change stream of database \"%s\" does not open", db)
	m.mu.Lock()
	r := m.scope[db]
	m.mu.Unlock()
	if r != nil {
		r.it.stats.mu.Lock()
		defer r.it.stats.mu.Unlock()
		if r.it.stats.lastError != "" {
			e = e.WithDetail("%s", r.it.stats.lastError)
		}
	}
	return e.WithHint("Change streams need a replica set or a sharded cluster; ACTIVE_CHANGE_STREAMS() shows their errors.")
}
