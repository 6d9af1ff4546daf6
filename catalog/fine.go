package catalog

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
)

// Timestamps of declared tables have microseconds. The column's field holds the
// date, whose milliseconds every program sees; a value with more is kept whole,
// in microseconds since 1970, in a hidden field of the document: FineField.column.
// It counts while it falls into the millisecond of the date beside it.
//
// Numerics of declared tables that decimal128 cannot hold go the same way: the
// field holds the largest decimal that is not above the number, and the hidden
// field the number as text. Unique indexes have no part for it, so columns of
// such hold only what decimal128 does.
//
// A column of which a document may have one is marked (Column.Marked) before the
// first is written. Columns without the mark are read as plain dates and decimals.

// FineField is the hidden field of documents.
const FineField = "_us"

// wideOID tells whether values of a type may be numbers beyond decimal128.
func wideOID(t sqltype.Type) bool {
	precision, _, bounded := sqltype.NumericModifier(t.Mod)
	return t.OID == sqltype.Numeric && (!bounded || precision > sqltype.MaxDigits)
}

// microsOID tells whether values of a type have microseconds.
func microsOID(t sqltype.Type) bool {
	return (t.OID == sqltype.Timestamp || t.OID == sqltype.Timestamptz) && (t.Mod < 0 || t.Mod > 3)
}

// StoresFine tells whether microseconds, or numbers beyond decimal128, of a
// column can be stored: it is declared so, stands at the top of documents, and
// every unique index of it has the hidden part.
func (t *Table) StoresFine(path []string) bool {
	if len(path) != 1 {
		return false
	}
	c := t.fieldColumn(path[0])
	if c == nil || !c.Fine {
		return false
	}
	for i := range t.Indexes {
		for _, k := range t.Indexes[i].Keys {
			if t.Indexes[i].Unique && k.Path == path[0] && !k.Fine {
				return false
			}
		}
		if t.Indexes[i].Unique && wideOID(c.Type) && namesField(t.Indexes[i].Partial, path[0]) {
			return false
		}
	}
	return true
}

// markFine tells which columns of a declared table can have fine values.
func (t *Table) markFine() {
	if t.fieldColumn(FineField) != nil {
		return
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		c.Fine = c.Declared && len(c.Path) == 1 && c.Path[0] == c.Name && fineName(c.Name) && (microsOID(c.Type) || wideOID(c.Type))
	}
}

// fieldColumn is the column of a field of the documents themselves.
func (t *Table) fieldColumn(field string) *Column {
	for i := range t.Columns {
		if p := t.Columns[i].Path; len(p) == 1 && p[0] == field {
			return &t.Columns[i]
		}
	}
	return nil
}

// IsMarked tells whether the column of a field is marked.
func (t *Table) IsMarked(field string) bool {
	c := t.fieldColumn(field)
	return c != nil && c.Marked
}

// HasMarked tells whether documents may have fine values in any column.
func (t *Table) HasMarked() bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Marked })
}

// fineName tells whether a column's field can have a part below FineField.
func fineName(name string) bool {
	return name != "_id" && name != "" && !strings.HasPrefix(name, "$") && !strings.ContainsAny(name, ".\x00")
}

// microsKey tells whether a unique index of a column has the hidden part.
func (c *objectColumn) microsKey() bool {
	return (c.Path == nil || len(c.Path) == 1 && c.Path[0] == c.Name) && fineName(c.Name) &&
		microsOID(sqltype.Type{OID: sqltype.OID(c.Type), Mod: c.Mod})
}

// finePath is the path of what stands beside a column's field.
func finePath(name string) string { return FineField + "." + name }

// hideFine takes the hidden parts of an index off its keys.
func hideFine(keys []IndexKey) []IndexKey {
	out := keys[:0:0]
	for _, k := range keys {
		name, hidden := strings.CutPrefix(k.Path, FineField+".")
		at := slices.IndexFunc(out, func(o IndexKey) bool { return o.Path == name })
		if !hidden || at < 0 {
			out = append(out, k)
			continue
		}
		out[at].Fine = true
	}
	return out
}

