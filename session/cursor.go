package session

import (
	"context"
	"io"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/parser/ast"
	"weir/sqlerr"
)

// cursor is a query that DECLARE opened. It keeps the rows that went by,
// because a MongoDB cursor only goes forward: all of them with SCROLL, none with
// NO SCROLL, or else as long as they are few.
type cursor struct {
	cols   []column
	src    rows
	life   life
	hold   bool
	held   bool // its transaction has committed
	binary bool

	kept []bson.Raw // rows from the first one, if scroll or materialized
	keep bool
	most int // bytes to keep; 0: any number
	size int // bytes kept
	pos  int // 0 before the first row, len+1 behind the last
	eof  bool
	last bson.Raw // the current row, if not kept
}

// maxUndeclared bounds the bytes kept by a cursor that says neither SCROLL nor
// NO SCROLL: most of them are only read forward, and may be long.
const maxUndeclared = 4 << 20

// analyzeDeclare plans the cursor's query, whose parameters are the statement's.
func (s *Session) analyzeDeclare(ctx context.Context, stmt *ast.DeclareCursor, src source, oids []uint32) (command, []uint32, error) {
	st, err := s.analyze(ctx, source{stmt: stmt.Query, text: src.text}, oids)
	if err != nil {
		return nil, nil, err
	}
	if q, ok := st.cmd.(*query); ok && !q.readOnly() {
		return nil, nil, sqlerr.New(sqlerr.FeatureNotSupported, "DECLARE CURSOR must not contain data-modifying statements in WITH")
	}
	return utility(func(ctx context.Context, s *Session, c *call) (string, error) {
		cmd, err := s.fresh(ctx, st)
		if err != nil {
			return "", err
		}
		return s.declare(ctx, stmt, textOf(src.text, stmt), cmd, c)
	}), st.params, nil
}

func (s *Session) declare(ctx context.Context, stmt *ast.DeclareCursor, text string, cmd command, c *call) (string, error) {
	name := stmt.Name.Name
	if !stmt.Hold && s.tx.status == 'I' && c.last {
		return "", sqlerr.New(sqlerr.NoActiveSQLTransaction, "DECLARE CURSOR can only be used in transaction blocks")
	}
	if s.portals[name] != nil && name != "" {
		return "", sqlerr.New(sqlerr.DuplicateCursor, "cursor \"%s\" already exists", name)
	}
	cur := &cursor{cols: cmd.result(), hold: stmt.Hold, binary: stmt.Binary}
	cur.keep = stmt.Scroll == nil || *stmt.Scroll
	if stmt.Scroll == nil {
		cur.most = maxUndeclared
	}
	inner := *c
	inner.last = false
	lctx, leave := cur.life.enter(ctx)
	defer leave()
	var err error
	if cur.src, _, err = cmd.open(lctx, s, &inner); err != nil {
		cur.life.end()
		return "", err
	}
	if _, live := cur.src.(poller); live {
		cur.keep = false
		if stmt.Scroll != nil && *stmt.Scroll {
			cur.close()
			return "", sqlerr.Unsupported(stmt.Pos(), "Declare it without SCROLL; rows that went by are in CHANGE_STREAM_EVENTS().", "a cursor of SUBSCRIBE cannot be declared with SCROLL")
		}
	}
	p := &portal{s: s, name: name, sql: text, cmd: cmd, cur: cur, made: s.tx.statement}
	p.describe(nil)
	if stmt.Binary {
		p.binary()
	}
	s.portals[name] = p
	return "DECLARE CURSOR", nil
}

func (c *cursor) close() {
	if c.src != nil {
		c.src.close()
		c.src = nil
	}
	c.life.end()
	c.kept = nil
}

// pull moves forward by one row, nil behind the last.
func (c *cursor) pull(ctx context.Context) (bson.Raw, error) {
	if c.keep && c.pos < len(c.kept) {
		c.pos++
		return c.kept[c.pos-1], nil
	}
	if c.eof {
		c.pos = max(c.pos, c.seen()+1)
		return nil, nil
	}
	doc, err := c.src.next(ctx)
	if err == io.EOF {
		c.eof = true
		c.pos++
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c.pos++
	if c.keep {
		doc = slices.Clone(doc)
		c.keepRow(doc)
	}
	c.last = doc
	return doc, nil
}

// keepRow keeps a row that was read, or gives the way back up.
func (c *cursor) keepRow(doc bson.Raw) {
	if c.size += len(doc); c.most > 0 && c.size > c.most {
		c.keep, c.kept = false, nil
		return
	}
	c.kept = append(c.kept, doc)
}

// seen is the number of rows read, which is all once eof is set.
func (c *cursor) seen() int {
	if c.keep {
		return len(c.kept)
	}
	return c.pos - 1
}

func (c *cursor) forwardOnly() error {
	return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "cursor can only scan forward").
		WithHint("Declare it with SCROLL option to enable backward scan.")
}

