package catalog

import (
	"context"
	"slices"
	"strings"

	"weir/parser/ast"
)

// A view is kept as text, and reads the relations that its names meant when it
// was made: a session's search path and database do not change that.

// viewNames resolves the names in a view's text.
type viewNames struct {
	*Scoped
	db   string // the view's
	deps []relationName
}

type relationName struct{ db, name string }

// Within implements Resolver.
func (s *Scoped) Within(view *Table) Resolver {
	v := &viewNames{Scoped: s, db: view.NS.DB, deps: s.namesOf(view.Deps)}
	if len(v.deps) == 0 {
		return s
	}
	return v
}

// namesOf are the relations that OIDs stand for, without those that are gone.
func (s *Scoped) namesOf(oids []uint32) []relationName {
	var out []relationName
	for _, oid := range oids {
		if db, name, ok := s.nameOf(oid); ok {
			out = append(out, relationName{db, name})
		}
	}
	return out
}

// Table implements Resolver: a name without a schema, or in public, is one of
// the relations that the view depends on, if one has that name.
func (v *viewNames) Table(ctx context.Context, schema, name string, quoted bool) (*Table, bool, error) {
	if schema == "" || schema == PublicSchema {
		if d := v.find(name, quoted); d != nil {
			return v.Scoped.Table(ctx, v.SchemaOf(d.db), d.name, true)
		}
	}
	return v.Scoped.Table(ctx, schema, name, quoted)
}

// find prefers an exact name to one in another case, and the view's own
// database to others.
func (v *viewNames) find(name string, quoted bool) *relationName {
	same := []func(string) bool{func(n string) bool { return n == name }}
	if !quoted {
		same = append(same, func(n string) bool { return strings.EqualFold(n, name) })
	}
	for _, is := range same {
		var other *relationName
		for i := range v.deps {
			d := &v.deps[i]
			if !is(d.name) {
				continue
			}
			if d.db == v.db {
				return d
			}
			other = d
		}
		if other != nil {
			return other
		}
	}
	return nil
}

// viewSQL is a view's SELECT as pg_get_viewdef gives it: relations that the
// search path does not lead to have their schema.
func (s *Scoped) viewSQL(t *Table) string {
	if t.Definition == "" {
		return ""
	}
	sql := strings.TrimSuffix(strings.TrimSpace(t.Definition), ";")
	if len(t.Deps) > 0 {
		if q, err := parseQuery(sql); err == nil && s.qualify(t, q) {
			sql = ast.Print(q)
		}
	}
	return " " + sql + ";"
}

// qualify writes schemas where they are needed, and tells whether it did.
func (s *Scoped) qualify(t *Table, q *ast.Query) (changed bool) {
	v := &viewNames{Scoped: s, db: t.NS.DB, deps: s.namesOf(t.Deps)}
	var ctes []string
	ast.Inspect(q, func(n ast.Node) bool {
		if c, ok := n.(*ast.CTE); ok {
			ctes = append(ctes, c.Name.Name)
		}
		return true
	})
	ast.Inspect(q, func(n ast.Node) bool {
		ref, ok := n.(*ast.TableRef)
		if !ok || len(ref.Name.Parts) > 2 {
			return true
		}
		id, given := ref.Name.Last(), ref.Name.Qualifier().Name
		if given != "" && given != PublicSchema || given == "" && slices.Contains(ctes, id.Name) {
			return true
		}
		d := v.find(id.Text, id.Quoted)
		if d == nil {
			return true
		}
		if schema := s.SchemaOf(d.db); schema != given && !(given == "" && s.onPath(schema)) {
			ref.Name.Parts = []ast.Ident{{Name: schema, Text: schema, Quoted: ast.QuoteIdent(schema) != schema}, id}
			changed = true
		}
		return true
	})
	return changed
}
