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
	paceFree   = 1 << 20 // bytes
	paceWork   = time.Millisecond
	paceRest   = 1
	paceLong   = 20 * time.Millisecond // a rest at most
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

// pacedFS paces the tables that are made on a file system.
type pacedFS struct {
	vfs.FS
	pace  *pace
	spare *spareLogs // nil: none
}

// Unwrap gives the file system itself.
func (f pacedFS) Unwrap() vfs.FS { return f.FS }

// Create makes a file.
func (f pacedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.spare != nil && isLog(name) {
		if file, ok := f.spare.take(f.FS, name, category); ok {
			return file, nil
		}
	}
	file, err := f.FS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, ".sst") {
		return file, err
	}
	return &pacedFile{File: file, pace: f.pace, since: time.Now()}, nil
}

// ReuseForWrite makes a log of an old one, or of a spare file where that is short.
func (f pacedFS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.spare == nil || !isLog(name) {
		return f.FS.ReuseForWrite(old, name, category)
	}
	if info, err := f.FS.Stat(old); err == nil && !f.spare.long(info.Size()) {
		if file, ok := f.spare.take(f.FS, name, category); ok {
			return file, f.FS.Remove(old)
		}
	}
	return f.FS.ReuseForWrite(old, name, category)
}

// pacedFile is a table that is being written.
type pacedFile struct {
	vfs.File
	pace    *pace
	since   time.Time // of the last rest
	written int
}

// Write writes, and rests where work was done for a while.
func (f *pacedFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	worked := time.Since(f.since)
	if f.written += n; worked < paceWork {
		return n, err
	}
	if f.written > paceFree && !f.pace.behind() {
		time.Sleep(min(paceRest*worked, paceLong))
	}
	f.since = time.Now()
	return n, err
}
