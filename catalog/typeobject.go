package catalog

import (
	"context"
	"math/rand/v2"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
)

// objectType is what the catalog's document of a type holds, by its kind.
type objectType struct {
	Kind       string            `bson:"kind"` // enum, composite, domain
	Array      int64             `bson:"array"`
	Labels     []objectLabel     `bson:"labels,omitempty"`
	Attributes []objectAttribute `bson:"attributes,omitempty"`
	// Of a domain: the type of its values, and the domain that it is made over.
	Base    int64         `bson:"base,omitempty"`
	Mod     int32         `bson:"mod,omitempty"`
	Parent  int64         `bson:"parent,omitempty"`
	NotNull bool          `bson:"not_null,omitempty"`
	Default string        `bson:"default,omitempty"`
	Checks  []objectCheck `bson:"checks,omitempty"`
}

type objectLabel struct {
	OID   int64  `bson:"oid"`
	Label string `bson:"label"`
	// Sort is pg_enum.enumsortorder; labels stand in this order.
	Sort float64 `bson:"sort"`
}

type objectAttribute struct {
	Name   string `bson:"name"`
	Type   int64  `bson:"type"`
	Mod    int32  `bson:"mod"`
	Domain int64  `bson:"domain,omitempty"`
}

var definedKinds = map[string]sqltype.DefinedKind{
	"enum": sqltype.EnumKind, "composite": sqltype.CompositeKind, "domain": sqltype.DomainKind,
}

// isType tells whether an object is a type, which is no relation.
func (o *object) isType() bool { return o.Kind == "type" && o.Type != nil }

// define makes a type known to everything that has only its OID.
func (o *object) define(schema string) {
	t := o.Type
	d := &sqltype.Defined{
		OID: sqltype.OID(o.OID), Array: sqltype.OID(t.Array), Schema: schema, Name: o.Name, Version: uint64(o.Version),
		Base: sqltype.Type{OID: sqltype.OID(t.Base), Mod: t.Mod}, Kind: definedKinds[t.Kind],
	}
	for _, l := range t.Labels {
		d.Labels = append(d.Labels, l.Label)
	}
	for _, a := range t.Attributes {
		d.Attributes = append(d.Attributes, sqltype.Attribute{
			Name: a.Name, Type: sqltype.Type{OID: sqltype.OID(a.Type), Mod: a.Mod}, Domain: sqltype.OID(a.Domain),
		})
	}
	sqltype.Define(d)
}

// newTypeOID draws the OID of a type, of its arrays or of a label: types of all
// catalogs share one space of numbers in a process.
func newTypeOID() int64 { return FirstOID + rand.Int64N(1<<31-FirstOID) }

// TypeNamed implements Resolver.
func (s *Scoped) TypeNamed(ctx context.Context, schema, name string) (sqltype.OID, error) {
	o, err := s.typeObject(ctx, schema, name)
	if o == nil || err != nil {
		return sqltype.Invalid, err
	}
	return sqltype.OID(o.OID), nil
}

// typeObject finds a type by its name; nil if there is none.
func (s *Scoped) typeObject(ctx context.Context, schema, name string) (*object, error) {
	schemas := s.path
	if schema != "" {
		schemas = []string{schema}
	}
	for _, sch := range schemas {
		db := s.DatabaseOf(sch)
		if db == "" {
			continue
		}
		d, err := s.database(ctx, db, listAge)
		if err != nil {
			return nil, err
		}
		if o := d.objects[name]; o != nil && o.isType() {
			return o, nil
		}
	}
	return nil, nil
}

// Domain is what a domain asks for: its own rules behind those of the domain
// that it is made over.
type Domain struct {
	OID     sqltype.OID
	Name    string
	Base    sqltype.Type
	NotNull bool
	Default string
	Checks  []Check
	Version uint64
	Parent  sqltype.OID // 0: none
}

