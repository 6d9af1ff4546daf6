package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
	"weir/store"
)

var (
	faultRounds = flag.Int("faultrounds", 4, "rounds of TestPowerCut and TestDiskErrors")
	faultSeed   = flag.Uint64("faultseed", 0, "seed of the first round; 0: the time")
)

// seedOf gives the round's seed, and prints it when the round fails.
func seedOf(t *testing.T, round int) *rand.Rand {
	seed := *faultSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	seed += uint64(round)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("-faultseed=%d -faultrounds=1", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 7))
}

// version is what a document's field v may be after a crash: the last
// acknowledged one, or that of the write on its way. 0: there is no document.
type version struct{ acked, tried int32 }

// load writes from several goroutines and remembers what was acknowledged.
type load struct {
	t    *testing.T
	e    *engine.Engine
	mu   sync.Mutex
	docs map[string]version // by collection and _id
	ctx  context.Context    // the load goes on until it ends
	stop context.CancelFunc
	// failed is the error that ended it, if one did.
	failed error
	// disk is what breaks under it, if something does.
	disk *broken
}

func newLoad(t *testing.T) *load {
	ctx, stop := context.WithCancel(context.Background())
	return &load{t: t, docs: map[string]version{}, ctx: ctx, stop: stop}
}

// try runs one write that brings documents to a version.
func (l *load) try(ids []string, v int32, write func() error) {
	l.mu.Lock()
	for _, id := range ids {
		l.docs[id] = version{l.docs[id].acked, v}
	}
	l.mu.Unlock()
	err := write()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		switch {
		case err == nil:
			l.docs[id] = version{v, v}
		case mongoerr.CodeOf(err) == mongoerr.WriteConflict: // of two transactions that create a collection
			l.docs[id] = version{l.docs[id].acked, l.docs[id].acked}
		default:
			l.fail(err)
		}
	}
}

// fail ends the load at an error; the first one is kept.
func (l *load) fail(err error) {
	if l.ctx.Err() == nil && l.failed == nil {
		l.failed = err
	}
	l.stop()
}

// put brings one document to version v; 0 deletes it.
func put(ctx context.Context, q store.Queryer, coll, id string, v int32) error {
	op := store.WriteOp{Kind: store.Update, Filter: mustRaw(bson.D{{Key: "_id", Value: id}}), Upsert: true,
		Update: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: mustRaw(bson.D{{Key: "$set", Value: bson.D{
			{Key: "v", Value: v}, {Key: "n", Value: v % 7}, {Key: "s", Value: strings.Repeat("x", int(v)%300)}, {Key: "t", Value: bson.A{v, v + 1}}}}})}}
	if v == 0 {
		op = store.WriteOp{Kind: store.Delete, Filter: op.Filter}
	}
	res, err := q.Write(ctx, store.Namespace{DB: "d", Coll: coll}, []store.WriteOp{op}, store.WriteOptions{Durable: true})
	return errors.Join(err, res.Err())
}

func mustRaw(d bson.D) bson.Raw {
	b, err := bson.Marshal(d)
	if err != nil {
		panic(err)
	}
	return b
}

// writer changes documents of its own: single ones, and pairs in transactions.
func (l *load) writer(g int, rng *rand.Rand) {
	ctx := context.Background()
	for i := int32(1); l.ctx.Err() == nil; i++ {
		id := fmt.Sprint(g, "-", rng.IntN(20))
		v := i
		if rng.IntN(5) == 0 {
			v = 0
		}
		if g%2 == 0 {
			l.try([]string{"c " + id}, v, func() error { return put(ctx, l.e, "c", id, v) })
			continue
		}
		id += "-pair"
		l.try([]string{"c " + id, "made " + id}, v, func() error {
			tx, err := l.e.Begin(ctx)
			if err != nil {
				return err
			}
			if err := errors.Join(put(ctx, tx, "c", id, v), put(ctx, tx, "made", id, v)); err != nil {
				_ = tx.Abort(ctx)
				return err
			}
			return tx.Commit(ctx)
		})
	}
}

