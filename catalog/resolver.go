package catalog

import (
	"context"
	"strings"
	"time"

	"weir/sqlerr"
	"weir/store"
)

// Scope says how a session sees a catalog.
type Scope struct {
	Database   string   // the startup database: schema public
	SearchPath []string // schemas; nil: public, weir
	Flatten    bool     // weir.flatten_documents
	// Since is when the session began: a store that does not tell what changed
	// is asked again for what is older.
	Since time.Time
	// Temp is the database of the session's temporary relations, "" while it has none.
	Temp string
}

// Scoped is a catalog as a session sees it; it is a Resolver and runs DDL.
type Scoped struct {
	*Catalog
	scope Scope
	path  []string
}

var _ Resolver = (*Scoped)(nil)

// In gives the catalog as a session sees it. It is cheap: ask again when a
// setting changes.
func (c *Catalog) In(s Scope) *Scoped {
	var path []string
	if s.Temp != "" {
		path = append(path, s.Temp) // temporary relations hide all others
	}
	path = append(path, "pg_catalog")
	given := s.SearchPath
	if given == nil {
		given = []string{PublicSchema, SystemSchema}
	}
	for _, p := range given {
		switch p {
		case "pg_catalog", "$user", "":
		default:
			path = append(path, p)
		}
	}
	return &Scoped{Catalog: c, scope: s, path: path}
}

// IsSystemSchema tells whether a schema is no database.
func IsSystemSchema(name string) bool {
	return name == SystemSchema || name == "pg_catalog" || name == "information_schema"
}

// DatabaseOf gives the database behind a schema; "" for system schemas.
func (s *Scoped) DatabaseOf(schema string) string {
	switch {
	case IsSystemSchema(schema):
		return ""
	case schema == PublicSchema:
		return s.scope.Database
	case schema == "pg_temp":
		return s.scope.Temp
	}
	return schema
}

// SchemaOf gives the schema that shows a database.
func (s *Scoped) SchemaOf(db string) string {
	if db == s.scope.Database {
		return PublicSchema
	}
	return db
}

// CurrentSchema is where unqualified names are created.
func (s *Scoped) CurrentSchema() string {
	for _, p := range s.path {
		if !IsSystemSchema(p) && p != s.scope.Temp {
			return p
		}
	}
	return ""
}

// SearchPath lists the schemas in the order in which they are searched.
func (s *Scoped) SearchPath() []string { return s.path }

// Table implements Resolver. The name is as it was written: unless quoted it
// is looked for in lower case first, then as written, then in any case.
func (s *Scoped) Table(ctx context.Context, schema, name string, quoted bool) (*Table, bool, error) {
	schemas := s.path
	if schema != "" {
		schemas = []string{schema}
	}
	// An exact name anywhere on the path comes before a name in another case.
	for _, exact := range []bool{true, false} {
		for _, sch := range schemas {
			t, ok, err := s.find(ctx, sch, name, quoted, exact)
			if ok || err != nil {
				return t, ok, err
			}
		}
	}
	return nil, false, nil
}

func (s *Scoped) find(ctx context.Context, schema, name string, quoted, exact bool) (*Table, bool, error) {
	if IsSystemSchema(schema) {
		t, ok := s.system[schema][name]
		if !ok && (!exact || !quoted) {
			t, ok = s.system[schema][strings.ToLower(name)]
		}
		return t, ok, nil
	}
	db := s.DatabaseOf(schema)
	stored, d, err := s.stored(ctx, db, name, quoted, exact)
	if err != nil || stored == "" {
		return nil, false, err
	}
	t, err := s.load(ctx, db, stored, d)
	if err != nil {
		return nil, false, err
	}
	return t, t != nil, nil
}

// stored finds the stored spelling of a name, looking at the database again
// before saying that there is none.
func (s *Scoped) stored(ctx context.Context, db, name string, quoted, exact bool) (string, *database, error) {
	for _, age := range []time.Duration{listAge, 0} {
		d, err := s.database(ctx, db, age)
		if err != nil {
			return "", nil, err
		}
		if n, err := d.spelling(name, quoted, exact); n != "" || err != nil {
			return n, d, err
		}
		if !exact {
			break // the exact round has just looked again
		}
	}
	return "", nil, nil
}

func (d *database) spelling(name string, quoted, exact bool) (string, error) {
	if exact {
		if low := strings.ToLower(name); !quoted && d.has(low) {
			return low, nil
		}
		if d.has(name) {
			return name, nil
		}
		return "", nil
	}
	switch m := d.folded[strings.ToLower(name)]; len(m) {
	case 0:
		return "", nil
	case 1:
		return m[0], nil
	default:
		return "", sqlerr.New("42P09", "table reference %q is ambiguous", name).
			WithHint("Quote the name: there are %s.", quotedList(m))
	}
}

func (d *database) has(name string) bool {
	if _, ok := d.collections[name]; ok {
		return true
	}
	o, ok := d.objects[name]
	return ok && (o.virtual())
}

func quotedList(names []string) string {
	return `"` + strings.Join(names, `", "`) + `"`
}

// load makes the table of a stored name.
func (s *Scoped) load(ctx context.Context, db, name string, d *database) (*Table, error) {
	if o, ok := d.objects[name]; ok && (o.virtual()) {
		return s.show(s.objectTable(o)), nil
	}
	e, err := s.sampled(ctx, store.Namespace{DB: db, Coll: name}, false)
	if err != nil {
		return nil, err
	}
	return s.show(e.table), nil
}

