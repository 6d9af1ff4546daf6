package catalog

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// newIndex is an index that a constraint or CREATE INDEX asks for.
type newIndex struct {
	name    string
	keys    []IndexKey
	unique  bool
	partial bson.Raw
	ttl     *int64
}

// tableBuilder collects what the elements of CREATE TABLE declare.
type tableBuilder struct {
	d         *ddl
	o         *object
	indexes   []newIndex
	checks    []*ast.Constraint // bound when all columns are known
	generated []generatedColumn // likewise
	foreign   []foreignKey      // likewise
	bound     []boundKey        // of foreign, those that are
	sequences []*object
}

func (d *ddl) createTable(ctx context.Context, x *ast.CreateTable) error {
	if err := d.temporary(x.Persistence, x.OnCommit, x.Pos()); err != nil {
		return err
	}
	if x.PartitionOf != nil {
		return d.createPartition(ctx, x)
	}
	p, err := d.placeOf(ctx, x.Name)
	if err != nil {
		return err
	}
	if skip, err := d.free(ctx, p, x.IfNotExists); skip || err != nil {
		return err
	}
	t := &tableBuilder{d: d, o: d.newObject(p, "table")}
	t.o.Declared = true
	if err := t.inherit(ctx, x.Inherits); err != nil {
		return err
	}
	for _, el := range x.Elements {
		if def, ok := el.(*ast.ColumnDef); ok {
			if merged, err := t.inherited(ctx, def); merged || err != nil {
				if err != nil {
					return err
				}
				continue
			}
		}
		if err := t.element(ctx, el); err != nil {
			return err
		}
	}
	if err := t.bindChecks(ctx); err != nil {
		return err
	}
	if err := t.bindForeignKeys(ctx); err != nil {
		return err
	}
	if x.Partition != nil {
		if err := t.partitionBy(ctx, x.Partition); err != nil {
			return err
		}
		newPartitionTree(nil).compute(t.o)
	}
	if err := t.create(ctx, p); err != nil {
		return err
	}
	if err := t.noteReferences(ctx); err != nil {
		return err
	}
	return d.adopt(ctx, t.o, false)
}

// create makes the collection, its indexes and sequences, and the catalog's
// document last; a failure before that takes the collection away again.
func (t *tableBuilder) create(ctx context.Context, p place) error {
	if t.o.column(FineField) != nil {
		for i := range t.indexes {
			t.indexes[i].withoutFine()
		}
	}
	if err := t.d.createCollection(ctx, p, makeValidator(t.o.tableColumns())); err != nil {
		return err
	}
	err := t.d.createIndexes(ctx, p.db, p.name, t.indexes)
	for i := 0; err == nil && i < len(t.sequences); i++ {
		err = t.d.save(ctx, t.sequences[i])
	}
	if err == nil {
		err = t.d.save(ctx, t.o)
	}
	if err != nil {
		_ = t.d.run(context.WithoutCancel(ctx), p.db, func(b *value.Builder) { b.Add("drop", value.String(p.name)) })
		return err
	}
	kind := ast.KindTable
	if t.o.Kind == "matview" {
		kind = ast.KindMaterializedView
	}
	t.d.made(kind, p.schema, p.name)
	return nil
}

func (t *tableBuilder) element(ctx context.Context, el ast.TableElement) error {
	switch e := el.(type) {
	case *ast.ColumnDef:
		return t.column(ctx, e)
	case *ast.Constraint:
		return t.constraint(e, nil)
	case *ast.LikeClause:
		src, err := t.d.find(ctx, e.Table, "relation", false)
		if err != nil {
			return err
		}
		for _, c := range src.Columns {
			if !c.Hidden && len(c.Path) == 1 {
				if err := t.add(c.Name, c.Type, e.Pos()); err != nil {
					return err
				}
				t.o.Columns[len(t.o.Columns)-1].Domain = int64(c.Domain)
				t.o.Columns[len(t.o.Columns)-1].NotNull = c.NotNull && c.Name != "_id"
			}
		}
	}
	return nil
}

// add declares a column.
func (t *tableBuilder) add(name string, typ sqltype.Type, pos int) error {
	if t.o.column(name) != nil {
		return sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", name).At(pos)
	}
	if _, _, known := t.d.nameOf(uint32(itemType(typ.OID))); !known && typ.OID.Involves() {
		return unsupported(pos, "Make the type with CREATE TYPE, and cast to it.", "columns of a table's row type are not supported")
	}
	t.o.NextAttr++
	t.o.Columns = append(t.o.Columns, objectColumn{
		Name: name, Path: []string{name}, Attr: t.o.NextAttr, Type: int64(typ.OID), Mod: typ.Mod, Pinned: true,
	})
	return nil
}