// withFine adds the hidden parts to a unique index of a table's columns.
func (ix *newIndex) withFine(t *Table) {
	if !ix.unique || ix.ttl != nil {
		return
	}
	for i := range ix.keys {
		k := &ix.keys[i]
		c := findColumn(t.Columns, k.Path)
		k.Fine = k.Kind == "" && c != nil && c.Fine && microsOID(c.Type)
	}
}

// checkWide refuses a unique index of a table that has numbers beyond decimal128
// in one of the index's columns, or in any if it is partial.
func (ix *newIndex) checkWide(t *Table) error {
	if !ix.unique {
		return nil
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		keyed := slices.ContainsFunc(ix.keys, func(k IndexKey) bool { return k.Path == c.Name })
		if c.Marked && wideOID(c.Type) && (keyed || namesField(ix.partial, c.Name)) {
			return sqlerr.New(sqlerr.FeatureNotSupported, "column %q holds numerics of more than %d digits, which cannot be unique", c.Name, sqltype.MaxDigits).
				WithHint("Declare the column with a precision: ALTER TABLE ... ALTER COLUMN ... TYPE numeric(%d, s).", sqltype.MaxDigits)
		}
	}
	return nil
}

// namesField tells whether an index's condition looks at a field.
func namesField(partial bson.Raw, field string) bool {
	for it := value.Walk(partial); it.Next(); {
		v := it.Value()
		if it.Key() == field || (v.IsDocument() || v.IsArray()) && namesField(v.Doc(), field) {
			return true
		}
	}
	return false
}

// withoutFine takes them away.
func (ix *newIndex) withoutFine() {
	for i := range ix.keys {
		ix.keys[i].Fine = false
	}
}

// wholeMillis tells whether a comparison with a constant of whole milliseconds
// says of a column's date what it says of its value.
func (t *Table) wholeMillis(c *ast.ColumnRef, op string) bool {
	if t.Open || len(c.Parts) == 0 || op == "$lt" || op == "$gte" {
		return true
	}
	col := foldColumn(t.Columns, c.Parts[len(c.Parts)-1])
	return col == nil || !microsOID(col.Type)
}

// mayName refuses the hidden field's name for a column of a table that has it, or
// has indexes for it, and names that cannot have a part below it.
func (a *alteration) mayName(id ast.Ident, marked bool) error {
	keys := slices.ContainsFunc(a.table.Indexes, func(ix Index) bool {
		return slices.ContainsFunc(ix.Keys, func(k IndexKey) bool { return k.Fine })
	})
	if id.Name == FineField && (keys || a.table.HasMarked()) || marked && !fineName(id.Name) {
		return unsupported(id.Pos(), "Choose another name.", "the column name %q is not supported in a table that holds timestamps with microseconds or numerics of more than 34 digits", id.Name)
	}
	return nil
}

// retyped does what a new type of a column means for its fine values.
func (a *alteration) retyped(oc *objectColumn, t sqltype.Type, x *ast.AlterAction) error {
	old := sqltype.Type{OID: sqltype.OID(oc.Type), Mod: oc.Mod}
	switch {
	case t.OID == sqltype.Numeric && old.OID == sqltype.Numeric:
		if !oc.Marked || t.Mod < 0 {
			return nil
		}
		return a.assignAgain(oc, "0")
	case (t.OID == sqltype.Timestamp || t.OID == sqltype.Timestamptz) && !(oc.Marked && old.OID == sqltype.Numeric):
		if t.Mod < 0 || t.Mod > 5 || old.Mod >= 0 && old.Mod <= t.Mod || !oc.Marked && t.Mod > 2 || old.OID != sqltype.Timestamp && old.OID != sqltype.Timestamptz {
			return nil
		}
		return a.assignAgain(oc, "INTERVAL '0'")
	case !oc.Marked:
	case t.OID == sqltype.Date:
		oc.Marked = false
		a.dropFine(oc.Name)
	default:
		return unsupported(x.Type.Pos(), "Add a column of the type, update it from the old one, and drop that.",
			"changing the type of a column that holds microseconds or more than 34 digits to %s is not supported", t)
	}
	return nil
}

