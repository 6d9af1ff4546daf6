package agg

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// changeStreamStage is $changeStream; its events come from Env.ChangeStream.
type changeStreamStage struct{ spec bson.Raw }

func compileChangeStream(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(6188500, "$changeStream must take a nested object but found: %s", value.FromRaw(spec))
	}
	if c.env.ChangeStream == nil {
		return nil, mongoerr.New(40573, "The $changeStream stage is only supported on replica sets")
	}
	return []stage{&changeStreamStage{bson.Raw(spec.Value)}}, nil
}

func (*changeStreamStage) generates() bool { return true }

func (s *changeStreamStage) open(ctx context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	if err := in.Close(); err != nil {
		return nil, err
	}
	return r.env.ChangeStream(ctx, s.spec)
}

// maxEvent is the size above which $changeStreamSplitLargeEvent splits.
const maxEvent = 16 << 20

// splitStage is {$changeStreamSplitLargeEvent: {}}.
type splitStage struct{}

func compileSplitLargeEvent(c *compiler, spec bson.RawValue) ([]stage, error) {
	if c.where != inChangeStream {
		return nil, mongoerr.New(mongoerr.IllegalOperation, "$changeStreamSplitLargeEvent can only be used in a $changeStream pipeline")
	}
	if spec.Type != bson.TypeEmbeddedDocument || len(spec.Value) > 5 {
		return nil, mongoerr.New(7182800, "$changeStreamSplitLargeEvent spec should be an empty object")
	}
	return []stage{splitStage{}}, nil
}

func (splitStage) open(_ context.Context, _ *run, in store.Cursor) (store.Cursor, error) {
	return &splitCursor{piped: piped{in}}, nil
}

type splitCursor struct {
	piped
	parts []bson.Raw
}

func (c *splitCursor) Next(ctx context.Context) (bson.Raw, error) {
	if len(c.parts) == 0 {
		doc, err := c.in.Next(ctx)
		if err != nil || len(doc) <= maxEvent {
			return doc, err
		}
		if c.parts, err = splitEvent(doc, maxEvent); err != nil {
			return nil, err
		}
	}
	p := c.parts[0]
	c.parts = c.parts[1:]
	return p, nil
}

// splitEvent distributes the fields of an event over fragments of at most
// limit bytes, each with the event's _id and {splitEvent: {fragment, of}}.
func splitEvent(doc bson.Raw, limit int) ([]bson.Raw, error) {
	id := value.Lookup(doc, "_id")
	const overhead = 64
	var groups [][][]byte
	size := limit
	for it := value.Walk(doc); it.Next(); {
		if it.Key() == "_id" {
			continue
		}
		n := len(it.Element())
		if n+held(id)+overhead > limit {
			return nil, mongoerr.New(mongoerr.BSONObjectTooLarge, "BSONObj size: %d is invalid. Size must be between 0 and %d", n, limit)
		}
		if size+n > limit {
			groups = append(groups, nil)
			size = held(id) + overhead
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], it.Element())
		size += n
	}
	parts := make([]bson.Raw, len(groups))
	for i, g := range groups {
		var b value.Builder
		b.Add("_id", id)
		b.Open(bson.TypeEmbeddedDocument, "splitEvent")
		b.Add("fragment", value.Int32(int32(i+1)))
		b.Add("of", value.Int32(int32(len(groups))))
		b.Close()
		for _, e := range g {
			b.AddElement(e)
		}
		parts[i] = b.Doc()
	}
	return parts, nil
}
