package storage

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// TestSpareLogs has logs begin in files that are filled beforehand: after the power is
// cut all that was synced is there, whatever stands behind it in such a file.
func TestSpareLogs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	key := func(i uint32) []byte { return binary.BigEndian.AppendUint32([]byte{spaceDocument}, i) }
	value := make([]byte, 40<<10)
	for range 5 {
		fs := vfs.NewCrashableMem()
		open := func() *DB {
			db, err := Open("data", Options{FS: fs, memTable: 1 << 20})
			require.NoError(t, err)
			return db
		}
		db, n := open(), uint32(0)
		write := func() {
			b := db.NewBatch()
			binary.BigEndian.PutUint32(value, n)
			require.NoError(t, b.Set(key(n), value))
			wait, err := db.Apply(b, true)
			require.NoError(t, err)
			require.NoError(t, wait())
			n++
		}
		spare := func() (ready, making bool) {
			db.spare.mu.Lock()
			defer db.spare.mu.Unlock()
			return db.spare.ready, db.spare.making
		}
		for ready, making := false, false; !ready; ready, making = spare() {
			if making { // wait: later there would be old logs to be used again
				time.Sleep(time.Millisecond)
				continue
			}
			write()
		}
		for ready := true; ready; ready, _ = spare() {
			write()
		}
		for range random.IntN(20) {
			write()
		}
		cut := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
		require.NoError(t, db.Close())
		names, err := fs.List("data")
		require.NoError(t, err)
		require.NotContains(t, names, spareName)
		fs = cut
		db = open()
		for i := range n {
			v, ok, err := db.Get(key(i), nil)
			require.NoError(t, err)
			require.True(t, ok, "%d of %d", i, n)
			require.Equal(t, i, binary.BigEndian.Uint32(v))
		}
		require.NoError(t, db.Close())
	}
}
