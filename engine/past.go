package engine

import (
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// Reads at a cluster time of the recent past: frozen states are kept after
// writes that came over the wire, some of them where they come fast. A time
// between two kept states can be read when nothing changed since the earlier.

const (
	pastLimit  = 64
	pastWindow = 5 * time.Minute
	pastBurst  = 32 // states that may follow each other closely
	pastPause  = 500 * time.Millisecond
)

const (
	codeSnapshotTooOld      = 239
	codeSnapshotUnavailable = 246
)

type pastStates struct {
	mu     sync.Mutex
	list   []pastState // by asOf
	closed bool
}

type pastState struct {
	snap  *storage.Snapshot
	asOf  uint64 // the last change in it
	taken time.Time
}

// keep freezes the present state, unless many were frozen just now.
func (p *pastStates) keep(e *Engine, always bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, ts := e.opts.Now(), e.applied.Load()
	n := len(p.list)
	busy := n >= pastBurst && now.Sub(p.list[n-pastBurst].taken) < pastPause
	if p.closed || n > 0 && p.list[n-1].asOf >= ts || busy && !always {
		return
	}
	snap := e.db.Snapshot()
	if !snap.Quiet() || e.applied.Load() != ts {
		_ = snap.Close() // taken in the middle of a write
		return
	}
	p.list = append(p.list, pastState{snap, ts, now})
	p.drop(now.Add(-pastWindow))
}

// drop lets go of states that are too old or too many; the caller holds mu.
func (p *pastStates) drop(before time.Time) {
	gone := max(0, len(p.list)-pastLimit)
	for gone < len(p.list) && p.list[gone].taken.Before(before) {
		gone++
	}
	for _, s := range p.list[:gone] {
		_ = s.snap.Close()
	}
	p.list = slices.Delete(p.list, 0, gone)
}

// expire lets go of states that are too old.
func (p *pastStates) expire(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(now.Add(-pastWindow))
}

func (p *pastStates) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, s := range p.list {
		_ = s.snap.Close()
	}
	p.list = nil
}

// at gives the state at a cluster time, to be closed by the caller; nil when
// that is the present one.
func (p *pastStates) at(e *Engine, ts uint64) (*storage.Snapshot, error) {
	if ts >= e.applied.Load() {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i, same := slices.BinarySearchFunc(p.list, ts, func(s pastState, ts uint64) int {
		switch {
		case s.asOf < ts:
			return -1
		case s.asOf > ts:
			return 1
		}
		return 0
	})
	if !same {
		i--
	}
	if i < 0 {
		return nil, snapshotUnavailable(ts)
	}
	if !same {
		changed := false
		err := e.log.Scan(storage.OplogPos{TS: p.list[i].asOf + 1}, ts, func(_ storage.OplogPos, entry *oplog.Entry) (bool, error) {
			changed = changed || entry.Kind != oplog.Noop
			return !changed, nil
		})
		if err != nil {
			return nil, err
		}
		if changed {
			return nil, snapshotUnavailable(ts)
		}
	}
	return p.list[i].snap.Retain(), nil
}

func snapshotUnavailable(ts uint64) error {
	return mongoerr.New(codeSnapshotUnavailable, "Unable to read from a snapshot due to pending collection catalog changes or because the read timestamp %s is no longer kept; please retry the operation with a later one.",
		value.Timestamp(uint32(ts>>32), uint32(ts)))
}

// atClusterTime is the cluster time that the command wants to read at.
func (r *request) atClusterTime() (ts uint64, ok bool) {
	if r.atTime.Kind() != bson.TypeTimestamp {
		return 0, false
	}
	t, i := r.atTime.AsTimestamp()
	return uint64(t)<<32 | uint64(i), true
}

// reading is the state that the command reads: its transaction's, one of the
// past as a transaction without writes, or nil for the present.
func (r *request) reading() (*transaction, error) {
	ts, ok := r.atClusterTime()
	if r.tx != nil || !ok {
		return r.tx, nil
	}
	snap, err := r.e.past.at(r.e, ts)
	if err != nil || snap == nil {
		return nil, err
	}
	r.past = snap
	return &transaction{e: r.e, snap: snap, ws: storage.NewWriteSet(snap), asOf: ts, past: true,
		stats: map[*collection]*delta{}, made: map[store.Namespace]*collection{}}, nil
}
