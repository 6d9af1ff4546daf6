package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"weir/catalog"
	"weir/parser"
	"weir/planner"
)

// describeViews gives views their columns, as CREATE VIEW would: clients that ask
// the catalogs see them.
func (l *language) describeViews(views, functions []*catalog.Table) error {
	env := l.env()
	env.Resolver = onlyFunctions{functions: functions}
	for _, v := range views {
		stmts, err := parser.Parse(v.Definition)
		if err != nil {
			return fmt.Errorf("view %s: %w", v.Name, err)
		}
		plan, err := planner.Build(context.Background(), env, stmts[0], nil)
		if err != nil {
			return fmt.Errorf("view %s: %w", v.Name, err)
		}
		for _, c := range plan.Cols {
			v.Columns = append(v.Columns, catalog.Column{Name: c.Name, Type: c.Type, Path: []string{c.Name}})
		}
	}
	return nil
}

// onlyFunctions is a Resolver of table functions.
type onlyFunctions struct {
	noRelations
	functions []*catalog.Table
}

func (r onlyFunctions) Within(*catalog.Table) catalog.Resolver { return r }

func (r onlyFunctions) TableFunction(_, name string) (*catalog.Table, bool) {
	i := slices.IndexFunc(r.functions, func(t *catalog.Table) bool { return strings.EqualFold(t.Name, name) })
	if i < 0 {
		return nil, false
	}
	return r.functions[i], true
}
