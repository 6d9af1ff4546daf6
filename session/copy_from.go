package session

import (
	"context"
	"strconv"
	"strings"

	"weir/engine/value"
	"weir/executor"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// copyBatch is how many values go into one INSERT.
const copyBatch = 5000

// copyFrom is COPY table FROM STDIN. Rows become INSERTs of many rows, so that
// defaults, checks and types are those of INSERT.
type copyFrom struct {
	stmt   *ast.Copy
	format *copyFormat
	cols   []ast.Ident
}

func (s *Session) analyzeCopyFrom(ctx context.Context, stmt *ast.Copy, format *copyFormat) (command, error) {
	if stmt.Where != nil {
		return nil, sqlerr.Unsupported(stmt.Where.Pos(), "Load everything and DELETE what is not wanted.", "WHERE of COPY FROM is not supported")
	}
	c := &copyFrom{stmt: stmt, format: format, cols: stmt.Columns}
	if len(c.cols) == 0 {
		t, err := s.table(ctx, stmt.Table)
		if err != nil {
			return nil, err
		}
		for _, col := range t.Columns {
			if !col.Hidden && col.Generated == "" {
				c.cols = append(c.cols, ast.MakeIdent(col.Name))
			}
		}
	}
	if len(c.cols) == 0 {
		return nil, sqlerr.New(sqlerr.UndefinedColumn, "the columns of \"%s\" are not known", stmt.Table.Last().Text).At(stmt.Table.Pos()).
			WithHint("Name them: COPY %s (column, …) FROM STDIN.", sqlName(stmt.Table))
	}
	// What is wrong with the table or its columns is told now.
	if _, err := c.insert(ctx, s, 1); err != nil {
		return nil, at(err, stmt.Table.Pos())
	}
	return c, nil
}

func (c *copyFrom) result() []column { return nil }

// insert plans an INSERT of n rows.
func (c *copyFrom) insert(ctx context.Context, s *Session, n int) (*query, error) {
	var b strings.Builder
	b.WriteString("INSERT INTO " + sqlName(c.stmt.Table) + " (" + strings.Join(identNames(c.cols), ", ") + ") OVERRIDING SYSTEM VALUE VALUES ")
	for i := range n {
		for j := range c.cols {
			switch {
			case j > 0:
				b.WriteByte(',')
			case i > 0:
				b.WriteString(",(")
			default:
				b.WriteByte('(')
			}
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(i*len(c.cols) + j + 1))
		}
		b.WriteByte(')')
	}
	stmt, err := parseOne(b.String())
	if err != nil {
		return nil, err
	}
	return s.plan(ctx, stmt, nil)
}

func (c *copyFrom) open(ctx context.Context, s *Session, call *call) (rows, string, error) {
	if err := s.writable("COPY FROM"); err != nil {
		return nil, "", err
	}
	src, err := call.w.CopyIn(c.format.wire(), len(c.cols))
	if err != nil {
		return nil, "", err
	}
	names := make([]string, len(c.cols))
	for i, col := range c.cols {
		names[i] = col.Name
	}
	if s.tx.status == 'I' { // no savepoint comes before the end
		s.tx.log = writeLog{full: true}
	}
	run := &copyRun{c: c, s: s, in: &copyInput{f: c.format, cols: names, src: src}}
	n, err := run.all(ctx)
	if err != nil {
		return nil, "", c.locate(err, run.in)
	}
	return nil, "COPY " + strconv.Itoa(n), nil
}

// locate tells the line that an error is about.
func (c *copyFrom) locate(err error, in *copyInput) error {
	if _, gone := err.(interface{ Unwrap() error }); gone && in.eof {
		return err
	}
	e := *sqlerr.As(err)
	e.Position = 0
	if e.Where == "" && in.line > 0 {
		e.Where = "COPY " + c.stmt.Table.Last().Text + ", line " + strconv.Itoa(in.line)
	}
	return e.Because(err)
}

