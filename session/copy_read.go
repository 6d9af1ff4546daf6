package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"

	"weir/sqlerr"
)

// copyInput reads the rows of COPY FROM STDIN out of the pieces that come.
type copyInput struct {
	f    *copyFormat
	cols []string
	src  pieces
	buf  []byte // what is here and not used
	eof  bool
	line int
	row  []copyField
	flat []byte // the fields' bytes
}

// pieces is what wire.CopyReader gives.
type pieces interface {
	Next(ctx context.Context) ([]byte, error)
}

// copyField is a field; null tells NULL from an empty value.
type copyField struct {
	from, to int
	null     bool
}

func (c *copyInput) value(i int) ([]byte, bool) {
	f := c.row[i]
	return c.flat[f.from:f.to], !f.null
}

// more reads another piece; false at the end.
func (c *copyInput) more(ctx context.Context) (bool, error) {
	if c.eof {
		return false, nil
	}
	b, err := c.src.Next(ctx)
	if err == io.EOF {
		c.eof = true
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.buf = append(c.buf, b...)
	return true, nil
}

// drain takes what the client sends after the end of the data.
func (c *copyInput) drain(ctx context.Context) error {
	for {
		c.buf = c.buf[:0]
		if ok, err := c.more(ctx); !ok || err != nil {
			return err
		}
	}
}

// next reads a row; false at the end.
func (c *copyInput) next(ctx context.Context) (bool, error) {
	c.row, c.flat = c.row[:0], c.flat[:0]
	var ok bool
	var err error
	switch c.f.kind {
	case "binary":
		return c.nextBinary(ctx)
	case "csv":
		ok, err = c.nextCSV(ctx)
	default:
		ok, err = c.nextText(ctx)
	}
	if !ok || err != nil {
		return false, err
	}
	switch n := len(c.row); {
	case n < len(c.cols):
		return false, sqlerr.New(sqlerr.BadCopyFileFormat, "missing data for column \"%s\"", c.cols[n])
	case n > len(c.cols):
		return false, sqlerr.New(sqlerr.BadCopyFileFormat, "extra data after last expected column")
	}
	return true, nil
}

func (c *copyInput) add(from int, null bool) {
	c.row = append(c.row, copyField{from, len(c.flat), null})
}

// nextText reads a line of the text format: backslashes escape, newlines too.
func (c *copyInput) nextText(ctx context.Context) (bool, error) {
	line, ok, err := c.textLine(ctx)
	if !ok || err != nil {
		return false, err
	}
	c.line++
	if string(line) == `\.` {
		return false, c.drain(ctx)
	}
	for {
		start, raw := len(c.flat), line
		end := 0
		for end < len(line) && line[end] != c.f.delim {
			if line[end] == '\\' && end+1 < len(line) {
				end++
			}
			end++
		}
		raw = line[:end]
		if string(raw) == c.f.null {
			c.add(start, true)
		} else {
			c.flat = unescapeCopy(c.flat, raw)
			c.add(start, false)
		}
		if end >= len(line) {
			return true, nil
		}
		line = line[end+1:]
	}
}

// textLine takes a line off the buffer, without its end.
func (c *copyInput) textLine(ctx context.Context) ([]byte, bool, error) {
	for from := 0; ; {
		i := bytes.IndexByte(c.buf[from:], '\n')
		if i >= 0 {
			end := from + i
			if escapedAt(c.buf, end) {
				from = end + 1
				continue
			}
			line := c.buf[:end]
			c.buf = c.buf[end+1:]
			return bytes.TrimSuffix(line, []byte{'\r'}), true, nil
		}
		from = len(c.buf)
		ok, err := c.more(ctx)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			line := c.buf
			c.buf = nil
			return line, len(line) > 0, nil
		}
	}
}

