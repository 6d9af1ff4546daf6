package session

import (
	"context"
	"slices"
	"strconv"

	"weir/parser/ast"
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
		oid, err := s.typeOID(ctx, t)
		if err != nil {
			return "", err
		}
		oids[i] = uint32(oid)
	}
	st, err := s.analyze(ctx, source{stmt: stmt.Statement, text: src.text}, oids)
	if err != nil {
		return "", err
	}
	st.types = stmt.Types
	st.byName, st.made = true, s.h.opts.Now()
	s.statements[name] = st
	return "PREPARE", nil
}

// typeOID finds a type by the name in a statement; of a domain it is what its
// values are.
func (s *Session) typeOID(ctx context.Context, t *ast.TypeName) (sqltype.OID, error) {
	if oid, ok := sqltype.ByName(t.Name.Name); ok {
		if len(t.Dims) > 0 {
			oid = sqltype.ArrayType(oid)
		}
		return oid, nil
	}
	typ, _, err := s.scoped().TypeName(ctx, t)
	return typ.OID, err
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
		return nil, wrongParameters(stmt.Name.Name, len(st.params), len(stmt.Args))
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
	args, err := s.evaluate(ctx, e.asDomains(ctx, s), e.st.params)
	if err != nil {
		return nil, "", err
	}
	inner := *c
	inner.args = args
	return e.st.cmd.open(ctx, s, &inner)
}

// asDomains casts the arguments that were declared to be of a domain.
func (e *executeNamed) asDomains(ctx context.Context, s *Session) []ast.Expr {
	out := slices.Clone(e.args)
	for i, t := range e.st.types {
		if _, domain, err := s.scoped().TypeName(ctx, t); err == nil && domain != 0 && i < len(out) {
			out[i] = &ast.CastExpr{Operand: out[i], Type: t, Span: ast.Span{Start: out[i].Pos()}}
		}
	}
	return out
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
