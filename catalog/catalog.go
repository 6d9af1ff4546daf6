package catalog

import (
	"context"
	"log/slog"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"weir/store"
)

const (
	systemDB = "weir"

	// PublicSchema is the schema of the startup database's collections.
	PublicSchema = "public"
	// SystemSchema is the schema of the monitoring views.
	SystemSchema = "weir"

	defaultSampleSize = 1000
	listAge           = 2 * time.Second        // how long a list of collections is believed
	smallSampleAge    = 3 * time.Second        // of a sample that saw every document
	busyAge           = 100 * time.Millisecond // a large collection is not looked at more often
	busyShare         = 4                      // of a small one: at most a fifth of the time
	tinyTable         = 50                     // documents that cost nothing to look at
	sampleAge         = 60 * time.Second       // of others, then refreshed behind the scenes
)

// Options are what a catalog is made with; the zero value works.
type Options struct {
	// Functions are the table functions over live state.
	Functions []*Table
	// Relations are views and virtual relations of system schemas.
	Relations []*Table
	// SampleSize is the number of documents that a schema is read from.
	SampleSize int
	Log        *slog.Logger
	Now        func() time.Time
}

// Catalog is the schema of everything in a store, shared by all sessions.
type Catalog struct {
	store   store.Store
	changes store.Changes // nil: the store does not tell
	opts    Options
	oids    *oids
	loads   singleflight.Group

	functions map[string]*Table            // by lower-case name
	system    map[string]map[string]*Table // schema, name
	builtin   map[uint32]*Table            // both by OID
	standard  *systemCatalog               // makes pg_catalog and information_schema; nil if they were not added

	mu        sync.Mutex
	version   uint64
	databases map[string]*database
	forgot    map[string]time.Time // when a database was changed here
	tables    map[store.Namespace]*entry
	names     struct {
		list  []string
		at    time.Time
		stamp stamp
	}
	wanted    map[store.Namespace]bool // to be sampled again by Run
	wantedDBs map[string]bool          // to be listed again by Run
	running   bool                     // Run is there to do it
}

// database is what is known of a database without looking at documents.
type database struct {
	at          time.Time
	stamp       stamp
	collections map[string]*store.Collection
	sorted      []string
	folded      map[string][]string // lower case -> stored names
	objects     map[string]*object
}

// entry is a collection whose documents have been looked at.
type entry struct {
	table  *Table
	at     time.Time
	cost   time.Duration // of looking
	all    bool          // the sample saw every document
	stale  bool          // documents were written since
	source *object
	of     store.Collection // the collection, which another may have replaced
	schema uint64           // store.Changes before the look
	data   uint64
}

// New makes a catalog; nothing is read yet.
func New(st store.Store, opts Options) *Catalog {
	if opts.SampleSize <= 0 {
		opts.SampleSize = defaultSampleSize
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Catalog{
		store: st, opts: opts, oids: newOIDs(),
		functions: map[string]*Table{}, system: map[string]map[string]*Table{}, builtin: map[uint32]*Table{},
		databases: map[string]*database{}, forgot: map[string]time.Time{}, tables: map[store.Namespace]*entry{},
		wanted: map[store.Namespace]bool{}, wantedDBs: map[string]bool{},
	}
	c.changes, _ = st.(store.Changes)
	for _, t := range opts.Functions {
		t.Kind = Function
		c.register(t)
		c.functions[strings.ToLower(t.Name)] = t
	}
	for _, t := range opts.Relations {
		c.AddRelation(t)
	}
	return c
}

// AddRelation registers a virtual relation or a view of a system schema. It is
// for the time of construction, before sessions ask.
func (c *Catalog) AddRelation(t *Table) {
	if old := c.system[t.Schema][t.Name]; old != nil && t.OID == 0 {
		t.OID, t.SystemView = old.OID, old.SystemView
	}
	c.register(t)
	byName := c.system[t.Schema]
	if byName == nil {
		byName = map[string]*Table{}
		c.system[t.Schema] = byName
	}
	byName[t.Name] = t
}

// register fills in what the maker of a system relation may leave out.
func (c *Catalog) register(t *Table) {
	if t.Schema == "" {
		t.Schema = SystemSchema
	}
	if t.OID == 0 {
		t.OID = c.oids.of("system", t.Schema, t.Name)
	}
	if t.Version == 0 {
		t.Version = 1
	}
	c.builtin[t.OID] = t
	for i := range t.Columns {
		col := &t.Columns[i]
		if col.Attr == 0 {
			col.Attr = int16(i + 1)
		}
		if col.Path == nil {
			col.Path = []string{col.Name}
		}
		if col.Kinds == 0 {
			col.Kinds = DeclaredKinds(col.Type)
		}
	}
}

// Run looks again at what grew old, behind the scenes, until ctx ends. Without
// it whoever asks waits for that.
func (c *Catalog) Run(ctx context.Context) error {
	c.setRunning(true)
	defer c.setRunning(false)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		tables, dbs := c.takeWanted()
		for _, db := range dbs {
			if _, err := c.listed(ctx, db, 0, time.Time{}); err != nil && ctx.Err() == nil {
				c.opts.Log.Warn("catalog: list collections", "database", db, "error", err)
			}
		}
		for _, ns := range tables {
			if _, err := c.looked(ctx, ns, true, time.Time{}); err != nil && ctx.Err() == nil {
				c.opts.Log.Warn("catalog: refresh a sample", "collection", ns.String(), "error", err)
			}
		}
	}
}