// escapedAt tells whether an odd number of backslashes comes before i.
func escapedAt(b []byte, i int) bool {
	n := 0
	for i--; i >= 0 && b[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

func unescapeCopy(dst, src []byte) []byte {
	for i := 0; i < len(src); i++ {
		if src[i] != '\\' || i+1 == len(src) {
			dst = append(dst, src[i])
			continue
		}
		i++
		switch ch := src[i]; {
		case ch == 'b':
			dst = append(dst, '\b')
		case ch == 'f':
			dst = append(dst, '\f')
		case ch == 'n':
			dst = append(dst, '\n')
		case ch == 'r':
			dst = append(dst, '\r')
		case ch == 't':
			dst = append(dst, '\t')
		case ch == 'v':
			dst = append(dst, '\v')
		case ch >= '0' && ch <= '7':
			n := 0
			for k := 0; k < 3 && i < len(src) && src[i] >= '0' && src[i] <= '7'; k++ {
				n = n*8 + int(src[i]-'0')
				i++
			}
			i--
			dst = append(dst, byte(n))
		case ch == 'x' && i+1 < len(src) && hexDigit(src[i+1]) >= 0:
			n := 0
			for k := 0; k < 2 && i+1 < len(src) && hexDigit(src[i+1]) >= 0; k++ {
				i++
				n = n*16 + hexDigit(src[i])
			}
			dst = append(dst, byte(n))
		default:
			dst = append(dst, ch)
		}
	}
	return dst
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|32 >= 'a' && c|32 <= 'f':
		return int(c|32-'a') + 10
	}
	return -1
}

// nextCSV reads a record, whose quoted fields may hold line ends.
func (c *copyInput) nextCSV(ctx context.Context) (bool, error) {
	record, ok, err := c.csvRecord(ctx)
	if !ok || err != nil {
		return false, err
	}
	c.line++
	if string(record) == `\.` {
		return false, c.drain(ctx)
	}
	for i := 0; ; {
		start, quoted := len(c.flat), false
		inside := false
		for ; i < len(record); i++ {
			ch := record[i]
			switch {
			case inside && ch == c.f.escape && i+1 < len(record) && (record[i+1] == c.f.quote || record[i+1] == c.f.escape):
				i++
				c.flat = append(c.flat, record[i])
				continue
			case ch == c.f.quote:
				inside, quoted = !inside, true
				continue
			case !inside && ch == c.f.delim:
			default:
				c.flat = append(c.flat, ch)
				continue
			}
			break
		}
		c.addCSV(start, quoted)
		if i >= len(record) {
			return true, nil
		}
		i++
	}
}

// addCSV adds a field, NULL if it reads as such and was not quoted, or is forced.
func (c *copyInput) addCSV(start int, quoted bool) {
	name := ""
	if len(c.row) < len(c.cols) {
		name = c.cols[len(c.row)]
	}
	null := string(c.flat[start:]) == c.f.null
	switch {
	case quoted:
		null = null && (c.f.nullAll || c.f.forceNull[name])
	default:
		null = null && !c.f.notNullAll && !c.f.forceNotNull[name]
	}
	c.add(start, null)
}

// csvRecord takes a record off the buffer, without its end.
func (c *copyInput) csvRecord(ctx context.Context) ([]byte, bool, error) {
	inside := false
	for i := 0; ; i++ {
		for i >= len(c.buf) {
			ok, err := c.more(ctx)
			if err != nil {
				return nil, false, err
			}
			if ok {
				continue
			}
			record := c.buf
			c.buf = nil
			if inside {
				return nil, false, sqlerr.New(sqlerr.BadCopyFileFormat, "unterminated CSV quoted field")
			}
			return record, len(record) > 0, nil
		}
		switch ch := c.buf[i]; {
		case inside && ch == c.f.escape && c.f.escape != c.f.quote:
			i++
		case ch == c.f.quote:
			inside = !inside
		case ch == '\n' && !inside:
			record := c.buf[:i]
			c.buf = c.buf[i+1:]
			return bytes.TrimSuffix(record, []byte{'\r'}), true, nil
		}
	}
}

// take takes n bytes off the buffer.
func (c *copyInput) take(ctx context.Context, n int) ([]byte, error) {
	for len(c.buf) < n {
		ok, err := c.more(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, sqlerr.New(sqlerr.BadCopyFileFormat, "unexpected EOF in COPY data")
		}
	}
	b := c.buf[:n]
	c.buf = c.buf[n:]
	return b, nil
}

// binaryStart checks the header.
func (c *copyInput) binaryStart(ctx context.Context) error {
	b, err := c.take(ctx, len(binaryHeader))
	if err != nil || string(b[:11]) != binaryHeader[:11] {
		return sqlerr.New(sqlerr.BadCopyFileFormat, "COPY file signature not recognized")
	}
	if binary.BigEndian.Uint32(b[11:])&0xffff0000 != 0 {
		return sqlerr.New(sqlerr.BadCopyFileFormat, "unrecognized critical flags in COPY file header")
	}
	extra := int32(binary.BigEndian.Uint32(b[15:]))
	if extra < 0 || extra > 1<<20 {
		return sqlerr.New(sqlerr.BadCopyFileFormat, "invalid COPY file header (wrong length)")
	}
	_, err = c.take(ctx, int(extra))
	return err
}

func (c *copyInput) nextBinary(ctx context.Context) (bool, error) {
	if c.line++; c.line == 1 {
		if err := c.binaryStart(ctx); err != nil {
			return false, err
		}
	}
	if len(c.buf) == 0 {
		if ok, err := c.more(ctx); !ok || err != nil {
			return false, err
		}
	}
	b, err := c.take(ctx, 2)
	if err != nil {
		return false, err
	}
	n := int16(binary.BigEndian.Uint16(b))
	if n == -1 {
		return false, c.drain(ctx)
	}
	if int(n) != len(c.cols) {
		return false, sqlerr.New(sqlerr.BadCopyFileFormat, "row field count is %d, expected %d", n, len(c.cols))
	}
	for range n {
		if b, err = c.take(ctx, 4); err != nil {
			return false, err
		}
		size := int32(binary.BigEndian.Uint32(b))
		start := len(c.flat)
		if size == -1 {
			c.add(start, true)
			continue
		}
		if size < 0 || size > 1<<30 {
			return false, sqlerr.New(sqlerr.BadCopyFileFormat, "invalid field size")
		}
		if b, err = c.take(ctx, int(size)); err != nil {
			return false, err
		}
		c.flat = append(c.flat, b...)
		c.add(start, false)
	}
	return true, nil
}
