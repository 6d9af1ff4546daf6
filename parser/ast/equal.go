package ast

import "reflect"

var (
	spanType  = reflect.TypeFor[Span]()
	stmtType  = reflect.TypeFor[Stmt]()
	identType = reflect.TypeFor[Ident]()
)

// Equal reports whether two trees are the same but for their places in a text
// and the spelling of unquoted names. Nil and empty lists are equal.
func Equal(a, b Node) bool {
	return equal(reflect.ValueOf(a), reflect.ValueOf(b))
}

func equal(a, b reflect.Value) bool {
	if a.IsValid() != b.IsValid() {
		return false
	}
	if !a.IsValid() {
		return true
	}
	if a.Type() != b.Type() {
		return false
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return equal(a.Elem(), b.Elem())
	case reflect.Slice:
		return equalLists(a, b)
	case reflect.Struct:
		return equalStructs(a, b)
	}
	return a.Equal(b)
}

func equalLists(a, b reflect.Value) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		if !equal(a.Index(i), b.Index(i)) {
			return false
		}
	}
	return true
}

func equalStructs(a, b reflect.Value) bool {
	switch a.Type() {
	case spanType, stmtType:
		return true
	case identType:
		return a.FieldByName("Name").String() == b.FieldByName("Name").String()
	}
	for i := range a.NumField() {
		if !equal(a.Field(i), b.Field(i)) {
			return false
		}
	}
	return true
}