// assignAgain rounds the rows that are there: a sum has no precision of its own,
// and is assigned to what has.
func (a *alteration) assignAgain(oc *objectColumn, zero string) error {
	name := ast.QuoteIdent(oc.Name)
	stmts, err := parser.Parse("UPDATE " + ast.QuoteIdent(a.table.Schema) + "." + ast.QuoteIdent(a.table.Name) +
		" SET " + name + " = " + name + " + " + zero)
	if err == nil {
		a.out.Then = append(a.out.Then, stmts...)
	}
	return err
}

// dropFine takes the hidden parts of a column that is not marked any more out
// of the documents, with the last one the hidden field.
func (a *alteration) dropFine(column string) {
	path := finePath(column)
	if !slices.ContainsFunc(a.tb.o.Columns, func(c objectColumn) bool { return c.Marked }) {
		path = FineField
	}
	a.change("$unset", path, value.String(""))
}

// keepMarks takes over the marks of columns as they are stored, which were set
// since the object was read.
func (o *object) keepMarks(there *object) {
	for i := range o.Columns {
		c := &o.Columns[i]
		was := slices.IndexFunc(there.Columns, func(x objectColumn) bool { return x.Attr == c.Attr && x.Marked })
		if oid := sqltype.OID(c.Type); was >= 0 && (oid == sqltype.Timestamp || oid == sqltype.Timestamptz || oid == sqltype.Numeric) {
			c.Marked = true
		}
	}
}

// holdAttached marks the columns of a partitioned table that get fine values
// with the rows of a partition.
func (a *alteration) holdAttached(ctx context.Context, o, root *object) error {
	var names []string
	for _, c := range o.Columns {
		up := root.column(c.Name)
		if !c.Marked || up == nil || up.Marked {
			continue
		}
		names, up.Marked = append(names, c.Name), true
	}
	if len(names) == 0 {
		return nil
	}
	return a.HoldFine(ctx, store.Namespace{DB: root.DB, Coll: root.Name}, names)
}

// HoldFine marks columns: from now on their documents may have parts in FineField.
// It writes at once, outside of any transaction.
func (c *Catalog) HoldFine(ctx context.Context, ns store.Namespace, columns []string) error {
	d, err := c.listed(ctx, ns.DB, listAge, c.forgotten(ns.DB))
	if err != nil {
		return err
	}
	o := d.objects[ns.Coll]
	for _, name := range columns {
		if o != nil {
			if oc := o.column(name); oc != nil && oc.Marked {
				continue
			}
		}
		if err := c.markColumn(ctx, ns, name); err != nil {
			return err
		}
	}
	return nil
}

func (c *Catalog) markColumn(ctx context.Context, ns store.Namespace, column string) error {
	var filter, update value.Builder
	filter.Add("_id", value.String(objectID(ns.DB, ns.Coll)))
	filter.Add("columns.name", value.String(column))
	update.Open(bson.TypeEmbeddedDocument, "$set")
	update.Add("columns.$.fine", value.Bool(true))
	update.Close()
	update.Open(bson.TypeEmbeddedDocument, "$inc")
	update.Add("version", value.Int64(1))
	update.Close()
	op := store.WriteOp{Kind: store.Update, Filter: filter.Doc(), Update: value.Document(update.Doc()).RawValue()}
	res, err := c.store.Write(ctx, objects, []store.WriteOp{op}, store.WriteOptions{Durable: true})
	if err == nil {
		err = res.Err()
	}
	if err == nil && res.Matched == 0 {
		err = sqlerr.New(sqlerr.SerializationFailure, "column %q of relation %q was changed by another session", column, ns.Coll)
	}
	c.forget(ns.DB)
	c.mu.Lock()
	delete(c.tables, ns)
	c.mu.Unlock()
	return err
}
