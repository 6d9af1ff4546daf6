package catalog

import (
	"context"

	"weir/sqltype"
)

// typeFacts is what information_schema tells of a type; nil is NULL.
type typeFacts struct {
	name, schema, udt       string
	length, octets          any
	precision, radix, scale any
	datetime                any
	array                   bool
}

// bitsOf are the precisions of the binary number types.
var bitsOf = map[sqltype.OID]int{sqltype.Int2: 16, sqltype.Int4: 32, sqltype.Int8: 64, sqltype.Float4: 24, sqltype.Float8: 53}

func describeType(t sqltype.Type) typeFacts {
	f := typeFacts{name: sqltype.FormatType(t.OID, -1), schema: "pg_catalog", udt: "text"}
	if d := t.OID.Def(); d != nil {
		f.name, f.schema, f.udt = "USER-DEFINED", PublicSchema, d.Name
		return f
	}
	if info := sqltype.Lookup(t.OID); info != nil {
		f.udt = info.Name
	}
	if f.array = t.OID.IsArray(); f.array {
		f.name = "ARRAY"
		return f
	}
	switch t.OID {
	case sqltype.Varchar, sqltype.Bpchar, sqltype.Text:
		f.octets = 1 << 30
		if t.Mod >= 4 {
			f.length, f.octets = t.Mod-4, 4*(t.Mod-4)
		}
	case sqltype.Bit, sqltype.Varbit:
		if t.Mod >= 0 {
			f.length = t.Mod
		}
	case sqltype.Int2, sqltype.Int4, sqltype.Int8:
		f.precision, f.radix, f.scale = bitsOf[t.OID], 2, 0
	case sqltype.Float4, sqltype.Float8:
		f.precision, f.radix = bitsOf[t.OID], 2
	case sqltype.Numeric:
		f.radix = 10
		if p, s, ok := sqltype.NumericModifier(t.Mod); ok {
			f.precision, f.scale = p, s
		}
	case sqltype.Date:
		f.datetime = 0
	case sqltype.Time, sqltype.Timetz, sqltype.Timestamp, sqltype.Timestamptz, sqltype.Interval:
		f.datetime = 6
		if m := t.Mod & 0xffff; t.Mod >= 0 && m <= 6 {
			f.datetime = m
		}
	}
	return f
}

func infoColumns(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, whole)
	if err != nil {
		return err
	}
	list = append(list, r.y.standardRelations(false)...)
	list = append(list, r.y.standardRelations(true)...)
	for _, t := range list {
		if t.Kind == Sequence || t.Kind == MaterializedView {
			continue
		}
		for i := range t.Columns {
			if !t.Columns[i].Hidden {
				r.infoColumn(ctx, t, &t.Columns[i])
			}
		}
	}
	return nil
}

func (r *reader) infoColumn(ctx context.Context, t *Table, c *Column) {
	db, f := r.who.Database(), describeType(c.Type)
	var coll [3]any
	if c.Type.OID == sqltype.Name {
		coll = [3]any{db, "pg_catalog", "C"}
	}
	var generation any
	switch c.Identity {
	case 'a':
		generation = "ALWAYS"
	case 'd':
		generation = "BY DEFAULT"
	}
	var domain [3]any
	if d := c.Domain.Def(); d != nil {
		domain = [3]any{db, t.Schema, d.Name}
	}
	id := r.identity(ctx, t, c)
	var def any
	if c.Identity == 0 {
		def = orNull(r.s.inPath(c.defaultSQL()))
	}
	generated := "NEVER"
	if c.Generated != "" {
		generated = "ALWAYS"
	}
	r.add(db, t.Schema, t.Name, c.Name, c.Attr, def, yesNo(!c.NotNull), f.name,
		f.length, f.octets, f.precision, f.radix, f.scale, f.datetime, nil, nil,
		nil, nil, nil, coll[0], coll[1], coll[2], domain[0], domain[1], domain[2],
		db, f.schema, f.udt, nil, nil, nil, nil, formatInt(int64(c.Attr)),
		"NO", yesNo(c.Identity != 0), generation, id[0], id[1], id[2], id[3], "NO", generated, orNull(c.Generated),
		yesNo(t.Kind == Collection))
}

// identity is start, increment, maximum and minimum of the sequence behind an
// identity column.
func (r *reader) identity(ctx context.Context, t *Table, c *Column) (out [4]any) {
	if c.Identity == 0 {
		return out
	}
	o := r.y.c.objectOf(t)
	if o == nil {
		return out
	}
	d, err := r.s.database(ctx, o.DB, listAge)
	if err != nil {
		return out
	}
	for _, s := range d.objects {
		if q := s.Sequence; q != nil && q.OwnedBy == t.Name+"."+c.Name {
			return [4]any{formatInt(q.Start), formatInt(q.Increment), formatInt(q.Max), formatInt(q.Min)}
		}
	}
	return out
}
