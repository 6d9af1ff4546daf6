package storage

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClear(t *testing.T) {
	key := func(space byte, i int) []byte { return binary.BigEndian.AppendUint32([]byte{space}, uint32(i)) }
	for _, c := range []struct {
		name            string
		before, inBatch int
	}{{"none", 0, 0}, {"few", 3, 0}, {"as many as are few", fewKeys, 0}, {"many", fewKeys + 1, 0}, {"in the batch too", 3, 2}} {
		t.Run(c.name, func(t *testing.T) {
			db := memory(t)
			set := func(b *Batch, from, n int) {
				for i := from; i < from+n; i++ {
					require.NoError(t, b.Set(key(200, i), []byte{1}))
				}
			}
			b := db.NewBatch()
			set(b, 0, c.before)
			require.NoError(t, b.Set(key(201, 0), []byte{1}))
			apply(t, db, b)
			b = db.NewBatch()
			set(b, c.before, c.inBatch)
			require.NoError(t, db.Clear(b, []byte{200}, []byte{201}))
			apply(t, db, b)
			left, err := db.few([]byte{200}, []byte{255})
			require.NoError(t, err)
			require.Equal(t, [][]byte{key(201, 0)}, left)
		})
	}
}

func apply(t *testing.T, db *DB, b *Batch) {
	t.Helper()
	wait, err := db.Apply(b, true)
	require.NoError(t, err)
	require.NoError(t, wait())
}

func memory(t *testing.T) *DB {
	t.Helper()
	db, err := Open("", Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}
