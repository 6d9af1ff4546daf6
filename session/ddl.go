package session

import (
	"context"

	"weir/engine/value"
	"weir/parser"
	"weir/parser/ast"
	"weir/planner"
	"weir/sqlerr"
)

// analyzeDDL makes the commands that change tables and other objects. They
// take effect at once: MongoDB does not undo them with a transaction.
func (s *Session) analyzeDDL(_ context.Context, stmt ast.Statement) (command, error) {
	switch stmt := stmt.(type) {
	case *ast.Truncate:
		return utility(func(ctx context.Context, s *Session, c *call) (string, error) { return s.truncate(ctx, stmt, c) }), nil
	case *ast.Analyze:
		return utility(func(ctx context.Context, s *Session, _ *call) (string, error) {
			return "ANALYZE", s.analyzeTables(ctx, stmt.Tables)
		}), nil
	case *ast.Vacuum:
		return utility(func(ctx context.Context, s *Session, _ *call) (string, error) { return s.vacuum(ctx, stmt) }), nil
	case *ast.AlterDatabase:
		return refusal(sqlerr.Unsupported(stmt.Pos(), "Set parameters in the session, or by the client's options.",
			"%s is not supported", ddlCommand(stmt))), nil
	case *ast.CreateRole, *ast.AlterRole, *ast.DropRole, *ast.Grant, *ast.GrantRole:
		return utility(func(ctx context.Context, s *Session, _ *call) (string, error) { return s.roleStatement(ctx, stmt) }), nil
	}
	return utility(func(ctx context.Context, s *Session, c *call) (string, error) { return s.define(ctx, stmt, c) }), nil
}

// define runs a DDL statement in the catalog, and the statements that complete it.
func (s *Session) define(ctx context.Context, stmt ast.Statement, c *call) (string, error) {
	command := ddlCommand(stmt)
	if err := s.writable(command); err != nil {
		return "", err
	}
	if err := s.mayDefine(stmt); err != nil {
		return "", err
	}
	_, makes := stmt.(*ast.CreateDatabase)
	if d, ok := stmt.(*ast.Drop); makes || ok && d.Kind == ast.KindDatabase {
		if err := s.outside(command); err != nil {
			return "", err
		}
	}
	if x, ok := stmt.(*ast.CreateIndex); ok && s.tx.store != nil {
		if err := s.unwritten(ctx, x); err != nil {
			return "", err
		}
	}
	if x, ok := stmt.(*ast.AlterTable); ok && s.tx.store != nil {
		if err := s.unwrittenPartition(ctx, x); err != nil {
			return "", err
		}
	}
	executed := false
	if x, ok := stmt.(*ast.CreateTableAs); ok {
		as, err := s.asQuery(x)
		if err != nil {
			return "", err
		}
		executed = as != x
		stmt = as
	}
	if makesTemporary(stmt) {
		s.useTemporary()
	}
	change, err := s.scoped().DDL(ctx, s.forDDL(), stmt)
	if err != nil {
		return "", err
	}
	s.tx.defined = s.tx.store != nil
	s.touchTemporary()
	if change.Undo != nil {
		s.noteEnd(stmt)
	}
	for _, n := range change.Notices {
		s.notice(n)
	}
	s.noteUndo(change, command)
	n := int64(0)
	for i, then := range change.Then {
		if n, err = s.complete(ctx, then, c.last && i == 0 && len(change.Then) == 1); err != nil {
			if s.tx.status == 'I' && change.Undo != nil {
				s.undo(ctx, []ast.Statement{change.Undo})
			}
			return "", err
		}
	}
	if change.Rows || executed && change.Undo != nil {
		return "SELECT " + itoa(int(n)), nil
	}
	return change.Tag, nil
}

// forDDL is the planner as DDL needs it, and what runs its questions.
func (s *Session) forDDL() planner.ForDDL { return planner.ForDDL{Env: s.planEnv(), Run: s.ask} }

// ask runs a query and gives the first value as text.
func (s *Session) ask(ctx context.Context, sql string) (string, bool, error) {
	stmts, err := parser.Parse(sql)
	if err != nil {
		return "", false, err
	}
	q, err := s.planIn(ctx, s.planEnv(), stmts[0], nil)
	if err != nil {
		return "", false, err
	}
	r, err := s.execute(ctx, q, nil, false)
	if err != nil {
		return "", false, err
	}
	defer r.close()
	doc, err := r.next(ctx)
	if err != nil {
		if isEnd(err) {
			err = nil
		}
		return "", false, err
	}
	v := value.Lookup(doc, q.cols[0].path[0])
	if !v.IsString() {
		return "", true, nil
	}
	return v.Str(), true, nil
}

// complete runs a statement that finishes a change, and counts what it wrote.
func (s *Session) complete(ctx context.Context, stmt ast.Statement, last bool) (int64, error) {
	env := s.planEnv()
	env.Maintenance = true
	q, err := s.planIn(ctx, env, stmt, nil)
	if err != nil {
		return 0, err
	}
	r, err := s.execute(ctx, q, nil, last)
	if err != nil {
		return 0, err
	}
	defer r.close()
	if _, err := r.next(ctx); err != nil && !isEnd(err) {
		return 0, err
	}
	_, n := r.rows.Affected()
	return n, nil
}

// ddlCommand is the tag of a statement.
func ddlCommand(stmt ast.Statement) string {
	switch stmt := stmt.(type) {
	case *ast.CreateTable:
		return "CREATE TABLE"
	case *ast.CreateTableAs:
		return "CREATE TABLE AS"
	case *ast.CreateIndex:
		return "CREATE INDEX"
	case *ast.CreateView:
		return "CREATE VIEW"
	case *ast.CreateMaterializedView:
		return "CREATE MATERIALIZED VIEW"
	case *ast.RefreshMaterializedView:
		return "REFRESH MATERIALIZED VIEW"
	case *ast.CreateSchema:
		return "CREATE SCHEMA"
	case *ast.CreateDatabase:
		return "CREATE DATABASE"
	case *ast.CreateSequence:
		return "CREATE SEQUENCE"
	case *ast.AlterSequence:
		return "ALTER SEQUENCE"
	case *ast.CreateType:
		return "CREATE TYPE"
	case *ast.AlterType:
		return "ALTER TYPE"
	case *ast.CreateDomain:
		return "CREATE DOMAIN"
	case *ast.AlterDomain:
		return "ALTER DOMAIN"
	case *ast.AlterTable:
		return "ALTER " + string(stmt.Kind)
	case *ast.AlterObject:
		return "ALTER " + string(stmt.Kind)
	case *ast.AlterDatabase:
		return "ALTER DATABASE"
	case *ast.Drop:
		return "DROP " + string(stmt.Kind)
	case *ast.Comment:
		return "COMMENT"
	case *ast.CreateRole:
		return "CREATE ROLE"
	case *ast.AlterRole:
		return "ALTER ROLE"
	case *ast.DropRole:
		return "DROP ROLE"
	case *ast.Grant:
		return grantTag(stmt.Revoke)
	case *ast.GrantRole:
		return grantTag(stmt.Revoke) + " ROLE"
	}
	return "this statement"
}

func grantTag(revoke bool) string {
	if revoke {
		return "REVOKE"
	}
	return "GRANT"
}