// copyRun is one COPY at work.
type copyRun struct {
	c     *copyFrom
	s     *Session
	in    *copyInput
	plans map[int]*query // by number of rows
	args  []value.Value
	buf   []byte // what args point into
	rows  int
	total int

	copying executor.Copying
}

func (r *copyRun) all(ctx context.Context) (int, error) {
	if err := r.header(ctx); err != nil {
		return 0, err
	}
	r.plans = map[int]*query{}
	types, err := r.plan(ctx, 1)
	if err != nil {
		return 0, err
	}
	batch := max(1, copyBatch/len(r.c.cols))
	for {
		ok, err := r.in.next(ctx)
		if err != nil {
			return 0, r.fail(ctx, err)
		}
		if !ok {
			return r.total + r.rows, r.flush(ctx)
		}
		if err := r.take(types); err != nil {
			return 0, r.fail(ctx, err)
		}
		if r.rows == batch {
			if err := r.flush(ctx); err != nil {
				return 0, err
			}
		}
	}
}

// header reads over the header line, and compares it if it is to match.
func (r *copyRun) header(ctx context.Context) error {
	if !r.c.format.header {
		return nil
	}
	ok, err := r.in.next(ctx)
	if !ok || err != nil || !r.c.format.match {
		return err
	}
	for i, want := range r.in.cols {
		if got, _ := r.in.value(i); string(got) != want {
			return sqlerr.New(sqlerr.BadCopyFileFormat, "column name mismatch in header line field %d: got \"%s\", expected \"%s\"", i+1, got, want)
		}
	}
	return nil
}

func (r *copyRun) plan(ctx context.Context, n int) (*query, error) {
	if q := r.plans[n]; q != nil {
		return q, nil
	}
	q, err := r.c.insert(ctx, r.s, n)
	if err == nil {
		r.plans[n] = q
	}
	return q, err
}

// take decodes the row at hand.
func (r *copyRun) take(q *query) error {
	for i := range r.c.cols {
		b, ok := r.in.value(i)
		if !ok {
			r.args = append(r.args, value.Null())
			continue
		}
		at := len(r.buf)
		r.buf = append(r.buf, b...)
		b = r.buf[at:len(r.buf):len(r.buf)]
		v, err := sqltype.Decode(b, q.prog.Write.Targets[i].Type, r.c.format.wire(), r.s.env.types())
		if err != nil {
			e := *sqlerr.As(err)
			e.Where = "COPY " + r.c.stmt.Table.Last().Text + ", line " + strconv.Itoa(r.in.line) + ", column " + r.in.cols[i]
			if r.c.format.kind != "binary" {
				e.Where += ": \"" + string(b) + "\""
			}
			return &e
		}
		r.args = append(r.args, v)
	}
	r.rows++
	return nil
}

// fail gives the error that comes first: the rows gathered are tested before the
// one that cannot be read.
func (r *copyRun) fail(ctx context.Context, cause error) error {
	if r.args = r.args[:r.rows*len(r.c.cols)]; r.rows == 0 {
		return cause
	}
	r.copying.Failed = cause
	if err := r.flush(ctx); err != nil {
		return err
	}
	return cause
}

// flush writes the rows gathered. All batches share a transaction unless there
// is only one.
func (r *copyRun) flush(ctx context.Context) error {
	if r.rows == 0 {
		return nil
	}
	q, err := r.plan(ctx, r.rows)
	if err != nil {
		return err
	}
	r.s.copying = &r.copying
	rows, err := r.s.execute(ctx, q, r.args, r.in.eof && r.total == 0)
	r.s.copying = nil
	if err != nil {
		return err
	}
	defer rows.close()
	if _, err := rows.next(ctx); err != nil && !isEnd(err) {
		return err
	}
	r.total += r.rows
	r.rows, r.args, r.buf = 0, r.args[:0], make([]byte, 0, len(r.buf))
	return nil
}
