package session

import (
	"context"
	"time"

	"weir/catalog"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// env is the session as functions see it.
type env struct {
	s       *Session
	version uint64 // of the settings that typed was made of
	typed   *sqltype.Env
	done    <-chan struct{} // of the statement that runs
}

// Interrupted is closed when the running statement is cancelled.
func (e *env) Interrupted() <-chan struct{} { return e.done }

var _ sqlfunc.Session = (*env)(nil)

// User implements sqlfunc.Session.
func (e *env) User() string { return e.s.start.User }

// SessionUser implements sqlfunc.Session.
func (e *env) SessionUser() string { return e.s.start.User }

// Database implements sqlfunc.Session.
func (e *env) Database() string { return e.s.start.Database }

// BackendPID implements sqlfunc.Session.
func (e *env) BackendPID() uint32 { return e.s.start.ProcessID }

// Setting implements sqlfunc.Session.
func (e *env) Setting(name string) (string, bool) { return e.s.Setting(name) }

// SetSetting implements sqlfunc.Session.
func (e *env) SetSetting(name, value string, local bool) error {
	return e.s.change(name, value, local)
}

// Notice implements sqlfunc.Session.
func (e *env) Notice(n *sqlerr.Error) { e.s.notice(n) }

// System implements sqlfunc.Session.
func (e *env) System() sqlfunc.System { return &system{s: e.s} }

// Types implements sqlfunc.Session.
func (e *env) Types() *sqltype.Env { return e.types() }

func (e *env) types() *sqltype.Env {
	if e.typed == nil || e.version != e.s.set.version {
		e.typed, e.version = e.s.readTypes(), e.s.set.version
	}
	e.typed.Now = e.TransactionTime()
	return e.typed
}

func (s *Session) readTypes() *sqltype.Env {
	t := &sqltype.Env{}
	t.Zone, _, _ = loadZone(s.set.value("TimeZone"))
	_ = t.SetDateStyle(s.set.value("DateStyle"))
	_ = t.SetIntervalStyle(s.set.value("IntervalStyle"))
	t.ByteaEscape = s.set.value("bytea_output") == "escape"
	if n, err := s.set.table["extra_float_digits"].integer(s.set.value("extra_float_digits")); err == nil {
		t.SetFloatDigits(int(n))
	}
	t.Rounded = s.roundedMoment
	names := &objectNames{s: s}
	t.Name, t.ObjectID = names.name, names.oid
	return t
}

// roundedMoment tells the client, once per statement, that a moment was rounded
// to be written where documents have room for milliseconds only.
func (s *Session) roundedMoment() {
	for _, n := range s.notices {
		if n.Message == roundedMoments {
			return
		}
	}
	s.notice(sqlerr.Notice("NOTICE", sqlerr.SuccessfulCompletion, roundedMoments).
		WithHint("MongoDB's dates hold milliseconds. Columns that CREATE TABLE declares timestamp or timestamptz keep microseconds."))
}

const roundedMoments = "timestamps are rounded to milliseconds"

// TransactionTime implements sqlfunc.Session: now().
func (e *env) TransactionTime() time.Time {
	if t := e.s.tx.start; !t.IsZero() {
		return t
	}
	return e.s.h.opts.Now()
}

// StatementTime implements sqlfunc.Session.
func (e *env) StatementTime() time.Time {
	if t := e.s.tx.statement; !t.IsZero() {
		return t
	}
	return e.s.h.opts.Now()
}

// relationEnv is the session as virtual relations and event statements see it.
// Those that need more than catalog.Session ask for it by an interface of their
// own with StatementText, PlanEnv, Types or Functions.
type relationEnv struct{ *env }

var _ catalog.Session = relationEnv{}

// Setting implements catalog.Session; "" for what does not exist.
func (e relationEnv) Setting(name string) string {
	v, _ := e.s.Setting(name)
	return v
}

// May refuses a database whose documents the user may not read, or write.
func (e relationEnv) May(database string, write bool) error {
	if e.s.access.May == nil {
		return nil
	}
	return e.s.access.May(database, write)
}

// HasRole tells whether a role exists; every one may where nobody logs in.
func (e relationEnv) HasRole(ctx context.Context, name string) (bool, error) {
	has := e.s.h.opts.HasRole
	if _, predefined := catalog.PredefinedRoleNamed(name); has == nil || predefined || name == e.s.start.User {
		return true, nil
	}
	return has(ctx, name, e.s.start.Database)
}

// Functions is the session as functions see it.
func (e relationEnv) Functions() sqlfunc.Session { return e.env }

// StatementText is the text that runs.
func (e relationEnv) StatementText() string { return e.s.running }

// PlanEnv is what planning depends on in this session.
func (e relationEnv) PlanEnv() *planner.Env { return e.s.planEnv() }
