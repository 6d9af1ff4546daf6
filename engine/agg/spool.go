package agg

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// Spool keeps documents that are read several times: in memory up to a limit,
// then in a temporary file. It is filled once, by one goroutine, and then read
// by any number of cursors.
type Spool struct {
	docs  []bson.Raw
	held  int64
	limit int64
	dir   string
	file  *spillFile
	size  int64 // of the file
}

// NewSpool makes an empty Spool that keeps up to limit bytes in memory.
func NewSpool(limit int64, dir string) *Spool { return &Spool{limit: limit, dir: dir} }

// SpoolOf holds documents that are in memory anyway.
func SpoolOf(docs []bson.Raw) *Spool { return &Spool{docs: docs} }

// docCost is what a kept document takes besides its bytes.
const docCost = 24

// Fill appends copies of a cursor's documents and closes it.
func (s *Spool) Fill(ctx context.Context, cur store.Cursor) error {
	defer cur.Close()
	for {
		doc, err := cur.Next(ctx)
		if err == io.EOF {
			break
		}
		if err == nil {
			err = s.add(doc)
		}
		if err != nil {
			s.Close()
			return err
		}
	}
	if s.file == nil {
		return nil
	}
	if err := s.file.w.Flush(); err != nil {
		s.Close()
		return fmt.Errorf("write a temporary file: %w", err)
	}
	return nil
}

func (s *Spool) add(doc bson.Raw) (err error) {
	n := int64(len(doc)) + docCost
	if s.file == nil && s.held+n <= s.limit {
		s.held += n
		s.docs = append(s.docs, append(bson.Raw(nil), doc...))
		return nil
	}
	if s.file == nil {
		if s.file, err = newSpillFile(s.dir); err != nil {
			return err
		}
	}
	s.size += int64(len(doc))
	if _, err := s.file.w.Write(doc); err != nil {
		return fmt.Errorf("write a temporary file: %w", err)
	}
	return nil
}

// OnDisk tells whether a part of the documents is in a file.
func (s *Spool) OnDisk() bool { return s.file != nil }

// Cursor reads all documents from the first on.
func (s *Spool) Cursor() store.Cursor {
	if s.file == nil {
		return Documents(s.docs)
	}
	return &spoolCursor{s: s}
}

// Open implements Source. It leaves all filtering to the pipeline.
func (s *Spool) Open(context.Context, Request) (store.Cursor, Satisfied, error) {
	return s.Cursor(), Satisfied{}, nil
}

// Close gives the file back; cursors must have ended. It may be called more than once.
func (s *Spool) Close() {
	if s.file != nil {
		s.file.close()
		s.file = nil
	}
	s.docs = nil
}

// spoolCursor reads the documents in memory, then those of the file by pieces.
type spoolCursor struct {
	s    *Spool
	i    int
	at   int64 // of the file, behind buf
	buf  []byte
	rest []byte // of buf, not given out
}

// spoolPiece is how much is read at once.
const spoolPiece = 256 << 10

// Next implements store.Cursor.
func (c *spoolCursor) Next(context.Context) (bson.Raw, error) {
	if c.i < len(c.s.docs) {
		c.i++
		return c.s.docs[c.i-1], nil
	}
	if err := c.have(4); err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint32(c.rest))
	if err := c.have(n); err != nil {
		return nil, err
	}
	doc := c.rest[:n]
	c.rest = c.rest[n:]
	return doc, nil
}

// have makes sure that rest holds n bytes; io.EOF: the file ends.
func (c *spoolCursor) have(n int) error {
	if len(c.rest) >= n {
		return nil
	}
	if c.s.file == nil || c.at == c.s.size && len(c.rest) == 0 {
		return io.EOF
	}
	size := int(min(int64(max(spoolPiece, n)-len(c.rest)), c.s.size-c.at))
	buf := append(c.buf[:0], c.rest...)
	if cap(buf) < len(buf)+size {
		buf = append(make([]byte, 0, len(buf)+size), buf...)
	}
	old := len(buf)
	buf = buf[:old+size]
	if _, err := c.s.file.f.ReadAt(buf[old:], c.at); err != nil {
		return fmt.Errorf("read a temporary file: %w", err)
	}
	c.at += int64(size)
	c.buf, c.rest = buf, buf
	if len(buf) < n {
		return fmt.Errorf("read a temporary file: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

// Close implements store.Cursor.
func (c *spoolCursor) Close() error { return nil }
