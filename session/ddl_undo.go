package session

import (
	"context"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
)

// noteUndo remembers what a block made, because MongoDB does not undo it with
// the transaction: ROLLBACK drops it again. Of what cannot be taken back the
// client is told.
func (s *Session) noteUndo(change *catalog.Change, command string) {
	switch {
	case s.tx.status != 'T':
	case change.Undo != nil:
		s.tx.undo = append(s.tx.undo, change.Undo)
	case len(change.Notices) == 0:
		s.warn(sqlerr.Warning, "%s takes effect at once and is not undone by ROLLBACK", command)
	}
}

// unwritten refuses an index on a table that the block has written: MongoDB
// would wait for the transaction's end, which waits for the index.
func (s *Session) unwritten(ctx context.Context, x *ast.CreateIndex) error {
	last := x.Table.Name.Last()
	t, found, err := s.scoped().Table(ctx, x.Table.Name.Qualifier().Name, last.Text, last.Quoted)
	if err != nil || !found {
		return nil // told by the statement itself
	}
	for _, w := range s.tx.log.writes {
		if w.ns == t.NS {
			return sqlerr.Unsupported(x.Table.Pos(), "Create the index before the rows are written, or after COMMIT.",
				"CREATE INDEX on table \"%s\", which this transaction has changed, is not supported", t.Name)
		}
	}
	return nil
}

// unwrittenPartition refuses to attach a table that the block has written: its
// documents are moved outside of the transaction.
func (s *Session) unwrittenPartition(ctx context.Context, x *ast.AlterTable) error {
	for _, a := range x.Actions {
		if a.Kind != ast.AttachPartition {
			continue
		}
		last := a.Parent.Last()
		t, found, err := s.scoped().Table(ctx, a.Parent.Qualifier().Name, last.Text, last.Quoted)
		if err != nil || !found {
			return nil // told by the statement itself
		}
		for _, w := range s.tx.log.writes {
			if w.ns == t.NS {
				return sqlerr.Unsupported(a.Pos(), "Attach the table before its rows are written, or after COMMIT.",
					"ATTACH PARTITION of table \"%s\", which this transaction has changed, is not supported", t.Name)
			}
		}
	}
	return nil
}

// undo drops what statements made, the last one first.
func (s *Session) undo(ctx context.Context, made []ast.Statement) {
	for i := len(made) - 1; i >= 0; i-- {
		if _, err := s.scoped().DDL(context.WithoutCancel(ctx), s.forDDL(), made[i]); err != nil {
			s.h.opts.Logger.Warn("undo a definition", "error", err)
		}
	}
	if len(made) > 0 {
		s.touchTemporary()
	}
}
