package translator

import (
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/store"
)

// tiesStage is FETCH FIRST n ROWS WITH TIES over sorted rows.
type tiesStage struct {
	keys  []string
	count int64 // < 0: all
}

func newTiesStage(spec bson.RawValue, _ *agg.Env) (agg.Stage, error) {
	doc := bson.Raw(spec.Value)
	s := &tiesStage{count: -1}
	for it := value.Walk(value.Lookup(doc, "keys").Doc()); it.Next(); {
		s.keys = append(s.keys, it.Value().Str())
	}
	if n := value.Lookup(doc, "count"); !n.IsNullish() {
		if s.count = n.AsInt64(); s.count < 0 {
			return nil, sqlerr.New(sqlerr.InvalidRowCountInLimit, "LIMIT must not be negative")
		}
	}
	return s, nil
}

func (s *tiesStage) Run(_ context.Context, in store.Cursor) (store.Cursor, error) {
	return &tiesCursor{s: s, in: in}, nil
}

type tiesCursor struct {
	s    *tiesStage
	in   store.Cursor
	n    int64
	last []value.Value
}

func (c *tiesCursor) Close() error { return c.in.Close() }

func (c *tiesCursor) Next(ctx context.Context) (bson.Raw, error) {
	if c.s.count == 0 {
		return nil, io.EOF
	}
	doc, err := c.in.Next(ctx)
	if err != nil || c.s.count < 0 {
		return doc, err
	}
	if c.n++; c.n > c.s.count {
		for i, k := range c.s.keys {
			if !value.Equal(c.last[i], value.Lookup(doc, k)) {
				return nil, io.EOF
			}
		}
		return doc, nil
	}
	if c.n == c.s.count {
		for _, k := range c.s.keys {
			c.last = append(c.last, value.Lookup(doc, k).Clone())
		}
	}
	return doc, nil
}
