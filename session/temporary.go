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
	ends    []commitEnd
}

// commitEnd is what ON COMMIT DROP or DELETE ROWS says of a table.
type commitEnd struct {
	name string
	drop bool
	new  bool // made by the transaction that runs
}

// noteEnd remembers ON COMMIT of a table that was made.
func (s *Session) noteEnd(stmt ast.Statement) {
	name, on := (*ast.Name)(nil), ast.OnCommitDefault
	switch x := stmt.(type) {
	case *ast.CreateTable:
		name, on = x.Name, x.OnCommit
	case *ast.CreateTableAs:
		name, on = x.Name, x.OnCommit
	}
	if on == ast.OnCommitDrop || on == ast.OnCommitDelete {
		s.temp.ends = append(s.temp.ends, commitEnd{name.Last().Name, on == ast.OnCommitDrop, true})
	}
}

// endTemporary does what ON COMMIT says, after a transaction that wrote, or
// forgets the tables that were not made after all.
func (s *Session) endTemporary(committed, wrote bool) {
	if len(s.temp.ends) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var kept []commitEnd
	for _, e := range s.temp.ends {
		name := &ast.Name{Parts: []ast.Ident{ast.MakeIdent(s.temp.db), ast.MakeIdent(e.name)}}
		if !committed && e.new {
			continue
		}
		if e.drop && committed {
			drop := &ast.Drop{Kind: ast.KindTable, IfExists: true, Behavior: ast.Cascade, Names: []*ast.Name{name}}
			if _, err := s.scoped().DDL(ctx, s.forDDL(), drop); err != nil {
				s.h.opts.Logger.Warn("drop a temporary table", "error", err)
			}
			s.touchTemporary()
			continue
		}
		if committed && wrote {
			if _, err := s.complete(ctx, &ast.Delete{Table: &ast.TableRef{Name: name}}, true); err != nil {
				continue // it was dropped
			}
		}
		e.new = false
		kept = append(kept, e)
	}
	s.temp.ends = kept
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