func (c *Catalog) setRunning(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = on
}

func (c *Catalog) takeWanted() (tables []store.Namespace, dbs []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ns := range c.wanted {
		tables = append(tables, ns)
	}
	for db := range c.wantedDBs {
		dbs = append(dbs, db)
	}
	clear(c.wanted)
	clear(c.wantedDBs)
	return tables, dbs
}

// Touch says that documents of a collection were written, so that its sample
// may be out of date.
func (c *Catalog) Touch(ns store.Namespace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.tables[ns]; ok && e.all {
		e.stale = true
	}
}

// forget drops what is known of a database's names.
func (c *Catalog) forget(db string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.databases, db)
	c.names.list = nil
	c.forgot[db] = c.opts.Now()
}

// forgotten is when a database was changed here last.
func (c *Catalog) forgotten(db string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forgot[db]
}

// Analyze looks at a collection's documents anew.
func (c *Catalog) Analyze(ctx context.Context, ns store.Namespace) error {
	c.forget(ns.DB)
	_, err := c.looked(ctx, ns, true, time.Time{})
	return err
}

func (c *Catalog) loadDatabase(ctx context.Context, db string) (*database, error) {
	d := &database{at: c.opts.Now(), stamp: c.stamp(), collections: map[string]*store.Collection{}, folded: map[string][]string{}}
	list, err := c.store.Collections(ctx, db)
	if err != nil {
		return nil, err
	}
	if d.objects, err = c.loadObjects(ctx, db); err != nil {
		return nil, err
	}
	for i := range list {
		if !strings.HasPrefix(list[i].Name, "system.") {
			d.collections[list[i].Name] = &list[i]
			d.sorted = append(d.sorted, list[i].Name)
		}
	}
	for name, o := range d.objects {
		if o.OID != 0 {
			c.oids.keep("relation", db, name, uint32(o.OID))
		}
		if _, ok := d.collections[name]; !ok && (o.virtual()) {
			d.sorted = append(d.sorted, name)
		}
	}
	c.keepTypes(d, db)
	sort.Strings(d.sorted)
	for _, n := range d.sorted {
		c.oids.of("relation", db, n) // so that the OID is known without a use of the relation
		f := strings.ToLower(n)
		d.folded[f] = append(d.folded[f], n)
	}
	c.mu.Lock()
	c.databases[db] = d
	c.mu.Unlock()
	return d, nil
}

// databaseNames lists the databases that are schemas.
func (c *Catalog) databaseNames(ctx context.Context) ([]string, error) {
	now, at := c.stamp(), c.opts.Now()
	c.mu.Lock()
	known := c.names
	c.mu.Unlock()
	if known.list != nil && (c.changes != nil && known.stamp == now || c.changes == nil && at.Sub(known.at) < listAge) {
		return known.list, nil
	}
	all, err := c.store.Databases(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]string, 0, len(all))
	for _, n := range all {
		if n != systemDB && !IsTemporary(n) && n != "local" && n != "config" && n != "admin" {
			list = append(list, n)
		}
	}
	made, err := c.schemaObjects(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range made {
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	sort.Strings(list)
	c.mu.Lock()
	c.names.list, c.names.at, c.names.stamp = list, at, now
	c.mu.Unlock()
	return list, nil
}
