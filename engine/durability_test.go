package engine_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
	"weir/store"
)

var crashDir = flag.String("crashdir", "", "directory that TestCrashChild writes to until it is killed")

var crashNS = store.Namespace{DB: "d", Coll: "c"}

func raw(t testing.TB, d any) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(d)
	require.NoError(t, err)
	return b
}

func insertOp(t testing.TB, d any) store.WriteOp {
	t.Helper()
	return store.WriteOp{Kind: store.Insert, Document: raw(t, d)}
}

// TestCrashChild is the process that TestKill kills: it prints every _id whose
// write was acknowledged; pairs are written in a transaction.
func TestCrashChild(t *testing.T) {
	if *crashDir == "" {
		return
	}
	e, err := engine.Open(*crashDir, engine.Options{})
	require.NoError(t, err)
	ctx := context.Background()
	_, err = e.Command(ctx, "d", raw(t, bson.D{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{
		bson.D{{Key: "key", Value: bson.D{{Key: "n", Value: 1}}}, {Key: "name", Value: "n_1"}}}}}))
	require.NoError(t, err)
	var out sync.Mutex
	for g := range 4 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d", g, i)
				ids := []string{id}
				if g == 0 {
					ids = append(ids, id+"-twin")
				}
				if err := crashWrite(ctx, e, ids); err != nil {
					panic(err)
				}
				out.Lock()
				fmt.Println(strings.Join(ids, "\n"))
				out.Unlock()
			}
		}()
	}
	select {}
}

func crashWrite(ctx context.Context, e *engine.Engine, ids []string) error {
	var q store.Queryer = e
	var tx store.Tx
	if len(ids) > 1 {
		var err error
		if tx, err = e.Begin(ctx); err != nil {
			return err
		}
		q = tx
	}
	for _, id := range ids {
		doc, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "n", Value: len(id)}})
		if err != nil {
			return err
		}
		r, err := q.Write(ctx, crashNS, []store.WriteOp{{Kind: store.Insert, Document: doc}}, store.WriteOptions{Durable: true})
		if err = errors.Join(err, r.Err()); err != nil {
			return err
		}
	}
	if tx == nil {
		return nil
	}
	return tx.Commit(ctx)
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	for round := range 2 {
		var acked []string
		child := exec.Command(os.Args[0], "-test.run=^TestCrashChild$", "-crashdir="+dir+fmt.Sprint("/", round))
		pipe, err := child.StdoutPipe()
		require.NoError(t, err)
		child.Stderr = os.Stderr
		require.NoError(t, child.Start())
		lines := bufio.NewScanner(pipe)
		for len(acked) < 500*(round+1) && lines.Scan() {
			acked = append(acked, lines.Text())
		}
		require.NoError(t, child.Process.Kill())
		for lines.Scan() {
			acked = append(acked, lines.Text())
		}
		_ = child.Wait()
		checkAfterKill(t, dir+fmt.Sprint("/", round), acked)
	}
}

// checkAfterKill: everything acknowledged is there, no half transaction is,
// indexes and oplog agree with the documents.
func checkAfterKill(t *testing.T, dir string, acked []string) {
	require.Empty(t, check(t, dir).Faults)
	e := openEngine(t, dir, engine.Options{})
	ctx := context.Background()
	there := map[string]bool{}
	cur, err := e.Aggregate(ctx, crashNS, nil, store.AggregateOptions{})
	require.NoError(t, err)
	for {
		d, err := cur.Next(ctx)
		if err != nil {
			break
		}
		there[d.Lookup("_id").StringValue()] = true
	}
	for _, id := range acked {
		if strings.Count(id, "-") > 0 {
			require.True(t, there[id], "acknowledged %q is lost", id)
		}
	}
	for id := range there {
		if strings.HasPrefix(id, "0-") && !strings.HasSuffix(id, "-twin") {
			require.True(t, there[id+"-twin"], "half a transaction: %q", id)
		}
	}
	r, err := e.Command(ctx, "d", raw(t, bson.D{{Key: "validate", Value: "c"}}))
	require.NoError(t, err)
	require.True(t, r.Lookup("valid").Boolean(), r)
	logged := map[string]bool{}
	cs, err := e.Watch(ctx, crashNS, nil, store.WatchOptions{StartAtOperationTime: &bson.Timestamp{T: 1, I: 1}})
	require.NoError(t, err)
	for {
		ev, err := cs.Next(ctx, 0)
		require.NoError(t, err)
		if ev == nil {
			break
		}
		id := ev.Lookup("documentKey", "_id").StringValue()
		require.False(t, logged[id], "%q is in the oplog twice", id)
		logged[id] = true
	}
	require.Equal(t, there, logged)
}

// failing makes syncs fail once it is switched on.
type failing struct{ on atomic.Bool }

func (f *failing) String() string { return "failing syncs" }

func (f *failing) MaybeError(op errorfs.Op) error {
	if f.on.Load() && strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
		return errorfs.ErrInjected
	}
	return nil
}

