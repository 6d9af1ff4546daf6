package wire

import (
	"encoding/binary"
)

// Writer takes the rows of a portal. Each row is appended to the connection's
// buffer between Begin and End:
//
//	b := w.Begin(columns)
//	b = wire.AppendNull(b)                        // a NULL
//	at := len(b); b = append(b, 0, 0, 0, 0)       // or a value: its length …
//	b = append(b, value...); wire.EndValue(b, at) // … is filled in behind it
//	err := w.End(b)
type Writer struct {
	c     *conn
	start int
	rows  int
	mode  byte     // 'D' rows, 'd' inside COPY OUT
	exec  bool     // extended protocol
	cols  []Column // of the rows, where they are to be encoded
	plain bool     // COPY OUT of text
}

// Begin begins a DataRow of n columns and gives the buffer to append to.
func (w *Writer) Begin(n int) []byte {
	w.c.out.room()
	b := w.c.out.buf
	w.start = len(b)
	return append(b, 'D', 0, 0, 0, 0, byte(n>>8), byte(n))
}

// End takes the buffer back with the whole row in it.
func (w *Writer) End(b []byte) error {
	if w.c.charset != nil {
		var err error
		if b, err = w.encoded(b); err != nil {
			w.c.out.buf = b[:w.start]
			return err
		}
	}
	if err := EndData(b, w.start); err != nil { // a DataRow's length stands where a CopyData's does
		w.c.out.buf = b[:w.start]
		return err
	}
	w.c.out.buf = b
	w.rows++
	if len(b) >= flushAt {
		return w.c.out.flush()
	}
	return nil
}

// encoded makes the row or piece that was begun what the client can read.
func (w *Writer) encoded(b []byte) ([]byte, error) {
	if w.mode != 'd' {
		return w.c.charset.recode(b, w.start, w.cols)
	}
	if !w.plain {
		return b, nil
	}
	piece := append([]byte(nil), b[w.start+5:]...)
	return w.c.charset.encode(b[:w.start+5], piece)
}

// Undo forgets the row or piece that was begun.
func (w *Writer) Undo(b []byte) { w.c.out.buf = b[:w.start] }

// Rows counts what was ended in this Fetch.
func (w *Writer) Rows() int { return w.rows }

// Flush sends what is gathered: for rows that come now and then.
func (w *Writer) Flush() error { return w.c.out.flush() }

// Last tells whether the client has sent already that the batch ends after
// this statement: then nothing else will share its implicit transaction.
func (w *Writer) Last() bool {
	if !w.exec {
		return false
	}
	for skip := 0; ; skip++ {
		switch w.c.in.ahead(skip) {
		case 'S':
			return true
		case 'C', 'H':
		default:
			return false
		}
	}
}

// SendNotices sends the session's notices now rather than when Fetch ends.
func (w *Writer) SendNotices() { w.c.sendNotices() }

// AppendNull appends a NULL column.
func AppendNull(b []byte) []byte { return append(b, 0xff, 0xff, 0xff, 0xff) }

// EndValue fills in the length of the value whose length field is at at.
func EndValue(b []byte, at int) { binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4)) }

// AppendText appends a column with its length.
func AppendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}
