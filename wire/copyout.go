package wire

import (
	"encoding/binary"

	"github.com/jackc/pgx/v5/pgproto3"

	"weir/sqlerr"
)

// CopyOut begins COPY TO STDOUT. The data follow by BeginData and End.
func (w *Writer) CopyOut(format int16, columns int) error {
	w.mode, w.plain = 'd', format == Text
	m := &pgproto3.CopyOutResponse{OverallFormat: byte(format), ColumnFormatCodes: columnFormats(format, columns)}
	w.c.out.send(m)
	return nil
}

// BeginData begins a CopyData and gives the buffer to append to.
func (w *Writer) BeginData() []byte {
	w.c.out.room()
	b := w.c.out.buf
	w.start = len(b)
	return BeginData(b)
}

// BeginData begins a CopyData in a buffer of the caller's, for Append.
func BeginData(b []byte) []byte { return append(b, 'd', 0, 0, 0, 0) }

// EndData ends the CopyData that began at start.
func EndData(b []byte, start int) error {
	n := len(b) - start - 1
	if n > 1<<30-1 {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "row of %d bytes exceeds what the protocol can carry", n)
	}
	binary.BigEndian.PutUint32(b[start+1:], uint32(n))
	return nil
}

// Append sends whole messages with n rows behind what is gathered, written by
// others meanwhile. Where Recodes is true they must be made one by one.
func (w *Writer) Append(messages []byte, n int) error {
	if err := w.c.out.flush(); err != nil {
		return err
	}
	w.rows += n
	return w.c.out.write(messages)
}

// Recodes tells whether what is written is changed for the client's encoding.
func (w *Writer) Recodes() bool { return w.c.charset != nil }

// CopyDone ends COPY TO STDOUT.
func (w *Writer) CopyDone() { w.c.out.send(&pgproto3.CopyDone{}) }

func columnFormats(format int16, columns int) []uint16 {
	f := make([]uint16, columns)
	for i := range f {
		f[i] = uint16(format)
	}
	return f
}
