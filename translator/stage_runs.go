package translator

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/store"
)

// runsStage sorts rows that come in the order of dates: those of one date by
// all keys. It reads no further than it is asked to, and keeps no more rows of
// a date than are needed.
type runsStage struct {
	path []string
	keys []runKey
	need int // rows that are taken at most; < 0: all
}

type runKey struct {
	path []string
	desc bool
}

func newRunsStage(spec bson.RawValue, _ *agg.Env) (agg.Stage, error) {
	doc := bson.Raw(spec.Value)
	s := &runsStage{path: strings.Split(strings.Clone(value.Lookup(doc, "path").Str()), "."), need: -1}
	for it := value.Walk(value.Lookup(doc, "keys").Doc()); it.Next(); {
		s.keys = append(s.keys, runKey{strings.Split(strings.Clone(it.Key()), "."), it.Value().AsInt64() < 0})
	}
	if n := value.Lookup(doc, "need"); n.IsNumber() {
		s.need = int(min(max(n.AsInt64(), 0), 1<<30))
	}
	return s, nil
}

func (s *runsStage) Run(_ context.Context, in store.Cursor) (store.Cursor, error) {
	return &runsCursor{s: s, in: in}, nil
}

type runsCursor struct {
	s    *runsStage
	in   store.Cursor
	run  []run // rows of the current date, sorted
	at   int
	next *run // the first row of the next date
	end  bool
}

type run struct {
	doc  bson.Raw
	date value.Value
	keys []value.Value
}

func (c *runsCursor) Close() error { return c.in.Close() }

func (c *runsCursor) Next(ctx context.Context) (bson.Raw, error) {
	if c.at == len(c.run) {
		if err := c.fill(ctx); err != nil {
			return nil, err
		}
	}
	c.at++
	return c.run[c.at-1].doc, nil
}

// fill reads the rows of the next date.
func (c *runsCursor) fill(ctx context.Context) error {
	c.run, c.at = c.run[:0], 0
	if c.next != nil {
		c.run = append(c.run, *c.next)
		c.next = nil
	}
	for !c.end {
		doc, err := c.in.Next(ctx)
		if errors.Is(err, io.EOF) {
			c.end = true
			break
		}
		if err != nil {
			return err
		}
		r := c.s.row(doc)
		if len(c.run) > 0 && !value.Equal(c.run[0].date, r.date) {
			c.next = &r
			break
		}
		if c.run = append(c.run, r); c.s.need >= 0 && len(c.run) > 2*c.s.need+1000 {
			c.s.sort(c.run)
			c.run = c.run[:max(c.s.need, 1)]
		}
	}
	if len(c.run) == 0 {
		return io.EOF
	}
	c.s.sort(c.run)
	return nil
}

func (s *runsStage) row(doc bson.Raw) run {
	r := run{doc: slices.Clone(doc)}
	at := func(path []string) value.Value {
		v := value.GetPath(r.doc, path)
		if v.IsMissing() {
			return value.Null()
		}
		return v
	}
	r.date = at(s.path)
	for _, k := range s.keys {
		r.keys = append(r.keys, at(k.path))
	}
	return r
}

func (s *runsStage) sort(rows []run) {
	if len(rows) < 2 {
		return
	}
	slices.SortStableFunc(rows, func(a, b run) int {
		for i, k := range s.keys {
			if c := value.Compare(a.keys[i], b.keys[i]); c != 0 {
				if k.desc {
					return -c
				}
				return c
			}
		}
		return 0
	})
}
