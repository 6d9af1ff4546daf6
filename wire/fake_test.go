package wire

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/xdg-go/scram"

	"weir/sqlerr"
)

// fakeHandler speaks a toy language: statements separated by ';', of
//
//	rows N · rowsfail N · fail · begin · commit · set K V · notice T · wait · param · void
//	notify T · copyout · copyin · panic · fatal
type fakeHandler struct {
	password string
	mu       sync.Mutex
	sessions []*fakeSession
	waiting  chan *Startup // gets the session's startup when a wait begins
}

func (h *fakeHandler) Credentials(context.Context, *Startup) (*scram.StoredCredentials, error) {
	if h.password == "" {
		return nil, nil
	}
	c, err := scram.SHA256.NewClientUnprepped("", h.password, "")
	if err != nil {
		return nil, err
	}
	s, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789abcdef", Iters: 4096})
	return &s, err
}

func (h *fakeHandler) NewSession(_ context.Context, s *Startup) (Session, error) {
	if s.Database == "nodb" {
		return nil, sqlerr.New(sqlerr.InvalidCatalogName, "database \"nodb\" does not exist")
	}
	for _, p := range s.Settings {
		if p.Name == "nosuch_param" {
			return nil, sqlerr.New(sqlerr.UndefinedObject, "unrecognized configuration parameter \"%s\"", p.Name)
		}
	}
	f := &fakeSession{h: h, startup: s, status: 'I', statements: map[string]*fakeStatement{}, portals: map[string]*fakePortal{}}
	f.reports = append(f.reports, Parameter{"server_version", "15.0 (fake)"}, Parameter{"client_encoding", "UTF8"}, Parameter{"standard_conforming_strings", "on"})
	f.reports = append(f.reports, s.Settings...)
	h.mu.Lock()
	h.sessions = append(h.sessions, f)
	h.mu.Unlock()
	return f, nil
}

type fakeSession struct {
	h          *fakeHandler
	startup    *Startup
	status     byte
	statements map[string]*fakeStatement
	portals    map[string]*fakePortal
	reports    []Parameter
	notices    []*sqlerr.Error
	mu         sync.Mutex
	notes      []Notification
	closed     bool
}

type fakeStatement struct {
	sql    string
	params []uint32
}

func (s *fakeStatement) ParamOIDs() []uint32 { return s.params }
func (s *fakeStatement) Columns() []Column {
	switch verb, _, _ := strings.Cut(s.sql, " "); verb {
	case "rows", "rowsfail", "param", "wait":
		return []Column{{Name: "n", Type: 23, Len: 4, Mod: -1}}
	case "void":
		return []Column{}
	}
	return nil
}

type fakePortal struct {
	f     *fakeSession
	st    *fakeStatement
	args  Args
	value string
	at    int
}

func (f *fakeSession) Simple(_ context.Context, sql string) (Script, error) {
	var s fakeScript
	for part := range strings.SplitSeq(sql, ";") {
		if part = strings.TrimSpace(part); part != "" {
			if part == "syntax" {
				return nil, sqlerr.New(sqlerr.SyntaxError, "syntax error at or near \"syntax\"").At(1)
			}
			s.list = append(s.list, &fakePortal{f: f, st: &fakeStatement{sql: part}})
		}
	}
	if s.list == nil {
		s.list = []*fakePortal{{f: f, st: &fakeStatement{}}}
	}
	return &s, nil
}

type fakeScript struct{ list []*fakePortal }

func (s *fakeScript) Next(context.Context) (Portal, error) {
	if len(s.list) == 0 {
		return nil, nil
	}
	p := s.list[0]
	s.list = s.list[1:]
	return p, nil
}

func (f *fakeSession) Prepare(_ context.Context, name, sql string, oids []uint32) error {
	if sql == "syntax" {
		return sqlerr.New(sqlerr.SyntaxError, "syntax error at or near \"syntax\"").At(1)
	}
	if name != "" && f.statements[name] != nil {
		return sqlerr.New(sqlerr.DuplicatePreparedStatement, "prepared statement \"%s\" already exists", name)
	}
	if sql == "param" && len(oids) == 0 {
		oids = []uint32{25}
	}
	f.statements[name] = &fakeStatement{sql: sql, params: oids}
	return nil
}

func (f *fakeSession) Statement(name string) (Statement, error) {
	if s := f.statements[name]; s != nil {
		return s, nil
	}
	return nil, sqlerr.New(sqlerr.InvalidSQLStatementName, "prepared statement \"%s\" does not exist", name)
}

func (f *fakeSession) CloseStatement(name string) { delete(f.statements, name) }

func (f *fakeSession) Bind(_ context.Context, portal string, s Statement, args Args) error {
	p := &fakePortal{f: f, st: s.(*fakeStatement), args: args}
	if len(args.Values) > 0 {
		p.value = string(args.Values[0])
	}
	f.portals[portal] = p
	return nil
}

func (f *fakeSession) Portal(name string) (Portal, error) {
	if p := f.portals[name]; p != nil {
		return p, nil
	}
	return nil, sqlerr.New(sqlerr.InvalidCursorName, "portal \"%s\" does not exist", name)
}

