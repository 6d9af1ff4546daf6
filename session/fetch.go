package session

import (
	"context"
	"io"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// fetchCursor is FETCH or MOVE.
type fetchCursor struct {
	stmt   *ast.Fetch
	cols   []column // nil: the cursor was not there when the statement was analyzed, or MOVE
	binary bool
	wait   time.Duration // of WITH (timeout = …); negative: none
}

func (s *Session) analyzeFetch(stmt *ast.Fetch) (command, error) {
	f := &fetchCursor{stmt: stmt, wait: -1}
	if c, err := s.cursor(stmt.Cursor.Name); err == nil && !stmt.Move {
		f.cols, f.binary = c.cols, c.binary
	}
	for i, o := range stmt.Options {
		d, err := fetchTimeout(o)
		switch {
		case err != nil:
			return nil, err
		case i > 0:
			return nil, sqlerr.New(sqlerr.SyntaxError, "option \"timeout\" is given more than once").At(o.Pos())
		}
		f.wait = d
	}
	return f, nil
}

// fetchTimeout reads timeout = '1s', a number of milliseconds or an interval.
func fetchTimeout(o *ast.Option) (time.Duration, error) {
	if !strings.EqualFold(o.Name.Name, "timeout") || o.Value == nil {
		return 0, sqlerr.New(sqlerr.SyntaxError, "unrecognized FETCH option \"%s\"", o.Name.Text).At(o.Pos()).
			WithHint("The option is timeout, as in WITH (timeout = '1s').")
	}
	wait, err := timeoutOf(o.Value)
	if err != nil || wait < 0 {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for option \"timeout\"").At(o.Value.Pos()).
			WithHint("Allowed: a time such as '1s', an interval or a number of milliseconds; 0 does not wait.")
	}
	return wait, nil
}

func timeoutOf(e ast.Expr) (time.Duration, error) {
	text, err := literalText(e)
	if err != nil {
		return 0, err
	}
	if n, err := (&guc{name: "timeout", unit: "ms"}).integer(text); err == nil {
		return time.Duration(n) * time.Millisecond, nil
	}
	v, err := sqltype.ParseText(text, sqltype.Of(sqltype.Interval), nil)
	if err != nil {
		return 0, err
	}
	span := sqltype.SpanOf(v)
	return time.Duration(span.Micros)*time.Microsecond + time.Duration(span.Days+30*span.Months)*24*time.Hour, nil
}

func (f *fetchCursor) result() []column { return f.cols }

func (f *fetchCursor) open(ctx context.Context, s *Session, _ *call) (rows, string, error) {
	cur, err := s.cursor(f.stmt.Cursor.Name)
	if err != nil {
		return nil, "", err
	}
	lctx, leave := cur.life.enter(ctx)
	defer leave()
	if f.cols == nil && !f.stmt.Move {
		return nil, "", sqlerr.New(sqlerr.InvalidCursorName, "cursor \"%s\" does not exist", f.stmt.Cursor.Name)
	}
	if p, ok := cur.src.(poller); ok && !cur.eof {
		docs, err := f.live(lctx, cur, p)
		if f.stmt.Move {
			return nil, "MOVE " + itoa(len(docs)), err
		}
		return &listed{docs: docs, verb: "FETCH"}, "", err
	}
	if f.stmt.Move {
		n, err := f.move(lctx, cur)
		return nil, "MOVE " + itoa(n), err
	}
	if f.stmt.Direction == ast.FetchForward && (f.stmt.All || f.stmt.Count > 0) {
		return &fetched{cur: cur, left: f.count()}, "", nil
	}
	docs, err := f.step(lctx, cur)
	return &listed{docs: docs, verb: "FETCH"}, "", err
}

// count is how many rows are asked for, -1 for all.
func (f *fetchCursor) count() int64 {
	if f.stmt.All {
		return -1
	}
	return f.stmt.Count
}

// fetched are rows on their way forward.
type fetched struct {
	cur  *cursor
	left int64
}

func (r *fetched) next(ctx context.Context) (bson.Raw, error) {
	if r.left == 0 {
		return nil, io.EOF
	}
	doc, err := (&cursorRows{r.cur}).next(ctx)
	if err == nil && r.left > 0 {
		r.left--
	}
	return doc, err
}

func (r *fetched) tag(n int) string { return "FETCH " + itoa(n) }

// close keeps the current row for what comes later: its bytes are the source's.
func (r *fetched) close() {}

// step makes the moves that are no plain way forward, and gives the rows met.
func (f *fetchCursor) step(ctx context.Context, cur *cursor) ([]bson.Raw, error) {
	n := int(f.stmt.Count)
	switch f.stmt.Direction {
	case ast.FetchAbsolute:
		return one(cur.to(ctx, n))
	case ast.FetchRelative:
		return f.relative(ctx, cur, n)
	case ast.FetchBackward:
		return f.backward(ctx, cur, n, f.stmt.All)
	}
	if n < 0 {
		return f.backward(ctx, cur, -n, false)
	}
	return one(cur.current(), nil)
}

func (f *fetchCursor) relative(ctx context.Context, cur *cursor, n int) ([]bson.Raw, error) {
	if n == 0 {
		return one(cur.current(), nil)
	}
	if n > 0 {
		return one(cur.to(ctx, cur.pos+n))
	}
	if !cur.keep {
		return nil, cur.forwardOnly()
	}
	return one(cur.to(ctx, max(cur.pos+n, 0)))
}

func (f *fetchCursor) backward(ctx context.Context, cur *cursor, n int, all bool) ([]bson.Raw, error) {
	if n == 0 && !all {
		return one(cur.current(), nil)
	}
	if n < 0 {
		var docs []bson.Raw
		for ; n < 0; n++ {
			doc, err := cur.pull(ctx)
			if doc == nil || err != nil {
				return docs, err
			}
			docs = append(docs, append(bson.Raw(nil), doc...))
		}
		return docs, nil
	}
	var docs []bson.Raw
	for ; all || n > 0; n-- {
		doc, err := cur.back()
		if doc == nil || err != nil {
			return docs, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

func one(doc bson.Raw, err error) ([]bson.Raw, error) {
	if doc == nil || err != nil {
		return nil, err
	}
	return []bson.Raw{doc}, nil
}

// move is FETCH without rows.
func (f *fetchCursor) move(ctx context.Context, cur *cursor) (int, error) {
	if f.stmt.Direction != ast.FetchForward || !f.stmt.All && f.stmt.Count <= 0 {
		docs, err := f.step(ctx, cur)
		return len(docs), err
	}
	n := 0
	for left := f.count(); left != 0; left-- {
		doc, err := cur.pull(ctx)
		if doc == nil || err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
