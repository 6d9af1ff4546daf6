package executor

import (
	"bytes"
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/sqlerr"
	"weir/store"
	"weir/translator"
)

// recursion is the rows of a recursive WITH query: those of its first term, and
// then of the recursive term over the rows of the last round until that yields
// none. Without ALL, rows that were there before do not count. A round after the
// first runs when a row of it is asked for.
type recursion struct {
	e    *execution
	w    *translator.With
	base store.Cursor // nil once the first round is read
	seen map[string]bool
	last []bson.Raw // the round at hand
	at   int
	size int64
}

// Next implements store.Cursor.
func (c *recursion) Next(ctx context.Context) (bson.Raw, error) {
	for c.at == len(c.last) {
		if c.base == nil && len(c.last) == 0 {
			return nil, io.EOF
		}
		if err := c.next(ctx); err != nil {
			return nil, err
		}
	}
	c.at++
	return c.last[c.at-1], nil
}

// next reads a round.
func (c *recursion) next(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	docs, err := c.round(ctx)
	if err != nil {
		return err
	}
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	c.last, err = c.e.fresh(ctx, c.w.Recursive, docs, c.seen)
	c.at = 0
	for _, d := range c.last {
		c.size += int64(len(d)) + 24
	}
	return err
}

func (c *recursion) round(ctx context.Context) ([]bson.Raw, error) {
	e := c.e
	if cur := c.base; cur != nil {
		c.base = nil
		return drain(ctx, cur, e.limit())
	}
	if c.size > e.limit() {
		return nil, sqlerr.New(sqlerr.OutOfMemory, "out of memory").
			WithDetail("The rows that the recursion finds take more than %d bytes.", e.limit()).
			WithHint("Give it a condition that ends it, or a LIMIT.")
	}
	if e.working == nil {
		e.working = map[string]*agg.Spool{}
	}
	before := e.touched
	e.working[c.w.Name] = agg.SpoolOf(c.last)
	defer func() {
		delete(e.working, c.w.Name)
		e.touched = before
	}()
	cur, err := e.open(ctx, c.w.Recursive.Term)
	if err != nil {
		return nil, err
	}
	return drain(ctx, cur, e.limit()-c.size)
}

// Close implements store.Cursor.
func (c *recursion) Close() error {
	if c.base != nil {
		return c.base.Close()
	}
	return nil
}

// recursionOf is the recursion that a query reads alone and once, so that its
// rows need not be kept: a LIMIT ends one that would never end. nil: there is none.
func (e *execution) recursionOf(f *translator.Fetch) *translator.With {
	if f != e.prog.Root || e.prog.Write != nil || e.fetched[f.From] != nil || mentions(f.From, f.Remote, f.Local) {
		return nil
	}
	for _, other := range e.prog.Fetches {
		if other.From == f.From || mentions(f.From, other.Remote, other.Local) {
			return nil
		}
	}
	var found *translator.With
	for _, w := range e.prog.With {
		if w.Name == f.From {
			found = w
			continue
		}
		for _, r := range []*translator.Fetch{w.Root, termOf(w)} {
			if r != nil && (r.From == f.From || mentions(f.From, r.Remote, r.Local)) {
				return nil
			}
		}
	}
	if found == nil || found.Recursive == nil {
		return nil
	}
	return found
}

func termOf(w *translator.With) *translator.Fetch {
	if w.Recursive == nil {
		return nil
	}
	return w.Recursive.Term
}

// mentions tells whether stages may name a source.
func mentions(name string, lists ...[]translator.Stage) bool {
	for _, list := range lists {
		for _, s := range list {
			if bytes.Contains(s.Raw, append([]byte(name), 0)) {
				return true
			}
		}
	}
	return false
}