func (f *fakeSession) ClosePortal(name string) { delete(f.portals, name) }

func (f *fakeSession) Fail(context.Context, error) {
	if f.status == 'T' {
		f.status = 'E'
	}
}

func (f *fakeSession) EndBatch(context.Context) error {
	if f.status == 'I' {
		clear(f.portals)
	}
	return nil
}

func (f *fakeSession) TxStatus() byte { return f.status }
func (f *fakeSession) Close()         { f.mu.Lock(); f.closed = true; f.mu.Unlock() }

func (f *fakeSession) Reports() []Parameter {
	r := f.reports
	f.reports = nil
	return r
}

func (f *fakeSession) Notices() []*sqlerr.Error {
	n := f.notices
	f.notices = nil
	return n
}

func (f *fakeSession) Notifications() []Notification {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.notes
	f.notes = nil
	return n
}

func (f *fakeSession) notify(payload string) {
	f.mu.Lock()
	f.notes = append(f.notes, Notification{ProcessID: 7, Channel: "ch", Payload: payload})
	f.mu.Unlock()
	f.startup.Control.Wake()
}

func (p *fakePortal) Columns() []Column {
	cols := p.st.Columns()
	for i := range cols {
		if i < len(p.args.ResultFormats) {
			cols[i].Format = p.args.ResultFormats[i]
		}
	}
	return cols
}

func (p *fakePortal) Fetch(ctx context.Context, w *Writer, limit int) (Result, error) {
	verb, rest, _ := strings.Cut(p.st.sql, " ")
	switch verb {
	case "", "--":
		return Result{Empty: true}, nil
	case "rows":
		return p.rows(w, rest, limit)
	case "rowsfail":
		if _, err := p.rows(w, rest, 0); err != nil {
			return Result{}, err
		}
		return Result{}, sqlerr.New(sqlerr.DivisionByZero, "division by zero")
	case "void":
		return Result{Tag: "SELECT 1"}, w.End(w.Begin(0))
	case "param":
		return Result{Tag: "SELECT 1"}, w.End(AppendText(w.Begin(1), p.value))
	case "fail":
		return Result{}, sqlerr.New(sqlerr.DivisionByZero, "division by zero")
	case "fatal":
		return Result{}, fatal(sqlerr.AdminShutdown, "the end")
	case "panic":
		panic("a bug")
	case "begin":
		p.f.status = 'T'
		return Result{Tag: "BEGIN"}, nil
	case "commit":
		tag := "COMMIT"
		if p.f.status == 'E' {
			tag = "ROLLBACK"
		}
		p.f.status = 'I'
		return Result{Tag: tag}, nil
	case "set":
		k, v, _ := strings.Cut(rest, " ")
		p.f.reports = append(p.f.reports, Parameter{k, v})
		return Result{Tag: "SET"}, nil
	case "notice":
		p.f.notices = append(p.f.notices, sqlerr.Notice("WARNING", sqlerr.Warning, "%s", rest))
		return Result{Tag: "DO"}, nil
	case "notify":
		p.f.notify(rest)
		return Result{Tag: "NOTIFY"}, nil
	case "last":
		return Result{Tag: fmt.Sprintf("LAST %v", w.Last())}, nil
	case "wait":
		if p.f.h.waiting == nil { // nobody would end it
			return Result{Tag: "WAIT"}, nil
		}
		p.f.h.waiting <- p.f.startup
		<-ctx.Done()
		return Result{}, ctx.Err()
	case "copyout":
		_ = w.CopyOut(Text, 2)
		for _, line := range []string{"a\tb\n", "c\td\n"} {
			if err := w.End(append(w.BeginData(), line...)); err != nil {
				return Result{}, err
			}
		}
		w.CopyDone()
		return Result{Tag: "COPY 2"}, nil
	case "copyin":
		return p.copyIn(ctx, w)
	}
	return Result{}, sqlerr.New(sqlerr.SyntaxError, "what is %q", p.st.sql)
}

func (p *fakePortal) rows(w *Writer, count string, limit int) (Result, error) {
	n, _ := strconv.Atoi(count)
	for done := 0; p.at < n; done++ {
		if limit > 0 && done == limit {
			return Result{Suspended: true}, nil
		}
		p.at++
		if err := w.End(AppendText(w.Begin(1), strconv.Itoa(p.at))); err != nil {
			return Result{}, err
		}
	}
	return Result{Tag: fmt.Sprintf("SELECT %d", w.Rows())}, nil
}

func (p *fakePortal) copyIn(ctx context.Context, w *Writer) (Result, error) {
	if p.f.h.waiting != nil {
		p.f.h.waiting <- p.f.startup
	}
	r, err := w.CopyIn(Text, 1)
	if err != nil {
		return Result{}, err
	}
	n := 0
	for {
		b, err := r.Next(ctx)
		if err == io.EOF {
			return Result{Tag: fmt.Sprintf("COPY %d", n)}, nil
		}
		if err != nil {
			return Result{}, err
		}
		if strings.HasPrefix(string(b), "bad") {
			return Result{}, sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax")
		}
		n++
	}
}
