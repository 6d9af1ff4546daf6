package ast

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

var nodeType = reflect.TypeFor[Node]()

// fill makes a value whose child fields are all there, one level deep.
func fill(t reflect.Type) (n Node, children int) {
	v := reflect.New(t)
	for i := range t.NumField() {
		f := v.Elem().Field(i)
		if t.Field(i).Anonymous || f.Type() == identType {
			continue
		}
		children += fillField(f)
	}
	return v.Interface().(Node), children
}

func fillField(f reflect.Value) int {
	switch t := f.Type(); t.Kind() {
	case reflect.Pointer:
		if t.Implements(nodeType) {
			f.Set(reflect.New(t.Elem()))
			return 1
		}
	case reflect.Interface:
		if t.Implements(nodeType) {
			f.Set(reflect.ValueOf(sample(t)))
			return 1
		}
	case reflect.Slice:
		if t.Elem() == identType {
			return 0
		}
		e := reflect.New(t.Elem()).Elem()
		if n := fillField(e); n > 0 {
			f.Set(reflect.Append(f, e, e))
			return 2 * n
		}
	}
	return 0
}

func sample(t reflect.Type) any {
	for _, n := range []any{&NullLiteral{}, &Checkpoint{}, &TableRef{}, &Values{}, &LikeClause{}} {
		if reflect.TypeOf(n).Implements(t) {
			return n
		}
	}
	return nil
}

// TestChildren holds every node's children method to its fields.
func TestChildren(t *testing.T) {
	for _, n := range allNodes {
		typ := reflect.TypeOf(n).Elem()
		filled, want := fill(typ)
		got := 0
		Children(filled, func(c Node) { require.NotNil(t, c); got++ })
		require.Equal(t, want, got, typ.Name())
		Children(n, func(Node) { t.Errorf("%s: an empty node has children", typ.Name()) })
	}
}

func TestInspectStops(t *testing.T) {
	inner := &ColumnRef{Parts: []Ident{MakeIdent("a")}}
	tree := &NotExpr{Operand: &NotExpr{Operand: inner}}
	seen := 0
	Inspect(tree, func(n Node) bool { seen++; return n == Node(tree) })
	require.Equal(t, 2, seen)
}

func TestEqual(t *testing.T) {
	a := &CastExpr{Operand: &NullLiteral{Span{1, 5}}, Type: &TypeName{Name: Ident{Name: "x", Text: "X"}}}
	b := &CastExpr{Operand: &NullLiteral{}, Type: &TypeName{Name: MakeIdent("x")}}
	require.True(t, Equal(a, b))
	b.Type.Dims = []int{-1}
	require.False(t, Equal(a, b))
	require.False(t, Equal(a, a.Operand))
}

func TestQuoteIdent(t *testing.T) {
	for name, want := range map[string]string{
		"abc": "abc", "a_1": "a_1", "1a": `"1a"`, "Abc": `"Abc"`, `a"b`: `"a""b"`, "select": `"select"`, "": `""`,
	} {
		require.Equal(t, want, QuoteIdent(name))
	}
}
