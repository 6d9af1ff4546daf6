package catalog

import (
	"context"
	"slices"
	"strings"
	"time"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
)

// Foreign keys are kept in the referencing table's object. The executor holds
// the statements that write either table to them; other writers of MongoDB are
// not held to anything.

// ForeignKey is one of a table's.
type ForeignKey struct {
	OID                  uint32
	Name                 string
	Columns              []string
	Ref                  uint32 // OID of the referenced relation
	RefColumns           []string
	Update, Delete       byte // pg_constraint's letters: a, r, c, n, d
	Match                byte // s or f
	Deferrable, Deferred bool // Deferred: INITIALLY DEFERRED
	// Valid tells that the rows that were there were tested, too.
	Valid bool
	// DeleteColumns are those that ON DELETE SET NULL or SET DEFAULT sets, nil: all.
	DeleteColumns []string
	Made          int64 // orders the keys as they were made
}

type objectForeignKey struct {
	OID        int64    `bson:"oid"`
	Name       string   `bson:"name"`
	Columns    []string `bson:"columns"`
	Ref        int64    `bson:"ref"`
	RefColumns []string `bson:"ref_columns"`
	Update     string   `bson:"update"`
	Delete     string   `bson:"delete"`
	Match      string   `bson:"match"`
	Deferrable bool     `bson:"deferrable,omitempty"`
	Deferred   bool     `bson:"deferred,omitempty"`
	Valid      bool     `bson:"valid,omitempty"`
	Made       int64    `bson:"made,omitempty"`

	DeleteColumns []string `bson:"delete_columns,omitempty"`
}

func (o *object) foreignKeys() []ForeignKey {
	var out []ForeignKey
	for _, k := range o.ForeignKeys {
		out = append(out, ForeignKey{
			OID: uint32(k.OID), Name: k.Name, Columns: k.Columns, Ref: uint32(k.Ref), RefColumns: k.RefColumns,
			Update: k.Update[0], Delete: k.Delete[0], Match: k.Match[0], Deferrable: k.Deferrable, Deferred: k.Deferred,
			Valid: k.Valid, DeleteColumns: k.DeleteColumns, Made: k.Made,
		})
	}
	return out
}

// actions are the letters of pg_constraint for ON DELETE and ON UPDATE.
var actions = map[string]string{
	"": "a", "NO ACTION": "a", "RESTRICT": "r", "CASCADE": "c", "SET NULL": "n", "SET DEFAULT": "d",
}

// foreignKey is a REFERENCES that is bound when all columns are known.
type foreignKey struct {
	k    *ast.Constraint
	cols []ast.Ident
}

