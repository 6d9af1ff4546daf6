package session

import (
	"context"

	"weir/parser/ast"
	"weir/sqlerr"
)

// maxPayload is PostgreSQL's limit of a notification's payload.
const maxPayload = 8000

// listen takes effect at commit, as PostgreSQL's does.
func (s *Session) listen(ctx context.Context, name string) (string, error) {
	if e := s.h.deps.Broker.elsewhere; e != nil {
		if err := e.Hear(ctx); err != nil {
			return "", err
		}
	}
	s.tx.onCommit = append(s.tx.onCommit, func() {
		if !s.listening[name] {
			s.listening[name] = true
			s.h.deps.Broker.listen(channel{s.start.Database, name}, s.mail)
		}
	})
	return "LISTEN", nil
}

func (s *Session) unlisten(stmt *ast.Unlisten) (string, error) {
	name := stmt.Channel.Name
	s.tx.onCommit = append(s.tx.onCommit, func() {
		if stmt.All {
			s.unlistenAll()
			return
		}
		delete(s.listening, name)
		s.h.deps.Broker.unlisten(channel{s.start.Database, name}, s.mail)
	})
	return "UNLISTEN", nil
}

func (s *Session) unlistenAll() {
	for name := range s.listening {
		s.h.deps.Broker.unlisten(channel{s.start.Database, name}, s.mail)
	}
	clear(s.listening)
}

// notify sends at commit, once for equal notifications.
func (s *Session) notify(name, payload string) error {
	switch {
	case name == "":
		return sqlerr.New(sqlerr.InvalidParameterValue, "channel name cannot be empty")
	case len(name) > 63:
		return sqlerr.New(sqlerr.InvalidParameterValue, "channel name too long")
	case len(payload) >= maxPayload:
		return sqlerr.New(sqlerr.InvalidParameterValue, "payload string too long")
	}
	key := [2]string{name, payload}
	if s.tx.notified[key] {
		return nil
	}
	if s.tx.notified == nil {
		s.tx.notified = map[[2]string]bool{}
	}
	s.tx.notified[key] = true
	s.tx.onCommit = append(s.tx.onCommit, func() {
		s.h.deps.Broker.Notify(s.start.Database, name, payload, s.start.ProcessID)
	})
	return nil
}