// itemType is the element type of arrays, and any other type itself.
func itemType(t sqltype.OID) sqltype.OID {
	if e := t.Elem(); e != sqltype.Invalid {
		return e
	}
	return t
}

var serialTypes = map[string]bool{
	"serial": true, "serial4": true, "bigserial": true, "serial8": true, "smallserial": true, "serial2": true,
}

func (t *tableBuilder) column(ctx context.Context, def *ast.ColumnDef) error {
	typ, domain, err := t.d.TypeName(ctx, def.Type)
	if err != nil {
		return err
	}
	if typ.OID == sqltype.Record || sqltype.Lookup(typ.OID).Kind == 'p' {
		return sqlerr.New(sqlerr.InvalidTableDefinition, "column %q has pseudo-type %s", def.Name.Text, typ.OID).At(def.Pos())
	}
	if err := t.add(def.Name.Name, typ, def.Name.Pos()); err != nil {
		return err
	}
	c := &t.o.Columns[len(t.o.Columns)-1]
	c.Domain = int64(domain)
	if serialTypes[strings.ToLower(def.Type.Name.Name)] {
		if err := t.sequenceFor(c, nil); err != nil {
			return err
		}
	}
	if err := t.oneOrigin(def); err != nil {
		return err
	}
	for _, k := range def.Constraints {
		if err := t.columnConstraint(ctx, def, c.Name, typ, k); err != nil {
			return err
		}
	}
	return nil
}

// oneOrigin tests that a column has one default, identity or generation
// expression, and is not both NULL and NOT NULL.
func (t *tableBuilder) oneOrigin(def *ast.ColumnDef) error {
	const byDefault, byIdentity, byExpression = 1, 2, 4
	seen, null, notNull := 0, false, false
	if serialTypes[strings.ToLower(def.Type.Name.Name)] {
		seen, notNull = byDefault, true
	}
	problem := map[int]string{
		byDefault: "multiple default values specified", byIdentity: "multiple identity specifications", byExpression: "multiple generation clauses specified",
		byDefault | byIdentity: "both default and identity specified", byDefault | byExpression: "both default and generation expression specified",
		byIdentity | byExpression: "both identity and generation expression specified",
	}
	for _, k := range def.Constraints {
		kind := 0
		switch k.Kind {
		case ast.ConstraintDefault:
			kind = byDefault
		case ast.ConstraintIdentity:
			kind, notNull = byIdentity, true
		case ast.ConstraintGenerated:
			kind = byExpression
		case ast.ConstraintNull:
			null = true
		case ast.ConstraintNotNull:
			notNull = true
		}
		if null && notNull {
			return sqlerr.New(sqlerr.SyntaxError, "conflicting NULL/NOT NULL declarations for column %q of table %q", def.Name.Text, t.o.Name).At(k.Pos())
		}
		if kind != 0 && seen != 0 {
			return sqlerr.New(sqlerr.SyntaxError, "%s for column %q of table %q", problem[seen|kind], def.Name.Text, t.o.Name).At(k.Pos())
		}
		seen |= kind
	}
	return nil
}

// sequenceFor gives a column a sequence of its own and its next value as default.
func (t *tableBuilder) sequenceFor(c *objectColumn, opts []*ast.SequenceOption) error {
	name := t.o.Name + "_" + c.Name + "_seq"
	for _, o := range opts {
		if o.Name == "sequence name" {
			name = o.Owner.Last().Name
		}
	}
	seq := t.d.newObject(place{db: t.o.DB, name: name}, "sequence")
	seq.Sequence = newSequence(sqltype.OID(c.Type))
	if err := applySequence(seq.Sequence, opts, true); err != nil {
		return err
	}
	seq.Sequence.OwnedBy = t.o.Name + "." + c.Name
	t.sequences = append(t.sequences, seq)
	c.NotNull = true
	c.Default = "nextval(" + ast.QuoteString(ast.QuoteIdent(t.o.DB)+"."+ast.QuoteIdent(name)) + ")"
	return nil
}

