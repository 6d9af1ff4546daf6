package executor

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/agg"
	"weir/engine/value"
	"weir/store"
	"weir/translator"
)

// lateSource is a Fetch that is read when its first row is asked for: never, if
// the other side of its join has none.
type lateSource struct {
	e     *execution
	name  string
	fetch *translator.Fetch
}

// Open reads all rows.
func (s *lateSource) Open(ctx context.Context, r agg.Request) (store.Cursor, agg.Satisfied, error) {
	all, err := s.e.named(ctx, s.name)
	if err != nil {
		return nil, agg.Satisfied{}, err
	}
	return all.Open(ctx, r)
}

// fewKeys is up to how many values a system relation is asked for.
const fewKeys = 200

// fewRows is up to how many rows of a system relation are made by look-ups; then
// all are made, once.
const fewRows = 20_000

// SeekMany implements agg.BatchSeeker: the rows of a system relation are made for
// the values that are joined, if those are few.
func (s *lateSource) SeekMany(ctx context.Context, path string, values []value.Value, more bool) (store.Cursor, bool, error) {
	f := s.fetch
	if more || len(values) > fewKeys || f.Table == nil || f.Table.Kind != catalog.Virtual || s.e.fetched[s.name] != nil || s.e.sought[s.name] > fewRows {
		return nil, false, nil
	}
	in := values[:0:0]
	for _, v := range values {
		if !v.IsNullish() {
			if !v.IsNumber() && !v.IsString() {
				return nil, false, nil
			}
			in = append(in, v)
		}
	}
	if len(in) == 0 {
		return agg.Documents(nil), true, nil
	}
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, path)
	b.Add("$in", value.ArrayFrom(in))
	b.Close()
	filter := b.Doc()
	for _, list := range [][]translator.Stage{f.Remote, f.Local} {
		stages, err := s.e.b.Stages(list)
		if err != nil {
			return nil, false, err
		}
		for _, st := range stages {
			m := value.Lookup(st, "$match")
			if !m.IsDocument() {
				return nil, false, nil
			}
			b = value.Builder{}
			b.Add("$and", value.ArrayFrom([]value.Value{value.Document(filter), m}))
			filter = b.Doc()
		}
	}
	if s.e.sought == nil {
		s.e.sought = map[string]int64{}
	}
	s.e.sought[s.name] += seekCost
	cur, err := f.Table.Rows(catalog.WithFilter(ctx, filter), s.e.st.Catalog)
	if err != nil {
		return nil, false, err
	}
	cur, err = s.e.overlay(ctx, &soughtRows{cur, s.e, s.name}, []bson.Raw{matchStage(filter)}, f.NS)
	return cur, err == nil, err
}

// soughtRows counts the rows that look-ups have a system relation make.
type soughtRows struct {
	store.Cursor
	e    *execution
	name string
}

// Next implements store.Cursor.
func (c *soughtRows) Next(ctx context.Context) (bson.Raw, error) {
	c.e.sought[c.name]++
	return c.Cursor.Next(ctx)
}
