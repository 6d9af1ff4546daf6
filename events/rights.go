package events

import (
	"strings"

	"weir/catalog"
	"weir/sqlerr"
)

// limited is a session that may not read or write every database. The runtime reads
// and writes by itself, so that it has to ask.
type limited interface {
	May(database string, write bool) error
}

// mayRead refuses a database whose documents the session's role may not read.
func mayRead(env catalog.Session, database string, pos int) error {
	return may(env, database, false, pos)
}

func may(env catalog.Session, database string, write bool, pos int) error {
	l, ok := env.(limited)
	if !ok {
		return nil
	}
	err := l.May(database, write)
	if err == nil || pos == 0 {
		return err
	}
	return sqlerr.As(err).At(pos)
}

// mayWriteTo refuses a target in another database that the role may not write. That it
// may write its own is asked of everybody who makes a subscription.
func (c *call) mayWriteTo(s *Spec, pos int) error {
	db, _, elsewhere := strings.Cut(s.Target.Name, ".")
	if s.Target.Kind != TargetCollection || s.Connection != "" || !elsewhere || db == s.Database {
		return nil
	}
	return may(c.env, db, true, pos)
}
