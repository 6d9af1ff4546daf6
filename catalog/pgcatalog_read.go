package catalog

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"weir/store"
)

// reader is one reading of a system relation for a session.
type reader struct {
	y    *systemCatalog
	s    *Scoped
	who  Session
	out  *rows
	hint hint
	seen *Snapshot
	// byTable: table_name and table_schema are those of the relation that a row is about.
	byTable bool
	ends    map[uint32]bool // the tables that foreign keys begin or end at
}

// level is how much of the collections a relation's rows tell.
type level uint8

const (
	names   level = iota // nothing but that they are there
	indexed              // indexes, which costs a command for each
	whole                // columns too, which costs a sample
)

func (y *systemCatalog) reader(ctx context.Context, t *Table, who Session) *reader {
	path := []string{} // not nil, which would be the default
	for _, p := range strings.Split(who.Setting("search_path"), ",") {
		if p = strings.Trim(strings.TrimSpace(p), `"`); p != "" {
			path = append(path, p)
		}
	}
	s := y.c.In(Scope{Database: who.Database(), SearchPath: path, Flatten: who.Setting("weir.flatten_documents") == "on"})
	return &reader{y: y, s: s, who: who, out: newRows(t), hint: hintIn(ctx),
		byTable: t.Name == "columns" || t.Name == "tables" || t.Name == "views"}
}

func (r *reader) add(values ...any) { r.out.add(values...) }

// with gives the rows, after those that are the same for everybody.
func (r *reader) with(fixed []bson.Raw) []bson.Raw {
	if len(fixed) == 0 {
		return r.out.docs
	}
	return append(fixed[:len(fixed):len(fixed)], r.out.docs...)
}

// relations are the user's relations and those of the monitoring schema, with
// as much as the level says. Columns are those that hold the OID of a relation
// or of one of its indexes, by which the statement may ask for a few of them.
func (r *reader) relations(ctx context.Context, l level, columns ...string) ([]*Table, error) {
	return r.relationsIf(ctx, l, func(*Table) bool { return true }, columns...)
}

// relationsIf leaves out relations before they are looked at.
func (r *reader) relationsIf(ctx context.Context, l level, keep func(*Table) bool, columns ...string) ([]*Table, error) {
	snap, err := r.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var found []*Table
	for _, t := range snap.Tables {
		if !isStandard(t.Schema) && r.asked(t, columns) && keep(t) {
			found = append(found, t)
		}
	}
	if l == names {
		return found, nil
	}
	return found, r.complete(ctx, found, l)
}

func (r *reader) asked(t *Table, columns []string) bool {
	if r.byTable && (!r.hint.admitsText("table_name", t.Name) || !r.hint.admitsText("table_schema", t.Schema)) {
		return false
	}
	for _, c := range columns {
		if !r.hint.admits(c, t.OID) && !r.hint.anyOf(c, func(oid uint32) bool { return r.s.owns(t, oid) }) {
			return false
		}
	}
	return true
}

// named are the relations whose names pg_class is asked for; false unless every
// name is one, since it may be that of an index.
func (r *reader) named(ctx context.Context) ([]*Table, bool, error) {
	want, ok := r.hint["relname"]
	if !ok || len(want) == 0 {
		return nil, false, nil
	}
	list, err := r.relations(ctx, names, "oid")
	if err != nil {
		return nil, false, err
	}
	var found []*Table
	have := map[string]bool{}
	for _, t := range list {
		if slices.Contains(want, t.Name) {
			found, have[t.Name] = append(found, t), true
		}
	}
	for _, s := range want {
		ok = ok && have[s]
	}
	return found, ok, nil
}

// isStandard tells whether a schema is PostgreSQL's own.
func isStandard(schema string) bool { return schema == "pg_catalog" || schema == "information_schema" }

func (r *reader) snapshot(ctx context.Context) (*Snapshot, error) {
	if r.seen != nil {
		return r.seen, nil
	}
	snap, err := r.s.Snapshot(ctx, false)
	r.seen = snap
	return snap, err
}

// owns tells whether an OID is that of something that belongs to a table and
// has its name in it: an index, a constraint.
func (c *Catalog) owns(t *Table, oid uint32) bool {
	c.oids.mu.Lock()
	defer c.oids.mu.Unlock()
	f := strings.SplitN(c.oids.names[oid], "\x00", 4)
	return len(f) == 4 && f[1] == t.NS.DB && f[2] == t.NS.Coll
}

// complete looks at the collections among the tables. A collection that cannot
// be looked at keeps what is known of it.
func (r *reader) complete(ctx context.Context, tables []*Table, l level) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, t := range tables {
		if t.Kind != Collection && t.Kind != MaterializedView && t.Kind != MongoView {
			continue
		}
		g.Go(func() error {
			full, err := r.s.complete(gctx, t, l)
			if err != nil {
				r.s.opts.Log.Warn("catalog: look at a collection", "collection", t.NS.String(), "error", err)
				return nil
			}
			tables[i] = full
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// complete gives a table with indexes or columns.
func (s *Scoped) complete(ctx context.Context, t *Table, l level) (*Table, error) {
	if l == whole {
		e, err := s.sampled(ctx, t.NS, false)
		if err != nil {
			return nil, err
		}
		return s.show(e.table), nil
	}
	if t.Kind != Collection && t.Kind != MaterializedView {
		return t, nil
	}
	full := *t
	var err error
	full.Indexes, err = s.standard.indexes(ctx, t.NS)
	if o := s.objectOf(t); o != nil {
		full.IndexAliases = s.indexAliases(o)
		if o.Declared {
			markPrimary(&full, o)
		}
	}
	return &full, err
}

// indexes lists a collection's indexes: those of the present where changes are
// told, else not older than listAge nor than what was changed here.
func (y *systemCatalog) indexes(ctx context.Context, ns store.Namespace) ([]Index, error) {
	now, at := y.c.opts.Now(), y.c.stamp()
	y.mu.Lock()
	known, ok := y.lists[ns]
	y.mu.Unlock()
	if ok && known.stamp == at && (y.c.changes != nil || now.Sub(known.at) < listAge && known.at.After(y.c.forgotten(ns.DB))) {
		return known.list, nil
	}
	list, err := y.c.indexes(ctx, ns)
	if err != nil {
		return nil, err
	}
	y.mu.Lock()
	y.lists[ns] = indexList{now, at, list}
	y.mu.Unlock()
	return append([]Index(nil), list...), nil
}

type indexList struct {
	at    time.Time
	stamp stamp
	list  []Index
}

// owner is the OID of the one role, as the session's user.
const owner = 10

// objectOf gives what the catalog keeps of a relation; nil if nothing.
func (c *Catalog) objectOf(t *Table) *object {
	db, name, ok := c.nameOf(t.OID)
	if !ok {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.databases[db]; d != nil {
		return d.objects[name]
	}
	return nil
}

// databases are the databases that one can connect to, the session's
// own among them.
func (r *reader) databases(ctx context.Context) ([]string, error) {
	list, err := r.s.databaseNames(ctx)
	if err != nil {
		return nil, err
	}
	own := r.who.Database()
	all := []string{own}
	for _, n := range list {
		if n != own {
			all = append(all, n)
		}
	}
	sort.Strings(all)
	return all, nil
}
