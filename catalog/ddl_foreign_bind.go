package catalog

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// boundKey is a foreign key that the statement adds: its place among the
// object's, the table that it refers to, and NOT VALID.
type boundKey struct {
	at       int
	target   *Table
	notValid bool
}

// sameLife refuses foreign keys between temporary and other tables.
func sameLife(from, to string) error {
	switch a, b := IsTemporary(from), IsTemporary(to); {
	case a && !b:
		return sqlerr.New(sqlerr.InvalidTableDefinition, "constraints on temporary tables may reference only temporary tables")
	case b && !a:
		return sqlerr.New(sqlerr.InvalidTableDefinition, "constraints on permanent tables may reference only permanent tables")
	}
	return nil
}

// comparable makes sure that the columns can be compared by the referenced
// key's equality.
func (t *tableBuilder) comparable(ctx context.Context, key *objectForeignKey, target *Table) error {
	for i, name := range key.Columns {
		oc, rc := t.o.column(name), findColumn(target.Columns, key.RefColumns[i])
		if rc == nil {
			continue
		}
		from := sqltype.OID(oc.Type)
		if !t.equatable(ctx, from, rc.Type.OID) {
			return sqlerr.New(sqlerr.DatatypeMismatch, "foreign key constraint %q cannot be implemented", key.Name).
				WithDetail("Key columns %q and %q are of incompatible types: %s and %s.", name, rc.Name, from, rc.Type.OID)
		}
	}
	return nil
}

var numberRank = map[sqltype.OID]int{
	sqltype.Int2: 1, sqltype.Int4: 1, sqltype.Int8: 1, sqltype.Numeric: 2, sqltype.Float4: 3, sqltype.Float8: 3,
}

// equatable tells whether values of a type can be looked up among those of
// another: a number only among numbers of its kind or a wider one.
func (t *tableBuilder) equatable(ctx context.Context, from, to sqltype.OID) bool {
	if from == to || from.IsString() && to.IsString() {
		return true
	}
	if a, b := numberRank[from], numberRank[to]; a != 0 && b != 0 {
		return a <= b
	}
	if from.Involves() || to.Involves() || sqltype.Lookup(from) == nil || sqltype.Lookup(to) == nil {
		return false
	}
	same, err := parser.ParseExpr("CAST(NULL AS " + to.String() + ") = CAST(NULL AS " + from.String() + ")")
	return err == nil && t.d.planner.CheckExpr(ctx, same, nil, sqltype.Of(sqltype.Bool)) == nil
}

// noteReferences tells the tables that new foreign keys refer to, so that
// statements planned on them are planned again.
func (t *tableBuilder) noteReferences(ctx context.Context) error {
	if len(t.bound) == 0 {
		return nil
	}
	if err := t.d.makeKeyLocks(ctx); err != nil {
		return err
	}
	for _, b := range t.bound {
		if err := t.d.noteReference(ctx, b.target, t.o); err != nil {
			return err
		}
	}
	return nil
}

func (d *ddl) noteReference(ctx context.Context, target *Table, from *object) error {
	o, err := d.objectOf(ctx, target)
	if err != nil {
		return err
	}
	o = o.forChange()
	if !slices.Contains(o.ReferencedFrom, from.DB) {
		o.ReferencedFrom = append(slices.Clone(o.ReferencedFrom), from.DB)
	}
	o.References++
	return d.save(ctx, o)
}

// makeKeyLocks makes the collection of KeyLocks beforehand: transactions that
// make it would clash.
func (d *ddl) makeKeyLocks(ctx context.Context) error {
	var b value.Builder
	b.Add("create", value.String(KeyLocks.Coll))
	_, err := d.store.Command(ctx, KeyLocks.DB, b.Doc())
	var m *mongoerr.Error
	if errors.As(err, &m) && m.Code == mongoerr.NamespaceExists {
		return nil
	}
	return err
}

// alterConstraint is ALTER CONSTRAINT … [NOT] DEFERRABLE [INITIALLY …].
func (a *alteration) alterConstraint(x *ast.AlterAction) error {
	i := slices.IndexFunc(a.tb.o.ForeignKeys, func(k objectForeignKey) bool { return k.Name == x.Name.Name })
	if i < 0 {
		for _, k := range a.tb.o.Checks {
			if k.Name == x.Name.Name {
				return sqlerr.New(sqlerr.WrongObjectType, "constraint %q of relation %q is not a foreign key constraint", x.Name.Text, a.table.Name)
			}
		}
		return sqlerr.New(sqlerr.UndefinedObject, "constraint %q of relation %q does not exist", x.Name.Text, a.table.Name).At(x.Name.Pos())
	}
	k := &a.tb.o.ForeignKeys[i]
	k.Deferred = x.Add.Initially == "DEFERRED"
	k.Deferrable = k.Deferred || x.Add.Deferrable != nil && *x.Add.Deferrable
	return nil
}

