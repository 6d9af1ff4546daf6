package sqlfunc

import (
	"time"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// Session is what functions know of the session that runs them; it is the
// value of expr.Context.Session. Functions that need it are 55000 without one.
type Session interface {
	User() string        // current_user
	SessionUser() string // who logged in
	Database() string
	BackendPID() uint32
	// Types is the zone, styles and name look-ups that values are read and
	// printed with; its Now is TransactionTime.
	Types() *sqltype.Env
	StatementTime() time.Time
	TransactionTime() time.Time
	// Setting gives a parameter as SHOW prints it.
	Setting(name string) (string, bool)
	SetSetting(name, value string, local bool) error
	Notice(n *sqlerr.Error)
	// System is the catalog and the server behind the session; nil if it has none.
	System() System
}

// System answers the system information functions. Object numbers are OIDs.
type System interface {
	// Visible tells whether an object of a catalog (pg_class, pg_type, pg_proc …)
	// is found without schema; found is false when there is no such object.
	Visible(catalog string, oid uint32) (visible, found bool)
	// Definition is the SQL of an object: kind is index, constraint, view,
	// function, trigger, rule, partition, statistics; column is the one asked for, 0 the whole.
	Definition(kind string, oid uint32, column int, pretty bool) (string, bool)
	// Arguments gives a function's arguments or result as pg_get_function_… do:
	// kind is arguments, identity or result.
	Arguments(kind string, oid uint32) (string, bool)
	// Comment is the comment on an object of a catalog; column 0 is the object.
	Comment(catalog string, oid uint32, column int) (string, bool)
	RoleName(oid uint32) (string, bool)
	RoleOID(name string) (uint32, bool)
	// HasRole tells whether a role is a member of another one.
	HasRole(role, of string) bool
	// HasPrivilege tells whether a role may use an object: kind is table, column,
	// schema, database, sequence, function, type, … object a name or an OID (a
	// number) and sub a column's name or number. The answer is NULL (nil) for an
	// OID that does not exist.
	HasPrivilege(role, kind string, object, sub value.Value, privilege string) (*bool, error)
	// Size is an object's size in bytes: kind is relation, table, indexes, total, database.
	Size(kind string, object value.Value) (int64, bool, error)
	Schemas(implicit bool) []string // the effective search path
	// SerialSequence is the sequence that a column owns.
	SerialSequence(table, column string) (string, bool, error)
	Sequences
	Backends
}

// Sequences works sequences; the argument of a sequence is its OID.
type Sequences interface {
	Next(seq uint32) (int64, error)
	Current(seq uint32) (int64, error) // 55000 when not yet used here
	Last() (int64, error)
	Set(seq uint32, v int64, called bool) error
}

// LockKey is the key of an advisory lock: one number or a pair.
type LockKey struct {
	Pair   bool
	Number int64
}

// Locks are a System's advisory locks.
type Locks interface {
	// Lock takes a lock until the session ends or, with transaction, until that
	// does; without wait it tells false when others have it.
	Lock(key LockKey, shared, transaction, wait bool) (bool, error)
	Unlock(key LockKey, shared bool) bool
	UnlockAll()
}

// Backends reaches other sessions.
type Backends interface {
	Cancel(pid uint32) (bool, error)
	Terminate(pid uint32) (bool, error)
	Notify(channel, payload string) error
	Listening() []string
	Started() time.Time
}

func sessionOf(c *expr.Context) (Session, error) {
	if s, ok := c.Session.(Session); ok && s != nil {
		return s, nil
	}
	return nil, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "there is no session here").
		WithHint("Functions of the session cannot be used in subscriptions and indexes.")
}

func systemOf(c *expr.Context) (System, error) {
	s, err := sessionOf(c)
	if err != nil {
		return nil, err
	}
	if sys := s.System(); sys != nil {
		return sys, nil
	}
	return nil, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "there is no catalog here")
}

var defaultEnv = &sqltype.Env{}

// envOf is how values are read and printed; defaults without a session.
func envOf(c *expr.Context) *sqltype.Env {
	if s, ok := c.Session.(Session); ok && s != nil {
		if e := s.Types(); e != nil {
			return e
		}
	}
	return defaultEnv
}

func zoneOf(c *expr.Context) *time.Location {
	if z := envOf(c).Zone; z != nil {
		return z
	}
	return time.UTC
}
