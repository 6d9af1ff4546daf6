package wire

import (
	"io"

	"github.com/jackc/pgx/v5/pgproto3"
)

// flushAt is how much is gathered before it is written.
const flushAt = 64 << 10

// output gathers messages. Its buffer is the server's between statements.
type output struct {
	w   io.Writer
	buf []byte
	srv *Server
}

// send adds a message. The messages sent from here always encode.
func (o *output) send(m pgproto3.BackendMessage) {
	o.room()
	if b, err := m.Encode(o.buf); err == nil {
		o.buf = b
	}
}

func (o *output) room() {
	if o.buf != nil {
		return
	}
	if b, ok := o.srv.buffers.Get().(*[]byte); ok {
		o.buf = (*b)[:0]
		return
	}
	o.buf = make([]byte, 0, idleBuffer)
}

func (o *output) flush() error {
	if len(o.buf) == 0 {
		return nil
	}
	err := o.write(o.buf)
	o.buf = o.buf[:0]
	return err
}

func (o *output) write(b []byte) error {
	if _, err := o.w.Write(b); err != nil {
		return &connError{err}
	}
	return nil
}

// release gives the buffer back. One that a single huge row made is dropped.
func (o *output) release() {
	if b := o.buf; b != nil && len(b) == 0 {
		o.buf = nil
		if cap(b) <= 4*flushAt {
			o.srv.buffers.Put(&b)
		}
	}
}