// objectTable makes the table of a view or a sequence.
func (c *Catalog) objectTable(o *object) *Table {
	t := &Table{
		OID: uint32(o.OID), Name: o.Name, Kind: View, Definition: o.SQL, CheckOption: o.CheckOption, Comment: o.Comment,
		Version: uint64(o.Version), NS: store.Namespace{DB: o.DB, Coll: o.Name},
	}
	for i := range o.Columns {
		t.Columns = append(t.Columns, o.Columns[i].column())
	}
	for _, oid := range o.Deps {
		t.Deps = append(t.Deps, uint32(oid))
	}
	t.Partition = o.partition()
	if o.Kind == "sequence" {
		t.Kind, t.Columns = Sequence, sequenceColumns()
		t.SequenceID = o.ID
	}
	return t
}

// show makes a table as the session sees it: its schema, flattened or not.
func (s *Scoped) show(t *Table) *Table {
	shown := *t
	db := t.NS.DB
	shown.Schema = s.SchemaOf(db)
	if t.Kind == Sequence {
		shown.NS = objects
		return &shown
	}
	if t.IsPartition() {
		shown.Definition = partitionQuery(shown.Schema, t)
		return &shown
	}
	if s.scope.Flatten {
		shown.Columns = flatten(t.Columns)
	}
	return &shown
}

// flatten puts the fields of embedded documents in their place.
func flatten(cols []Column) []Column {
	var out []Column
	for _, c := range cols {
		if len(c.Fields) == 0 || !c.Kinds.Only(KindDocument) {
			out = append(out, c)
			continue
		}
		whole := c
		whole.Hidden = true
		out = append(out, whole)
		for _, f := range flatten(c.Fields) {
			f.Name, f.Attr = strings.Join(f.Path, "."), 0
			out = append(out, f)
		}
	}
	attr := int16(0)
	for i := range out {
		attr = max(attr, out[i].Attr)
	}
	for i := range out {
		if out[i].Attr == 0 {
			attr++
			out[i].Attr = attr
		}
	}
	return out
}

// TableFunction implements Resolver. Names of functions know no case.
func (s *Scoped) TableFunction(schema, name string) (*Table, bool) {
	t, ok := s.functions[strings.ToLower(name)]
	if ok && schema != "" && schema != t.Schema {
		return nil, false
	}
	return t, ok
}

// Refresh implements Resolver.
func (s *Scoped) Refresh(ctx context.Context, t *Table) (*Table, error) {
	if t.Kind != Collection && t.Kind != MongoView {
		return t, nil
	}
	if s.exact(t) {
		return t, nil
	}
	e, err := s.sampled(ctx, t.NS, true)
	if err != nil {
		return nil, err
	}
	return s.show(e.table), nil
}

// exact tells whether nothing new can be seen of a table.
func (s *Scoped) exact(t *Table) bool {
	s.mu.Lock()
	e, d := s.tables[t.NS], s.databases[t.NS.DB]
	s.mu.Unlock()
	if e == nil || d == nil || e.stale || e.table.Version != t.Version {
		return false
	}
	if s.changes != nil && e.all {
		schema, data, _ := s.moved(t.NS, d)
		return e.schema == schema && e.data == data
	}
	wait := busyAge
	if e.all {
		if e.table.Estimate <= tinyTable {
			return false
		}
		wait = min(wait, busyShare*e.cost)
	}
	return s.opts.Now().Sub(e.at) < wait
}

// Near implements Resolver.
func (s *Scoped) Near(ctx context.Context, name string) []string {
	var all []string
	for _, sch := range s.path {
		if sch == "pg_catalog" {
			continue
		}
		for n := range s.system[sch] {
			all = append(all, n)
		}
		if db := s.DatabaseOf(sch); db != "" {
			if d, err := s.database(ctx, db, listAge); err == nil {
				all = append(all, d.sorted...)
			}
		}
	}
	for _, t := range s.functions {
		all = append(all, t.Name+"()")
	}
	return NearNames(name, all)
}

// Fresh tells whether objects still have the versions that a plan was made with.
func (s *Scoped) Fresh(ctx context.Context, deps []Dep) bool {
	for _, d := range deps {
		if v, ok := s.versionOf(ctx, d.OID); !ok || v != d.Version {
			return false
		}
	}
	return true
}

func (s *Scoped) versionOf(ctx context.Context, oid uint32) (uint64, bool) {
	if t, ok := s.builtin[oid]; ok {
		return t.Version, true
	}
	db, name, ok := s.nameOf(oid)
	if !ok {
		return 0, false
	}
	d, err := s.database(ctx, db, listAge)
	if err != nil {
		return 0, false
	}
	if o, ok := d.objects[name]; ok && o.isType() {
		return uint64(o.Version), o.OID == int64(oid)
	}
	if !d.has(name) {
		return 0, false
	}
	if o, ok := d.objects[name]; ok && (o.virtual()) {
		return uint64(o.Version), true
	}
	e, err := s.sampled(ctx, store.Namespace{DB: db, Coll: name}, false)
	if err != nil {
		return 0, false
	}
	return e.table.Version, true
}

// nameOf gives database and name of a relation's OID.
func (c *Catalog) nameOf(oid uint32) (db, name string, ok bool) {
	c.oids.mu.Lock()
	defer c.oids.mu.Unlock()
	rest, ok := strings.CutPrefix(c.oids.names[oid], "relation\x00")
	if !ok {
		return "", "", false
	}
	db, name, ok = strings.Cut(rest, "\x00")
	return db, name, ok
}
