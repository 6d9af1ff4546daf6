package planner

import (
	"strconv"

	"weir/catalog"
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

const elementHint = "Assign the whole column, for example with jsonb_set() or array functions."

// fromOne gives [0] of an array that documents hold its meaning for those who
// count from zero. PostgreSQL counts from one and finds nothing there.
func (b *builder) fromOne(array, index Expr) Expr {
	c, ok := index.(*Const)
	r, column := array.(*ColRef)
	if !ok || !column || b.strict() || c.Value.IsNullish() || c.Value.AsInt64() != 0 {
		return index
	}
	if scan, _ := b.scanOf(r.ID); scan == nil {
		return index
	}
	b.warn(sqlerr.ArraySubscriptError, index.Pos(), "Write [1] for the first item.",
		"subscripts of arrays count from 1; [0] is read as the first item of %q", r.Name)
	return &Const{T: c.T, Value: value.Int32(1), P: c.P}
}

// elementField resolves a path that goes through items of arrays: a[0].b.
func (b *builder) elementField(t *catalog.Table, e ast.Expr, alias string) (Field, string, error) {
	switch x := e.(type) {
	case *ast.ColumnRef:
		return b.targetField(t, x, alias)
	case *ast.Field:
		f, _, err := b.elementField(t, x.Of, alias)
		if err != nil {
			return f, "", err
		}
		return below(f, x.Name.Text, false), joinPath(append(f.Path, x.Name.Text)), nil
	case *ast.Subscript:
		f, _, err := b.elementField(t, x.Of, alias)
		if err != nil {
			return f, "", err
		}
		n, ok := x.Index.(*ast.NumberLiteral)
		if !ok {
			return f, "", sqlerr.Unsupported(x.Pos(), elementHint, "assignment to an item is supported for constant subscripts only")
		}
		i, err := strconv.ParseUint(n.Text, 10, 16)
		if err != nil {
			return f, "", sqlerr.Unsupported(x.Pos(), elementHint, "assignment to item %s is not supported", n.Text)
		}
		elem := sqltype.Of(sqltype.Unknown)
		if f.Type.OID.IsArray() {
			elem = sqltype.Of(f.Type.OID.Subscript())
			switch {
			case i > 0:
				i--
			case b.strict():
				return f, "", sqlerr.New(sqlerr.ArraySubscriptError, "subscripts of arrays count from 1").At(x.Pos())
			}
		}
		f = below(f, strconv.FormatUint(i, 10), true)
		f.Type = elem
		return f, joinPath(f.Path), nil
	}
	return Field{}, "", sqlerr.Unsupported(e.Pos(), elementHint, "assignment to an element is not supported")
}

// below is a field or item under another.
func below(f Field, name string, item bool) Field {
	out := Field{Path: append(append([]string(nil), f.Path...), name), Elems: f.Elems, Type: unknown}
	if n := len(f.Path); item && n < 64 {
		out.Elems |= 1 << n
	}
	return out
}
