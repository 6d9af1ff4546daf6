package storage

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// pace holds back the writing of tables while there is time for it. Pebble writes a
// full memory table out as fast as it can, which takes a processor for a quarter of
// a second: on a machine of two, whoever waits for a commit meanwhile notices. At a
// steady rate the same work is not noticed. When more memory tables fill up than
// are written, or many tables wait to be merged, nothing is held back.
type pace struct {
	waiting atomic.Int32 // memory tables that are full and not written
	level0  atomic.Int32 // tables that wait to be merged, of those made since Open
	hurried atomic.Int32 // uses that wait for the end of the writing
}

// The rates in bytes per second, and what is let through without a look at them.
const (
	flushRate  = 32 << 20
	mergeRate  = 48 << 20
	paceFree   = 1 << 20
	paceStep   = 2 * time.Millisecond
	paceLevel0 = 12
)

// hurry lifts the bounds until the function that it gives is called.
func (p *pace) hurry() (done func()) {
	p.hurried.Add(1)
	return func() { p.hurried.Add(-1) }
}

// behind tells that the writing must not be held back.
func (p *pace) behind() bool {
	return p.hurried.Load() > 0 || p.waiting.Load() > 1 || p.level0.Load() > paceLevel0
}

// listen keeps count.
func (p *pace) listen(l *pebble.EventListener) {
	l.WALCreated = func(pebble.WALCreateInfo) { p.waiting.Add(1) }
	l.FlushEnd = func(i pebble.FlushInfo) {
		p.waiting.Store(max(0, p.waiting.Load()-int32(i.Input)))
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

// pacedFS paces the tables that are made on a file system.
type pacedFS struct {
	vfs.FS
	pace *pace
}

// Unwrap gives the file system itself.
func (f pacedFS) Unwrap() vfs.FS { return f.FS }

// Create makes a file.
func (f pacedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, ".sst") {
		return file, err
	}
	rate := mergeRate
	if strings.Contains(string(category), "flush") {
		rate = flushRate
	}
	return &pacedFile{File: file, pace: f.pace, rate: rate, begun: time.Now()}, nil
}

// pacedFile is a table that is being written.
type pacedFile struct {
	vfs.File
	pace    *pace
	rate    int
	begun   time.Time
	written int
}

// Write writes, and waits where that is sooner than the rate has it.
func (f *pacedFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	if f.written += n; f.written <= paceFree || f.pace.behind() {
		return n, err
	}
	due := f.begun.Add(time.Duration(f.written-paceFree) * time.Second / time.Duration(f.rate))
	for ahead := time.Until(due); ahead > paceStep && !f.pace.behind(); ahead = time.Until(due) {
		time.Sleep(min(ahead, 5*paceStep))
	}
	return n, err
}
