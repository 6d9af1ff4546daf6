package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/engine/storage"
	"weir/store"
)

// fill writes documents with every kind of index and image, and some changes.
func fill(t *testing.T, e *engine.Engine) {
	t.Helper()
	ctx := context.Background()
	run := func(cmd bson.D) {
		t.Helper()
		_, err := e.Command(ctx, "d", raw(t, cmd))
		require.NoError(t, err)
	}
	run(bson.D{{Key: "create", Value: "c"}, {Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: true}}}})
	run(bson.D{{Key: "create", Value: "v"}, {Key: "viewOn", Value: "c"}, {Key: "pipeline", Value: bson.A{}}})
	run(bson.D{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{
		bson.D{{Key: "key", Value: bson.D{{Key: "n", Value: 1}}}, {Key: "name", Value: "n_1"}},
		bson.D{{Key: "key", Value: bson.D{{Key: "t", Value: 1}, {Key: "n", Value: -1}}}, {Key: "name", Value: "tags"}},
		bson.D{{Key: "key", Value: bson.D{{Key: "u", Value: 1}}}, {Key: "name", Value: "u_1"}, {Key: "unique", Value: true}, {Key: "sparse", Value: true}},
		bson.D{{Key: "key", Value: bson.D{{Key: "h", Value: "hashed"}}}, {Key: "name", Value: "h"},
			{Key: "partialFilterExpression", Value: bson.D{{Key: "n", Value: bson.D{{Key: "$gt", Value: 50}}}}}},
	}}})
	for i := range 100 {
		_, err := e.Write(ctx, crashNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: i}, {Key: "n", Value: i}, {Key: "u", Value: i},
			{Key: "t", Value: bson.A{"a", "b", i}}, {Key: "h", Value: "x"}})}, store.WriteOptions{})
		require.NoError(t, err)
	}
	run(bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{}}, {Key: "multi", Value: true},
		{Key: "u", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 7}}}, {Key: "$push", Value: bson.D{{Key: "t", Value: "c"}}}}}}}}})
	run(bson.D{{Key: "delete", Value: "c"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "n", Value: bson.D{{Key: "$lt", Value: 20}}}}}, {Key: "limit", Value: 0}}}}})
	tx, err := e.Begin(ctx)
	require.NoError(t, err)
	for i := range 3 {
		_, err := tx.Write(ctx, crashNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: 1000 + i}, {Key: "u", Value: 1000 + i}})}, store.WriteOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit(ctx))
}

func filled(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	e, err := engine.Open(dir, engine.Options{TTLInterval: -1})
	require.NoError(t, err)
	fill(t, e)
	require.NoError(t, e.Close())
	return dir
}

func check(t *testing.T, dir string) engine.CheckReport {
	t.Helper()
	r, err := engine.Check(context.Background(), dir, engine.CheckOptions{})
	require.NoError(t, err)
	return r
}

func TestCheckHealthy(t *testing.T) {
	r := check(t, filled(t))
	require.Empty(t, r.Faults)
	require.EqualValues(t, 2, r.Collections)
	require.EqualValues(t, 90, r.Documents)
	require.EqualValues(t, 5, r.Indexes)
	require.Positive(t, r.Images)
	require.Contains(t, r.String(), "everything is in order: 2 collections, 90 documents")
}

func TestCheckNothingThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	_, err := engine.Check(context.Background(), dir, engine.CheckOptions{})
	require.ErrorIs(t, err, storage.ErrNoStore)
	require.NoDirExists(t, dir)
}

// keysWith lists the keys that begin with a byte.
func keysWith(t *testing.T, db *storage.DB, space byte) (keys, values [][]byte) {
	t.Helper()
	it, err := db.Iter([]byte{space}, []byte{space + 1}, false)
	require.NoError(t, err)
	defer it.Close()
	for it.Next() {
		v, err := it.Value()
		require.NoError(t, err)
		keys, values = append(keys, append([]byte(nil), it.Key()...)), append(values, append([]byte(nil), v...))
	}
	return keys, values
}

