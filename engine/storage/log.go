package storage

import (
	"runtime"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// isLog tells of a write-ahead log.
func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

// logFS makes the write-ahead logs, of spare files where there are any.
type logFS struct {
	vfs.FS
	spare *spareLogs // nil: none
}

// Unwrap gives the file system itself.
func (f logFS) Unwrap() vfs.FS { return f.FS }

// Create makes a file.
func (f logFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !isLog(name) {
		return f.FS.Create(name, category)
	}
	if f.spare != nil {
		if file, ok := f.spare.take(f.FS, name, category); ok {
			return logFile{file}, nil
		}
	}
	return asLog(f.FS.Create(name, category))
}

// ReuseForWrite makes a log of an old one, or of the spare file where that is short.
func (f logFS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !isLog(name) {
		return f.FS.ReuseForWrite(old, name, category)
	}
	if f.spare == nil {
		return asLog(f.FS.ReuseForWrite(old, name, category))
	}
	if info, err := f.FS.Stat(old); err == nil && !f.spare.long(info.Size()) {
		if file, ok := f.spare.take(f.FS, name, category); ok {
			return logFile{file}, f.FS.Remove(old)
		}
	}
	return asLog(f.FS.ReuseForWrite(old, name, category))
}

// logFile is a log that is being written. Whoever syncs it keeps Go's processor for as
// long as the disk takes, and with it all goroutines that are ready on it: unless
// another processor is idle, they wait, each then asks for a sync of its own, and as
// many writes get through as there are syncs. So they run first, and what they write
// is in the same sync.
type logFile struct{ vfs.File }

func asLog(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return logFile{f}, nil
}

// SyncData syncs the file after those that are ready to run.
func (f logFile) SyncData() error {
	runtime.Gosched()
	return f.File.SyncData()
}
