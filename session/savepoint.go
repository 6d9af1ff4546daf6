package session

import (
	"context"

	"weir/sqlerr"
)

// savepoint is what ROLLBACK TO goes back to. MongoDB's transactions have none
// of their own: what was written before is written again in another one (see
// replay.go).
type savepoint struct {
	name   string
	writes int // of the transaction so far
	logged int // of them, in its log
	marks  int // of the settings
	queued int // of what waits for the commit
	made   int // of what the block made
	checks int // of those that wait
	rows   int // that are locked
}

func (s *Session) inBlock(command string) error {
	if s.tx.status == 'I' {
		return sqlerr.New(sqlerr.NoActiveSQLTransaction, "%s can only be used in transaction blocks", command)
	}
	return nil
}

func (s *Session) savepoint(ctx context.Context, name string) (string, error) {
	if err := s.inBlock("SAVEPOINT"); err != nil {
		return "", err
	}
	if err := s.tx.log.guard(ctx, s.access.Store); err != nil {
		return "", err
	}
	s.tx.savepoints = append(s.tx.savepoints, savepoint{
		name: name, writes: s.tx.writes, logged: len(s.tx.log.writes), marks: s.set.mark(), queued: len(s.tx.onCommit), made: len(s.tx.undo),
		checks: len(s.tx.deferred.checks), rows: len(s.tx.rows),
	})
	return "SAVEPOINT", nil
}

// findSavepoint gives the index of the last savepoint of a name.
func (s *Session) findSavepoint(name string) (int, error) {
	for i := len(s.tx.savepoints) - 1; i >= 0; i-- {
		if s.tx.savepoints[i].name == name {
			return i, nil
		}
	}
	return 0, sqlerr.New(sqlerr.InvalidSavepointSpecification, "savepoint \"%s\" does not exist", name)
}

func (s *Session) release(name string) (string, error) {
	if err := s.inBlock("RELEASE SAVEPOINT"); err != nil {
		return "", err
	}
	i, err := s.findSavepoint(name)
	if err != nil {
		return "", err
	}
	s.tx.savepoints = s.tx.savepoints[:i]
	return "RELEASE", nil
}

func (s *Session) rollbackTo(ctx context.Context, name string) (string, error) {
	if err := s.inBlock("ROLLBACK TO SAVEPOINT"); err != nil {
		return "", err
	}
	i, err := s.findSavepoint(name)
	if err != nil {
		return "", err
	}
	sp := s.tx.savepoints[i]
	if s.tx.writes > sp.writes || s.tx.broken {
		// Where nothing was written before the savepoint, giving the store's
		// transaction up takes back exactly what came after it.
		s.abortStore(ctx)
		s.tx.deferred.known = nil
		if sp.logged > 0 || s.tx.log.full {
			if err := s.replay(ctx, sp); err != nil {
				return "", err
			}
		}
		s.tx.log.truncate(sp.logged)
		s.tx.broken = false
		s.tx.writes = sp.writes
	}
	made := s.tx.undo[sp.made:]
	s.tx.undo = s.tx.undo[:sp.made]
	s.undo(ctx, made)
	s.set.rollback(sp.marks)
	s.tx.onCommit, s.tx.notified = s.tx.onCommit[:sp.queued], nil
	s.tx.deferred.checks = s.tx.deferred.checks[:min(sp.checks, len(s.tx.deferred.checks))]
	s.h.rows.release(s, s.tx.rows[sp.rows:])
	s.tx.rows = s.tx.rows[:sp.rows]
	s.tx.savepoints = s.tx.savepoints[:i+1]
	s.tx.status = 'T'
	return "ROLLBACK", nil
}

// replay brings a new transaction of the store to where a savepoint was.
func (s *Session) replay(ctx context.Context, sp savepoint) error {
	if s.tx.log.full {
		return sqlerr.Unsupported(0, "ROLLBACK the whole transaction and run it again without the statements after the savepoint.",
			"cannot roll back to savepoint \"%s\": MongoDB transactions have no savepoints, and too much was written before it to write it again", sp.name)
	}
	return s.again(ctx, sp.logged, false, "Documents that the transaction had written before the savepoint were changed by others.")
}
