package session

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/store"
)

// truncate removes all documents; it is a write like others, so that it can be
// rolled back and its events are deletes.
func (s *Session) truncate(ctx context.Context, stmt *ast.Truncate, c *call) (string, error) {
	if err := s.writable("TRUNCATE TABLE"); err != nil {
		return "", err
	}
	var tables []*catalog.Table
	for _, ref := range stmt.Tables {
		t, err := s.table(ctx, ref.Name)
		if err != nil {
			return "", err
		}
		if t.Kind != catalog.Collection && !t.IsPartition() {
			return "", sqlerr.New(sqlerr.WrongObjectType, "\"%s\" is not a table", t.Name).At(ref.Name.Pos())
		}
		if len(t.Children) > 0 && !ref.Only {
			return "", sqlerr.Unsupported(ref.Pos(), "Name each table with ONLY.", "TRUNCATE of table \"%s\" together with those that inherit from it is not supported", t.Name)
		}
		tables = append(tables, t)
	}
	tables, locked, err := s.truncated(ctx, stmt, tables)
	if err != nil {
		return "", err
	}
	last := c.last && len(tables) == 1 && !locked
	for _, t := range tables {
		if t.IsPartition() {
			name := &ast.Name{Parts: []ast.Ident{ast.MakeIdent(t.Schema), ast.MakeIdent(t.Name)}}
			if _, err := s.complete(ctx, &ast.Delete{Table: &ast.TableRef{Name: name}}, last); err != nil {
				return "", err
			}
			continue
		}
		on, err := s.queryer(ctx, true, last)
		if err != nil {
			return "", err
		}
		if err := s.until(ctx, func() error { return s.empty(ctx, on, t, locked) }); err != nil {
			return "", err
		}
		locked = false
		s.h.deps.Catalog.Touch(t.NS)
	}
	if stmt.RestartIdentity {
		if err := s.restartIdentity(ctx, tables); err != nil {
			return "", err
		}
	}
	return "TRUNCATE TABLE", nil
}

// restartIdentity sets the sequences of the tables' columns to their start.
func (s *Session) restartIdentity(ctx context.Context, tables []*catalog.Table) error {
	for _, t := range tables {
		if err := s.scoped().RestartOwned(ctx, t); err != nil {
			return err
		}
	}
	if s.tx.status == 'T' {
		s.warn(sqlerr.Warning, "RESTART IDENTITY takes effect at once and is not undone by ROLLBACK")
	}
	return nil
}

// empty takes the documents of a table away.
func (s *Session) empty(ctx context.Context, on store.Queryer, t *catalog.Table, locked bool) error {
	if s.tx.store != nil {
		on = s.tx.store // another one after a conflict
	}
	if locked {
		if err := s.lockAllKeys(ctx, on); err != nil {
			return err
		}
	}
	res, err := on.Write(ctx, t.NS, []store.WriteOp{{Kind: store.Delete, Filter: emptyDocument(), Multi: true}}, store.WriteOptions{})
	if err == nil {
		err = res.Err()
	}
	return err
}

func emptyDocument() bson.Raw { return bson.Raw(bsoncore.NewDocumentBuilder().Build()) }

// analyzeTables is ANALYZE [t, …]: samples are taken anew.
func (s *Session) analyzeTables(ctx context.Context, tables []*ast.AnalyzeTable) error {
	for _, a := range tables {
		t, err := s.table(ctx, a.Name)
		if err != nil {
			return err
		}
		if t.NS.Coll == "" || t.Kind == catalog.View || t.Kind == catalog.Sequence {
			continue
		}
		if err := s.h.deps.Catalog.Analyze(ctx, t.NS); err != nil {
			return err
		}
	}
	if len(tables) > 0 {
		return nil
	}
	snap, err := s.scoped().Snapshot(ctx, false)
	if err != nil {
		return err
	}
	for _, t := range snap.Tables {
		if t.NS.DB != s.start.Database || t.Kind != catalog.Collection {
			continue
		}
		if err := s.h.deps.Catalog.Analyze(ctx, t.NS); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) vacuum(ctx context.Context, stmt *ast.Vacuum) (string, error) {
	if err := s.outside("VACUUM"); err != nil {
		return "", err
	}
	for _, o := range stmt.Options {
		if strings.EqualFold(o.Name.Name, "analyze") {
			return "VACUUM", s.analyzeTables(ctx, stmt.Tables)
		}
	}
	for _, a := range stmt.Tables {
		if _, err := s.table(ctx, a.Name); err != nil {
			return "", err
		}
	}
	return "VACUUM", nil
}
