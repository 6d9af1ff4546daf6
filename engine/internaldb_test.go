package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
	"weir/store"
)

var ownNS = store.Namespace{DB: "own", Coll: "state"}

// The databases that the host of the engine keeps for itself are in no stream.
func TestInternalDatabasesHaveNoStreams(t *testing.T) {
	e := openEngine(t, "", engine.Options{InternalDatabases: []string{"own"}})
	ctx := context.Background()
	cluster, err := e.Watch(ctx, store.Namespace{}, nil, store.WatchOptions{Cluster: true})
	require.NoError(t, err)
	defer cluster.Close()
	for _, scope := range []store.Namespace{{DB: "own"}, ownNS} {
		_, err := e.Watch(ctx, scope, nil, store.WatchOptions{})
		require.ErrorIs(t, err, mongoerr.Code(mongoerr.InvalidNamespace))
	}
	_, err = e.Write(ctx, ownNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: "hidden"}})}, store.WriteOptions{})
	require.NoError(t, err)
	_, err = e.Command(ctx, "own", raw(t, bson.D{{Key: "dropDatabase", Value: 1}}))
	require.NoError(t, err)
	_, err = e.Write(ctx, crashNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: "seen"}})}, store.WriteOptions{})
	require.NoError(t, err)
	ev, err := cluster.Next(ctx, time.Second)
	require.NoError(t, err)
	require.Equal(t, "seen", ev.Lookup("documentKey", "_id").StringValue())
}

// A stream resumes from where it stood when the last change was one that the
// oplog does not have, after a restart, too.
func TestStreamResumesBehindUnloggedChange(t *testing.T) {
	dir, o := t.TempDir(), engine.Options{InternalDatabases: []string{"own"}}
	e := openEngine(t, dir, o)
	ctx := context.Background()
	write := func(ns store.Namespace, id int) {
		_, err := e.Write(ctx, ns, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: id}})}, store.WriteOptions{})
		require.NoError(t, err)
	}
	write(crashNS, 1)
	cs, err := e.Watch(ctx, crashNS, nil, store.WatchOptions{})
	require.NoError(t, err)
	write(ownNS, 1)
	ev, err := cs.Next(ctx, 0)
	require.NoError(t, err)
	require.Nil(t, ev)
	token := append(bson.Raw(nil), cs.ResumeToken()...)
	require.NoError(t, errors.Join(cs.Close(), e.Close()))
	e = openEngine(t, dir, o)
	write(ownNS, 2)
	write(crashNS, 2)
	cs, err = e.Watch(ctx, crashNS, nil, store.WatchOptions{StartAfter: token})
	require.NoError(t, err)
	defer cs.Close()
	ev, err = cs.Next(ctx, time.Second)
	require.NoError(t, err)
	require.EqualValues(t, 2, ev.Lookup("documentKey", "_id").Int32())
}

// A transaction over both kinds of databases shows the changes of the other one
// and makes all of them durable.
func TestInternalDatabaseInTransaction(t *testing.T) {
	dir, o := t.TempDir(), engine.Options{InternalDatabases: []string{"own"}}
	e := openEngine(t, dir, o)
	ctx := context.Background()
	for _, ns := range []store.Namespace{ownNS, crashNS} {
		_, err := e.Write(ctx, ns, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: 0}})}, store.WriteOptions{})
		require.NoError(t, err)
	}
	cs, err := e.Watch(ctx, store.Namespace{DB: crashNS.DB}, nil, store.WatchOptions{})
	require.NoError(t, err)
	for i, all := range [][]store.Namespace{{ownNS, crashNS, ownNS, crashNS}, {ownNS}} {
		tx, err := e.Begin(ctx)
		require.NoError(t, err)
		for j, ns := range all {
			_, err := tx.Write(ctx, ns, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: 10*i + j + 1}})}, store.WriteOptions{})
			require.NoError(t, err)
		}
		require.NoError(t, tx.Commit(ctx))
	}
	for _, want := range []int32{2, 4} {
		ev, err := cs.Next(ctx, time.Second)
		require.NoError(t, err)
		require.Equal(t, want, ev.Lookup("documentKey", "_id").Int32())
	}
	require.NoError(t, errors.Join(cs.Close(), e.Close()))
	require.Empty(t, check(t, dir).Faults)
	e = openEngine(t, dir, o)
	for ns, want := range map[store.Namespace]int32{ownNS: 4, crashNS: 3} {
		reply, err := e.Command(ctx, ns.DB, raw(t, bson.D{{Key: "count", Value: ns.Coll}}))
		require.NoError(t, err)
		require.Equal(t, want, reply.Lookup("n").Int32())
	}
}

// Cluster time grows with changes that the oplog does not have, and stays behind
// none of them after a restart within the same second.
func TestClusterTimeOfUnloggedChangesStays(t *testing.T) {
	dir, now := t.TempDir(), time.Unix(1_700_000_000, 0)
	o := engine.Options{InternalDatabases: []string{"own"}, Now: func() time.Time { return now }}
	ctx := context.Background()
	ping := func(e *engine.Engine) bson.Timestamp {
		reply, err := e.Command(ctx, "admin", raw(t, bson.D{{Key: "ping", Value: 1}}))
		require.NoError(t, err)
		ts, i := reply.Lookup("operationTime").Timestamp()
		return bson.Timestamp{T: ts, I: i}
	}
	e := openEngine(t, dir, o)
	for i := range 5 {
		before := ping(e)
		_, err := e.Write(ctx, ownNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: i}})}, store.WriteOptions{})
		require.NoError(t, err)
		require.Positive(t, ping(e).Compare(before))
	}
	last := ping(e)
	require.NoError(t, e.Close())
	e = openEngine(t, dir, o)
	require.Equal(t, last, ping(e))
	_, err := e.Write(ctx, crashNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: 1}})}, store.WriteOptions{})
	require.NoError(t, err)
	require.Positive(t, ping(e).Compare(last))
}