func TestFailingDisk(t *testing.T) {
	f := &failing{}
	e, err := engine.Open("data", engine.Options{FS: errorfs.Wrap(vfs.NewMem(), f), TTLInterval: -1})
	require.NoError(t, err)
	defer func() { _ = e.Close() }()
	ctx := context.Background()
	write := func(i int) error {
		r, err := e.Write(ctx, crashNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: i}})}, store.WriteOptions{})
		return errors.Join(err, r.Err())
	}
	require.NoError(t, write(1))
	cs, err := e.Watch(ctx, crashNS, nil, store.WatchOptions{})
	require.NoError(t, err)
	f.on.Store(true)
	require.Error(t, write(2))
	f.on.Store(false)
	require.Equal(t, mongoerr.InternalError, mongoerr.CodeOf(write(3)), "nothing is accepted after a lost write")
	ev, err := cs.Next(ctx, 0)
	require.NoError(t, err)
	require.Nil(t, ev, "an event of a write that is not durable")
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	e, err := engine.Open(dir, engine.Options{})
	require.NoError(t, err)
	_, err = engine.Open(dir, engine.Options{})
	require.ErrorContains(t, err, dir, "two engines in one directory")
	cs, err := e.Watch(ctx, crashNS, nil, store.WatchOptions{})
	require.NoError(t, err)
	token := append(bson.Raw(nil), cs.ResumeToken()...)
	for i := range 10 {
		_, err := e.Write(ctx, crashNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: i}, {Key: "t", Value: bson.A{1, 2}}})}, store.WriteOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	_, err = e.Databases(ctx)
	require.Equal(t, mongoerr.InterruptedAtShutdown, mongoerr.CodeOf(err))

	e = openEngine(t, dir, engine.Options{})
	r, err := e.Command(ctx, "d", raw(t, bson.D{{Key: "count", Value: "c"}}))
	require.NoError(t, err)
	require.EqualValues(t, 10, r.Lookup("n").AsInt64())
	cs, err = e.Watch(ctx, crashNS, nil, store.WatchOptions{ResumeAfter: token})
	require.NoError(t, err)
	for i := range 10 {
		ev, err := cs.Next(ctx, time.Second)
		require.NoError(t, err)
		for ev.Lookup("operationType").StringValue() == "create" {
			ev, err = cs.Next(ctx, time.Second)
			require.NoError(t, err)
		}
		require.EqualValues(t, i, ev.Lookup("documentKey", "_id").AsInt64())
	}
}

func TestRetryableWriteAfterRestart(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	lsid := bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}}}
	cmd := func(txn int64) bson.Raw {
		return raw(t, bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{
			{Key: "q", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "u", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}}, {Key: "upsert", Value: true}}}},
			{Key: "lsid", Value: lsid}, {Key: "txnNumber", Value: txn}})
	}
	n := func(e *engine.Engine) int64 {
		cur, err := e.Aggregate(ctx, crashNS, nil, store.AggregateOptions{})
		require.NoError(t, err)
		defer cur.Close()
		d, err := cur.Next(ctx)
		require.NoError(t, err)
		return d.Lookup("n").AsInt64()
	}
	e, err := engine.Open(dir, engine.Options{})
	require.NoError(t, err)
	for range 2 {
		r, err := e.Command(ctx, "d", cmd(1))
		require.NoError(t, err)
		require.EqualValues(t, 1, r.Lookup("n").AsInt64())
		require.EqualValues(t, 1, r.Lookup("upserted", "0", "_id").AsInt64())
	}
	require.EqualValues(t, 1, n(e))
	require.NoError(t, e.Close())
	e = openEngine(t, dir, engine.Options{})
	_, err = e.Command(ctx, "d", cmd(1))
	require.NoError(t, err)
	require.EqualValues(t, 1, n(e))
	_, err = e.Command(ctx, "d", cmd(2))
	require.NoError(t, err)
	require.EqualValues(t, 2, n(e))
	_, err = e.Command(ctx, "d", cmd(1))
	require.Equal(t, mongoerr.TransactionTooOld, mongoerr.CodeOf(err))
}

// A write that may wait for others to ask for the disk is durable when it is
// acknowledged, whether others do or not.
func TestPatientWritesAreDurable(t *testing.T) {
	for _, beside := range []bool{false, true} {
		fs := vfs.NewCrashableMem()
		e := openEngine(t, "data", engine.Options{FS: fs})
		stop := make(chan struct{})
		var others sync.WaitGroup
		if beside {
			others.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						_, err := e.Write(context.Background(), store.Namespace{DB: "d", Coll: "other"}, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: i}})}, store.WriteOptions{Durable: true})
						assert.NoError(t, err)
					}
				}
			})
		}
		ops := []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: 1}}), insertOp(t, bson.D{{Key: "_id", Value: 2}})}
		_, err := e.Write(t.Context(), crashNS, ops, store.WriteOptions{Durable: true, Within: 20 * time.Millisecond})
		require.NoError(t, err)
		_, err = e.Write(t.Context(), crashNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: 3}})}, store.WriteOptions{Durable: true, Within: 20 * time.Millisecond})
		require.NoError(t, err)
		image := fs.CrashClone(vfs.CrashCloneCfg{})
		close(stop)
		others.Wait()
		again := openEngine(t, "data", engine.Options{FS: image})
		require.Len(t, sorted(t, again, crashNS), 3)
	}
}