// dropReferences takes the foreign keys away that refer to a table, that of
// decides on and whose tables are not going anyway; without cascade they stand
// in the way of what is dropped. own is the object that is being changed, if any.
func (d *ddl) dropReferences(ctx context.Context, t *Table, own *object, going map[uint32]bool, of func(*objectForeignKey) bool, what, on string, cascade bool) error {
	list, err := d.withField(ctx, "foreign_keys.ref", t.OID)
	if err != nil {
		return err
	}
	hit := func(k *objectForeignKey) bool { return uint32(k.Ref) == t.OID && of(k) }
	var there []*object
	var keys []objectForeignKey
	owner := map[int64]string{}
	for _, o := range list {
		if going[uint32(o.OID)] {
			continue
		}
		if own != nil && o.OID == own.OID {
			o = own
		}
		there = append(there, o)
		for _, k := range o.ForeignKeys {
			if hit(&k) {
				keys, owner[k.OID] = append(keys, k), o.Name
			}
		}
	}
	slices.SortFunc(keys, func(a, b objectForeignKey) int { return cmp.Compare(a.Made, b.Made) })
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = "constraint " + k.Name + " on table " + owner[k.OID]
	}
	if len(names) == 0 {
		return nil
	}
	if !cascade {
		return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop %s because other objects depend on it", what).
			WithDetail("%s", strings.Join(names, " depends on "+on+"\n")+" depends on "+on).
			WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
	}
	d.noteCascade(names)
	for _, o := range there {
		if o.dropForeignKeys(hit) && o != own {
			if err := d.save(ctx, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// unreferencedFromElsewhere takes the foreign keys of other databases' tables away
// that refer to tables of one that goes.
func (d *ddl) unreferencedFromElsewhere(ctx context.Context, known *database) error {
	going := map[uint32]bool{}
	for _, o := range known.objects {
		going[uint32(o.OID)] = true
	}
	for name, o := range known.objects {
		if !slices.ContainsFunc(o.ReferencedFrom, func(db string) bool { return db != o.DB }) {
			continue
		}
		t := d.known(o.DB, name, known)
		if err := d.dropReferences(ctx, t, nil, going, func(*objectForeignKey) bool { return true }, "", "", true); err != nil {
			return err
		}
	}
	return nil
}

// noteCascade tells what CASCADE drops.
func (d *ddl) noteCascade(names []string) {
	if len(names) == 1 {
		d.out.notice(sqlerr.SuccessfulCompletion, "drop cascades to %s", names[0])
		return
	}
	n := sqlerr.Notice("NOTICE", sqlerr.SuccessfulCompletion, "drop cascades to %d other objects", len(names))
	d.out.Notices = append(d.out.Notices, n.WithDetail("%s", "drop cascades to "+strings.Join(names, "\ndrop cascades to ")))
}

// columnUnreferenced makes sure that no foreign key refers to a column that goes.
func (a *alteration) columnUnreferenced(ctx context.Context, name string, cascade bool) error {
	what := "column " + name + " of table " + a.table.Name
	return a.dropReferences(ctx, a.table, a.tb.o, nil, func(k *objectForeignKey) bool { return slices.Contains(k.RefColumns, name) }, what, what, cascade)
}

// indexUnreferenced makes sure that no foreign key relies on a unique constraint that goes.
func (a *alteration) indexUnreferenced(ctx context.Context, ix *Index, cascade bool) error {
	relies := func(k *objectForeignKey) bool {
		return len(k.RefColumns) == len(ix.Keys) && !slices.ContainsFunc(ix.Keys, func(p IndexKey) bool {
			return !slices.ContainsFunc(k.RefColumns, func(n string) bool {
				c := findColumn(a.table.Columns, n)
				return c != nil && len(c.Path) == 1 && c.Path[0] == p.Path
			})
		})
	}
	return a.dropReferences(ctx, a.table, a.tb.o, nil, relies, "constraint "+ix.Name+" on table "+a.table.Name, "index "+ix.Name, cascade)
}
