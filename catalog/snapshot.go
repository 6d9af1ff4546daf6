package catalog

import (
	"context"
	"sort"
	"strings"

	"golang.org/x/sync/errgroup"

	"weir/store"
)

// Snapshot is all metadata at one moment, for pg_catalog and information_schema.
type Snapshot struct {
	Database  string
	Databases []string // every database that one can connect to
	Schemas   []Schema
	Tables    []*Table // relations of all schemas; sequences too
	Functions []*Table
}

// Schema is a schema of a snapshot.
type Schema struct {
	OID     uint32
	Name    string
	DB      string // "": a system schema
	Comment string
}

// The OIDs of PostgreSQL's own schemas.
const (
	PgCatalogOID         = 11
	PublicOID            = 2200
	InformationSchemaOID = 13207
)

// SchemaOID gives the OID of a schema by its name.
func (c *Catalog) SchemaOID(name string) uint32 {
	switch name {
	case "pg_catalog":
		return PgCatalogOID
	case "information_schema":
		return InformationSchemaOID
	case PublicSchema:
		return PublicOID
	}
	return c.oids.of("schema", "", name)
}

// DatabaseOID gives the OID of a database by its name.
func (c *Catalog) DatabaseOID(name string) uint32 { return c.oids.of("database", "", name) }

// Snapshot collects the metadata that a session sees. Without columns no
// document is looked at: tables that were not used yet then have no Columns
// and no Indexes.
func (s *Scoped) Snapshot(ctx context.Context, columns bool) (*Snapshot, error) {
	snap := &Snapshot{Database: s.scope.Database, Functions: s.tableFunctions()}
	var err error
	if snap.Databases, err = s.databaseNames(ctx); err != nil {
		return nil, err
	}
	snap.Schemas = s.schemasOf(snap.Databases)
	for _, sch := range snap.Schemas {
		if sch.DB == "" {
			snap.addSystem(s.system[sch.Name])
			continue
		}
		if err := s.addDatabase(ctx, snap, sch, columns); err != nil {
			return nil, err
		}
	}
	return snap, nil
}

// schemas are all schemas by their names.
func (s *Scoped) schemas(ctx context.Context) ([]Schema, error) {
	dbs, err := s.databaseNames(ctx)
	return s.schemasOf(dbs), err
}

func (s *Scoped) schemasOf(dbs []string) []Schema {
	schemas := map[string]string{PublicSchema: s.scope.Database}
	for _, db := range dbs {
		schemas[s.SchemaOf(db)] = db
	}
	for name := range s.system {
		schemas[name] = ""
	}
	for _, name := range []string{"pg_catalog", "information_schema", SystemSchema} {
		schemas[name] = ""
	}
	var list []Schema
	for name, db := range schemas {
		list = append(list, Schema{OID: s.SchemaOID(name), Name: name, DB: db})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// tableFunctions are the table functions by their names.
func (s *Scoped) tableFunctions() []*Table {
	var list []*Table
	for _, t := range s.functions {
		list = append(list, t)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

func (snap *Snapshot) addSystem(byName map[string]*Table) {
	start := len(snap.Tables)
	for _, t := range byName {
		snap.Tables = append(snap.Tables, t)
	}
	added := snap.Tables[start:]
	sort.Slice(added, func(i, j int) bool { return added[i].Name < added[j].Name })
}

func (s *Scoped) addDatabase(ctx context.Context, snap *Snapshot, sch Schema, columns bool) error {
	d, err := s.database(ctx, sch.DB, listAge)
	if err != nil {
		return err
	}
	tables := make([]*Table, len(d.sorted))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, name := range d.sorted {
		if t := s.known(sch.DB, name, d); t != nil && (!columns || t.Columns != nil && s.changes == nil) {
			tables[i] = t
			continue
		}
		g.Go(func() error {
			t, err := s.load(gctx, sch.DB, name, d)
			if err != nil {
				s.opts.Log.Warn("catalog: look at a collection", "collection", sch.DB+"."+name, "error", err)
				t = s.bare(sch.DB, name, d)
			}
			tables[i] = t
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	snap.Tables = append(snap.Tables, tables...)
	return ctx.Err()
}

// known gives a relation without looking at documents.
func (s *Scoped) known(db, name string, d *database) *Table {
	if o, ok := d.objects[name]; ok && (o.virtual()) {
		return s.show(s.objectTable(o))
	}
	s.mu.Lock()
	e := s.tables[store.Namespace{DB: db, Coll: name}]
	s.mu.Unlock()
	if e != nil && sameObject(e.source, d.objects[name]) && sameCollection(&e.of, d.collections[name]) {
		return s.show(e.table)
	}
	return s.bare(db, name, d)
}

// bare is a relation of which only the name and kind are known.
func (s *Scoped) bare(db, name string, d *database) *Table {
	t := &Table{
		OID: s.oids.of("relation", db, name), Name: name, Kind: Collection, Open: true,
		NS: store.Namespace{DB: db, Coll: name}, PrimaryKey: []string{"_id"},
	}
	if coll, ok := d.collections[name]; ok && coll.View {
		t.Kind = MongoView
	}
	if o := d.objects[name]; o != nil {
		t.Comment = o.Comment
		if o.Kind == "matview" {
			t.Kind, t.Definition = MaterializedView, o.SQL
		}
	}
	return s.show(t)
}

// RelationByOID finds a relation, for regclass and format functions.
func (s *Scoped) RelationByOID(ctx context.Context, oid uint32) (*Table, bool) {
	if db, name, ok := s.nameOf(oid); ok {
		d, err := s.database(ctx, db, listAge)
		if err != nil || !d.has(name) {
			return nil, false
		}
		return s.known(db, name, d), true
	}
	if t, ok := s.builtin[oid]; ok {
		return t, true
	}
	return nil, false
}

// RelationNamed finds a relation by a possibly qualified name as to_regclass
// reads it, without looking at documents.
func (s *Scoped) RelationNamed(ctx context.Context, schema, name string) (*Table, bool) {
	schemas := s.path
	if schema != "" {
		schemas = []string{schema}
	}
	for _, sch := range schemas {
		if IsSystemSchema(sch) {
			if t, ok := s.system[sch][name]; ok {
				return t, true
			}
			continue
		}
		db := s.DatabaseOf(sch)
		for _, exact := range []bool{true, false} {
			if n, d, err := s.stored(ctx, db, name, true, exact); err == nil && n != "" {
				return s.known(db, n, d), true
			}
		}
	}
	return nil, false
}

// HasSchema tells whether a schema exists.
func (s *Scoped) HasSchema(ctx context.Context, name string) bool {
	if IsSystemSchema(name) || name == PublicSchema || s.scope.Temp != "" && s.DatabaseOf(name) == s.scope.Temp {
		return true
	}
	dbs, err := s.databaseNames(ctx)
	if err != nil {
		return false
	}
	for _, db := range dbs {
		if db == name && !strings.EqualFold(db, SystemSchema) {
			return true
		}
	}
	return false
}
