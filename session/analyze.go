package session

import (
	"context"
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
)

// source is a statement with the text that it stands in; alone says that
// nothing else does, simple that it came in a Query message.
type source struct {
	stmt   ast.Statement
	text   string
	alone  bool
	simple bool
}

// analyze makes the command of a statement. oids are the parameter types that
// the client named.
func (s *Session) analyze(ctx context.Context, src source, oids []uint32) (*prepared, error) {
	st := &prepared{sql: src.text, stmt: src.stmt, given: oids}
	var err error
	switch stmt := src.stmt.(type) {
	case *ast.Query, *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge:
		return s.analyzeQuery(ctx, st, src)
	case *ast.Execute:
		st.cmd, err = s.analyzeExecute(ctx, stmt)
	case *ast.Fetch:
		st.cmd, err = s.analyzeFetch(stmt)
	case *ast.Explain:
		st.cmd, oids, err = s.analyzeExplain(ctx, stmt, src, oids)
	case *ast.DeclareCursor:
		st.cmd, oids, err = s.analyzeDeclare(ctx, stmt, src, oids)
	case *ast.Copy:
		st.cmd, err = s.analyzeCopy(ctx, stmt, src)
	case *ast.Subscribe:
		st.cmd, oids, err = s.analyzeSubscribe(ctx, stmt, src, oids)
	case *ast.Show:
		st.cmd, err = s.analyzeShow(stmt)
	case *ast.ShowObjects:
		st.cmd, err = s.analyzeShowObjects(ctx, stmt)
	case *ast.ShowCreate:
		if isEvent(stmt) {
			st.cmd, oids, err = s.analyzeEvent(ctx, stmt, oids)
		} else {
			st.cmd, err = s.analyzeShowCreate(ctx, stmt)
		}
	default:
		if cmd := s.sessionCommand(src, stmt); cmd != nil {
			st.cmd = cmd
		} else if isEvent(stmt) {
			st.cmd, oids, err = s.analyzeEvent(ctx, stmt, oids)
		} else {
			st.cmd, err = s.analyzeDDL(ctx, stmt)
		}
	}
	if err != nil {
		return nil, err
	}
	st.params = oids
	return st, nil
}

// sessionCommand gives the commands that only change the session.
func (s *Session) sessionCommand(src source, stmt ast.Statement) command {
	switch stmt := stmt.(type) {
	case *ast.Begin:
		return utility(func(_ context.Context, s *Session, _ *call) (string, error) { return s.beginBlock(stmt) })
	case *ast.Commit:
		return utility(func(ctx context.Context, s *Session, _ *call) (string, error) { return s.commitBlock(ctx, stmt) })
	case *ast.Rollback:
		return utility(func(ctx context.Context, s *Session, _ *call) (string, error) { return s.rollbackBlock(ctx, stmt) })
	case *ast.Savepoint:
		return utility(func(ctx context.Context, s *Session, _ *call) (string, error) {
			return s.savepoint(ctx, stmt.Name.Name)
		})
	case *ast.Release:
		return utility(func(_ context.Context, s *Session, _ *call) (string, error) { return s.release(stmt.Name.Name) })
	case *ast.RollbackTo:
		return utility(func(ctx context.Context, s *Session, _ *call) (string, error) {
			return s.rollbackTo(ctx, stmt.Name.Name)
		})
	case *ast.SetTransaction:
		return utility(func(_ context.Context, s *Session, _ *call) (string, error) { return s.setTransaction(stmt) })
	case *ast.SetConstraints:
		return utility(func(ctx context.Context, s *Session, _ *call) (string, error) { return s.setConstraints(ctx, stmt) })
	case *ast.LockTable:
		return utility(func(ctx context.Context, s *Session, _ *call) (string, error) {
			if err := s.inBlock("LOCK TABLE"); err != nil {
				return "", err
			}
			for _, t := range stmt.Tables {
				if _, err := s.table(ctx, t.Name); err != nil {
					return "", err
				}
			}
			return "LOCK TABLE", nil
		})
	case *ast.Set:
		return utility(func(_ context.Context, s *Session, _ *call) (string, error) { return s.setParameter(stmt) })
	case *ast.Reset:
		return utility(func(_ context.Context, s *Session, _ *call) (string, error) { return s.resetParameter(stmt) })
	case *ast.Discard:
		return utility(func(_ context.Context, s *Session, _ *call) (string, error) { return s.discard(stmt, src.alone) })
	case *ast.Prepare:
		return utility(func(ctx context.Context, s *Session, _ *call) (string, error) { return s.prepareNamed(ctx, stmt, src) })
	case *ast.Deallocate:
		return utility(func(_ context.Context, s *Session, _ *call) (string, error) { return s.deallocate(stmt) })
	case *ast.CloseCursor:
		return utility(func(_ context.Context, s *Session, _ *call) (string, error) { return s.closeCursor(stmt) })
	case *ast.Listen:
		return utility(func(ctx context.Context, s *Session, _ *call) (string, error) {
			return s.listen(ctx, stmt.Channel.Name)
		})
	case *ast.Unlisten:
		return utility(func(_ context.Context, s *Session, _ *call) (string, error) { return s.unlisten(stmt) })
	case *ast.Notify:
		return utility(func(_ context.Context, s *Session, _ *call) (string, error) {
			return "NOTIFY", s.notify(stmt.Channel.Name, stmt.Payload)
		})
	case *ast.Checkpoint:
		return tagged("CHECKPOINT")
	case *ast.Use:
		return refusal(sqlerr.Unsupported(stmt.Pos(), "Connect with database \""+stmt.Database.Text+"\" in the connection string, or write \""+
			stmt.Database.Text+"\".table.", "a connection stays in its database"))
	case *ast.PrepareTransaction:
		if stmt.Command != "PREPARE TRANSACTION" {
			return refusal(sqlerr.New(sqlerr.UndefinedObject, "prepared transaction with identifier \"%s\" does not exist", stmt.ID))
		}
		return refusal(sqlerr.Unsupported(stmt.Pos(), "Use COMMIT.", "%s is not supported", stmt.Command))
	case *ast.Do:
		return refusal(sqlerr.Unsupported(stmt.Pos(), "Write the statements themselves.", "DO blocks are not supported"))
	case *ast.Call:
		return refusal(sqlerr.Unsupported(stmt.Pos(), "Call functions in a SELECT.", "procedures are not supported"))
	case *ast.Unsupported:
		return refusal(sqlerr.Unsupported(stmt.Pos(), unsupportedHint(stmt.Command), "%s is not supported", stmt.Command))
	}
	return nil
}

// tagged is a command that has nothing to do.
func tagged(tag string) command {
	return utility(func(context.Context, *Session, *call) (string, error) { return tag, nil })
}

// refusal is a command that always fails.
func refusal(err error) command {
	return utility(func(context.Context, *Session, *call) (string, error) { return "", err })
}

func unsupportedHint(command string) string {
	switch {
	case strings.Contains(command, "TRIGGER"), strings.Contains(command, "RULE"):
		return "React to changes with CREATE EVENT_SUBSCRIPTION."
	case strings.Contains(command, "PUBLICATION"), strings.HasSuffix(command, " SUBSCRIPTION"):
		return "Use CREATE EVENT_SUBSCRIPTION."
	case strings.Contains(command, "FUNCTION"), strings.Contains(command, "PROCEDURE"), strings.Contains(command, "LANGUAGE"):
		return "Use the built-in functions, or a view."
	}
	return "It has no meaning over MongoDB."
}