func (t *tableBuilder) bindForeignKeys(ctx context.Context) error {
	for _, f := range t.foreign {
		if err := t.bindForeignKey(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (t *tableBuilder) bindForeignKey(ctx context.Context, f foreignKey) error {
	ref := f.k.References
	key := objectForeignKey{Name: f.k.Name.Name, Update: actions[ref.OnUpdate], Delete: actions[ref.OnDelete], Match: "s",
		Deferred: f.k.Initially == "DEFERRED"}
	key.Deferrable = key.Deferred || f.k.Deferrable != nil && *f.k.Deferrable
	switch ref.Match {
	case "FULL":
		key.Match = "f"
	case "PARTIAL":
		return sqlerr.New(sqlerr.FeatureNotSupported, "MATCH PARTIAL not yet implemented").At(ref.Pos())
	}
	for i, id := range ref.Columns {
		if slices.ContainsFunc(ref.Columns[:i], func(o ast.Ident) bool { return o.Name == id.Name }) {
			return sqlerr.New(sqlerr.InvalidForeignKey, "foreign key referenced-columns list must not contain duplicates")
		}
	}
	for _, id := range f.cols {
		c := t.o.column(id.Name)
		if c == nil {
			return sqlerr.New(sqlerr.UndefinedColumn, "column %q referenced in foreign key constraint does not exist", id.Text).At(id.Pos())
		}
		key.Columns = append(key.Columns, c.Name)
	}
	for _, id := range ref.DeleteColumns {
		if t.o.column(id.Name) == nil {
			return sqlerr.New(sqlerr.UndefinedColumn, "column %q referenced in foreign key constraint does not exist", id.Text).At(id.Pos())
		}
		if !slices.Contains(key.Columns, id.Name) {
			return sqlerr.New(sqlerr.InvalidColumnReference, "column %q referenced in ON DELETE SET action must be part of foreign key", id.Text).At(id.Pos())
		}
		key.DeleteColumns = append(key.DeleteColumns, id.Name)
	}
	target, err := t.referenced(ctx, ref)
	if err != nil {
		return err
	}
	if err := sameLife(t.o.DB, target.NS.DB); err != nil {
		return err
	}
	if key.RefColumns, err = target.keyFor(ref); err != nil {
		return err
	}
	key.Ref = int64(target.OID)
	if len(key.RefColumns) != len(key.Columns) {
		return sqlerr.New(sqlerr.InvalidForeignKey, "number of referencing and referenced columns for foreign key disagree").At(f.k.Pos())
	}
	if key.Name == "" {
		key.Name = t.foreignName(key.Columns)
	} else if t.hasForeign(key.Name) || t.hasCheck(key.Name) {
		return sqlerr.New(sqlerr.DuplicateObject, "constraint %q for relation %q already exists", key.Name, t.o.Name).At(f.k.Name.Pos())
	}
	if err := t.comparable(ctx, &key, target); err != nil {
		return err
	}
	key.OID = int64(t.d.oids.of("foreign", t.o.DB, t.o.Name+"\x00"+key.Name))
	key.Made = time.Now().UnixNano()
	key.Valid = t.d.store.Capabilities().Transactions
	if !key.Valid {
		t.d.out.notice(sqlerr.FeatureNotSupported, "foreign key to %q is accepted but not enforced: this MongoDB server has no transactions", ref.Table.Last().Text)
	}
	t.bound = append(t.bound, boundKey{len(t.o.ForeignKeys), target, f.k.NotValid})
	t.o.ForeignKeys = append(t.o.ForeignKeys, key)
	return nil
}

// referenced is the table that a foreign key names, which may be the one that is
// being made.
func (t *tableBuilder) referenced(ctx context.Context, ref *ast.References) (*Table, error) {
	id, schema := ref.Table.Last(), ref.Table.Qualifier().Name
	if id.Name == t.o.Name && (schema == "" || t.d.DatabaseOf(schema) == t.o.DB) {
		own := &Table{OID: uint32(t.o.OID), Schema: t.d.SchemaOf(t.o.DB), NS: store.Namespace{DB: t.o.DB, Coll: t.o.Name}, Name: t.o.Name, Kind: Collection, Columns: t.o.tableColumns(), PrimaryKey: t.o.PrimaryKey}
		for _, ix := range t.indexes {
			own.Indexes = append(own.Indexes, Index{Name: ix.name, Unique: ix.unique, Keys: ix.keys})
		}
		if old, ok, err := t.d.Table(ctx, schema, id.Text, id.Quoted); err == nil && ok {
			own.Indexes = append(own.Indexes, old.Indexes...)
		}
		return own, nil
	}
	target, err := t.d.find(ctx, ref.Table, "relation", false)
	if err != nil {
		return nil, err
	}
	if target.Kind != Collection {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "referenced relation %q is not a table", target.Name).At(ref.Table.Pos())
	}
	return target, nil
}

// keyFor gives the referenced columns, the primary key where none are named.
func (t *Table) keyFor(ref *ast.References) ([]string, error) {
	if len(ref.Columns) == 0 {
		switch {
		case len(t.PrimaryKey) > 0:
			return t.PrimaryKey, nil
		case t.Open:
			return []string{"_id"}, nil
		}
		return nil, sqlerr.New(sqlerr.UndefinedObject, "there is no primary key for referenced table %q", t.Name).At(ref.Table.Pos())
	}
	var names, paths []string
	for _, id := range ref.Columns {
		c := foldColumn(t.Columns, id)
		if c == nil {
			return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q referenced in foreign key constraint does not exist", id.Text).At(id.Pos())
		}
		names, paths = append(names, c.Name), append(paths, strings.Join(c.Path, "."))
	}
	slices.Sort(paths)
	for _, ix := range t.Indexes {
		keys := make([]string, len(ix.Keys))
		for i, k := range ix.Keys {
			keys[i] = k.Path
		}
		slices.Sort(keys)
		if (ix.Unique || ix.Primary || ix.Name == "_id_") && (ix.Partial == nil || ix.OnlyTypes()) && slices.Equal(keys, paths) {
			return names, nil
		}
	}
	return nil, sqlerr.New(sqlerr.InvalidForeignKey, "there is no unique constraint matching given keys for referenced table %q", t.Name).At(ref.Pos())
}

func (t *tableBuilder) hasForeign(name string) bool {
	return slices.ContainsFunc(t.o.ForeignKeys, func(k objectForeignKey) bool { return k.Name == name })
}

func (t *tableBuilder) foreignName(cols []string) string {
	base := t.o.Name + "_" + strings.Join(cols, "_") + "_fkey"
	name := base
	for n := 1; t.hasForeign(name); n++ {
		name = base + itoa(n)
	}
	return name
}

// dropForeignKeys takes those away that drop names.
func (o *object) dropForeignKeys(drop func(*objectForeignKey) bool) (gone bool) {
	n := len(o.ForeignKeys)
	o.ForeignKeys = slices.DeleteFunc(slices.Clone(o.ForeignKeys), func(k objectForeignKey) bool { return drop(&k) })
	return len(o.ForeignKeys) < n
}

// unreferenced makes sure that no foreign key of a relation that stays refers to
// a table that goes; with CASCADE it takes those away.
func (d *ddl) unreferenced(ctx context.Context, t *Table, going map[uint32]bool, cascade bool) error {
	what := "table " + t.Name
	return d.dropReferences(ctx, t, nil, going, func(*objectForeignKey) bool { return true }, what, what, cascade)
}

var actionWords = map[byte]string{'r': "RESTRICT", 'c': "CASCADE", 'n': "SET NULL", 'd': "SET DEFAULT"}

// sql is the foreign key as pg_get_constraintdef shows it.
func (k *ForeignKey) sql(ref string) string {
	var b strings.Builder
	b.WriteString("FOREIGN KEY (" + quotedNames(k.Columns) + ") REFERENCES " + ref + "(" + quotedNames(k.RefColumns) + ")")
	if k.Match == 'f' {
		b.WriteString(" MATCH FULL")
	}
	if w := actionWords[k.Update]; w != "" {
		b.WriteString(" ON UPDATE " + w)
	}
	if w := actionWords[k.Delete]; w != "" {
		b.WriteString(" ON DELETE " + w)
		if k.DeleteColumns != nil {
			b.WriteString(" (" + quotedNames(k.DeleteColumns) + ")")
		}
	}
	if k.Deferrable {
		b.WriteString(" DEFERRABLE")
	}
	if k.Deferred {
		b.WriteString(" INITIALLY DEFERRED")
	}
	if !k.Valid {
		b.WriteString(" NOT VALID")
	}
	return b.String()
}

func quotedNames(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ast.QuoteIdent(n)
	}
	return strings.Join(quoted, ", ")
}

// attrsOf are the numbers of columns.
func (t *Table) attrsOf(names []string) []int16 {
	nums := make([]int16, len(names))
	for i, n := range names {
		if c := findColumn(t.Columns, n); c != nil {
			nums[i] = c.Attr
		}
	}
	return nums
}

// equalities are the operators by which a foreign key's columns are compared.
func (t *Table) equalities(names []string) []uint32 {
	ops := make([]uint32, len(names))
	for i, n := range names {
		ops[i] = equalityOf[sqltype.Text]
		if c := findColumn(t.Columns, n); c != nil && equalityOf[c.Type.OID] != 0 {
			ops[i] = equalityOf[c.Type.OID]
		}
	}
	return ops
}

// equalityOf are pg_operator's OIDs of =.
var equalityOf = map[sqltype.OID]uint32{
	sqltype.Bool: 91, sqltype.Int2: 94, sqltype.Int4: 96, sqltype.Int8: 410, sqltype.Text: 98, sqltype.Varchar: 98,
	sqltype.Numeric: 1752, sqltype.Float4: 620, sqltype.Float8: 670, sqltype.Date: 1093, sqltype.Timestamp: 2060,
	sqltype.Timestamptz: 1320, sqltype.UUID: 2972, sqltype.Bytea: 1955, sqltype.Bpchar: 1054,
}

// foreignEnds are the tables that foreign keys begin or end at.
func (c *Catalog) foreignEnds() map[uint32]bool {
	ends := map[uint32]bool{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.databases {
		for _, o := range d.objects {
			for _, k := range o.ForeignKeys {
				ends[uint32(o.OID)], ends[uint32(k.Ref)] = true, true
			}
		}
	}
	return ends
}