// back moves backward by one row, nil before the first.
func (c *cursor) back() (bson.Raw, error) {
	if !c.keep {
		return nil, c.forwardOnly()
	}
	if c.pos > 0 {
		c.pos--
	}
	if c.pos == 0 {
		return nil, nil
	}
	return c.kept[c.pos-1], nil
}

// all reads to the end.
func (c *cursor) all(ctx context.Context) error {
	for !c.eof {
		if c.keep {
			c.pos = len(c.kept)
		}
		if _, err := c.pull(ctx); err != nil {
			return err
		}
	}
	return nil
}

// to moves onto a row: 0 before the first, negative counted from the end.
func (c *cursor) to(ctx context.Context, n int) (bson.Raw, error) {
	if n < 0 {
		if !c.keep {
			return nil, c.forwardOnly()
		}
		if err := c.all(ctx); err != nil {
			return nil, err
		}
		n = max(len(c.kept)+1+n, 0)
	}
	if n <= c.pos && !c.keep {
		if n == c.pos && n > 0 && !c.eof {
			return c.last, nil
		}
		return nil, c.forwardOnly()
	}
	if c.keep {
		c.pos = min(max(n-1, 0), len(c.kept))
		if n == 0 {
			return nil, nil
		}
	}
	for c.pos < n-1 {
		if doc, err := c.pull(ctx); doc == nil || err != nil {
			return nil, err
		}
	}
	return c.pull(ctx)
}

// current is the row the cursor stands on.
func (c *cursor) current() bson.Raw {
	switch {
	case c.pos == 0 || c.eof && c.pos > c.seen():
		return nil
	case c.keep:
		return c.kept[c.pos-1]
	}
	return c.last
}

// holdCursors lets the cursors WITH HOLD live on after their transaction. Only
// those that read inside of the store's transaction must be read to the end.
func (s *Session) holdCursors(ctx context.Context) error {
	for _, p := range s.portals {
		c := p.cur
		if c == nil || !c.hold || c.held {
			continue
		}
		if _, live := c.src.(poller); s.tx.store != nil && !live {
			if err := c.materialize(ctx); err != nil {
				return err
			}
		}
		c.held = true
	}
	return nil
}

func (c *cursor) materialize(ctx context.Context) error {
	pos, kept := c.pos, c.keep
	lctx, leave := c.life.enter(ctx)
	defer leave()
	if !kept {
		// Rows that went by are not needed again.
		c.keep, c.kept = true, make([]bson.Raw, pos)
	}
	c.most = 0
	if err := c.all(lctx); err != nil {
		return err
	}
	c.pos = pos
	c.src.close()
	return nil
}

func (s *Session) closeCursor(stmt *ast.CloseCursor) (string, error) {
	if stmt.All {
		for name, p := range s.portals {
			if p.cur != nil {
				s.ClosePortal(name)
			}
		}
		return "CLOSE CURSOR ALL", nil
	}
	if _, err := s.cursor(stmt.Name.Name); err != nil {
		return "", err
	}
	s.ClosePortal(stmt.Name.Name)
	return "CLOSE CURSOR", nil
}

func (s *Session) cursor(name string) (*cursor, error) {
	if p := s.portals[name]; p != nil && p.cur != nil {
		return p.cur, nil
	}
	return nil, sqlerr.New(sqlerr.InvalidCursorName, "cursor \"%s\" does not exist", name)
}

// cursorRows are a cursor's rows for an Execute of its portal.
type cursorRows struct{ cur *cursor }

func (r *cursorRows) next(ctx context.Context) (bson.Raw, error) {
	lctx, leave := r.cur.life.enter(ctx)
	defer leave()
	doc, err := r.cur.pull(lctx)
	if doc == nil && err == nil {
		err = io.EOF
	}
	return doc, err
}

func (r *cursorRows) tag(n int) string { return "SELECT " + itoa(n) }
func (r *cursorRows) close()           {}

// poller are rows that may be waited for: those of SUBSCRIBE.
type poller interface {
	// poll gives nil if no row comes within wait.
	poll(ctx context.Context, wait time.Duration) (bson.Raw, error)
}
