package catalog

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
)

// Planner is what DDL asks of the planner, which lies above this package.
type Planner interface {
	// Describe plans a query: its columns and what it depends on.
	Describe(ctx context.Context, q ast.Statement) ([]Column, []Dep, []*sqlerr.Error, error)
	// CheckExpr binds a default (over no table) or a check and wants a type of it.
	CheckExpr(ctx context.Context, e ast.Expr, t *Table, want sqltype.Type) error
	// CheckGenerated is CheckExpr for the expression of a generated column,
	// which has to be immutable.
	CheckGenerated(ctx context.Context, e ast.Expr, t *Table, want sqltype.Type) error
	// Text runs a query and gives its first value as text; not found without a row.
	Text(ctx context.Context, sql string) (text string, found bool, err error)
}

// Change is what a DDL statement did.
type Change struct {
	Tag     string
	Notices []*sqlerr.Error
	// Then are statements that the session runs to complete the change, with
	// maintenance rights: the INSERT of CREATE TABLE AS, for example.
	Then []ast.Statement
	// Rows says that the tag is SELECT with the number of rows of Then.
	Rows bool
	// Undo takes away what the statement made; nil where that cannot be had.
	Undo ast.Statement
}

// made notes the relation that a statement made.
func (d *ddl) made(kind ast.ObjectKind, schema, name string) {
	d.out.Undo = &ast.Drop{Kind: kind, IfExists: true, Behavior: ast.Cascade,
		Names: []*ast.Name{{Parts: []ast.Ident{ast.MakeIdent(schema), ast.MakeIdent(name)}}}}
}

func (c *Change) notice(code, format string, args ...any) {
	c.Notices = append(c.Notices, sqlerr.Notice("NOTICE", code, format, args...))
}

// DDL runs a statement that changes the catalog. It is not for statements of
// roles, subscriptions and connections.
func (s *Scoped) DDL(ctx context.Context, p Planner, stmt ast.Statement) (*Change, error) {
	d := &ddl{Scoped: s, planner: p, out: &Change{}}
	switch x := stmt.(type) {
	case *ast.CreateTable:
		d.out.Tag = "CREATE TABLE"
		return d.done(d.createTable(ctx, x))
	case *ast.CreateTableAs:
		d.out.Tag = "CREATE TABLE AS"
		return d.done(d.createTableAs(ctx, x))
	case *ast.CreateIndex:
		d.out.Tag = "CREATE INDEX"
		return d.done(d.createIndex(ctx, x))
	case *ast.CreateView:
		d.out.Tag = "CREATE VIEW"
		return d.done(d.createView(ctx, x))
	case *ast.CreateMaterializedView:
		d.out.Tag = "CREATE MATERIALIZED VIEW"
		return d.done(d.createMaterialized(ctx, x))
	case *ast.RefreshMaterializedView:
		d.out.Tag = "REFRESH MATERIALIZED VIEW"
		return d.done(d.refresh(ctx, x))
	case *ast.CreateSchema:
		d.out.Tag = "CREATE SCHEMA"
		return d.done(d.createSchema(ctx, x))
	case *ast.CreateDatabase:
		d.out.Tag = "CREATE DATABASE"
		return d.done(d.createDatabase(ctx, x))
	case *ast.AlterObject:
		d.out.Tag = "ALTER " + string(x.Kind)
		return d.done(d.alterObject(ctx, x))
	case *ast.CreateSequence:
		d.out.Tag = "CREATE SEQUENCE"
		return d.done(d.createSequence(ctx, x))
	case *ast.AlterSequence:
		d.out.Tag = "ALTER SEQUENCE"
		return d.done(d.alterSequence(ctx, x))
	case *ast.CreateType:
		d.out.Tag = "CREATE TYPE"
		return d.done(d.createType(ctx, x))
	case *ast.AlterType:
		d.out.Tag = "ALTER TYPE"
		return d.done(d.alterType(ctx, x))
	case *ast.CreateDomain:
		d.out.Tag = "CREATE DOMAIN"
		return d.done(d.createDomain(ctx, x))
	case *ast.AlterDomain:
		d.out.Tag = "ALTER DOMAIN"
		return d.done(d.alterDomain(ctx, x))
	case *ast.AlterTable:
		d.out.Tag = "ALTER " + string(x.Kind)
		return d.done(d.alterTable(ctx, x))
	case *ast.Drop:
		d.out.Tag = "DROP " + string(x.Kind)
		return d.done(d.drop(ctx, x))
	case *ast.Comment:
		d.out.Tag = "COMMENT"
		return d.done(d.comment(ctx, x))
	}
	return nil, sqlerr.New(sqlerr.FeatureNotSupported, "this statement is not supported").At(stmt.Pos())
}

type ddl struct {
	*Scoped
	planner Planner
	out     *Change
	temp    bool // the relation that is made is temporary
}

func (d *ddl) done(err error) (*Change, error) {
	if err != nil {
		return nil, err
	}
	return d.out, nil
}

// place is where a new relation goes: its database and stored name.
type place struct {
	schema, db, name string
	pos              int
}