// DomainOf implements Resolver.
func (s *Scoped) DomainOf(ctx context.Context, oid sqltype.OID) (*Domain, error) {
	db, name, ok := s.nameOf(uint32(oid))
	if !ok {
		return nil, nil
	}
	d, err := s.database(ctx, db, listAge)
	if err != nil {
		return nil, err
	}
	o := d.objects[name]
	if o == nil || !o.isType() || o.Type.Kind != "domain" {
		return nil, nil
	}
	t := o.Type
	out := &Domain{
		OID: oid, Name: o.Name, Base: sqltype.Type{OID: sqltype.OID(t.Base), Mod: t.Mod}, NotNull: t.NotNull,
		Default: t.Default, Version: uint64(o.Version), Parent: sqltype.OID(t.Parent),
	}
	for _, k := range t.Checks {
		out.Checks = append(out.Checks, Check{OID: uint32(k.OID), Name: k.Name, SQL: k.SQL})
	}
	return out, nil
}

// TypeName resolves a type as it was written, also one that was made here. A
// domain, or an array of one, comes as what its values are, with its own OID beside.
func (s *Scoped) TypeName(ctx context.Context, t *ast.TypeName) (typ sqltype.Type, domain sqltype.OID, err error) {
	typ, err = TypeName(t)
	if err == nil || sqlerr.As(err).Code != sqlerr.UndefinedObject || t.Builtin {
		return typ, 0, err
	}
	oid, lookErr := s.TypeNamed(ctx, t.Schema.Name, t.Name.Name)
	if lookErr != nil {
		return typ, 0, lookErr
	}
	if oid == sqltype.Invalid {
		return typ, 0, err
	}
	if len(t.Mods) > 0 {
		return typ, 0, sqlerr.New(sqlerr.SyntaxError, "type modifier is not allowed for type %q", t.Name.Text).At(t.Pos())
	}
	typ, domain = Undomain(oid, len(t.Dims) > 0)
	return typ, domain, nil
}

// Undomain gives the type of the values of a defined type or of arrays of it,
// and the OID of the domain or array that it was written as; 0 if it is none.
func Undomain(oid sqltype.OID, array bool) (sqltype.Type, sqltype.OID) {
	d := oid.Def()
	t, domain := sqltype.Of(oid), sqltype.OID(0)
	if d.Kind == sqltype.DomainKind {
		t, domain = d.Base, oid
	}
	if !array {
		return t, domain
	}
	if domain != 0 {
		domain = d.Array
	}
	return sqltype.Type{OID: t.OID.Array(), Mod: t.Mod}, domain
}

// keepTypes makes the types of a database known.
func (c *Catalog) keepTypes(d *database, db string) {
	for _, o := range d.objects {
		if o.isType() {
			o.define(db)
		}
	}
}

// users are the columns whose type is, or is made of, a type.
func (d *ddl) usersOfType(ctx context.Context, o *object) ([]*object, error) {
	all, err := d.allObjects(ctx)
	if err != nil {
		return nil, err
	}
	uses := func(oid int64) bool { return oid == o.OID || oid == o.Type.Array }
	var out []*object
	for _, x := range all {
		used := false
		for _, c := range x.Columns {
			used = used || uses(c.Type) || uses(c.Domain)
		}
		if x.isType() {
			used = used || uses(x.Type.Base) || uses(x.Type.Parent)
			for _, a := range x.Type.Attributes {
				used = used || uses(a.Type) || uses(a.Domain)
			}
		}
		if used {
			out = append(out, x)
		}
	}
	return out, nil
}

// allObjects are those of every database.
func (d *ddl) allObjects(ctx context.Context) ([]*object, error) {
	dbs, err := d.databaseNames(ctx)
	if err != nil {
		return nil, err
	}
	if d.scope.Temp != "" {
		dbs = append(dbs[:len(dbs):len(dbs)], d.scope.Temp)
	}
	var out []*object
	for _, db := range dbs {
		known, err := d.database(ctx, db, 0)
		if err != nil {
			return nil, err
		}
		for _, o := range known.objects {
			out = append(out, o)
		}
	}
	return out, nil
}

// forgetTable drops the look at a table whose column types changed.
func (d *ddl) forgetTable(o *object) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.tables, store.Namespace{DB: o.DB, Coll: o.Name})
}