// TestCheckNames damages one thing in the store and expects it named.
func TestCheckNames(t *testing.T) {
	last := func(keys [][]byte) int { return len(keys) - 1 }
	for name, c := range map[string]struct {
		space  byte
		damage func(b *storage.Batch, keys, values [][]byte) error
		want   string
	}{
		"missing index entry": {'i', func(b *storage.Batch, k, _ [][]byte) error { return b.Delete(k[last(k)]) }, "index h lacks an entry of the document"},
		"missing document":    {'d', func(b *storage.Batch, k, _ [][]byte) error { return b.Delete(k[0]) }, "where no document is"},
		"garbled document": {'d', func(b *storage.Batch, k, v [][]byte) error { return b.Set(k[0], v[0][:len(v[0])-3]) },
			"collection d.c: the document of record 14 is damaged"},
		"changed document": {'d', func(b *storage.Batch, k, v [][]byte) error {
			return b.Set(k[0], []byte(strings.Replace(string(v[0]), "a", "z", 1)))
		}, "index tags has an entry that the document {\"_id\": {\"$numberInt\":\"13\"}} does not have"},
		"counters":      {'s', func(b *storage.Batch, k, _ [][]byte) error { return b.Set(k[0], []byte{2, 2}) }, "its counters say 1 documents of 1 bytes"},
		"oplog entry":   {'o', func(b *storage.Batch, k, v [][]byte) error { return b.Set(k[5], v[5][:20]) }, "oplog: the entry Timestamp("},
		"oplog order":   {'o', func(b *storage.Batch, k, v [][]byte) error { return b.Set(k[5], v[4]) }, "is out of order"},
		"half a group":  {'o', func(b *storage.Batch, k, _ [][]byte) error { return b.Delete(k[last(k)-1]) }, "has no entry before it in its transaction"},
		"pre-image":     {'p', func(b *storage.Batch, k, v [][]byte) error { return b.Set(k[0], v[1]) }, "is of another document"},
		"catalog entry": {'c', func(b *storage.Batch, k, v [][]byte) error { return b.Set(k[0], v[0][:9]) }, "catalog: the entry \"d\\x00c\" is damaged"},
		"foreign key":   {'m', func(b *storage.Batch, _, _ [][]byte) error { return b.Set([]byte("zz"), nil) }, "key space: 7a7a is no key"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filled(t)
			db, err := storage.Open(dir, storage.Options{})
			require.NoError(t, err)
			keys, values := keysWith(t, db, c.space)
			b := db.NewBatch()
			require.NoError(t, c.damage(b, keys, values))
			wait, err := db.Apply(b, true)
			require.NoError(t, err)
			require.NoError(t, wait())
			require.NoError(t, db.Close())
			r := check(t, dir)
			require.False(t, r.OK())
			require.Contains(t, strings.Join(r.Faults, "\n"), c.want)
		})
	}
}

// flipped flips a bit in the middle of the table file of a filled directory.
func flipped(t *testing.T, documents int) (dir, file string) {
	t.Helper()
	dir = filled(t)
	e, err := engine.Open(dir, engine.Options{TTLInterval: -1})
	require.NoError(t, err)
	for i := range documents {
		_, err := e.Write(context.Background(), crashNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: bson.NewObjectID()},
			{Key: "pad", Value: fmt.Sprint(i, strings.Repeat("x", 4000))}})}, store.WriteOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, e.Close())
	db, err := storage.Open(dir, storage.Options{})
	require.NoError(t, err)
	require.NoError(t, db.Flush(context.Background()))
	require.NoError(t, db.Close())
	files, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	file = files[len(files)-1]
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	data[len(data)/8] ^= 1
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return dir, filepath.Base(file)[:6]
}

// A bit that flips on the disk is found by the checksum of its block, and the
// process that meets it goes on.
func TestCheckFlippedBit(t *testing.T) {
	dir, file := flipped(t, 300)
	r := check(t, dir)
	require.False(t, r.OK())
	require.Contains(t, r.Faults[0], file)
	require.Contains(t, strings.Join(r.Faults, "\n"), "cannot be read")
	e := openEngine(t, dir, engine.Options{})
	cur, err := e.Aggregate(context.Background(), crashNS, nil, store.AggregateOptions{})
	require.NoError(t, err)
	defer func() { _ = cur.Close() }()
	for err == nil {
		_, err = cur.Next(context.Background())
	}
	require.ErrorContains(t, err, "checksum")
}

func TestCheckFlippedBitInTheOnlyBlock(t *testing.T) {
	dir, file := flipped(t, 0)
	_, err := engine.Check(context.Background(), dir, engine.CheckOptions{})
	require.ErrorContains(t, err, file)
	_, err = engine.Open(dir, engine.Options{})
	require.ErrorContains(t, err, file)
}

// damagedLog gives what is on the disk of an engine whose documents are in the
// log only, and the log's file and bytes.
func damagedLog(t *testing.T) (dir, file string, data []byte) {
	t.Helper()
	running := filepath.Join(t.TempDir(), "data")
	e := openEngine(t, running, engine.Options{TTLInterval: -1})
	for i := range 400 {
		_, err := e.Write(context.Background(), crashNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: i}, {Key: "pad", Value: strings.Repeat("x", 1000)}})}, store.WriteOptions{Durable: true})
		require.NoError(t, err)
	}
	dir = filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(dir, os.DirFS(running)))
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	file = files[len(files)-1] // of the older ones, even the tail must be whole
	data, err = os.ReadFile(file)
	require.NoError(t, err)
	data = bytes.TrimRight(data, "\x00") // what was allocated in advance
	require.Greater(t, len(data), 50*1000)
	return dir, file, data
}