func (t *tableBuilder) columnConstraint(ctx context.Context, def *ast.ColumnDef, name string, typ sqltype.Type, k *ast.Constraint) error {
	c := t.o.column(name)
	switch k.Kind {
	case ast.ConstraintNotNull:
		c.NotNull = true
	case ast.ConstraintNull:
	case ast.ConstraintDefault:
		if err := t.d.planner.CheckExpr(ctx, k.Expr, nil, typ); err != nil {
			return err
		}
		c.Default = ast.Print(k.Expr)
	case ast.ConstraintIdentity:
		if err := identityType(c, k.Pos()); err != nil {
			return err
		}
		if err := t.sequenceFor(c, k.Sequence); err != nil {
			return err
		}
		c.Identity = identityKind(k.Always)
	case ast.ConstraintGenerated:
		c.Generated = ast.Print(k.Expr)
		t.generated = append(t.generated, generatedColumn{name, typ, k.Expr})
	default:
		return t.constraint(k, &def.Name)
	}
	return nil
}

// constraint declares a constraint of the table, or of one column.
func (t *tableBuilder) constraint(k *ast.Constraint, col *ast.Ident) error {
	cols := k.Columns
	if col != nil {
		cols = []ast.Ident{*col}
	}
	switch k.Kind {
	case ast.ConstraintPrimaryKey, ast.ConstraintUnique:
		return t.unique(k, cols)
	case ast.ConstraintCheck:
		if k.Name.IsZero() {
			cp := *k
			cp.Name = ast.MakeIdent(t.checkName(checkColumn(k.Expr, col)))
			k = &cp
		}
		t.checks = append(t.checks, k)
		return nil
	case ast.ConstraintReferences:
		t.foreign = append(t.foreign, foreignKey{k, cols})
		return nil
	case ast.ConstraintExclude:
		return unsupported(k.Pos(), "Use UNIQUE.", "exclusion constraints are not supported")
	}
	return unsupported(k.Pos(), "Declare it on the column.", "this constraint is not supported")
}

// checkColumn is the column that gives a CHECK constraint its name: the one it
// is written at, or else the only one that it reads.
func checkColumn(e ast.Expr, col *ast.Ident) *ast.Ident {
	if col != nil {
		return col
	}
	names := map[string]*ast.Ident{}
	ast.Inspect(e, func(n ast.Node) bool {
		if c, ok := n.(*ast.ColumnRef); ok && len(c.Parts) > 0 {
			last := c.Parts[len(c.Parts)-1]
			names[last.Name] = &last
		}
		return true
	})
	if len(names) != 1 {
		return nil
	}
	for _, id := range names {
		return id
	}
	return nil
}

func (t *tableBuilder) checkName(col *ast.Ident) string {
	base := t.o.Name + "_check"
	if col != nil {
		base = t.o.Name + "_" + col.Name + "_check"
	}
	name := base
	for n := 1; t.hasCheck(name); n++ {
		name = base + itoa(n)
	}
	return name
}

func (t *tableBuilder) hasCheck(name string) bool {
	for _, c := range t.checks {
		if c.Name.Name == name {
			return true
		}
	}
	for _, c := range t.o.Checks {
		if c.Name == name {
			return true
		}
	}
	return false
}

func (t *tableBuilder) unique(k *ast.Constraint, cols []ast.Ident) error {
	ix := newIndex{unique: true, name: k.Name.Name}
	primary := k.Kind == ast.ConstraintPrimaryKey
	if primary && len(t.o.PrimaryKey) > 0 {
		return sqlerr.New(sqlerr.InvalidTableDefinition, "multiple primary keys for table %q are not allowed", t.o.Name).At(k.Pos())
	}
	var names []string
	for _, id := range cols {
		c := t.o.column(id.Name)
		if c == nil {
			return sqlerr.New(sqlerr.UndefinedColumn, "column %q named in key does not exist", id.Text).At(id.Pos())
		}
		c.NotNull = c.NotNull || primary
		names = append(names, c.Name)
		ix.keys = append(ix.keys, IndexKey{Path: c.Name, Fine: c.microsKey()})
	}
	if ix.name == "" {
		if ix.name = t.o.Name + "_" + strings.Join(names, "_") + "_key"; primary {
			ix.name = t.o.Name + "_pkey"
		}
	}
	if primary {
		t.o.PrimaryKey = names
	}
	if len(names) == 1 && names[0] == "_id" {
		return nil // every collection has that one
	}
	if !primary && !k.NullsNotDistinct {
		ix.partial = t.notNullFilter(names)
	}
	t.indexes = append(t.indexes, ix)
	return nil
}

// notNullFilter makes a unique index skip rows with NULL, which SQL allows any
// number of. Columns of every type (jsonb) are left out of it.
func (t *tableBuilder) notNullFilter(names []string) bson.Raw {
	var b value.Builder
	any := false
	for _, n := range names {
		col := t.o.column(n).column()
		types := validatorTypes(&col)
		if t.o.column(n).NotNull || types == nil {
			continue
		}
		items := make([]value.Value, len(types))
		for i, ty := range types {
			items[i] = value.String(ty)
		}
		b.Open(bson.TypeEmbeddedDocument, n)
		b.Add("$type", value.ArrayFrom(items))
		b.Close()
		any = true
	}
	if !any {
		return nil
	}
	return b.Doc()
}

