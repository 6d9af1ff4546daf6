package planner

import (
	"slices"
	"strings"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
)

// withChildren makes a view of a table and all that inherit from it.
func (b *builder) withChildren(t *catalog.Table) (*catalog.Table, error) {
	var cols []string
	view := *t
	view.Kind, view.Children, view.Columns = catalog.View, nil, nil
	for _, c := range t.Columns {
		if !c.Hidden {
			cols = append(cols, ast.QuoteIdent(c.Name))
			c.Path = []string{c.Name}
			view.Columns = append(view.Columns, c)
		}
	}
	names := []string{t.Name}
	for i := 0; i < len(names); i++ {
		of := t
		if i > 0 {
			var found bool
			var err error
			if of, found, err = b.resolver.table(t.Schema, names[i], true); err != nil || !found {
				return nil, err
			}
			b.depend(of)
		}
		for _, c := range of.Children {
			if !slices.Contains(names, c) {
				names = append(names, c)
			}
		}
	}
	var parts []string
	for _, n := range names {
		parts = append(parts, "SELECT "+strings.Join(cols, ", ")+" FROM ONLY "+ast.QuoteIdent(t.Schema)+"."+ast.QuoteIdent(n))
	}
	view.Definition = strings.Join(parts, " UNION ALL ")
	return &view, nil
}

// onlyOne refuses a write to a table and those that inherit from it at once.
func onlyOne(t *catalog.Table, ref *ast.TableRef, verb string) error {
	if len(t.Children) == 0 || ref.Only {
		return nil
	}
	return sqlerr.Unsupported(ref.Pos(), "Name each table with ONLY: "+t.Name+", "+strings.Join(t.Children, ", ")+".",
		"%s table \"%s\" together with those that inherit from it is not supported", verb, t.Name)
}
