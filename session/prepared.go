package session

import (
	"context"
	"time"

	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/wire"
)

// prepared is a statement of the protocol or of PREPARE: both share their names.
type prepared struct {
	sql    string
	stmt   ast.Statement // nil: empty
	given  []uint32      // the parameter types that the client named
	params []uint32
	cmd    command         // nil: empty
	byName bool            // made by PREPARE
	types  []*ast.TypeName // as PREPARE declared them
	made   time.Time
	cols   []wire.Column
}

// ParamOIDs implements wire.Statement.
func (p *prepared) ParamOIDs() []uint32 { return p.params }

// Columns implements wire.Statement.
func (p *prepared) Columns() []wire.Column {
	if p.cmd == nil {
		return nil
	}
	if p.cols == nil {
		p.cols = describeColumns(p.cmd.result(), nil)
	}
	return p.cols
}

// Prepare implements wire.Session.
func (s *Session) Prepare(ctx context.Context, name, sql string, oids []uint32) error {
	s.begin(sql)
	if name == "" {
		delete(s.statements, "")
	} else if s.statements[name] != nil {
		return duplicateStatement(name)
	}
	st, err := s.prepare(ctx, sql, oids)
	if err != nil {
		return err
	}
	st.made = s.h.opts.Now()
	s.statements[name] = st
	return nil
}

func duplicateStatement(name string) error {
	return sqlerr.New(sqlerr.DuplicatePreparedStatement, "prepared statement \"%s\" already exists", name)
}

func (s *Session) prepare(ctx context.Context, sql string, oids []uint32) (*prepared, error) {
	s.tx.startStatement(s.h.opts.Now())
	if st := s.kept(ctx, sql, oids); st != nil {
		return st, nil
	}
	stmts, err := parser.Parse(sql)
	switch {
	case err != nil:
		return nil, err
	case len(stmts) > 1:
		return nil, sqlerr.New(sqlerr.SyntaxError, "cannot insert multiple commands into a prepared statement")
	case len(stmts) == 0:
		return &prepared{sql: sql, params: oids}, nil
	}
	if err := s.allowed(stmts[0]); err != nil {
		return nil, err
	}
	return s.analyze(ctx, source{stmt: stmts[0], text: sql, alone: true}, oids)
}

// Statement implements wire.Session.
func (s *Session) Statement(name string) (wire.Statement, error) {
	st, err := s.statement(name)
	if err != nil {
		return nil, err
	}
	return st, nil
}

func (s *Session) statement(name string) (*prepared, error) {
	if st := s.statements[name]; st != nil {
		return st, nil
	}
	if name == "" {
		return nil, sqlerr.New(sqlerr.InvalidSQLStatementName, "unnamed prepared statement does not exist")
	}
	return nil, sqlerr.New(sqlerr.InvalidSQLStatementName, "prepared statement \"%s\" does not exist", name)
}

// CloseStatement implements wire.Session.
func (s *Session) CloseStatement(name string) { delete(s.statements, name) }

// fresh gives a statement's command, analyzed again if what it was planned on
// has changed. Clients that know its columns cannot be given others.
func (s *Session) fresh(ctx context.Context, st *prepared) (command, error) {
	if st.cmd == nil {
		return nil, nil
	}
	if f, ok := st.cmd.(*fetchCursor); ok {
		return s.analyzeFetch(f.stmt) // the cursor may be another one by now
	}
	p, planned := st.cmd.(*query)
	if !planned || s.valid(ctx, p) {
		return st.cmd, nil
	}
	src := source{stmt: st.stmt, text: st.sql}
	again, err := s.analyze(ctx, src, st.params)
	if err != nil {
		// With parameters of other types it may still have a meaning: the client
		// finds out by preparing it again.
		if _, other := s.analyze(ctx, src, st.given); other == nil {
			err = stalePlan()
		}
		return nil, err
	}
	if !sameColumns(st.Columns(), again.Columns()) {
		return nil, stalePlan()
	}
	st.cmd = again.cmd
	return st.cmd, nil
}

// stalePlan is the error on which drivers prepare again by themselves.
func stalePlan() error {
	e := sqlerr.New(sqlerr.FeatureNotSupported, "cached plan must not change result type")
	e.Routine = "RevalidateCachedQuery"
	return e
}

func sameColumns(a, b []wire.Column) bool {
	if len(a) != len(b) || (a == nil) != (b == nil) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Type != b[i].Type || a[i].Mod != b[i].Mod {
			return false
		}
	}
	return true
}
