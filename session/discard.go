package session

import (
	"weir/parser/ast"
	"weir/sqlerr"
)

func (s *Session) discard(stmt *ast.Discard, alone bool) (string, error) {
	tag := "DISCARD " + stmt.What
	switch stmt.What {
	case "PLANS":
		s.plans.clear()
	case "SEQUENCES":
		s.sequences = sequenceState{}
	case "TEMP", "TEMPORARY":
		if err := s.dropTemporary(); err != nil {
			return "", err
		}
	case "ALL":
		if err := s.outside("DISCARD ALL"); err != nil {
			return "", err
		}
		if !alone {
			return "", sqlerr.New(sqlerr.ActiveSQLTransaction, "DISCARD ALL cannot be executed from a multi-command string")
		}
		s.closePortals(true)
		s.set.unsetAll()
		clear(s.statements)
		s.unlistenAll()
		s.unlock(&s.locks)
		if err := s.dropTemporary(); err != nil {
			return "", err
		}
		s.plans.clear()
		s.sequences = sequenceState{}
	}
	return tag, nil
}
