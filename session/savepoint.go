package session

import (
	"context"

	"weir/sqlerr"
)

// savepoint is what ROLLBACK TO goes back to. MongoDB's transactions have none
// of their own: over reads and settings they are real, over writes rolling back
// to one is refused.
type savepoint struct {
	name   string
	writes int // of the transaction so far
	marks  int // of the settings
	queued int // of what waits for the commit
}

func (s *Session) inBlock(command string) error {
	if s.tx.status == 'I' {
		return sqlerr.New(sqlerr.NoActiveSQLTransaction, "%s can only be used in transaction blocks", command)
	}
	return nil
}

func (s *Session) savepoint(name string) (string, error) {
	if err := s.inBlock("SAVEPOINT"); err != nil {
		return "", err
	}
	s.tx.savepoints = append(s.tx.savepoints, savepoint{
		name: name, writes: s.tx.writes, marks: s.set.mark(), queued: len(s.tx.onCommit),
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
	if sp.writes > 0 && (s.tx.writes > sp.writes || s.tx.broken) {
		s.abortStore(ctx)
		return "", sqlerr.Unsupported(0, "ROLLBACK the whole transaction and run it again without the statements after the savepoint.",
			"cannot roll back to savepoint \"%s\": MongoDB transactions have no savepoints, and documents were written before it", name)
	}
	// Nothing was written before the savepoint: giving the store's transaction
	// up takes back exactly what came after it.
	if s.tx.writes > sp.writes || s.tx.broken {
		s.abortStore(ctx)
		s.tx.broken = false
		s.tx.writes = sp.writes
	}
	s.set.rollback(sp.marks)
	s.tx.onCommit, s.tx.notified = s.tx.onCommit[:sp.queued], nil
	s.tx.savepoints = s.tx.savepoints[:i+1]
	s.tx.status = 'T'
	return "ROLLBACK", nil
}
