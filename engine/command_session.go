package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

func cmdStartSession(_ context.Context, r *request, dst []byte) ([]byte, error) {
	id := newUUID()
	r.e.sessions.get(id[:], r.e.opts.Now())
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "id")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "id", value.Binary(4, id[:]))
	dst = value.EndDocument(dst, start)
	return value.AppendElement(dst, "timeoutMinutes", value.Int32(30)), nil
}

// sessionIDs reads the list of {id: UUID} of endSessions and refreshSessions.
func (r *request) sessionIDs() ([][]byte, error) {
	if !r.arg.IsArray() && !r.arg.IsDocument() {
		return nil, notArray(r.name)
	}
	var ids [][]byte
	for it := value.Walk(r.arg.Doc()); it.Next(); {
		if it.Kind() != bson.TypeEmbeddedDocument {
			return nil, r.wrongType(r.name+"."+it.Key(), it.Value(), "object")
		}
		v := value.Lookup(it.Value().Doc(), "id")
		if v.IsMissing() {
			return nil, mongoerr.New(40414, "BSON field '%s.%sFromClient.id' is missing but a required field", r.name, r.name)
		}
		if v.Kind() != bson.TypeBinary {
			return nil, r.wrongType(r.name+".id", v, "binData")
		}
		if sub, id := v.AsBinary(); sub == 4 && len(id) == 16 {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func cmdEndSessions(_ context.Context, r *request, dst []byte) ([]byte, error) {
	ids, err := r.sessionIDs()
	if err == nil {
		r.e.sessions.end(r.e, ids)
	}
	return dst, err
}

// cmdKillSessions also aborts the transactions of the sessions. An empty list stands
// for all of them where nobody logs in.
func cmdKillSessions(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ids, err := r.sessionIDs()
	if err == nil && len(ids) == 0 && !r.e.opts.Auth {
		return cmdKillAllSessions(ctx, r, dst)
	}
	if err == nil {
		r.e.sessions.kill(r.e, ids, r)
	}
	return dst, err
}

func cmdRefreshSessions(_ context.Context, r *request, dst []byte) ([]byte, error) {
	ids, err := r.sessionIDs()
	for _, id := range ids {
		r.e.sessions.get(id, r.e.opts.Now())
	}
	return dst, err
}

func cmdKillAllSessions(_ context.Context, r *request, dst []byte) ([]byte, error) {
	r.e.operations.kill(func(op *operation) bool { return op.r != r && len(op.r.lsid) > 0 })
	r.e.sessions.closeAll(r.e)
	r.e.cursors.killIf(func(c *serverCursor) bool { return c.session != "" })
	return dst, nil
}

// endingTransaction checks the fields of commitTransaction and abortTransaction.
func (r *request) endingTransaction() error {
	if r.session == nil || !r.hasTxn {
		return mongoerr.New(125, "%s must be run within a transaction", r.name)
	}
	if !r.autocommit {
		return mongoerr.New(mongoerr.InvalidOptions, "%s must be run within a transaction: txnNumber may only be provided for multi-document transactions and retryable write commands", r.name)
	}
	return r.fields(func(key string, _ value.Value) (bool, error) {
		return key == "recoveryToken", nil
	})
}

func cmdCommitTransaction(_ context.Context, r *request, dst []byte) ([]byte, error) {
	if err := r.endingTransaction(); err != nil {
		return dst, err
	}
	if r.session.committed(r.txnNumber) {
		return dst, r.e.sync()
	}
	t, err := r.openTransaction()
	if err != nil {
		return dst, err
	}
	if err := t.commit(); err != nil {
		t.abort()
		r.session.finish(t, txnAborted)
		return dst, err
	}
	r.session.finish(t, txnCommitted)
	return dst, nil
}

func cmdAbortTransaction(_ context.Context, r *request, dst []byte) ([]byte, error) {
	if err := r.endingTransaction(); err != nil {
		return dst, err
	}
	t, err := r.openTransaction()
	if err != nil {
		return dst, err
	}
	t.abort()
	r.session.finish(t, txnAborted)
	return dst, nil
}
