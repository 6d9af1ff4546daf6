package session

import (
	"context"
	"strings"
	"time"

	"weir/catalog"
	"weir/executor"
	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/wire"
)

// Session is one connection's state. Its methods are called by one goroutine
// at a time; activity and mail are for others too.
type Session struct {
	h          *Handler
	start      *wire.Startup
	access     Access
	opened     time.Time
	set        *settings
	env        *env // the session as functions see it
	tx         transaction
	statements map[string]*prepared
	portals    map[string]*portal
	plans      *planCache
	notices    []*sqlerr.Error
	copying    *executor.Copying // while a COPY writes
	mail       *mailbox
	listening  map[string]bool
	activity   activity
	idle       *time.Timer
	running    string // the text that runs now
	sequences  sequenceState
	locks      []heldLock // advisory ones, until the session ends
	planned    struct {   // see planSettings
		text    string
		version uint64
	}
	temp  temporary
	scope struct { // see scoped
		catalog *catalog.Scoped
		version uint64
	}
}

var _ wire.Session = (*Session)(nil)

// TxStatus implements wire.Session.
func (s *Session) TxStatus() byte { return s.tx.status }

// Reports implements wire.Session.
func (s *Session) Reports() []wire.Parameter { return s.set.reports() }

// Notices implements wire.Session: those that client_min_messages lets through.
func (s *Session) Notices() []*sqlerr.Error {
	n := s.notices
	s.notices = nil
	return n
}

// Notifications implements wire.Session.
func (s *Session) Notifications() []wire.Notification { return s.mail.take() }

// notice keeps a notice for the client.
func (s *Session) notice(n *sqlerr.Error) {
	if n.Severity == "" {
		c := *n
		c.Severity, n = "NOTICE", &c
	}
	if severityRank(n.Severity) >= severityRank(s.set.value("client_min_messages")) {
		s.notices = append(s.notices, n)
	}
}

func (s *Session) warn(code, format string, args ...any) {
	s.notice(sqlerr.Notice("WARNING", code, format, args...))
}

// severityRank orders severities; INFO always goes through.
func severityRank(s string) int {
	for i, name := range []string{"debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error", "info"} {
		if strings.EqualFold(s, name) {
			return i
		}
	}
	return 0
}

// duration reads a parameter in milliseconds.
func (s *Session) duration(name string) time.Duration {
	v := s.set.value(name)
	if v == "0" || v == "" {
		return 0
	}
	n, err := s.set.table[name].integer(v)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

// begin marks that a statement works.
func (s *Session) begin(sql string) {
	if s.idle != nil {
		s.idle.Stop()
		s.idle = nil
	}
	s.running = sql
	s.activity.begin(sql, s.h.opts.Now())
}

// Simple implements wire.Session.
func (s *Session) Simple(ctx context.Context, sql string) (wire.Script, error) {
	s.begin(sql)
	s.tx.startStatement(s.h.opts.Now())
	if st := s.kept(ctx, sql, nil); st != nil {
		return &script{s: s, sql: sql, stmts: []ast.Statement{st.stmt}, kept: st}, nil
	}
	stmts, err := parser.Parse(sql)
	if err != nil {
		return nil, err
	}
	return &script{s: s, sql: sql, stmts: stmts}, nil
}

// script is the statements of one Query message.
type script struct {
	s     *Session
	sql   string
	stmts []ast.Statement
	at    int
	kept  *prepared // of the one statement, from the plan cache
}

// Next implements wire.Script.
func (c *script) Next(ctx context.Context) (wire.Portal, error) {
	if c.at == len(c.stmts) {
		if c.at > 0 {
			return nil, nil
		}
		c.at, c.stmts = 1, []ast.Statement{nil}
		return &portal{s: c.s, st: &prepared{}}, nil
	}
	stmt := c.stmts[c.at]
	if stmt == nil {
		return nil, nil
	}
	c.at++
	s := c.s
	s.tx.startStatement(s.h.opts.Now())
	if err := s.allowed(stmt); err != nil {
		return nil, err
	}
	st := c.kept
	if st == nil {
		var err error
		if st, err = s.analyze(ctx, source{stmt: stmt, text: c.sql, alone: len(c.stmts) == 1, simple: true}, nil); err != nil {
			return nil, err
		}
	}
	if len(st.params) > 0 {
		return nil, noParameter(stmt)
	}
	p := &portal{s: s, st: st, cmd: st.cmd, sql: textOf(c.sql, stmt)}
	p.call.last = c.at == len(c.stmts)
	p.describe(nil)
	return p, nil
}

// noParameter refuses $1 where nothing gives it a value.
func noParameter(stmt ast.Statement) error {
	var first *ast.Parameter
	ast.Inspect(stmt, func(n ast.Node) bool {
		if p, ok := n.(*ast.Parameter); ok && first == nil {
			first = p
		}
		return first == nil
	})
	if first == nil {
		first = &ast.Parameter{Number: 1}
	}
	return sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $%d", first.Number).At(first.Pos())
}

// textOf is a statement's own part of the text.
func textOf(sql string, stmt ast.Statement) string {
	from, to := stmt.Bytes()
	if from < 0 || to > len(sql) || from >= to {
		return sql
	}
	return sql[from:to]
}

// allowed refuses everything but the end of a failed transaction block.
func (s *Session) allowed(stmt ast.Statement) error {
	if s.tx.status != 'E' {
		return nil
	}
	switch stmt.(type) {
	case *ast.Commit, *ast.Rollback, *ast.RollbackTo:
		return nil
	}
	return sqlerr.New(sqlerr.InFailedSQLTransaction,
		"current transaction is aborted, commands ignored until end of transaction block")
}

// EndBatch implements wire.Session.
func (s *Session) EndBatch(ctx context.Context) error {
	var err error
	if s.tx.status == 'I' {
		err = s.commitImplicit(ctx)
		s.closePortals(false)
	}
	s.activity.end(s.tx.status, s.set.value("application_name"), s.tx.start, s.h.opts.Now())
	s.idleTimeouts()
	return err
}

// Fail implements wire.Session.
func (s *Session) Fail(ctx context.Context, err error) {
	switch s.tx.status {
	case 'T':
		s.tx.status = 'E'
		s.tx.noteFailure(err)
		if len(s.tx.savepoints) == 0 {
			s.abortStore(ctx)
			s.h.rows.release(s, s.tx.rows)
			s.tx.rows = nil
		}
	case 'I':
		s.rollbackAll(ctx)
	}
}

// Close implements wire.Session.
func (s *Session) Close() {
	if s.idle != nil {
		s.idle.Stop()
	}
	s.closePortals(true)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.abortStore(ctx)
	_ = s.dropTemporary() // nobody is there any more to be told
	s.unlistenAll()
	s.unlock(&s.tx.locks)
	s.unlock(&s.locks)
	s.h.rows.release(s, s.tx.rows)
	s.h.backends.remove(s)
}
