package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"

	"weir/sqlerr"
	"weir/sqltype"
	"weir/wire"
)

// copyTo is COPY (query) | table TO STDOUT.
type copyTo struct {
	cmd    command
	format *copyFormat
}

// binaryHeader begins COPY's binary format: signature, flags, no extension.
const binaryHeader = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func (c *copyTo) result() []column { return nil }

func (c *copyTo) open(ctx context.Context, s *Session, call *call) (rows, string, error) {
	cols := c.cmd.result()
	inner := *call
	r, _, err := c.cmd.open(ctx, s, &inner)
	if err != nil {
		return nil, "", err
	}
	defer r.close()
	if err := call.w.CopyOut(c.format.wire(), len(cols)); err != nil {
		return nil, "", err
	}
	out := newCopyRows(c.format, cols, s.env.types(), call.w)
	defer out.close()
	n, err := c.stream(ctx, r, out)
	if err != nil {
		return nil, "", err
	}
	call.w.CopyDone()
	return nil, "COPY " + itoa(n), nil
}

func (c *copyTo) stream(ctx context.Context, r rows, out *copyRows) (int, error) {
	w := out.w
	if b := out.writer.header(w.BeginData()); b != nil {
		if err := w.End(b); err != nil {
			return 0, err
		}
	}
	if live, ok := r.(*liveRows); ok {
		live.flush = out.flush
	}
	for {
		doc, err := r.next(ctx)
		if err == nil {
			err = out.row(doc)
		} else if failed := out.drain(); failed != nil {
			err = failed
		}
		if err == io.EOF {
			return out.n, out.writer.trailer(w)
		}
		if err != nil {
			return out.n, err
		}
	}
}

// copyWriter writes rows in a format.
type copyWriter struct {
	f       *copyFormat
	cols    []column
	enc     *sqltype.RowEncoder
	scratch []byte
}

// header appends what comes before the rows, nil: nothing.
func (c *copyWriter) header(b []byte) []byte {
	switch {
	case c.f.kind == "binary":
		return append(b, binaryHeader...)
	case !c.f.header:
		return nil
	}
	for i, col := range c.cols {
		if i > 0 {
			b = append(b, c.f.delim)
		}
		if c.f.kind == "csv" {
			b = c.csv(b, []byte(col.name), false)
		} else {
			b = sqltype.AppendCopyText(b, []byte(col.name), c.f.delim)
		}
	}
	return append(b, '\n')
}

func (c *copyWriter) trailer(w *wire.Writer) error {
	if c.f.kind != "binary" {
		return nil
	}
	return w.End(append(w.BeginData(), 0xff, 0xff))
}

func (c *copyWriter) row(b, doc []byte) ([]byte, error) {
	switch c.f.kind {
	case "binary":
		return c.enc.AppendColumns(binary.BigEndian.AppendUint16(b, uint16(len(c.cols))), doc)
	case "text":
		return c.enc.AppendLine(b, doc, c.f.delim, c.f.null)
	}
	fields, err := c.enc.AppendColumns(c.scratch[:0], doc)
	if err != nil {
		return b, err
	}
	c.scratch = fields
	for i, col := range c.cols {
		if i > 0 {
			b = append(b, c.f.delim)
		}
		n := int32(binary.BigEndian.Uint32(fields))
		fields = fields[4:]
		if n < 0 {
			b = append(b, c.f.null...)
			continue
		}
		b = c.csv(b, fields[:n], c.f.quoteAll || c.f.quoted[col.name])
		fields = fields[n:]
	}
	return append(b, '\n'), nil
}

// csv quotes a value where it must be told from NULL, a delimiter or an end.
func (c *copyWriter) csv(b, v []byte, force bool) []byte {
	need := force || string(v) == c.f.null || len(c.cols) == 1 && string(v) == `\.` ||
		bytes.IndexByte(v, c.f.delim) >= 0 || bytes.IndexByte(v, c.f.quote) >= 0 || bytes.ContainsAny(v, "\r\n")
	if !need {
		return append(b, v...)
	}
	b = append(b, c.f.quote)
	for _, ch := range v {
		if ch == c.f.quote || ch == c.f.escape {
			b = append(b, c.f.escape)
		}
		b = append(b, ch)
	}
	return append(b, c.f.quote)
}

func copyTarget(file string, program bool) error {
	if file == "" && !program {
		return nil
	}
	return sqlerr.New(sqlerr.InsufficientPrivilege, "COPY to or from a file or program of the server is not allowed").
		WithHint("Use STDIN or STDOUT; psql's \\copy reads and writes files of the client.")
}
