package session

import (
	"context"
	"errors"
	"io"
	"time"

	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/wire"
)

// portal is a statement bound to its arguments, running or about to, or a
// cursor (then cur is set).
type portal struct {
	s    *Session
	name string
	sql  string
	st   *prepared
	cmd  command
	call call
	cols []wire.Column
	cur  *cursor
	made time.Time

	opened bool
	life   life
	rows   rows
	ended  bool // the rows came to their end
	enc    *sqltype.RowEncoder
	end    string // the tag of what gave no rows
}

var _ wire.Portal = (*portal)(nil)

// Bind implements wire.Session.
func (s *Session) Bind(ctx context.Context, name string, st wire.Statement, args wire.Args) error {
	p := st.(*prepared)
	s.begin(p.sql)
	if p.stmt != nil {
		if err := s.allowed(p.stmt); err != nil {
			return err
		}
	}
	if name != "" && s.portals[name] != nil {
		return sqlerr.New(sqlerr.DuplicateCursor, "cursor \"%s\" already exists", name)
	}
	s.ClosePortal(name)
	s.tx.startStatement(s.h.opts.Now())
	cmd, err := s.fresh(ctx, p)
	if err != nil {
		return err
	}
	values, err := s.arguments(p, args)
	if err != nil {
		return err
	}
	out := &portal{s: s, name: name, sql: p.sql, st: p, cmd: cmd, made: s.tx.statement}
	out.call.args = values
	out.describe(args.ResultFormats)
	s.portals[name] = out
	return nil
}

// arguments decodes parameters into the BSON forms of their types.
func (s *Session) arguments(p *prepared, args wire.Args) ([]value.Value, error) {
	values := make([]value.Value, len(args.Values))
	for i, b := range args.Values {
		if b == nil {
			values[i] = value.Null()
			continue
		}
		t := sqltype.Of(sqltype.OID(p.params[i]))
		var err error
		if values[i], err = sqltype.Decode(b, t, args.ParamFormats[i], s.env.types()); err != nil {
			e := *sqlerr.As(err)
			e.Where = "unnamed portal parameter $" + itoa(i+1)
			return nil, &e
		}
	}
	return values, nil
}

// describe fixes the columns and their formats.
func (p *portal) describe(formats []int16) {
	if p.cmd == nil {
		return
	}
	p.call.formats = formats
	p.cols = describeColumns(p.cmd.result(), formats)
	if f, ok := p.cmd.(*fetchCursor); ok && len(formats) == 0 && f.binary {
		p.binary()
	}
}

// binary makes all columns binary: FETCH from a binary cursor in a simple query.
func (p *portal) binary() {
	p.call.formats = make([]int16, len(p.cols))
	for i := range p.cols {
		p.cols[i].Format, p.call.formats[i] = wire.Binary, wire.Binary
	}
}

// Portal implements wire.Session.
func (s *Session) Portal(name string) (wire.Portal, error) {
	if p := s.portals[name]; p != nil {
		return p, nil
	}
	return nil, sqlerr.New(sqlerr.InvalidCursorName, "portal \"%s\" does not exist", name)
}

// ClosePortal implements wire.Session.
func (s *Session) ClosePortal(name string) {
	if p := s.portals[name]; p != nil {
		p.close()
		delete(s.portals, name)
	}
}

// closePortals ends the portals of a transaction; those of held cursors live on
// unless all are to go.
func (s *Session) closePortals(all bool) {
	for name, p := range s.portals {
		if !all && p.cur != nil && p.cur.held {
			continue
		}
		p.close()
		delete(s.portals, name)
	}
}

func (p *portal) close() {
	if p.rows != nil {
		p.rows.close()
		p.rows = nil
	}
	p.life.end()
	if p.cur != nil {
		p.cur.close()
	}
}

// Columns implements wire.Portal.
func (p *portal) Columns() []wire.Column { return p.cols }

// Fetch implements wire.Portal.
func (p *portal) Fetch(ctx context.Context, w *wire.Writer, limit int) (wire.Result, error) {
	if p.cmd == nil {
		return wire.Result{Empty: true}, nil
	}
	if p.st != nil && p.st.stmt != nil {
		if err := p.s.allowed(p.st.stmt); err != nil {
			return wire.Result{}, err
		}
	}
	p.s.begin(p.sql)
	ctx, cancel := p.s.deadline(ctx)
	defer cancel()
	p.s.env.done = ctx.Done()
	res, err := p.run(ctx, w, limit)
	if err != nil {
		return res, p.s.explainCancel(ctx, err)
	}
	if p.call.last && !res.Suspended && p.s.tx.status == 'I' {
		// What the client is told to be done is done.
		err = p.s.commitImplicit(ctx)
	}
	return res, err
}

// deadline bounds a statement by statement_timeout.
func (s *Session) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if d := s.duration("statement_timeout"); d > 0 {
		return context.WithTimeout(ctx, d)
	}
	return ctx, func() {}
}

// explainCancel tells the client's cancel and the timeout apart from whatever
// error they made below.
func (s *Session) explainCancel(ctx context.Context, err error) error {
	s.tx.noteFailure(err)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return sqlerr.New(sqlerr.QueryCanceled, "canceling statement due to statement timeout").Because(err)
	case ctx.Err() != nil:
		return sqlerr.New(sqlerr.QueryCanceled, "canceling statement due to user request").Because(err)
	}
	return err
}

func (p *portal) run(ctx context.Context, w *wire.Writer, limit int) (wire.Result, error) {
	if limit > 0 || p.life.ctx != nil {
		var leave func()
		ctx, leave = p.life.enter(ctx)
		defer leave()
	}
	if !p.opened {
		if err := p.open(ctx, w); err != nil {
			return wire.Result{}, err
		}
		if p.rows == nil {
			return wire.Result{Tag: p.end}, nil
		}
	} else if p.rows == nil {
		return wire.Result{}, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "portal \"%s\" cannot be run", p.name)
	}
	res, err := p.pull(ctx, w, limit)
	if err != nil || !res.Suspended {
		p.ended = true
		p.rows.close()
	}
	return res, err
}

// pull writes rows up to the limit or the end.
func (p *portal) pull(ctx context.Context, w *wire.Writer, limit int) (wire.Result, error) {
	for !p.ended && (limit <= 0 || w.Rows() < limit) {
		doc, err := p.rows.next(ctx)
		if err == io.EOF {
			p.ended = true
			break
		}
		if err != nil {
			return wire.Result{}, err
		}
		if err := p.write(w, doc); err != nil {
			return wire.Result{}, err
		}
	}
	if p.ended {
		return wire.Result{Tag: p.rows.tag(w.Rows())}, nil
	}
	return wire.Result{Suspended: true}, nil
}

func (p *portal) open(ctx context.Context, w *wire.Writer) error {
	p.opened = true
	p.call.w = w
	p.call.last = p.call.last || w.Last()
	if p.cur != nil {
		p.rows = &cursorRows{cur: p.cur}
	} else {
		var err error
		if p.rows, p.end, err = p.cmd.open(ctx, p.s, &p.call); err != nil {
			p.rows = nil
			return err
		}
	}
	if p.rows != nil {
		p.enc = encoder(p.cmd.result(), p.call.formats, p.s.env.types())
	}
	return nil
}

func (p *portal) write(w *wire.Writer, doc []byte) error {
	b := w.Begin(len(p.cols))
	b, err := p.enc.AppendColumns(b, doc)
	if err != nil {
		w.Undo(b)
		return err
	}
	return w.End(b)
}
