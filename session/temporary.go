package session

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"weir/catalog"
	"weir/parser/ast"
)

// temporary is the session's own database of temporary relations.
type temporary struct {
	db string // "" until the first one is made
	// changes counts what was made and dropped: a temporary table hides others
	// of its name, so plans made before are not for use after.
	changes int
}

// makesTemporary tells whether a statement makes a temporary relation.
func makesTemporary(stmt ast.Statement) bool {
	persistence := ast.Permanent
	var name *ast.Name
	switch x := stmt.(type) {
	case *ast.CreateTable:
		persistence, name = x.Persistence, x.Name
	case *ast.CreateTableAs:
		persistence, name = x.Persistence, x.Name
	case *ast.CreateView:
		persistence, name = x.Persistence, x.Name
	case *ast.CreateSequence:
		persistence, name = x.Persistence, x.Name
	default:
		return false
	}
	return persistence == ast.Temporary || name.Qualifier().Name == "pg_temp"
}

// useTemporary gives the session its database of temporary relations.
func (s *Session) useTemporary() {
	if s.temp.db == "" {
		var id [8]byte
		_, _ = rand.Read(id[:])
		s.temp.db = catalog.TempDatabase(s.h.opts.Owner, hex.EncodeToString(id[:]))
		s.scope.catalog = nil
	}
}

// touchTemporary makes plans stale after a change of temporary relations.
func (s *Session) touchTemporary() {
	if s.temp.db != "" {
		s.temp.changes++
		s.planned.text = ""
	}
}

// dropTemporary drops the session's temporary relations.
func (s *Session) dropTemporary() error {
	if s.temp.db == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	drop := &ast.Drop{Kind: ast.KindSchema, IfExists: true, Behavior: ast.Cascade,
		Names: []*ast.Name{{Parts: []ast.Ident{ast.MakeIdent(s.temp.db)}}}}
	_, err := s.scoped().DDL(ctx, s.forDDL(), drop)
	s.touchTemporary()
	return err
}
