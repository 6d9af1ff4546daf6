package storetest

import (
	"github.com/stretchr/testify/require"

	"weir/mongoerr"
	"weir/store"
)

func (x *env) begin() store.Tx {
	x.Helper()
	tx, err := x.s.Begin(x.ctx)
	require.NoError(x, err)
	x.Cleanup(func() { _ = tx.Abort(x.ctx) })
	return tx
}

func (x *env) txWrite(tx store.Tx, coll string, ops ...store.WriteOp) {
	x.Helper()
	r, err := tx.Write(x.ctx, x.ns(coll), ops, store.WriteOptions{})
	require.NoError(x, err)
	require.NoError(x, r.Err())
}

var transactionCases = []testCase{
	{"commit", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`)
		x.command(`{"create": "b"}`)
		tx := x.begin()
		x.txWrite(tx, "a", updateOp(`{"_id": 1}`, `{"$inc": {"n": 1}}`))
		x.txWrite(tx, "b", inserts(`{"_id": 7}`)...)
		require.Equal(x, []string{`{"_id":1,"n":2}`}, x.all(tx, "a"))
		require.Equal(x, []string{`{"_id":7}`}, x.all(tx, "b"))
		require.Equal(x, []string{`{"_id":1,"n":1}`}, x.all(x.s, "a"))
		require.Empty(x, x.all(x.s, "b"))
		require.NoError(x, tx.Commit(x.ctx))
		require.Equal(x, []string{`{"_id":1,"n":2}`}, x.all(x.s, "a"))
		require.Equal(x, []string{`{"_id":7}`}, x.all(x.s, "b"))
		require.NoError(x, tx.Abort(x.ctx))
	}},
	{"abort", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`)
		tx := x.begin()
		x.txWrite(tx, "a", deleteOp(`{"_id": 1}`), inserts(`{"_id": 2}`)[0])
		require.Equal(x, []string{`{"_id":2}`}, x.all(tx, "a"))
		require.NoError(x, tx.Abort(x.ctx))
		require.Equal(x, []string{`{"_id":1,"n":1}`}, x.all(x.s, "a"))
	}},
	{"snapshot", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`)
		tx := x.begin()
		require.Equal(x, []string{`{"_id":1,"n":1}`}, x.all(tx, "a"))
		x.write("a", updateOp(`{"_id": 1}`, `{"$set": {"n": 9}}`))
		x.insert("a", `{"_id": 2}`)
		require.Equal(x, []string{`{"_id":1,"n":1}`}, x.all(tx, "a"))
		require.NoError(x, tx.Commit(x.ctx))
	}},
	{"reads its own writes by index", func(x *env) {
		x.command(`{"createIndexes": "a", "indexes": [{"key": {"n": 1}, "name": "n"}]}`)
		x.insert("a", `{"_id": 1, "n": 1}`, `{"_id": 2, "n": 3}`, `{"_id": 3, "n": 5}`)
		tx := x.begin()
		x.txWrite(tx, "a", inserts(`{"_id": 4, "n": 4}`)[0], deleteOp(`{"_id": 2}`), updateOp(`{"_id": 3}`, `{"$set": {"n": 0}}`))
		require.Equal(x, []string{`{"_id":3,"n":0}`, `{"_id":1,"n":1}`, `{"_id":4,"n":4}`},
			x.all(tx, "a", `{"$match": {"n": {"$gte": 0}}}`, `{"$sort": {"n": 1}}`))
		require.Equal(x, []string{`{"_id":4,"n":4}`, `{"_id":1,"n":1}`, `{"_id":3,"n":0}`},
			x.all(tx, "a", `{"$match": {"n": {"$gte": 0}}}`, `{"$sort": {"n": -1}}`))
		require.NoError(x, tx.Commit(x.ctx))
	}},
	{"conflict with a committed write", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`)
		tx := x.begin()
		require.Len(x, x.all(tx, "a"), 1)
		x.write("a", updateOp(`{"_id": 1}`, `{"$set": {"n": 2}}`))
		_, err := tx.Write(x.ctx, x.ns("a"), []store.WriteOp{updateOp(`{"_id": 1}`, `{"$set": {"n": 3}}`)}, store.WriteOptions{})
		m := x.wantCode(err, mongoerr.WriteConflict)
		require.True(x, m.HasLabel("TransientTransactionError"))
		require.Error(x, tx.Commit(x.ctx))
		require.Equal(x, []string{`{"_id":1,"n":2}`}, x.all(x.s, "a"))
	}},
	{"conflict with an open transaction", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`)
		one, two := x.begin(), x.begin()
		x.txWrite(one, "a", updateOp(`{"_id": 1}`, `{"$set": {"n": 2}}`))
		_, err := two.Write(x.ctx, x.ns("a"), []store.WriteOp{updateOp(`{"_id": 1}`, `{"$set": {"n": 3}}`)}, store.WriteOptions{})
		x.wantCode(err, mongoerr.WriteConflict)
		require.NoError(x, one.Commit(x.ctx))
		require.Equal(x, []string{`{"_id":1,"n":2}`}, x.all(x.s, "a"))
	}},
	{"a plain write waits", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`)
		tx := x.begin()
		x.txWrite(tx, "a", updateOp(`{"_id": 1}`, `{"$set": {"n": 2}}`))
		done := make(chan error, 1)
		go func() {
			r, err := x.s.Write(x.ctx, x.ns("a"), []store.WriteOp{updateOp(`{"_id": 1}`, `{"$inc": {"n": 10}}`)}, store.WriteOptions{})
			if err == nil {
				err = r.Err()
			}
			done <- err
		}()
		require.NoError(x, tx.Commit(x.ctx))
		require.NoError(x, <-done)
		require.Contains(x, []string{`{"_id":1,"n":12}`}, x.all(x.s, "a")[0])
	}},
	{"an error ends it", func(x *env) {
		x.insert("a", `{"_id": 1}`)
		tx := x.begin()
		r, err := tx.Write(x.ctx, x.ns("a"), inserts(`{"_id": 2}`, `{"_id": 1}`), store.WriteOptions{})
		if err == nil {
			err = r.Err()
		}
		x.wantCode(err, mongoerr.DuplicateKey)
		require.Error(x, tx.Commit(x.ctx))
		require.Equal(x, []string{`{"_id":1}`}, x.all(x.s, "a"))
	}},
}
