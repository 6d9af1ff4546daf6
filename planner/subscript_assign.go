package planner

import (
	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// jsonbPath takes a[1]['b'] apart where a is a column that holds jsonb: the
// field and the subscripts from left to right. ok is false for other targets.
func (b *builder) jsonbPath(t *catalog.Table, e ast.Expr, alias string) (f Field, steps []ast.Expr, ok bool) {
	for {
		s, is := e.(*ast.Subscript)
		if !is {
			break
		}
		steps = append([]ast.Expr{s.Index}, steps...)
		e = s.Of
	}
	c, is := e.(*ast.ColumnRef)
	if !is || len(steps) == 0 {
		return f, nil, false
	}
	f, _, err := b.targetField(t, c, alias)
	return f, steps, err == nil && len(f.Path) == 1 && f.Type.OID == sqltype.JSONB
}

// assignSubscript gives the column's value with another one at the subscripts:
// objects and arrays that are missing on the way come to be.
func (b *builder) assignSubscript(sc *scope, column Expr, steps []ast.Expr, v Expr, pos int) (Expr, error) {
	var path []Expr
	first := false
	for i, s := range steps {
		x, err := b.index(sc, s, sqltype.JSONB)
		if err != nil {
			return nil, err
		}
		first = first || i == 0 && x.Type().OID == sqltype.Int4
		if x, err = b.mustCoerce(x, textType, explicit, "jsonb subscript"); err != nil {
			return nil, err
		}
		path = append(path, x)
	}
	v, err := b.subscriptValue(v)
	if err != nil {
		return nil, err
	}
	list := &Array{Elems: path, T: sqltype.Of(sqltype.Text.Array()), P: pos}
	return b.callExprs("jsonb_assign", []Expr{column, list, v, boolConst(first, pos)}, pos)
}

// subscriptValue is what is assigned, as jsonb. PostgreSQL takes nothing else;
// documents have values of other types too.
func (b *builder) subscriptValue(v Expr) (Expr, error) {
	if oid := v.Type().OID; oid != sqltype.Unknown && oid != sqltype.JSONB && oid != sqltype.JSON {
		if b.strict() {
			return nil, sqlerr.New(sqlerr.DatatypeMismatch, "subscripted assignment requires type jsonb but expression is of type %s", v.Type()).At(v.Pos()).
				WithHint("You will need to rewrite or cast the expression.")
		}
		return b.callExprs("to_jsonb", []Expr{v}, v.Pos())
	}
	return b.mustCoerce(v, sqltype.Of(sqltype.JSONB), assignment, "SET")
}

// setSubscript adds col[…] = value to the assignments. Several to one column
// are made one after the other.
func (b *builder) setSubscript(t *catalog.Table, out []FieldExpr, f Field, steps []ast.Expr, value ast.Expr, sc *scope) ([]FieldExpr, error) {
	if _, ok := value.(*ast.Default); ok {
		return nil, sqlerr.Unsupported(value.Pos(), elementHint, "cannot set an array element to DEFAULT")
	}
	v, err := b.expr(sc, value)
	if err != nil {
		return nil, err
	}
	at := -1
	var column Expr
	for i := range out {
		switch {
		case samePath(out[i].Field.Path, f.Path) && out[i].subscripts:
			at, column = i, out[i].Expr
		case prefixOf(f.Path, out[i].Field.Path):
			return nil, sqlerr.New(sqlerr.SyntaxError, "multiple assignments to same column %q", f.Path[0]).At(value.Pos())
		}
	}
	if column == nil {
		ref := &ast.ColumnRef{Parts: []ast.Ident{quotedIdent(f.Path[0])}}
		if name := aliasOf(sc, t); name != "" {
			ref.Parts = append([]ast.Ident{quotedIdent(name)}, ref.Parts...)
		}
		if column, err = b.expr(sc, ref); err != nil {
			return nil, err
		}
	}
	x, err := b.assignSubscript(sc, column, steps, v, value.Pos())
	if err != nil {
		return nil, err
	}
	if at >= 0 {
		out[at].Expr = x
		return out, nil
	}
	return append(out, FieldExpr{Field: f, Expr: x, subscripts: true}), nil
}

func quotedIdent(name string) ast.Ident { return ast.Ident{Name: name, Text: name, Quoted: true} }