// definer changes the catalog and makes the store flush meanwhile.
func (l *load) definer() {
	for i := 0; l.ctx.Err() == nil; i++ {
		for _, cmd := range []bson.D{
			{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "n", Value: 1}, {Key: "v", Value: -1}}}, {Key: "name", Value: "passing"}}}}},
			{{Key: "create", Value: fmt.Sprint("x", i)}},
			{{Key: "fsync", Value: 1}},
			{{Key: "dropIndexes", Value: "c"}, {Key: "index", Value: "passing"}},
			{{Key: "drop", Value: fmt.Sprint("x", i)}},
		} {
			db, run := "d", l.e.Command
			if cmd[0].Key == "fsync" {
				db, run = "admin", l.flush
			}
			if _, err := run(l.ctx, db, mustRaw(cmd)); err != nil {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.fail(fmt.Errorf("%s: %w", cmd[0].Key, err))
				return
			}
		}
	}
}

// flush runs a command that begins a new log. The old one does not break meanwhile:
// Pebble ends the process when it cannot close it.
func (l *load) flush(ctx context.Context, db string, cmd bson.Raw) (bson.Raw, error) {
	if l.disk != nil && l.disk.suffix == ".log" {
		if !l.disk.hold() {
			return nil, l.disk.err
		}
		defer l.disk.release()
	}
	return l.e.Command(ctx, db, cmd)
}

// run starts the load on a file system and waits until it stops.
func (l *load) run(fs vfs.FS, rng *rand.Rand) {
	var err error
	l.e, err = engine.Open("data", engine.Options{FS: fs, TTLInterval: -1, OplogSize: 64 << 20})
	if err != nil { // the disk failed at once
		l.stop()
		return
	}
	_, err = l.e.Command(context.Background(), "d", mustRaw(bson.D{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{
		bson.D{{Key: "key", Value: bson.D{{Key: "n", Value: 1}}}, {Key: "name", Value: "n_1"}},
		bson.D{{Key: "key", Value: bson.D{{Key: "t", Value: 1}}}, {Key: "name", Value: "t_1"}}}}}))
	if err != nil {
		l.fail(err)
	}
	var group sync.WaitGroup
	for g := range 4 {
		own := rand.New(rand.NewPCG(rng.Uint64(), uint64(g)))
		group.Go(func() { l.writer(g, own) })
	}
	group.Go(l.definer)
	group.Wait()
}

// verify opens what a crash left and compares it with what was acknowledged.
func verify(t *testing.T, fs vfs.FS, docs map[string]version) {
	t.Helper()
	ctx := context.Background()
	if _, err := fs.Stat("data"); err != nil {
		for id, v := range docs {
			require.Zero(t, v.acked, "%s is lost with everything else", id)
		}
		return
	}
	e, err := engine.Open("data", engine.Options{FS: fs, TTLInterval: -1})
	require.NoError(t, err, "open after the crash")
	there := map[string]int32{}
	for _, coll := range []string{"c", "made"} {
		cur, err := e.Aggregate(ctx, store.Namespace{DB: "d", Coll: coll}, nil, store.AggregateOptions{})
		require.NoError(t, err)
		for {
			d, err := cur.Next(ctx)
			if err != nil {
				break
			}
			there[coll+" "+d.Lookup("_id").StringValue()] = int32(d.Lookup("v").AsInt64())
		}
	}
	for id, v := range docs {
		require.Contains(t, []int32{v.acked, v.tried}, there[id], "%s: acknowledged %d, on its way %d", id, v.acked, v.tried)
		if pair, ok := strings.CutPrefix(id, "c "); ok && strings.HasSuffix(id, "-pair") {
			require.Equal(t, there[id], there["made "+pair], "half a transaction: %s", pair)
		}
	}
	require.Equal(t, there, replayed(t, e), "the oplog tells another story")
	_, err = e.Command(ctx, "d", mustRaw(bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: "after"}}}}}))
	require.NoError(t, err, "it can be written to again")
	require.NoError(t, e.Close())
	r, err := engine.Check(ctx, "data", engine.CheckOptions{FS: fs})
	require.NoError(t, err)
	require.Empty(t, r.Faults)
}

