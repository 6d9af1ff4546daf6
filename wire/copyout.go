package wire

import "github.com/jackc/pgx/v5/pgproto3"

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
	return append(b, 'd', 0, 0, 0, 0)
}

// CopyDone ends COPY TO STDOUT.
func (w *Writer) CopyDone() { w.c.out.send(&pgproto3.CopyDone{}) }

func columnFormats(format int16, columns int) []uint16 {
	f := make([]uint16, columns)
	for i := range f {
		f[i] = uint16(format)
	}
	return f
}
