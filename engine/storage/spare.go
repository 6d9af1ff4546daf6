package storage

import (
	"errors"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// spareLogs has files ready for new write-ahead logs whose blocks were written
// before. Where a file grows, each sync waits for the file system's journal, too,
// and with that for whatever else is being written: it takes twice as long as one
// of blocks that are there. Pebble uses its old logs again for that reason; before
// it has any, and where they are short, this file takes their place.
type spareLogs struct {
	size int64 // of the longest file, in bytes

	mu     sync.Mutex
	logs   int  // begun since Open
	ready  bool // the file is there
	making bool
	closed bool
	ended  sync.WaitGroup
}

const (
	spareName = "log.spare"
	// spareFirst is the memory table that a process begins with; each is twice as
	// large as the one before, up to the largest.
	spareFirst = 256 << 10
	// spareAfter is how many logs a process begins before it has a file ready: who
	// writes little needs none.
	spareAfter = 2
	spareWrite = 64 << 10
	sparePiece = 4 * spareWrite
	spareRest  = 6 * time.Millisecond // after each piece
)

// spareSize is about what a memory table takes of a log. What goes beyond makes the
// file grow.
func spareSize(memTable int64) int64 { return memTable / 4 * 3 }

// long tells whether an old log may be used for the one that begins now, because it
// is as long as a spare file would be; then that one counts as begun.
func (s *spareLogs) long(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size < s.sizeOf(s.logs) {
		return false
	}
	s.logs++
	return true
}

// sizeOf is the size for a log, by its number since Open.
func (s *spareLogs) sizeOf(log int) int64 {
	return min(s.size, spareSize(spareFirst)<<min(log, 20))
}

var errSpareStopped = errors.New("the store is being closed")

// take gives the file that is ready to a log that begins; false: there is none. It
// has the next one made.
func (s *spareLogs) take(fs vfs.FS, name string, category vfs.DiskWriteCategory) (vfs.File, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs++
	spare := fs.PathJoin(fs.PathDir(name), spareName)
	var file vfs.File
	if s.ready {
		s.ready = false
		file = s.use(fs, spare, name, category)
	}
	if s.logs > spareAfter && !s.making && !s.closed {
		s.making = true
		s.ended.Add(1)
		go s.make(fs, spare, category, s.sizeOf(s.logs))
	}
	return file, file != nil
}

// use gives the file its name and opens it, nil: the log is to be made as ever. (The
// file system that tests cut off may not be cloned while it does both in one call.)
func (s *spareLogs) use(fs vfs.FS, spare, name string, category vfs.DiskWriteCategory) vfs.File {
	if fs.Rename(spare, name) != nil {
		return nil
	}
	file, err := fs.OpenReadWrite(name, category)
	if err != nil {
		return nil
	}
	return file
}

// make makes the file, slowly: nobody waits for it.
func (s *spareLogs) make(fs vfs.FS, name string, category vfs.DiskWriteCategory, size int64) {
	defer s.ended.Done()
	err := s.fill(fs, name, category, size)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.making, s.ready = false, err == nil
}

func (s *spareLogs) fill(fs vfs.FS, name string, category vfs.DiskWriteCategory, size int64) error {
	file, err := fs.Create(name, category)
	if err != nil {
		return err
	}
	zeros := make([]byte, spareWrite)
	for at := int64(spareWrite); at <= size && err == nil; at += spareWrite {
		if _, err = file.Write(zeros); err != nil || at%sparePiece != 0 {
			continue
		}
		err = file.SyncData() // little at once: others wait for the disk
		if err == nil && s.stopped() {
			err = errSpareStopped
		}
		time.Sleep(spareRest)
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func (s *spareLogs) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// drop ends the making and removes the file.
func (s *spareLogs) drop(fs vfs.FS, dir string) {
	s.mu.Lock()
	s.closed, s.ready = true, false
	s.mu.Unlock()
	s.ended.Wait()
	_ = fs.Remove(fs.PathJoin(dir, spareName)) // it may not be there
}
