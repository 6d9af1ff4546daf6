package wire

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// idleBuffer is what an idle connection keeps.
const idleBuffer = 4 << 10

var errGarbage = errors.New("wire: not the PostgreSQL protocol")

// input reads messages. Its buffer grows only as bytes arrive, so that a
// length field alone takes no memory.
type input struct {
	conn  net.Conn
	buf   []byte
	r, w  int          // buf[r:w] is read but not used
	woken func() error // after a read was interrupted: nil to go on reading
}

// fill reads until n bytes are there.
func (in *input) fill(n int) error {
	for in.w-in.r < n {
		in.room(n)
		k, err := in.conn.Read(in.buf[in.w:])
		in.w += k
		if err == nil || k > 0 {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && in.woken != nil {
			if err := in.woken(); err != nil {
				return err
			}
			continue
		}
		if err == io.EOF && in.w > in.r {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

// room makes place behind w. The buffer at most doubles, whatever n claims.
func (in *input) room(n int) {
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
	if in.r > 0 && in.r+n > len(in.buf) {
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	}
	if in.w < len(in.buf) {
		return
	}
	b := make([]byte, max(idleBuffer, min(n, 2*len(in.buf))))
	in.w = copy(b, in.buf[in.r:in.w])
	in.buf, in.r = b, 0
}

func (in *input) peek(n int) ([]byte, error) {
	if err := in.fill(n); err != nil {
		return nil, err
	}
	return in.buf[in.r : in.r+n], nil
}

// next gives n bytes, valid until the following call.
func (in *input) next(n int) ([]byte, error) {
	b, err := in.peek(n)
	if err != nil {
		return nil, err
	}
	in.r += n
	return b, nil
}

// message reads a message: type, length, body.
func (in *input) message(limit int) (byte, []byte, error) {
	head, err := in.peek(5)
	if err != nil {
		return 0, nil, err
	}
	typ, n := head[0], int(binary.BigEndian.Uint32(head[1:]))
	if n < 4 || n > limit {
		return typ, nil, errMessageLength
	}
	b, err := in.next(n + 1)
	if err != nil {
		return typ, nil, err
	}
	return typ, b[5:], nil
}

var errMessageLength = errors.New("wire: invalid message length")

// ahead gives the type of the message that begins skip messages after this
// point if its header is already here; 0: not known.
func (in *input) ahead(skip int) byte {
	b := in.buf[in.r:in.w]
	for ; ; skip-- {
		if len(b) < 5 {
			return 0
		}
		if skip == 0 {
			return b[0]
		}
		n := int(binary.BigEndian.Uint32(b[1:5])) + 1
		if n < 5 || n > len(b) {
			return 0
		}
		b = b[n:]
	}
}

// shrink gives a big buffer up when nothing is in it.
func (in *input) shrink() {
	if in.r == in.w && len(in.buf) > idleBuffer {
		in.buf, in.r, in.w = nil, 0, 0
	}
}

// Read lets a TLS handshake begin with bytes that were read already.
func (in *input) Read(p []byte) (int, error) {
	if in.r < in.w {
		n := copy(p, in.buf[in.r:in.w])
		in.r += n
		return n, nil
	}
	return in.conn.Read(p)
}

// longAgo is a deadline that interrupts a read.
var longAgo = time.Unix(1, 0)
