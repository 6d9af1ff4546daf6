package storage

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// encode has a table written for so long and gives the rests meanwhile.
func encode(t *testing.T, p *pace, long time.Duration) (rests []time.Duration) {
	t.Helper()
	table, ok := p.table().(*pacedTable)
	require.True(t, ok)
	table.sleep = func(d time.Duration) { rests = append(rests, d) }
	for begin := time.Now(); time.Since(begin) < long; {
		require.NoError(t, table.AddPointKey(pebble.InternalKey{}, nil))
	}
	return rests
}

// TestPace encodes tables: a small one without a rest, a large one with rests that are
// longer than the work between, and none where somebody waits for it.
func TestPace(t *testing.T) {
	p := &pace{}
	require.Empty(t, encode(t, p, paceFree/4))

	rests := encode(t, p, 10*paceFree)
	require.NotEmpty(t, rests)
	for _, r := range rests {
		require.GreaterOrEqual(t, r, paceRest*paceWork)
		require.LessOrEqual(t, r, paceLong)
	}

	done := p.hurry()
	require.Empty(t, encode(t, p, 10*paceFree), "the store is being closed")
	done()
	p.full.Store(1)
	require.Empty(t, encode(t, p, 10*paceFree), "another memory table is full")
	p.full.Store(0)
	p.level0.Store(paceLevel0 + 1)
	require.Empty(t, encode(t, p, 10*paceFree), "many tables wait")
}

// readyFile is synced by whoever has run before.
type readyFile struct {
	vfs.File
	synced func()
}

func (f readyFile) SyncData() error {
	f.synced()
	return nil
}

// TestLogIsSyncedAfterThoseWhoAreReady makes goroutines ready on the only processor:
// some have run when the log is synced. (Which ones is up to the scheduler.)
func TestLogIsSyncedAfterThoseWhoAreReady(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var ran, before atomic.Int64
	for range 10 {
		begun := ran.Load()
		for range 20 {
			go ran.Add(1)
		}
		require.NoError(t, logFile{readyFile{synced: func() { before.Add(ran.Load() - begun) }}}.SyncData())
		require.Eventually(t, func() bool { return ran.Load() == begun+20 }, time.Minute, time.Millisecond)
	}
	require.Positive(t, before.Load())
}
