package session

import (
	"encoding/binary"
	"runtime"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/sqltype"
	"weir/wire"
)

// Bounds of what a COPY TO writes beside the reading of its rows.
const (
	copyAlone    = 200      // rows from the beginning that are written at once: most results have no more
	copyChunk    = 64 << 10 // bytes of documents that are written together
	copyHeavy    = 16 << 10 // bytes of a document that is not copied into a chunk
	copyChunks   = 8        // that there are at most: so many that those who write them seldom wait for one
	copyMostText = 1 << 20  // bytes of a chunk's text whose buffer is kept
)

// copyRows writes the rows of a COPY TO. Behind the first ones, chunks of rows are
// written as text by goroutines of their own, while the next are read, and sent in
// their order: reading, writing and sending are then about as much work each.
type copyRows struct {
	w      *wire.Writer
	writer copyWriter
	n      int // rows that were sent

	another func() copyWriter // nil: nothing is written beside
	filled  *copyPart         // nil: none is begun
	running []*copyPart       // oldest first
	spare   []*copyPart
	parts   int
}

// copyPart is a chunk of rows and what is made of them.
type copyPart struct {
	writer copyWriter
	rows   []byte // documents, one behind the other
	out    []byte // messages
	n      int
	err    error // of the row behind these
	broken any   // what it panicked with
	done   chan struct{}
}

func newCopyRows(f *copyFormat, cols []column, env *sqltype.Env, w *wire.Writer) *copyRows {
	formats := make([]int16, len(cols))
	for i := range formats {
		formats[i] = f.wire()
	}
	r := &copyRows{w: w, writer: copyWriter{f: f, cols: cols, enc: encoder(cols, formats, env)}}
	if runtime.NumCPU() > 1 && !w.Recodes() && printAlone(cols) {
		alone := *env // a session's functions belong to its goroutine
		alone.Rounded, alone.Name, alone.ObjectID = nil, nil, nil
		r.another = func() copyWriter {
			return copyWriter{f: f, cols: cols, enc: encoder(cols, formats, &alone)}
		}
	}
	return r
}

// printAlone tells whether values of all columns are printed without asking the
// session, as the names of objects are.
func printAlone(cols []column) bool {
	for _, c := range cols {
		t := c.typ.OID
		if t.IsArray() {
			t = t.Elem()
		}
		switch t {
		case sqltype.Bool, sqltype.Int2, sqltype.Int4, sqltype.Int8, sqltype.Float4, sqltype.Float8, sqltype.Numeric,
			sqltype.Text, sqltype.Varchar, sqltype.Bpchar, sqltype.Name, sqltype.UUID, sqltype.Bytea, sqltype.JSON, sqltype.JSONB,
			sqltype.Date, sqltype.Time, sqltype.Timestamp, sqltype.Timestamptz, sqltype.Interval:
		default:
			return false
		}
	}
	return true
}

// row takes the next row.
func (r *copyRows) row(doc bson.Raw) error {
	if r.another == nil || r.parts == 0 && r.n < copyAlone || len(doc) > copyHeavy {
		if err := r.drain(); err != nil {
			return err
		}
		return r.write(doc)
	}
	if r.filled == nil {
		r.filled = r.part()
	}
	p := r.filled
	if p.rows = append(p.rows, doc...); len(p.rows) < copyChunk {
		return nil
	}
	r.filled = nil
	r.running = append(r.running, p)
	go p.write()
	if len(r.running) < copyChunks {
		return nil
	}
	return r.send()
}

// write writes a row at once.
func (r *copyRows) write(doc bson.Raw) error {
	b, err := r.writer.row(r.w.BeginData(), doc)
	if err != nil {
		r.w.Undo(b)
		return err
	}
	if err := r.w.End(b); err != nil {
		return err
	}
	r.n++
	return nil
}

func (r *copyRows) part() *copyPart {
	if n := len(r.spare); n > 0 {
		p := r.spare[n-1]
		r.spare = r.spare[:n-1]
		return p
	}
	r.parts++
	return &copyPart{writer: r.another(), done: make(chan struct{}, 1)}
}

// write makes messages of the rows up to one that cannot be written. A panic is
// kept for the goroutine of the connection, which it ends and not the server.
func (p *copyPart) write() {
	defer func() {
		p.broken = recover()
		p.done <- struct{}{}
	}()
	p.out, p.n, p.err = p.out[:0], 0, nil
	for rest := p.rows; len(rest) > 0; p.n++ {
		size := binary.LittleEndian.Uint32(rest)
		start := len(p.out)
		b, err := p.writer.row(wire.BeginData(p.out), rest[:size])
		if err == nil {
			err = wire.EndData(b, start)
		}
		if err != nil {
			p.out, p.err = b[:start], err
			return
		}
		p.out, rest = b, rest[size:]
	}
}

// send waits for the oldest chunk and sends it.
func (r *copyRows) send() error {
	p := r.running[0]
	r.running = r.running[1:]
	if <-p.done; p.broken != nil {
		panic(p.broken)
	}
	err := r.w.Append(p.out, p.n)
	if r.n += p.n; err == nil {
		err = p.err
	}
	if p.rows = p.rows[:0]; cap(p.out) > copyMostText {
		p.out = nil
	}
	r.spare = append(r.spare, p)
	return err
}

// drain sends what was taken so far.
func (r *copyRows) drain() error {
	if p := r.filled; p != nil {
		r.filled = nil
		r.running = append(r.running, p)
		p.write()
	}
	for len(r.running) > 0 {
		if err := r.send(); err != nil {
			return err
		}
	}
	return nil
}

// flush is for rows that come now and then.
func (r *copyRows) flush() error {
	if err := r.drain(); err != nil {
		return err
	}
	return r.w.Flush()
}

// close waits for those that still write, after an error.
func (r *copyRows) close() {
	for _, p := range r.running {
		<-p.done
	}
}