// placeOf reads the name of a relation that is to be made.
func (d *ddl) placeOf(ctx context.Context, n *ast.Name) (place, error) {
	id := n.Last()
	p := place{schema: n.Qualifier().Name, name: id.Name, pos: n.Pos()}
	if d.temp || p.schema == "pg_temp" {
		return d.temporaryPlace(p)
	}
	if p.schema == "" {
		if p.schema = d.CurrentSchema(); p.schema == "" {
			return p, sqlerr.New(sqlerr.InvalidSchemaName, "no schema has been selected to create in").At(p.pos)
		}
	}
	if IsSystemSchema(p.schema) {
		return p, sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for schema %s", p.schema).At(p.pos)
	}
	if !d.HasSchema(ctx, p.schema) {
		return p, sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", p.schema).At(p.pos).
			WithHint("CREATE SCHEMA makes it.")
	}
	p.db = d.DatabaseOf(p.schema)
	return p, nil
}

// taken tells whether a relation of exactly that name is there.
func (d *ddl) taken(ctx context.Context, p place) (bool, error) {
	known, err := d.database(ctx, p.db, 0)
	if err != nil {
		return false, err
	}
	if o := known.objects[p.name]; o != nil && o.isType() {
		return false, sqlerr.New(sqlerr.DuplicateObject, "type %q already exists", p.name).At(p.pos).
			WithHint("A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type.")
	}
	return known.has(p.name), nil
}

// free makes sure that a name can be used; skip says that IF NOT EXISTS met it.
func (d *ddl) free(ctx context.Context, p place, ifNotExists bool) (skip bool, err error) {
	taken, err := d.taken(ctx, p)
	if err != nil || !taken {
		return false, err
	}
	if ifNotExists {
		d.out.notice(sqlerr.DuplicateTable, "relation %q already exists, skipping", p.name)
		return true, nil
	}
	return false, sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", p.name).At(p.pos)
}

// find finds an existing relation; nil with IF EXISTS and a notice.
func (d *ddl) find(ctx context.Context, n *ast.Name, kind string, ifExists bool) (*Table, error) {
	id := n.Last()
	t, ok, err := d.Table(ctx, n.Qualifier().Name, id.Text, id.Quoted)
	if err != nil {
		return nil, sqlerr.As(err).At(n.Pos())
	}
	if ok {
		return t, nil
	}
	if ifExists {
		d.out.notice(sqlerr.SuccessfulCompletion, "%s %q does not exist, skipping", kind, id.Text)
		return nil, nil
	}
	e := sqlerr.New(sqlerr.UndefinedTable, "%s %q does not exist", kind, id.Text).At(n.Pos())
	if near := d.Near(ctx, id.Name); len(near) > 0 {
		e = e.WithHint("Perhaps you meant %s.", quotedList(near))
	}
	return nil, e
}

// objectOf gives the catalog's document of a relation, a new one if it has none.
func (d *ddl) objectOf(ctx context.Context, t *Table) (*object, error) {
	db, name, ok := d.nameOf(t.OID)
	if !ok {
		return nil, sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied: %q is a system relation", t.Name)
	}
	known, err := d.database(ctx, db, 0)
	if err != nil {
		return nil, err
	}
	if o := known.objects[name]; o != nil {
		return o, nil
	}
	return &object{DB: db, Name: name, Kind: "table", OID: int64(t.OID)}, nil
}

// newObject makes the document of a new relation.
func (d *ddl) newObject(p place, kind string) *object {
	return &object{DB: p.db, Name: p.name, Kind: kind, OID: int64(d.oids.of("relation", p.db, p.name))}
}

// save writes an object and drops the sample that was made with the old one.
func (d *ddl) save(ctx context.Context, o *object) error {
	err := d.saveObject(ctx, o)
	d.mu.Lock()
	delete(d.tables, store.Namespace{DB: o.DB, Coll: o.Name})
	d.mu.Unlock()
	return err
}

// run runs a command of MongoDB made of fields.
func (d *ddl) run(ctx context.Context, db string, fill func(*value.Builder)) error {
	var b value.Builder
	fill(&b)
	_, err := d.store.Command(ctx, db, b.Doc())
	d.forget(db)
	return err
}

// createCollection makes a collection with a validator.
func (d *ddl) createCollection(ctx context.Context, p place, validator bson.Raw) error {
	return d.run(ctx, p.db, func(b *value.Builder) {
		b.Add("create", value.String(p.name))
		if validator != nil {
			b.Add("validator", value.Document(validator))
		}
	})
}

// setValidator replaces the validator of a declared table.
func (d *ddl) setValidator(ctx context.Context, o *object) error {
	if !o.Declared {
		return nil
	}
	return d.run(ctx, o.DB, func(b *value.Builder) {
		b.Add("collMod", value.String(o.Name))
		b.Add("validator", value.Document(makeValidator(o.tableColumns())))
	})
}

func (o *object) tableColumns() []Column {
	cols := make([]Column, len(o.Columns))
	for i := range o.Columns {
		cols[i] = o.Columns[i].column()
	}
	return cols
}

// unsupported refuses a clause.
func unsupported(pos int, hint, format string, args ...any) error {
	return sqlerr.Unsupported(pos, hint, "%s", fmt.Sprintf(format, args...))
}
