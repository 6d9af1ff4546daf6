package session

import (
	"reflect"

	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// asQuery makes CREATE TABLE … AS EXECUTE name(…) one of the prepared query
// with the arguments in the places of its parameters.
func (s *Session) asQuery(x *ast.CreateTableAs) (*ast.CreateTableAs, error) {
	e, ok := x.Query.(*ast.Execute)
	if !ok {
		return x, nil
	}
	st, err := s.statement(e.Name.Name)
	if err != nil {
		return nil, err
	}
	q, ok := st.stmt.(*ast.Query)
	if !ok {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "prepared statement is not a SELECT").At(e.Pos())
	}
	if len(e.Args) != len(st.params) {
		return nil, wrongParameters(e.Name.Name, len(st.params), len(e.Args))
	}
	copied, err := parser.Parse(ast.Print(q))
	if err != nil {
		return nil, err
	}
	values := make([]ast.Expr, len(e.Args))
	for i, a := range e.Args {
		t, err := typeNameOf(sqltype.OID(st.params[i]))
		if err != nil {
			return nil, err
		}
		values[i] = &ast.CastExpr{Operand: a, Type: t, Span: ast.Span{Start: a.Pos()}}
	}
	replaceParameters(reflect.ValueOf(copied[0]), values)
	out := *x
	out.Query = copied[0].(*ast.Query)
	return &out, nil
}

func wrongParameters(name string, want, got int) error {
	return sqlerr.New(sqlerr.SyntaxError, "wrong number of parameters for prepared statement \"%s\"", name).
		WithDetail("Expected %d parameters but got %d.", want, got)
}

// typeNameOf writes a type as a statement does.
func typeNameOf(t sqltype.OID) (*ast.TypeName, error) {
	e, err := parser.ParseExpr("NULL::" + sqltype.FormatType(t, -1))
	if err != nil {
		return nil, err
	}
	return e.(*ast.CastExpr).Type, nil
}

// replaceParameters puts expressions in the places of $1 …
func replaceParameters(v reflect.Value, values []ast.Expr) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			replaceParameters(v.Elem(), values)
		}
	case reflect.Interface:
		if v.IsNil() {
			return
		}
		if p, ok := v.Interface().(*ast.Parameter); ok && p.Number >= 1 && p.Number <= len(values) {
			v.Set(reflect.ValueOf(values[p.Number-1]))
			return
		}
		replaceParameters(v.Elem(), values)
	case reflect.Slice:
		for i := range v.Len() {
			replaceParameters(v.Index(i), values)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				replaceParameters(v.Field(i), values)
			}
		}
	}
}
