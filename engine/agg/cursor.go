package agg

import (
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// Documents is a cursor over documents in memory.
func Documents(docs []bson.Raw) store.Cursor { return &sliceCursor{docs: docs} }

type sliceCursor struct{ docs []bson.Raw }

func (s *sliceCursor) Next(context.Context) (bson.Raw, error) {
	if len(s.docs) == 0 {
		return nil, io.EOF
	}
	d := s.docs[0]
	s.docs = s.docs[1:]
	return d, nil
}

func (s *sliceCursor) Close() error { s.docs = nil; return nil }

// piped is the part that all streaming stages share: they close their input.
type piped struct{ in store.Cursor }

func (p *piped) Close() error { return p.in.Close() }

// nextFunc makes a cursor of a function.
type nextFunc struct {
	piped
	next func(ctx context.Context) (bson.Raw, error)
}

func (f *nextFunc) Next(ctx context.Context) (bson.Raw, error) { return f.next(ctx) }

// patience asks the context now and then, so that cancelling reaches a pipeline
// that filters away everything.
type patience int

const checkEvery = 256

// step counts a document; it fails when the context has ended.
func (p *patience) step(ctx context.Context) error {
	if *p++; *p%checkEvery == 0 {
		return ctx.Err()
	}
	return nil
}

// checked counts the documents of a source.
type checked struct {
	piped
	patience patience
}

func (c *checked) Next(ctx context.Context) (bson.Raw, error) {
	if err := c.patience.step(ctx); err != nil {
		return nil, err
	}
	return c.in.Next(ctx)
}

// blocking runs a function over the whole input at the first Next and then
// yields from the cursor that it made.
type blocking struct {
	piped
	fill func(ctx context.Context, in store.Cursor) (store.Cursor, error)
	out  store.Cursor
	// streams says that out still reads from the input; otherwise that is
	// closed as soon as it is consumed, which frees its snapshot.
	streams bool
}

func (b *blocking) Next(ctx context.Context) (bson.Raw, error) {
	if b.out == nil {
		out, err := b.fill(ctx, b.in)
		if err != nil {
			return nil, err
		}
		b.out = out
		if !b.streams {
			if err := b.in.Close(); err != nil {
				return nil, err
			}
		}
	}
	return b.out.Next(ctx)
}

func (b *blocking) Close() error {
	err := b.in.Close()
	if b.out != nil {
		if e := b.out.Close(); err == nil {
			err = e
		}
	}
	return err
}

// drain calls f with every document of a cursor.
func drain(ctx context.Context, in store.Cursor, f func(doc bson.Raw) error) error {
	for {
		doc, err := in.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(doc); err != nil {
			return err
		}
	}
}

func clone(doc bson.Raw) bson.Raw { return append(bson.Raw(nil), doc...) }