// generatedColumn is a column that is computed from others.
type generatedColumn struct {
	name string
	typ  sqltype.Type
	expr ast.Expr
}

// readsColumn tells whether an expression names a column.
func readsColumn(e ast.Expr, name string) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		if c, ok := n.(*ast.ColumnRef); ok && len(c.Parts) > 0 && c.Parts[len(c.Parts)-1].Name == name {
			found = true
		}
		return !found
	})
	return found
}

// bindChecks binds CHECK constraints over the columns and keeps their text.
func (t *tableBuilder) bindChecks(ctx context.Context) error {
	if len(t.checks) == 0 && len(t.generated) == 0 {
		return nil
	}
	tab := &Table{Name: t.o.Name, Schema: t.d.SchemaOf(t.o.DB), Columns: t.o.tableColumns()}
	for _, g := range t.generated {
		if err := t.d.planner.CheckGenerated(ctx, g.expr, tab, g.typ); err != nil {
			return err
		}
		for _, c := range t.o.Columns {
			if c.Generated != "" && readsColumn(g.expr, c.Name) {
				return sqlerr.New(sqlerr.InvalidObjectDefinition, "cannot use generated column %q in column generation expression", c.Name).At(g.expr.Pos()).
					WithDetail("A generated column cannot reference another generated column.")
			}
		}
	}
	for _, k := range t.checks {
		if err := t.d.planner.CheckExpr(ctx, k.Expr, tab, sqltype.Of(sqltype.Bool)); err != nil {
			return err
		}
		t.o.Checks = append(t.o.Checks, objectCheck{
			OID: int64(t.d.oids.of("check", t.o.DB, t.o.Name+"\x00"+k.Name.Name)), Name: k.Name.Name, SQL: ast.Print(k.Expr),
		})
	}
	return nil
}

func (d *ddl) createTableAs(ctx context.Context, x *ast.CreateTableAs) error {
	if err := d.temporary(x.Persistence, x.OnCommit, x.Pos()); err != nil {
		return err
	}
	q, ok := x.Query.(*ast.Query)
	if !ok {
		return unsupported(x.Query.Pos(), "Write the query itself.", "CREATE TABLE AS EXECUTE is not supported")
	}
	return d.tableOf(ctx, x.Name, x.Columns, x.IfNotExists, x.NoData, q, "table")
}

// tableOf makes a table with the columns of a query, to be filled by its rows.
func (d *ddl) tableOf(ctx context.Context, name *ast.Name, names []ast.Ident, ifNotExists, noData bool, q *ast.Query, kind string) error {
	p, err := d.placeOf(ctx, name)
	if err != nil {
		return err
	}
	if skip, err := d.free(ctx, p, ifNotExists); skip || err != nil {
		return err
	}
	cols, deps, notices, err := d.planner.Describe(ctx, q)
	if err != nil {
		return err
	}
	d.out.Notices = append(d.out.Notices, notices...)
	if len(names) > len(cols) {
		return sqlerr.New(sqlerr.SyntaxError, "too many column names were specified").At(names[len(cols)].Pos())
	}
	t := &tableBuilder{d: d, o: d.newObject(p, kind)}
	t.o.Declared, t.o.Unpopulated = true, noData
	insert := &ast.Insert{Table: &ast.Name{Parts: []ast.Ident{ast.MakeIdent(p.schema), ast.MakeIdent(p.name)}}, Query: q}
	for i, c := range cols {
		if i < len(names) {
			c.Name = names[i].Name
		}
		if err := t.add(c.Name, c.Type, p.pos); err != nil {
			return err
		}
		insert.Columns = append(insert.Columns, &ast.ColumnRef{Parts: []ast.Ident{ast.MakeIdent(c.Name)}})
	}
	if kind == "matview" {
		t.o.SQL, t.o.Deps = ast.Print(q), depOIDs(deps)
	}
	if err := t.create(ctx, p); err != nil || noData {
		return err
	}
	d.out.Then, d.out.Rows = []ast.Statement{insert}, true
	return nil
}

func depOIDs(deps []Dep) []int64 {
	var out []int64
	for _, d := range deps {
		if !d.Implied {
			out = append(out, int64(d.OID))
		}
	}
	return out
}
