package storage

import (
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// pace holds back the writing of tables while there is time for it. Pebble writes a
// full memory table out as fast as it can, which takes a processor for a quarter of
// a second: on a machine of two, whoever waits for a commit meanwhile notices. The
// same work with rests between is not noticed. When another memory table fills up
// meanwhile, or many tables wait to be merged, nothing is held back.
type pace struct {
	full    atomic.Int32 // memory tables that filled up since the last writing of some began
	level0  atomic.Int32 // tables that wait to be merged, of those made since Open
	hurried atomic.Int32 // uses that wait for the end of the writing
}

// How the writing is held back: after some work, a rest that is so many times as
// long. Small tables are through before it begins.
const (
	paceFree   = 2 * time.Millisecond // of work
	paceWork   = 250 * time.Microsecond
	paceRest   = 3
	paceLong   = 20 * time.Millisecond // a rest at most
	paceKeys   = 8                     // between two looks at the clock
	paceLevel0 = 12
)

// hurry lifts the bounds until the function that it gives is called.
func (p *pace) hurry() (done func()) {
	p.hurried.Add(1)
	return func() { p.hurried.Add(-1) }
}

// behind tells that the writing must not be held back.
func (p *pace) behind() bool {
	return p.hurried.Load() > 0 || p.full.Load() > 0 || p.level0.Load() > paceLevel0
}

// listen keeps count.
func (p *pace) listen(l *pebble.EventListener) {
	l.WALCreated = func(pebble.WALCreateInfo) { p.full.Add(1) }
	l.FlushBegin = func(pebble.FlushInfo) { p.full.Store(0) }
	l.FlushEnd = func(i pebble.FlushInfo) {
		if i.Err == nil {
			p.level0.Add(int32(len(i.Output)))
		}
	}
	l.CompactionEnd = func(i pebble.CompactionInfo) {
		if i.Err != nil {
			return
		}
		for _, in := range i.Input {
			if in.Level == 0 {
				p.level0.Store(max(0, p.level0.Load()-int32(len(in.Tables))))
			}
		}
		if i.Output.Level == 0 {
			p.level0.Add(int32(len(i.Output.Tables)))
		}
	}
}

// pacedTable rests while a table is written. It is told of each key by the goroutine
// that encodes, and so is a collector of properties, of which it finds none.
type pacedTable struct {
	sstable.BlockPropertyCollector // nil: what is not below is never called
	pace                           *pace
	sleep                          func(time.Duration)
	since                          time.Time // of the last rest
	free                           time.Duration
	keys                           int
}

// table begins a table.
func (p *pace) table() pebble.BlockPropertyCollector {
	return &pacedTable{pace: p, sleep: time.Sleep, since: time.Now(), free: paceFree}
}

// Name is in the properties of the table.
func (t *pacedTable) Name() string { return "weir.pace" }

// AddPointKey rests where work was done for a while.
func (t *pacedTable) AddPointKey(pebble.InternalKey, []byte) error {
	if t.keys++; t.keys%paceKeys != 0 {
		return nil
	}
	worked := time.Since(t.since)
	switch {
	case worked < paceWork:
		return nil
	case t.free > 0:
		t.free -= worked
	case !t.pace.behind():
		t.sleep(min(paceRest*worked, paceLong))
	}
	t.since = time.Now()
	return nil
}

// AddRangeKeys has nothing to do.
func (t *pacedTable) AddRangeKeys(sstable.Span) error { return nil }

// SupportsSuffixReplacement tells that keys have no suffixes.
func (t *pacedTable) SupportsSuffixReplacement() bool { return false }

// FinishDataBlock gives no property.
func (t *pacedTable) FinishDataBlock(buf []byte) ([]byte, error) { return buf, nil }

// AddPrevDataBlockToIndexBlock has nothing to do.
func (t *pacedTable) AddPrevDataBlockToIndexBlock() {}

// FinishIndexBlock gives no property.
func (t *pacedTable) FinishIndexBlock(buf []byte) ([]byte, error) { return buf, nil }

// FinishTable gives no property.
func (t *pacedTable) FinishTable(buf []byte) ([]byte, error) { return buf, nil }
