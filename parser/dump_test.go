package parser

import (
	"fmt"
	"reflect"
	"strings"

	"weir/parser/ast"
)

// dump writes a tree with one node a line, its place, and its set fields.
func dump(n ast.Node) string {
	var b strings.Builder
	dumpNode(&b, n, 0)
	return b.String()
}

func dumpNode(b *strings.Builder, n ast.Node, depth int) {
	v := reflect.ValueOf(n).Elem()
	fmt.Fprintf(b, "%s%s %d-%d%s\n", strings.Repeat("  ", depth), v.Type().Name(), n.Pos(), n.End(), dumpFields(v))
	ast.Children(n, func(c ast.Node) { dumpNode(b, c, depth+1) })
}

func dumpFields(v reflect.Value) string {
	var b strings.Builder
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if v.Type().Field(i).Anonymous || f.IsZero() {
			continue
		}
		switch x := f.Interface().(type) {
		case ast.Ident:
			fmt.Fprintf(&b, " %s=%s", name, x)
		case []ast.Ident:
			fmt.Fprintf(&b, " %s=%v", name, x)
		case ast.Node:
		default:
			if k := f.Kind(); k == reflect.Slice && f.Type().Elem().Kind() != reflect.Int || k == reflect.Pointer {
				continue
			}
			fmt.Fprintf(&b, " %s=%v", name, x)
		}
	}
	return b.String()
}
