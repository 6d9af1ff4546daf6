package session

import (
	"slices"

	"weir/parser/ast"
	"weir/store"
)

// Access is what a user may do.
type Access struct {
	// Store is the store as the user may use it: it refuses what the user may
	// not read or write.
	Store store.Store
	// MayDefine refuses what changes more than documents: tables, views,
	// sequences, event subscriptions. elsewhere: it may reach beyond the
	// connected database. nil: everything is allowed.
	MayDefine func(elsewhere bool) error
	// May refuses a database whose documents the user may not read, or write, for
	// what goes by another way than the Store. nil: everything is allowed.
	May func(database string, write bool) error
}

// mayDefine refuses a statement that the user may not run.
func (s *Session) mayDefine(stmt ast.Statement) error {
	if s.access.MayDefine == nil {
		return nil
	}
	return s.access.MayDefine(s.reachesElsewhere(stmt))
}

// reachesElsewhere tells whether a statement names something that may be in
// another database: by a qualified name, or by the search path.
func (s *Session) reachesElsewhere(stmt ast.Statement) bool {
	own := func(schema string) bool {
		return schema == "public" || schema == "$user" || schema == "pg_temp" || schema == "pg_catalog" ||
			schema == "information_schema" || schema == s.start.Database
	}
	if slices.ContainsFunc(splitNames(s.set.value("search_path")), func(name string) bool { return !own(name) && name != "weir" }) {
		return true
	}
	elsewhere := false
	switch x := stmt.(type) {
	case *ast.CreateDatabase:
		return !own(x.Name.Name)
	case *ast.CreateSchema:
		return !own(x.Name.Name)
	case *ast.Drop:
		if x.Kind == ast.KindDatabase || x.Kind == ast.KindSchema {
			return slices.ContainsFunc(x.Names, func(n *ast.Name) bool { return !own(n.Last().Name) })
		}
	}
	if stmt != nil {
		ast.Inspect(stmt, func(n ast.Node) bool {
			if name, ok := n.(*ast.Name); ok && len(name.Parts) > 1 && !own(name.Parts[0].Name) {
				elsewhere = true
			}
			return !elsewhere
		})
	}
	return elsewhere
}
