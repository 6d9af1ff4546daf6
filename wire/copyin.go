package wire

import (
	"context"
	"io"

	"github.com/jackc/pgx/v5/pgproto3"

	"weir/sqlerr"
)

// CopyReader gives the data of COPY FROM STDIN.
type CopyReader struct {
	c     *conn
	plain bool // text, not binary
	done  bool
}

// CopyIn begins COPY FROM STDIN.
func (w *Writer) CopyIn(format int16, columns int) (*CopyReader, error) {
	w.c.out.send(&pgproto3.CopyInResponse{OverallFormat: byte(format), ColumnFormatCodes: columnFormats(format, columns)})
	if err := w.c.out.flush(); err != nil {
		return nil, err
	}
	return &CopyReader{c: w.c, plain: format == Text}, nil
}

// Next gives the next piece, valid until the following call, and io.EOF at the
// end. A client that gives up, or is cancelled, is an error.
func (r *CopyReader) Next(ctx context.Context) ([]byte, error) {
	if r.done {
		return nil, io.EOF
	}
	// A cancel must reach a client that sends nothing.
	stop := context.AfterFunc(ctx, r.c.Wake)
	defer stop()
	for {
		woken := r.c.in.woken
		r.c.in.woken = func() error {
			if err := woken(); err != nil {
				return err
			}
			return context.Cause(ctx)
		}
		typ, body, err := r.c.in.message(r.c.srv.opts.MaxMessage)
		r.c.in.woken = woken
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case err == errMessageLength:
			return nil, &connError{err}
		case err != nil:
			return nil, &connError{err}
		}
		switch typ {
		case 'd':
			if r.plain {
				body = r.c.charset.decode(body)
			}
			return body, nil
		case 'c':
			r.done = true
			return nil, io.EOF
		case 'f':
			r.done = true
			var m pgproto3.CopyFail
			if m.Decode(body) != nil {
				return nil, malformed("CopyFail")
			}
			return nil, sqlerr.New(sqlerr.QueryCanceled, "COPY from stdin failed: %s", m.Message)
		case 'H', 'S':
			// Sent by clients that do not know yet that this is a COPY.
		default:
			return nil, &connError{fatal(sqlerr.ProtocolViolation, "unexpected message type 0x%02X during COPY from stdin", typ)}
		}
	}
}

func malformed(message string) error {
	return sqlerr.New(sqlerr.ProtocolViolation, "invalid %s message", message)
}
