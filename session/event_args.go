package session

import (
	"reflect"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqltype"
)

// eventParameters gives the types of the parameters of a statement about events:
// what the client named, else that of their places, else text, which is read as a
// literal would be.
func eventParameters(stmt ast.Statement, given []uint32) []uint32 {
	places := parameterPlaces(stmt)
	var out []uint32
	ast.Inspect(stmt, func(n ast.Node) bool {
		p, ok := n.(*ast.Parameter)
		if !ok || p.Number < 1 {
			return true
		}
		for len(out) < p.Number {
			out = append(out, uint32(sqltype.Text))
		}
		if oid, ok := places[p]; ok {
			out[p.Number-1] = uint32(oid)
		}
		return true
	})
	for i := range out {
		if i < len(given) && given[i] != 0 {
			out[i] = given[i]
		}
	}
	return out
}

// parameterPlaces gives the types of the places that take no text.
func parameterPlaces(stmt ast.Statement) map[*ast.Parameter]sqltype.OID {
	places := map[*ast.Parameter]sqltype.OID{}
	put := func(e ast.Expr, oid sqltype.OID) {
		if p, ok := e.(*ast.Parameter); ok {
			places[p] = oid
		}
	}
	ast.Inspect(stmt, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Subscribe:
			put(n.AsOf, sqltype.Timestamptz)
			put(n.UpTo, sqltype.Timestamptz)
		case *ast.StreamPosition:
			if n.Kind == ast.PositionTimestamp {
				put(n.Value, sqltype.Timestamptz)
			}
		case *ast.Query:
			put(n.Limit, sqltype.Int8)
			put(n.Offset, sqltype.Int8)
		case *ast.DeadLetters:
			put(n.Limit, sqltype.Int8)
		case *ast.TestEventSubscription:
			put(n.Last, sqltype.Int8)
		case *ast.TableFunctionItem:
			streamArguments(n, put)
		}
		return true
	})
	return places
}

// streamArguments are the times of CHANGE_STREAM_EVENTS(source, since, until).
func streamArguments(n *ast.TableFunctionItem, put func(ast.Expr, sqltype.OID)) {
	call, ok := n.Call.(*ast.FunctionCall)
	if !ok {
		return
	}
	for i, arg := range call.Args {
		if named, ok := arg.(*ast.NamedArg); !ok && i > 0 {
			put(arg, sqltype.Timestamptz)
		} else if ok && named.Name.Name != "source" {
			put(named.Value, sqltype.Timestamptz)
		}
	}
}

// withArguments gives a copy of a statement with the arguments in the places of its
// parameters; without arguments these are NULL.
func withArguments[S ast.Statement](stmt S, types []uint32, args []value.Value) (S, error) {
	if len(types) == 0 {
		return stmt, nil
	}
	exprs := make([]ast.Expr, len(types))
	for i, oid := range types {
		exprs[i] = &ast.NullLiteral{}
		if i < len(args) && !args[i].IsNullish() {
			text, err := sqltype.AppendText(nil, args[i], sqltype.Of(sqltype.OID(oid)), nil)
			if err != nil {
				return stmt, err
			}
			exprs[i] = &ast.StringLiteral{Value: string(text)}
		}
		if sqltype.OID(oid) == sqltype.Text || sqltype.OID(oid) == sqltype.Unknown {
			continue
		}
		t, err := typeNameOf(sqltype.OID(oid))
		if err != nil {
			return stmt, err
		}
		exprs[i] = &ast.CastExpr{Operand: exprs[i], Type: t}
	}
	return copied(reflect.ValueOf(stmt), exprs).Interface().(S), nil
}

// copied copies a tree, with expressions in the places of $1 …, whose positions
// they take.
func copied(v reflect.Value, exprs []ast.Expr) reflect.Value {
	if v.Kind() == reflect.Interface && !v.IsNil() {
		if p, ok := v.Interface().(*ast.Parameter); ok && p.Number >= 1 && p.Number <= len(exprs) {
			return reflect.ValueOf(placedAt(exprs[p.Number-1], p.Span))
		}
		return copied(v.Elem(), exprs)
	}
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(copied(v.Elem(), exprs))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		}
		for i := range v.Len() {
			out.Index(i).Set(copied(v.Index(i), exprs))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if out.Field(i).CanSet() {
				out.Field(i).Set(copied(v.Field(i), exprs))
			}
		}
	}
	return out
}

// placedAt gives a literal the position of the parameter that it stands for.
func placedAt(e ast.Expr, at ast.Span) ast.Expr {
	switch e := e.(type) {
	case *ast.NullLiteral:
		return &ast.NullLiteral{Span: at}
	case *ast.StringLiteral:
		return &ast.StringLiteral{Value: e.Value, Span: at}
	case *ast.CastExpr:
		return &ast.CastExpr{Operand: placedAt(e.Operand, at), Type: e.Type, Span: at}
	}
	return e
}