// replayed makes the documents' versions from the oplog alone.
func replayed(t *testing.T, e *engine.Engine) map[string]int32 {
	t.Helper()
	ctx := context.Background()
	out := map[string]int32{}
	cs, err := e.Watch(ctx, store.Namespace{DB: "d"}, nil, store.WatchOptions{StartAtOperationTime: &bson.Timestamp{T: 1, I: 1}})
	require.NoError(t, err)
	defer func() { _ = cs.Close() }()
	for {
		ev, err := cs.Next(ctx, 0)
		require.NoError(t, err)
		if ev == nil {
			return out
		}
		coll, kind := ev.Lookup("ns", "coll").StringValue(), ev.Lookup("operationType").StringValue()
		if coll != "c" && coll != "made" || kind == "create" || kind == "createIndexes" || kind == "dropIndexes" {
			continue
		}
		id := coll + " " + ev.Lookup("documentKey", "_id").StringValue()
		switch kind {
		case "insert", "replace":
			out[id] = int32(ev.Lookup("fullDocument", "v").AsInt64())
		case "update":
			out[id] = int32(ev.Lookup("updateDescription", "updatedFields", "v").AsInt64())
		case "delete":
			delete(out, id)
		}
	}
}

// cut takes the picture of a power cut at one operation of the file system.
type cut struct {
	at    int64
	n     atomic.Int64
	taken func()
}

func (*cut) String() string { return "power cut" }

func (c *cut) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && c.n.Add(1) == c.at {
		c.taken()
	}
	return nil
}

// The power goes at a random write, sync, rename … of the file system; of what
// was not synced, a random part is on the disk.
func TestPowerCut(t *testing.T) {
	for round := range *faultRounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			rng := seedOf(t, round)
			mem := vfs.NewCrashableMem()
			l := newLoad(t)
			var crashed *vfs.MemFS
			var docs map[string]version
			percent := []int{0, 0, 30, 70}[rng.IntN(4)]
			clone := rand.New(rand.NewPCG(rng.Uint64(), 1))
			c := &cut{at: 1 + rng.Int64N(3000)}
			c.taken = func() {
				l.mu.Lock()
				docs = maps.Clone(l.docs)
				l.mu.Unlock()
				crashed = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: clone})
				l.stop()
			}
			l.run(errorfs.Wrap(mem, c), rng)
			require.NotNil(t, l.e)
			require.NoError(t, l.e.Close())
			require.NotNil(t, crashed, "the load ended before the power did: %v", l.failed)
			verify(t, crashed, docs)
		})
	}
}

// broken fails all writes to some files from one operation on.
type broken struct {
	at     int64
	suffix string
	err    error
	once   bool

	mu   sync.Mutex
	n    int64
	held bool
}

// hold keeps the disk whole until release; false when it broke before.
func (b *broken) hold() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = b.n < b.at
	return b.held
}

func (b *broken) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = false
}

func (*broken) String() string { return "broken disk" }

func (b *broken) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || !strings.HasSuffix(op.Path, b.suffix) || op.Kind == errorfs.OpFileClose {
		return nil
	}
	if b.suffix == ".log" && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite || op.Kind == errorfs.OpRemove) { // without a new log Pebble ends the process
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held {
		return nil
	}
	if b.n++; b.n < b.at || b.once && b.n > b.at {
		return nil
	}
	return b.err
}

// The disk is full or fails, of the log or of the tables; then the power goes.
func TestDiskErrors(t *testing.T) {
	for round := range *faultRounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			rng := seedOf(t, round)
			mem := vfs.NewCrashableMem()
			b := &broken{at: 1 + rng.Int64N(500), suffix: ".log", err: errorfs.ErrInjected, once: rng.IntN(2) == 0}
			if rng.IntN(2) == 0 {
				b.err = syscall.ENOSPC
			}
			if rng.IntN(3) == 0 {
				b.suffix, b.at = ".sst", 1+rng.Int64N(20)
			}
			l := newLoad(t)
			l.disk = b
			end := time.AfterFunc(300*time.Millisecond, l.stop)
			defer end.Stop()
			l.run(errorfs.Wrap(mem, b), rng)
			if l.e != nil {
				_ = l.e.Close()
			}
			verify(t, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng}), l.docs)
		})
	}
}
