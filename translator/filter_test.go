package translator

import (
	"testing"

	"github.com/stretchr/testify/require"

	"weir/catalog"
	"weir/engine/value"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// events is a scan over documents with a type and a size.
func events() *planner.Scan {
	text, number := sqltype.Of(sqltype.Text), sqltype.Of(sqltype.Int4)
	return &planner.Scan{
		Table:  &catalog.Table{Name: "events", Kind: catalog.Virtual},
		Out:    []planner.Col{{ID: 1, Name: "event_type", Type: text}, {ID: 2, Name: "size", Type: number}},
		Fields: []planner.Field{{Path: []string{"operationType"}, Type: text}, {Path: []string{"body", "size"}, Type: number}},
	}
}

func call(t *testing.T, funcs *sqlfunc.Table, op string, l, r planner.Expr) planner.Expr {
	t.Helper()
	for _, o := range funcs.Operators(op) {
		if o.Left == l.Type().OID && o.Right == r.Type().OID {
			return &planner.Call{Func: o.Func, Args: []planner.Expr{l, r}, T: sqltype.Of(o.Func.Ret)}
		}
	}
	t.Fatalf("no operator %s", op)
	return nil
}

func TestTranslateFilter(t *testing.T) {
	funcs := sqlfunc.New()
	opts := Options{Funcs: funcs, Library: funcs.Library()}
	text, number := sqltype.Of(sqltype.Text), sqltype.Of(sqltype.Int4)
	kind, size := &planner.ColRef{ID: 1, T: text}, &planner.ColRef{ID: 2, T: number}
	isInsert := call(t, funcs, "=", kind, &planner.Const{T: text, Value: value.String("insert")})
	large := call(t, funcs, ">", size, &planner.Const{T: number, Value: value.Int32(10)})

	doc, err := TranslateFilter(&planner.Logic{Op: planner.And, Args: []planner.Expr{isInsert, large}}, events(), opts)
	require.NoError(t, err)
	require.JSONEq(t, `{"operationType":{"$eq":"insert"},"body.size":{"$gt":{"$numberInt":"10"}}}`, doc.String())

	doc, err = TranslateFilter(&planner.Logic{Op: planner.Not, Args: []planner.Expr{isInsert}}, events(), opts)
	require.NoError(t, err)
	require.JSONEq(t, `{"operationType":{"$nin":["insert",null]}}`, doc.String())

	_, err = TranslateFilter(&planner.Subquery{Kind: planner.Exists, Plan: events(), T: sqltype.Of(sqltype.Bool)}, events(), opts)
	require.Equal(t, sqlerr.FeatureNotSupported, sqlerr.As(err).Code)
}
