package remote_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
	"weir/store"
	"weir/store/remote"
)

func open(t *testing.T, uri string) *remote.Store {
	t.Helper()
	st, err := remote.Open(t.Context(), uri, remote.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return st
}

func run(t *testing.T, st store.Store, db string, cmd bson.D) bson.Raw {
	t.Helper()
	reply, err := st.Command(t.Context(), db, raw(t, cmd))
	require.NoError(t, err)
	return reply
}

func raw(t *testing.T, d bson.D) bson.Raw {
	t.Helper()
	doc, err := bson.Marshal(d)
	require.NoError(t, err)
	return doc
}

func fail(t *testing.T, st store.Store, times int, data ...bson.E) {
	t.Helper()
	run(t, st, "admin", bson.D{{Key: "configureFailPoint", Value: "failCommand"}, {Key: "mode", Value: bson.D{{Key: "times", Value: times}}}, {Key: "data", Value: bson.D(data)}})
}

// TestWriteConcernBesideDuplicates has documents that are there already hide that the
// others may not be durable: the write fails as a whole.
func TestWriteConcernBesideDuplicates(t *testing.T) {
	t.Parallel()
	st := open(t, serve(t, engine.Options{TestCommands: true}))
	ns := store.Namespace{DB: "d", Coll: "c"}
	insert := func(from, n int) (store.WriteResult, error) {
		var ops []store.WriteOp
		for i := range n {
			ops = append(ops, store.WriteOp{Kind: store.Insert, Document: raw(t, bson.D{{Key: "_id", Value: from + i}})})
		}
		return st.Write(t.Context(), ns, ops, store.WriteOptions{Durable: true, Unordered: true})
	}
	_, err := insert(0, 3)
	require.NoError(t, err)
	fail(t, st, 1, bson.E{Key: "failCommands", Value: bson.A{"insert"}}, bson.E{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 64}, {Key: "errmsg", Value: "waiting for replication timed out"}}})
	_, err = insert(1, 4)
	require.Equal(t, int32(64), mongoerr.CodeOf(err), "%v", err)
	res, err := insert(1, 4)
	require.NoError(t, err)
	require.Len(t, res.Errors, 4)
}

// TestLongReadsLeaveRoom has very many reads wait for the server: what is asked beside
// them is answered.
func TestLongReadsLeaveRoom(t *testing.T) {
	t.Parallel()
	const reads, takes = 130, 4 * time.Second
	st := open(t, serve(t, engine.Options{TestCommands: true}))
	fail(t, st, reads, bson.E{Key: "failCommands", Value: bson.A{"aggregate"}}, bson.E{Key: "blockConnection", Value: true}, bson.E{Key: "blockTimeMS", Value: int(takes.Milliseconds())})
	var begun, ended atomic.Int64
	var g sync.WaitGroup
	for range reads {
		g.Go(func() {
			begun.Add(1)
			cur, err := st.Aggregate(context.Background(), store.Namespace{DB: "d", Coll: "c"}, nil, store.AggregateOptions{})
			ended.Add(1)
			if err == nil {
				_ = cur.Close()
			}
		})
	}
	defer g.Wait()
	require.Eventually(t, func() bool { return begun.Load() == reads }, patience, time.Millisecond)
	run(t, st, "d", bson.D{{Key: "ping", Value: 1}})
	require.Zero(t, ended.Load(), "a command waited for the reads")
}

// TestFewRights opens a server as a user that may use databases of its own only: what
// the server can do is found out all the same.
func TestFewRights(t *testing.T) {
	t.Parallel()
	uri := serve(t, engine.Options{Auth: true})
	nobody := open(t, uri)
	run(t, nobody, "admin", bson.D{{Key: "createUser", Value: "boss"}, {Key: "pwd", Value: "p"}, {Key: "roles", Value: bson.A{"root"}}})
	boss := open(t, strings.Replace(uri, "mongodb://", "mongodb://boss:p@", 1))
	role := func(db string) bson.D { return bson.D{{Key: "role", Value: "readWrite"}, {Key: "db", Value: db}} }
	run(t, boss, "admin", bson.D{{Key: "createUser", Value: "clerk"}, {Key: "pwd", Value: "p"}, {Key: "roles", Value: bson.A{role("shop"), role("weir")}}})
	for _, database := range []string{"", "shop", "another"} {
		as := strings.NewReplacer("mongodb://", "mongodb://clerk:p@", "/?", "/"+database+"?authSource=admin&").Replace(uri)
		require.Equal(t, boss.Capabilities(), open(t, as).Capabilities(), as)
	}
}
