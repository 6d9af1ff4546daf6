package session

import (
	"context"
	"errors"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/parser/ast"
	"weir/store"
)

// guard has writes wait for the locks of rows.
func (s *Session) guard(on store.Queryer) store.Queryer {
	if st, ok := on.(store.Store); ok {
		return &guardedStore{st, s}
	}
	return &guardedQueryer{on, s}
}

func (s *Session) beginGuarded(ctx context.Context) (store.Tx, error) {
	tx, err := s.access.Store.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &guardedTx{tx, s}, nil
}

type guardedStore struct {
	store.Store
	s *Session
}

// Write implements store.Queryer.
func (g *guardedStore) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	return g.s.writeUnlocked(ctx, g.Store, ns, ops, o)
}

type guardedQueryer struct {
	store.Queryer
	s *Session
}

// Write implements store.Queryer.
func (g *guardedQueryer) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	return g.s.writeUnlocked(ctx, g.Queryer, ns, ops, o)
}

type guardedTx struct {
	store.Tx
	s *Session
}

// Write implements store.Queryer.
func (g *guardedTx) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	return g.s.writeUnlocked(ctx, g.Tx, ns, ops, o)
}

// writeUnlocked writes where nobody else has locked the rows.
func (s *Session) writeUnlocked(ctx context.Context, on store.Queryer, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if err := s.unlocked(ctx, on, ns, ops); err != nil {
		return store.WriteResult{}, err
	}
	return on.Write(ctx, ns, ops, o)
}

// unlocked gives a conflict, which the statement waits for as for one of the
// store's, if a row that is to be written is locked.
func (s *Session) unlocked(ctx context.Context, on store.Queryer, ns store.Namespace, ops []store.WriteOp) error {
	s.h.rows.waited(s)
	if !s.h.rows.any(ns) {
		return nil
	}
	for _, op := range ops {
		if op.Kind == store.Insert {
			continue
		}
		strength := ast.ForNoKeyUpdate
		if op.Kind == store.Delete {
			strength = ast.ForUpdate
		}
		ids, err := keysOf(ctx, on, ns, op)
		if err != nil {
			return err
		}
		for _, id := range ids {
			row := rowIDOf(ns, id)
			if s.h.rows.free(s, row, strength) {
				continue
			}
			if err := s.h.rows.wait(s, row, strength); err != nil {
				return err
			}
			return mongoerr.New(mongoerr.WriteConflict, "The row is locked by another session.").WithLabels("TransientTransactionError")
		}
	}
	return nil
}

// keysOf are the _ids of the documents that an operation is about.
func keysOf(ctx context.Context, on store.Queryer, ns store.Namespace, op store.WriteOp) ([]value.Value, error) {
	w := loggedWrite{ops: []store.WriteOp{op}}
	if ids := w.keys(); !op.Multi && len(ids) > 0 {
		return ids, nil
	}
	var match, only value.Builder
	match.Add("$match", value.Document(op.Filter))
	only.Open(bson.TypeEmbeddedDocument, "$project")
	only.Add("_id", value.Int32(1))
	only.Close()
	cur, err := on.Aggregate(ctx, ns, []bson.Raw{match.Doc(), only.Doc()}, store.AggregateOptions{})
	if err != nil {
		return nil, err
	}
	var ids []value.Value
	for {
		doc, err := cur.Next(ctx)
		if errors.Is(err, io.EOF) {
			return ids, cur.Close()
		}
		if err != nil {
			return nil, errors.Join(err, cur.Close())
		}
		ids = append(ids, value.Lookup(doc, "_id").Clone())
	}
}
