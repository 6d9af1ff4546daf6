package agg

import (
	"bufio"
	"container/heap"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"go.mongodb.org/mongo-driver/v2/bson"
)

var errEnd = io.EOF

// spillFile is a temporary file of (key, document) pairs, written once and
// then read once. It is unlinked at once, so that a crash leaves nothing behind.
type spillFile struct {
	f   *os.File
	w   *bufio.Writer
	r   *bufio.Reader
	buf []byte
	n   int
}

func newSpillFile(dir string) (*spillFile, error) {
	f, err := os.CreateTemp(dir, "weir-spill-*")
	if err != nil {
		return nil, fmt.Errorf("create a temporary file: %w", err)
	}
	// Where a file cannot be removed while open, close does it.
	_ = os.Remove(f.Name())
	return &spillFile{f: f, w: bufio.NewWriterSize(f, 1<<16)}, nil
}

// pairHead is the length of what stands before a pair: the lengths of both.
const pairHead = 8

// splitPair takes the first pair off the bytes of a file.
func splitPair(b []byte) (key, doc, rest []byte) {
	k, d := int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))
	b = b[pairHead:]
	return b[:k], b[k : k+d], b[k+d:]
}

func (s *spillFile) write(key, doc []byte) error {
	var head [pairHead]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(key)))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(doc)))
	s.n++
	for _, b := range [][]byte{head[:], key, doc} {
		if _, err := s.w.Write(b); err != nil {
			return fmt.Errorf("write a temporary file: %w", err)
		}
	}
	return nil
}

func (s *spillFile) rewind() error {
	if err := s.w.Flush(); err != nil {
		return fmt.Errorf("write a temporary file: %w", err)
	}
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read a temporary file: %w", err)
	}
	s.r = bufio.NewReaderSize(s.f, 1<<16)
	return nil
}

// read gives the next pair; it is valid until the following read.
func (s *spillFile) read() (key, doc []byte, err error) {
	var head [pairHead]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return nil, nil, err
	}
	k, d := int(binary.LittleEndian.Uint32(head[:])), int(binary.LittleEndian.Uint32(head[4:]))
	if cap(s.buf) < k+d {
		s.buf = make([]byte, k+d)
	}
	s.buf = s.buf[:k+d]
	if _, err := io.ReadFull(s.r, s.buf); err != nil {
		return nil, nil, fmt.Errorf("read a temporary file: %w", err)
	}
	return s.buf[:k], s.buf[k:], nil
}

func (s *spillFile) close() {
	name := s.f.Name()
	s.f.Close()
	_ = os.Remove(name)
}

// mergeFile is a sorted run with its current pair.
type mergeFile struct {
	f        *spillFile
	key, doc []byte
	order    int
}

// mergeCursor merges sorted runs on disk with the last one in memory.
type mergeCursor struct {
	h       mergeHeap
	started bool
}

type mergeHeap struct {
	files []mergeFile
	items []sortItem // the run in memory, the latest of all
}

func (h *mergeHeap) Len() int { return len(h.files) }
func (h *mergeHeap) Less(i, j int) bool {
	a, b := &h.files[i], &h.files[j]
	return compareItems(sortItem{key: a.key, seq: a.order}, sortItem{key: b.key, seq: b.order}) < 0
}
func (h *mergeHeap) Swap(i, j int) { h.files[i], h.files[j] = h.files[j], h.files[i] }
func (h *mergeHeap) Push(x any)    { h.files = append(h.files, x.(mergeFile)) }
func (h *mergeHeap) Pop() any {
	x := h.files[len(h.files)-1]
	h.files = h.files[:len(h.files)-1]
	return x
}

func (m *mergeCursor) start() error {
	m.started = true
	live := m.h.files[:0]
	for _, f := range m.h.files {
		var err error
		if f.key, f.doc, err = f.f.read(); err == io.EOF {
			f.f.close()
			continue
		} else if err != nil {
			return err
		}
		live = append(live, f)
	}
	m.h.files = live
	heap.Init(&m.h)
	return nil
}

// Next reads on in the run whose document was given out last only when the
// next one is asked for, because the document lies in that run's buffer.
func (m *mergeCursor) Next(context.Context) (bson.Raw, error) {
	_, doc, err := m.next()
	return doc, err
}

// next gives the next pair, valid until the following call.
func (m *mergeCursor) next() (key, doc []byte, err error) {
	if !m.started {
		if err := m.start(); err != nil {
			return nil, nil, err
		}
	} else if err := m.advance(); err != nil {
		return nil, nil, err
	}
	files, items := m.h.files, m.h.items
	switch {
	case len(files) == 0 && len(items) == 0:
		return nil, nil, io.EOF
	case len(files) == 0 || len(items) > 0 && string(items[0].key) < string(files[0].key):
		m.h.items = items[1:]
		return items[0].key, items[0].doc, nil
	}
	key, doc = files[0].key, files[0].doc
	m.h.files[0].doc = nil
	return key, doc, nil
}

// advance moves on the run whose document was taken; that is marked by a nil document.
func (m *mergeCursor) advance() error {
	if len(m.h.files) == 0 || m.h.files[0].doc != nil {
		return nil
	}
	f := &m.h.files[0]
	var err error
	f.key, f.doc, err = f.f.read()
	if err == io.EOF {
		f.f.close()
		heap.Pop(&m.h)
		return nil
	}
	if err != nil {
		return err
	}
	heap.Fix(&m.h, 0)
	return nil
}

func (m *mergeCursor) Close() error {
	for _, f := range m.h.files {
		f.f.close()
	}
	m.h.files, m.h.items = nil, nil
	return nil
}
