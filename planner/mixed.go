package planner

import (
	"weir/catalog"
	"weir/sqlerr"
	"weir/sqltype"
)

// A column whose documents hold scalars of several classes has the type text.
// Where that has no meaning, beside a number for one, the lenient mode reads
// the values of the wanted class and the others as NULL, as MongoDB's
// comparisons do.

// narrowTypes are the classes that can be picked out, by the category of the
// type that they stand beside.
var narrowTypes = map[byte]struct {
	kinds catalog.Kinds
	oid   sqltype.OID
}{
	'N': {catalog.KindInt32 | catalog.KindInt64 | catalog.KindDouble | catalog.KindDecimal, sqltype.Numeric},
	'D': {catalog.KindDate, sqltype.Timestamptz},
	'B': {catalog.KindBool, sqltype.Bool},
}

// narrowed reads a mixed column as the class of the other operand.
func (b *builder) narrowed(args []Expr) ([]Expr, bool) {
	if len(args) != 2 {
		return nil, false
	}
	for i, a := range args {
		if y := b.narrow(a, args[1-i].Type().OID.Category()); y != nil {
			out := append([]Expr(nil), args...)
			out[i] = y
			b.warnNarrowed(y)
			return out, true
		}
	}
	return nil, false
}

// narrowedNumber reads a mixed column that is a function's only argument as numbers.
func (b *builder) narrowedNumber(args []Expr) ([]Expr, bool) {
	if len(args) != 1 {
		return nil, false
	}
	if y := b.narrow(args[0], 'N'); y != nil {
		return []Expr{y}, true
	}
	return nil, false
}

func (b *builder) narrow(e Expr, category byte) Expr {
	r, ok := e.(*ColRef)
	want, known := narrowTypes[category]
	if !ok || !known || b.strict() {
		return nil
	}
	scan, def := b.scanOf(r.ID)
	if scan == nil || def.Declared || def.Type.OID != sqltype.Text || !def.Kinds.Has(want.kinds) {
		return nil
	}
	narrow := *def
	narrow.Type = sqltype.Of(want.oid)
	col := b.scanColumn(scan, &narrow)
	for i := range scan.Out {
		if scan.Out[i].ID == col.ID {
			scan.Fields[i].Narrow = true
		}
	}
	b.scanDefs[col.ID] = scanDef{scan, &narrow}
	return &ColRef{ID: col.ID, Name: col.Name, T: col.Type, P: r.P}
}

func (b *builder) warnNarrowed(e Expr) {
	b.warn(sqlerr.DatatypeMismatch, e.Pos(), "Cast the column to text to see all of its values.",
		"column %q holds values of several types; those that are no %s are read as NULL", e.(*ColRef).Name, e.Type().OID)
}
