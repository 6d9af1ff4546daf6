package storage

import (
	"errors"
	"strings"
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
	// size of a file in bytes: about what a full memory table takes of a log. What
	// goes beyond makes the file grow.
	size int64

	mu     sync.Mutex
	logs   int  // begun since Open
	ready  bool // the file is there
	making bool
	closed bool
	ended  sync.WaitGroup
}

const (
	spareName = "log.spare"
	// spareAfter is how many logs a process begins before it has a file ready: the
	// first ones are short, and who writes little needs none.
	spareAfter = 2
	sparePiece = 1 << 20
	spareWrite = 64 << 10
	spareRest  = 10 * time.Millisecond // after each piece
)

var errSpareStopped = errors.New("the store is being closed")

// isLog tells of a write-ahead log.
func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

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
		if f, err := fs.ReuseForWrite(spare, name, category); err == nil {
			file = f
		}
	}
	if s.logs > spareAfter && !s.making && !s.closed {
		s.making = true
		s.ended.Add(1)
		go s.make(fs, spare, category)
	}
	return file, file != nil
}

// make makes the file, slowly: nobody waits for it.
func (s *spareLogs) make(fs vfs.FS, name string, category vfs.DiskWriteCategory) {
	defer s.ended.Done()
	err := s.fill(fs, name, category)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.making, s.ready = false, err == nil
}

func (s *spareLogs) fill(fs vfs.FS, name string, category vfs.DiskWriteCategory) error {
	file, err := fs.Create(name, category)
	if err != nil {
		return err
	}
	zeros := make([]byte, spareWrite)
	for at := int64(spareWrite); at <= s.size && err == nil; at += spareWrite {
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
