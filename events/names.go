package events

import (
	"context"
	"slices"
	"strings"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
)

// publicSchema is what SQL calls the collections of the database itself.
const publicSchema = "public"

// spelling finds how a database spells what a statement names: exactly as written
// first, then folded as SQL does, then by the only name that differs in case. What
// is not there yet stays as written.
type spelling struct {
	m    *Manager
	ctx  context.Context
	db   string
	seen []string // the collections that were named
}

// collection gives the name of a collection.
func (s *spelling) collection(id ast.Ident) string {
	name := id.Text
	if t := s.table(id); t != nil && !id.Quoted {
		name = t.NS.Coll
	}
	s.seen = append(s.seen, name)
	return name
}

func (s *spelling) table(id ast.Ident) *catalog.Table {
	if strings.Contains(id.Text, "*") {
		return nil
	}
	t, found, err := s.m.relation(s.ctx, databaseSession(s.db), "", id)
	if err != nil || !found || t.Kind != catalog.Collection || t.NS.DB != s.db {
		return nil
	}
	return t
}

// fields gives a dotted path whose first part is spelled as the collections that
// were named spell it, each in its way.
func (s *spelling) fields(n *ast.Name) []string {
	path, first := dotted(n), n.Parts[0]
	var out []string
	for _, coll := range s.seen {
		if t := s.table(ast.MakeIdent(coll)); t != nil && !first.Quoted {
			if name := fieldOf(t, first); name != "" {
				out = append(out, name+strings.TrimPrefix(path, first.Text))
			}
		}
	}
	if len(out) == 0 {
		return []string{path}
	}
	return distinct(out)
}

// fieldOf finds a field as written, folded, or as the only one that differs in case.
func fieldOf(t *catalog.Table, name ast.Ident) string {
	for _, exact := range []string{name.Text, name.Name} {
		if slices.ContainsFunc(t.Columns, func(c catalog.Column) bool { return c.Name == exact }) {
			return exact
		}
	}
	near := ""
	for _, c := range t.Columns {
		if !strings.EqualFold(c.Name, name.Text) {
			continue
		}
		if near != "" {
			return ""
		}
		near = c.Name
	}
	return near
}

// sourceName gives what the source argument of CHANGE_STREAM_EVENTS() names: a
// subscription, a collection without the schema that it may be qualified with, or
// a database.
func (m *Manager) sourceName(ctx context.Context, env catalog.Session, name string) (string, error) {
	db := env.Database()
	if m.named(db, name) != nil || name == db || len(m.of(name)) > 0 {
		return name, nil
	}
	if t, found, err := m.relation(ctx, env, "", ast.MakeIdent(name)); err != nil || found && t.Kind == catalog.Collection {
		return collectionName(t, name), err
	}
	schema, coll, qualified := strings.Cut(name, ".")
	if qualified && (schema == publicSchema || schema == db) {
		m.unknown(ctx, env, coll)
		return coll, nil
	}
	others, err := m.data.Databases(ctx)
	if err != nil {
		return "", err
	}
	for _, other := range others {
		if other == name || qualified && other == schema {
			return "", sqlerr.New(sqlerr.FeatureNotSupported, "the changes of database \"%s\" cannot be read from here", other).
				WithHint("Connect to database %s and read them there.", other)
		}
	}
	m.unknown(ctx, env, name)
	return name, nil
}

// unknown tells who asks for the events of a name that nothing has. There may still be
// some: of a collection that was dropped.
func (m *Manager) unknown(ctx context.Context, env catalog.Session, name string) {
	to, ok := env.(interface{ Notice(*sqlerr.Error) })
	if !ok {
		return
	}
	n := sqlerr.Notice("NOTICE", sqlerr.UndefinedObject, "no event subscription, collection or database is named \"%s\"", name)
	var near []string
	for _, s := range m.found(env.Database()) {
		if slices.Contains(s.Spec.Collections, name) {
			return
		}
		near = append(near, s.Spec.Name)
	}
	near = nearest(name, near)
	if m.resolve != nil {
		near = append(near, m.resolve(env).Near(ctx, name)...)
	}
	if len(near) > 0 {
		n = n.WithHint("Perhaps you meant %s.", strings.Join(near, ", "))
	}
	to.Notice(n)
}

func collectionName(t *catalog.Table, name string) string {
	if t == nil || t.NS.Coll == "" {
		return name
	}
	return t.NS.Coll
}
