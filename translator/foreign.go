package translator

import (
	"weir/catalog"
	"weir/planner"
	"weir/sqltype"
)

// Keys are the foreign keys that a write may break. Their columns' values are in the fields of a written row, or
// Stages give them as c0, c1 … for documents {n: row}.
type Keys struct {
	Refs   []KeyRef
	Stages []Stage
}

// KeyRef is a foreign key; its values are compared as Types. Incoming: the written table is the referenced one.
type KeyRef struct {
	catalog.Reference
	Incoming bool
	First    int // slot of its first column
	Types    []sqltype.Type
	Fields   []string // without Stages: the fields of the row
}

func (c *compiler) foreignKeys(keys []planner.ForeignKey) *Keys {
	if len(keys) == 0 {
		return nil
	}
	out := &Keys{}
	spec := obj{{"_id", 0}}
	plain, n := true, 0
	for _, k := range keys {
		ref := KeyRef{Reference: k.Reference, Incoming: k.Incoming, First: n}
		own, names := k.From, k.Key.Columns
		if k.Incoming {
			own, names = k.To, k.Key.RefColumns
		}
		for i, name := range names {
			to := c.keyType(columnType(k.From, k.Key.Columns[i]), columnType(k.To, k.Key.RefColumns[i]))
			ref.Types = append(ref.Types, to)
			x, field := c.keyValue(own, name, to)
			ref.Fields = append(ref.Fields, field)
			plain = plain && field != ""
			spec = append(spec, outField(n, x))
			n++
		}
		out.Refs = append(out.Refs, ref)
	}
	if plain {
		return out
	}
	f := newFragment(nil)
	f.add("$project", spec)
	out.Stages = c.encodeStages(f.stages)
	return out
}

func outField(i int, x any) field { return field{slotName("c", i), computed(x)} }

func columnType(t *catalog.Table, name string) sqltype.Type {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return t.Columns[i].Type
		}
	}
	return sqltype.Of(sqltype.Text)
}

// keyType is the type as which two columns are compared: that of the referenced
// one, unless the other's values would lose something there.
func (c *compiler) keyType(from, to sqltype.Type) sqltype.Type {
	if SameKeyForm(from.OID, to.OID) || c.opts.Funcs.ImplicitCast(from.OID, to.OID) {
		return sqltype.Of(to.OID)
	}
	return sqltype.Of(from.OID)
}

// keyValue reads a column of {n: row} as a type, and names the field that holds
// just that; "": it has to be computed.
func (c *compiler) keyValue(t *catalog.Table, name string, to sqltype.Type) (any, string) {
	for i := range t.Columns {
		col := &t.Columns[i]
		if col.Name != name {
			continue
		}
		scan := &planner.Scan{
			Table: t, Out: []planner.Col{{ID: 1, Name: name, Type: col.Type}},
			Fields: []planner.Field{{Path: col.Path, Kinds: col.Kinds, Type: col.Type}},
		}
		l := scanLoc(scan, 0)
		f := newFragment(nil)
		f.cols[1] = l.at("n")
		var x planner.Expr = &planner.ColRef{ID: 1, T: col.Type, Name: name}
		same := SameKeyForm(col.Type.OID, to.OID)
		if !same {
			x = &planner.Cast{X: x, T: sqltype.Of(to.OID)}
		}
		field := ""
		if same && isCanonical(l) && !l.narrow && len(col.Path) == 1 {
			field = col.Path[0]
		}
		return scope{c: c, f: f}.value(x), field
	}
	return null, ""
}

// SameKeyForm tells whether values of two types that are equal have the same form.
func SameKeyForm(a, b sqltype.OID) bool {
	whole := func(o sqltype.OID) bool { return o == sqltype.Int2 || o == sqltype.Int4 || o == sqltype.Int8 }
	return a == b || whole(a) && whole(b) || a.IsString() && b.IsString() && a != sqltype.Bpchar && b != sqltype.Bpchar
}
