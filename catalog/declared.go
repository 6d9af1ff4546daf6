package catalog

import (
	"errors"
	"reflect"

	"weir/mongoerr"
	"weir/sqltype"
)

func isNamespaceNotFound(err error) bool {
	var m *mongoerr.Error
	return errors.As(err, &m) && m.Code == mongoerr.NamespaceNotFound
}

// declaredTable fills in a table that CREATE TABLE made. Its _id is there but
// not shown unless it was declared.
func declaredTable(t *Table, o *object) {
	t.Open, t.Comment = false, o.Comment
	if o.Kind == "matview" {
		t.Kind, t.Definition = MaterializedView, o.SQL
		for _, oid := range o.Deps {
			t.Deps = append(t.Deps, uint32(oid))
		}
	}
	for i := range o.Columns {
		t.Columns = append(t.Columns, o.Columns[i].column())
	}
	if !named(t.Columns, "_id") {
		t.Columns = append(t.Columns, Column{
			Name: "_id", Attr: -1, Path: []string{"_id"}, Hidden: true, NotNull: true,
			Kinds: KindObjectID, Type: sqltype.Of(sqltype.Text),
		})
	}
	t.markFine()
	t.PrimaryKey, t.Partition, t.Children = o.PrimaryKey, o.partition(), o.Children
	t.ForeignKeys, t.ReferencedFrom, t.References = o.foreignKeys(), o.ReferencedFrom, o.References
	for _, k := range o.Checks {
		t.Checks = append(t.Checks, Check{OID: uint32(k.OID), Name: k.Name, SQL: k.SQL})
	}
	markPrimary(t, o)
}

// markPrimary tells which index of a declared table is its primary key.
func markPrimary(t *Table, o *object) {
	for i := range t.Indexes {
		t.Indexes[i].Primary = t.Indexes[i].Name == t.Name+"_pkey" ||
			t.Indexes[i].Primary && len(o.PrimaryKey) == 1 && o.PrimaryKey[0] == "_id"
	}
}

// pin puts declared types, defaults and comments on a sampled collection.
func pin(t *Table, o *object) {
	t.Comment, t.ForeignKeys = o.Comment, o.foreignKeys()
	t.ReferencedFrom, t.References = o.ReferencedFrom, o.References
	for i := range o.Columns {
		oc := &o.Columns[i]
		col := findColumn(t.Columns, oc.Name)
		if col == nil {
			if !oc.Pinned {
				continue
			}
			c := oc.column()
			c.Attr = 0
			t.Columns = append(t.Columns, c)
			continue
		}
		if oc.Pinned {
			col.Type, col.Declared = sqltype.Type{OID: sqltype.OID(oc.Type), Mod: oc.Mod}, true
			col.Domain = sqltype.OID(oc.Domain)
			col.Kinds |= DeclaredKinds(col.Type)
			col.NotNull = oc.NotNull
		}
		col.Comment, col.Default = oc.Comment, oc.Default
	}
	for _, k := range o.Checks {
		t.Checks = append(t.Checks, Check{OID: uint32(k.OID), Name: k.Name, SQL: k.SQL})
	}
}

func findColumn(cols []Column, name string) *Column {
	for i := range cols {
		if cols[i].Name == name {
			return &cols[i]
		}
	}
	return nil
}

// keepOrder gives columns that were there before their old place and number,
// so that a new sample never renumbers columns.
func keepOrder(old, t *Table) {
	if !t.Open || !old.Open {
		return
	}
	out := make([]Column, 0, len(t.Columns))
	next := int16(0)
	for i := range old.Columns {
		next = max(next, old.Columns[i].Attr)
		if c := findColumn(t.Columns, old.Columns[i].Name); c != nil {
			c.Attr = old.Columns[i].Attr
			out = append(out, *c)
		}
	}
	for i := range t.Columns {
		if findColumn(old.Columns, t.Columns[i].Name) == nil {
			next++
			t.Columns[i].Attr = next
			out = append(out, t.Columns[i])
		}
	}
	t.Columns = out
}

// sameTable compares what plans depend on.
func sameTable(a, b *Table) bool {
	x, y := *a, *b
	x.Version, y.Version = 0, 0
	x.Estimate, y.Estimate = 0, 0
	return reflect.DeepEqual(&x, &y)
}

// sameObject tells whether two readings of the catalog's document agree.
func sameObject(a, b *object) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.OID == b.OID && a.Version == b.Version && a.Kind == b.Kind
}
