package session

import (
	"context"
	"strconv"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// itoa is for messages.
func itoa(n int) string { return strconv.Itoa(n) }

func (s *Session) prepareNamed(ctx context.Context, stmt *ast.Prepare, src source) (string, error) {
	name := stmt.Name.Name
	if s.statements[name] != nil {
		return "", duplicateStatement(name)
	}
	oids := make([]uint32, len(stmt.Types))
	for i, t := range stmt.Types {
		oid, ok := typeOID(t)
		if !ok {
			return "", sqlerr.New(sqlerr.UndefinedObject, "type \"%s\" does not exist", t.Name.Text).At(t.Pos())
		}
		oids[i] = uint32(oid)
	}
	st, err := s.analyze(ctx, source{stmt: stmt.Statement, text: src.text}, oids)
	if err != nil {
		return "", err
	}
	st.byName, st.made = true, s.h.opts.Now()
	s.statements[name] = st
	return "PREPARE", nil
}

// typeOID finds a built-in type by the name in a statement.
func typeOID(t *ast.TypeName) (sqltype.OID, bool) {
	oid, ok := sqltype.ByName(t.Name.Name)
	if ok && len(t.Dims) > 0 {
		oid = sqltype.ArrayType(oid)
	}
	return oid, ok
}

// executeNamed runs a prepared statement with the values of its arguments.
type executeNamed struct {
	st   *prepared
	args []ast.Expr
	stmt *ast.Execute
}

func (s *Session) analyzeExecute(ctx context.Context, stmt *ast.Execute) (command, error) {
	st, err := s.statement(stmt.Name.Name)
	if err != nil {
		return nil, err
	}
	if st.cmd != nil {
		if _, err := s.fresh(ctx, st); err != nil {
			return nil, err
		}
	}
	if len(stmt.Args) != len(st.params) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "wrong number of parameters for prepared statement \"%s\"", stmt.Name.Name).
			WithDetail("Expected %d parameters but got %d.", len(st.params), len(stmt.Args))
	}
	return &executeNamed{st: st, args: stmt.Args, stmt: stmt}, nil
}

func (e *executeNamed) result() []column {
	if e.st.cmd == nil {
		return nil
	}
	return e.st.cmd.result()
}

func (e *executeNamed) open(ctx context.Context, s *Session, c *call) (rows, string, error) {
	if e.st.cmd == nil {
		return nil, "EXECUTE", nil
	}
	if err := s.allowed(e.st.stmt); err != nil {
		return nil, "", err
	}
	args, err := s.evaluate(ctx, e.args, e.st.params)
	if err != nil {
		return nil, "", err
	}
	inner := *c
	inner.args = args
	return e.st.cmd.open(ctx, s, &inner)
}

func (s *Session) deallocate(stmt *ast.Deallocate) (string, error) {
	if stmt.All {
		clear(s.statements)
		return "DEALLOCATE ALL", nil
	}
	if _, err := s.statement(stmt.Name.Name); err != nil {
		return "", err
	}
	delete(s.statements, stmt.Name.Name)
	return "DEALLOCATE", nil
}
