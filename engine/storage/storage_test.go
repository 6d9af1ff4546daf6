package storage_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"weir/engine/storage"
)

func collect(t *testing.T, r storage.Reader, lower, upper []byte, reverse bool) []string {
	t.Helper()
	it, err := r.Iter(lower, upper, reverse)
	require.NoError(t, err)
	defer it.Close()
	out := []string{}
	for it.Next() {
		v, err := it.Value()
		require.NoError(t, err)
		out = append(out, string(it.Key()[5:])+"="+string(v))
	}
	require.NoError(t, it.Err())
	return out
}

// A write set above a snapshot reads like a map with the same changes.
func TestWriteSetAgainstModel(t *testing.T) {
	db, err := storage.Open("", storage.Options{})
	require.NoError(t, err)
	defer db.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	key := func(i int) []byte { return fmt.Appendf(storage.AppendIndexPrefix(nil, 7), "%03d", i) }
	model := map[string]string{}
	b := db.NewBatch()
	for i := range 100 {
		if i%3 == 0 {
			require.NoError(t, b.Set(key(i), []byte("base")))
			model[string(key(i)[5:])] = "base"
		}
	}
	wait, err := db.Apply(b, true)
	require.NoError(t, err)
	require.NoError(t, wait())
	snap := db.Snapshot()
	defer snap.Close()
	ws := storage.NewWriteSet(snap)
	for step := range 1500 {
		i := rnd.IntN(100)
		if rnd.IntN(3) == 0 {
			require.NoError(t, ws.Delete(key(i)))
			delete(model, string(key(i)[5:]))
		} else {
			v := fmt.Sprint(step)
			require.NoError(t, ws.Set(key(i), []byte(v)))
			model[string(key(i)[5:])] = v
		}
		if rnd.IntN(3) == 0 { // then more comes at a time
			continue
		}
		lo, hi := rnd.IntN(100), rnd.IntN(101)
		var want []string
		for k, v := range model {
			if k >= fmt.Sprintf("%03d", lo) && k < fmt.Sprintf("%03d", hi) {
				want = append(want, k+"="+v)
			}
		}
		slices.Sort(want)
		require.ElementsMatch(t, want, collect(t, ws, key(lo), key(max(lo, hi)), false))
		slices.Reverse(want)
		require.Equal(t, append([]string{}, want...), collect(t, ws, key(lo), key(max(lo, hi)), true))
		v, ok, err := ws.Get(key(i), nil)
		require.NoError(t, err)
		want1, has := model[string(key(i)[5:])]
		require.Equal(t, has, ok)
		require.Equal(t, want1, string(v))
	}
}

// What a transaction has written already costs little where it reads and writes in turns.
func BenchmarkWriteSetTurns(b *testing.B) {
	for _, size := range []int{1_000, 32_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db, err := storage.Open("", storage.Options{})
			require.NoError(b, err)
			defer db.Close()
			ws := storage.NewWriteSet(db)
			key := func(i int) []byte { return fmt.Appendf(storage.AppendIndexPrefix(nil, 7), "%09d", i) }
			for i := range size {
				require.NoError(b, ws.Set(key(i), nil))
			}
			for i := range b.N {
				k := key(i * 7919 % (2 * size))
				it, err := ws.Iter(k, append(k, 0), false)
				require.NoError(b, err)
				it.Next()
				require.NoError(b, it.Close())
				require.NoError(b, ws.Set(k, nil))
			}
		})
	}
}

// An iterator does not see changes that come after it.
func TestWriteSetIteratorIsFixed(t *testing.T) {
	db, err := storage.Open("", storage.Options{})
	require.NoError(t, err)
	defer db.Close()
	ws := storage.NewWriteSet(db)
	lower, upper := storage.IndexRange(7)
	require.NoError(t, ws.Set(append(storage.AppendIndexPrefix(nil, 7), 'a'), []byte("1")))
	it, err := ws.Iter(lower, upper, false)
	require.NoError(t, err)
	defer it.Close()
	require.NoError(t, ws.Set(append(storage.AppendIndexPrefix(nil, 7), 'b'), []byte("2")))
	require.True(t, it.Next())
	require.False(t, it.Next())
	require.Len(t, collect(t, ws, lower, upper, false), 2)
}

func TestClosedSnapshot(t *testing.T) {
	db, err := storage.Open("", storage.Options{})
	require.NoError(t, err)
	defer db.Close()
	s := db.Snapshot()
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, _, err = s.Get([]byte("x"), nil)
	require.ErrorIs(t, err, storage.ErrClosed)
}

func TestForeignFormat(t *testing.T) {
	dir := t.TempDir()
	db, err := storage.Open(dir, storage.Options{})
	require.NoError(t, err)
	b := db.NewBatch()
	require.NoError(t, b.Set(storage.MetaKey("format"), []byte("other")))
	wait, err := db.Apply(b, true)
	require.NoError(t, err)
	require.NoError(t, wait())
	require.NoError(t, db.Close())
	_, err = storage.Open(dir, storage.Options{})
	require.ErrorContains(t, err, "other")
}

// A batch of many changes does them in the order in which they were made, where
// they are of the same key.
func TestBatchOfMany(t *testing.T) {
	db, err := storage.Open("", storage.Options{})
	require.NoError(t, err)
	defer db.Close()
	model := map[string]string{}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		b := db.NewBatch()
		require.True(t, b.Empty())
		for i := range 300 {
			key := storage.AppendRecord(storage.AppendIndexPrefix(nil, rng.Uint32N(12)), storage.RecordID(rng.Uint64N(8)))
			switch rng.IntN(40) {
			case 0:
				lower, upper := storage.IndexRange(rng.Uint32N(12))
				if rng.IntN(2) == 0 {
					require.NoError(t, db.Clear(b, lower, upper))
					for k := range model { // Clear knows of the batch and the store
						if k >= string(lower) && k < string(upper) {
							delete(model, k)
						}
					}
					continue
				}
				require.NoError(t, b.DeleteRange(lower, upper))
				for k := range model {
					if k >= string(lower) && k < string(upper) {
						delete(model, k)
					}
				}
			case 1, 2, 3, 4, 5, 6, 7, 8:
				require.NoError(t, b.Delete(key))
				delete(model, string(key))
			default:
				require.NoError(t, b.Set(key, fmt.Append(nil, i)))
				model[string(key)] = fmt.Sprint(i)
			}
			require.False(t, b.Empty())
		}
		wait, err := db.Apply(b, rng.IntN(2) == 0)
		require.NoError(t, err)
		require.NoError(t, wait())
		got := map[string]string{}
		it, err := db.Iter(storage.AppendIndexPrefix(nil, 0), storage.AppendIndexPrefix(nil, 12), false)
		require.NoError(t, err)
		for it.Next() {
			v, err := it.Value()
			require.NoError(t, err)
			got[string(it.Key())] = string(v)
		}
		require.NoError(t, it.Close())
		require.Equal(t, model, got)
	}
}