// A write that the end of the process cut short was never acknowledged: it is
// left out. Damage in front of acknowledged writes is not mistaken for that.
func TestDamagedLog(t *testing.T) {
	dir, file, data := damagedLog(t)
	require.NoError(t, os.WriteFile(file, data[:len(data)-700], 0o600))
	e, err := engine.Open(dir, engine.Options{TTLInterval: -1})
	require.NoError(t, err, "a torn tail")
	r, err := e.Command(context.Background(), "d", raw(t, bson.D{{Key: "count", Value: "c"}}))
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.Lookup("n").AsInt64(), int64(398))
	require.NoError(t, e.Close())
	require.Empty(t, check(t, dir).Faults)

	dir, file, data = damagedLog(t)
	data[len(data)/2] ^= 1
	require.NoError(t, os.WriteFile(file, data, 0o600))
	_, err = engine.Open(dir, engine.Options{TTLInterval: -1})
	require.ErrorContains(t, err, strings.TrimSuffix(filepath.Base(file), ".log"))
	_, err = engine.Check(context.Background(), dir, engine.CheckOptions{})
	require.ErrorContains(t, err, strings.TrimSuffix(filepath.Base(file), ".log"))
}

func TestBackupWhileWriting(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	e := openEngine(t, dir, engine.Options{})
	fill(t, e)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := crashWrite(context.Background(), e, []string{string(rune('a'+i%26)) + bson.NewObjectID().Hex()}); err != nil {
				stopped <- err
				return
			}
		}
		stopped <- nil
	}()
	backup, target := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	command := func(db string, to any) error {
		_, err := e.Command(context.Background(), db, raw(t, bson.D{{Key: "weirBackup", Value: 1}, {Key: "dir", Value: to}}))
		return err
	}
	require.NoError(t, command("admin", backup))
	require.ErrorContains(t, command("admin", backup), "exists already")
	require.ErrorContains(t, command("admin", "relative"), "absolute")
	require.ErrorContains(t, command("d", backup), "admin database")
	cancel()
	require.NoError(t, <-stopped)

	r, err := engine.Restore(context.Background(), backup, target, engine.CheckOptions{})
	require.NoError(t, err)
	require.Empty(t, r.Faults)
	require.GreaterOrEqual(t, r.Documents, int64(90))
	_, err = engine.Restore(context.Background(), backup, target, engine.CheckOptions{})
	require.ErrorContains(t, err, "not empty")
	restored := openEngine(t, target, engine.Options{})
	n, err := restored.Command(context.Background(), "d", raw(t, bson.D{{Key: "count", Value: "c"}, {Key: "query", Value: bson.D{{Key: "u", Value: bson.D{{Key: "$gte", Value: 0}}}}}}))
	require.NoError(t, err)
	require.EqualValues(t, 90, n.Lookup("n").AsInt64())
}

func TestBackupDir(t *testing.T) {
	dir, to := filled(t), filepath.Join(t.TempDir(), "backup")
	require.NoError(t, engine.BackupDir(dir, to, engine.CheckOptions{}))
	require.Empty(t, check(t, to).Faults)
	require.ErrorIs(t, engine.BackupDir(filepath.Join(t.TempDir(), "none"), to, engine.CheckOptions{}), storage.ErrNoStore)
	openEngine(t, dir, engine.Options{})
	_, err := engine.Check(context.Background(), dir, engine.CheckOptions{})
	require.Error(t, err, "a directory in use")
}

// What an index build leaves that was cut short is gone after the next start.
func TestUnfinishedIndexIsDeleted(t *testing.T) {
	dir := filled(t)
	db, err := storage.Open(dir, storage.Options{})
	require.NoError(t, err)
	b := db.NewBatch()
	require.NoError(t, b.Set(storage.AppendRecord(storage.AppendIndexPrefix(nil, 99), 1), nil))
	wait, err := db.Apply(b, true)
	require.NoError(t, err)
	require.NoError(t, wait())
	require.NoError(t, db.Close())
	require.Empty(t, check(t, dir).Faults)
	e, err := engine.Open(dir, engine.Options{TTLInterval: -1})
	require.NoError(t, err)
	require.NoError(t, e.Close())
	db, err = storage.Open(dir, storage.Options{})
	require.NoError(t, err)
	ids, err := db.IndexIDs()
	require.NoError(t, err)
	require.NotContains(t, ids, uint32(99))
	require.NoError(t, db.Close())
}
