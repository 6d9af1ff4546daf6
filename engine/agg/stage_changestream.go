package agg

import (
	"cmp"
	"context"
	"slices"

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

// inhibitStage is {$_internalInhibitOptimization: {}}: no stage is moved over it.
type inhibitStage struct{}

func compileInhibitOptimization(_ *compiler, spec bson.RawValue) ([]stage, error) {
	v := value.FromRaw(spec)
	if !v.IsDocument() {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "$_internalInhibitOptimization must take a nested object but found: %s", v)
	}
	if value.Len(v.Doc()) > 0 {
		return nil, mongoerr.New(mongoerr.FailedToParse, "$_internalInhibitOptimization must take an empty object but found: %s", v)
	}
	return []stage{inhibitStage{}}, nil
}

func (inhibitStage) open(_ context.Context, _ *run, in store.Cursor) (store.Cursor, error) {
	return in, nil
}

// MaxEvent is the size above which an event is split or refused: the limit of a
// document, with room for what the server adds.
const MaxEvent = 16<<20 + 16<<10

// splitStage is {$changeStreamSplitLargeEvent: {}}.
type splitStage struct{}

func compileSplitLargeEvent(c *compiler, spec bson.RawValue) ([]stage, error) {
	if c.where != inChangeStream {
		return nil, mongoerr.New(mongoerr.IllegalOperation, "$changeStreamSplitLargeEvent can only be used in a $changeStream pipeline")
	}
	if spec.Type != bson.TypeEmbeddedDocument || len(spec.Value) > 5 {
		return nil, mongoerr.New(7182800, "$changeStreamSplitLargeEvent spec should be an empty object")
	}
	if !c.last {
		return nil, mongoerr.New(7182802, "$changeStreamSplitLargeEvent must be the last stage in the pipeline")
	}
	return []stage{splitStage{}}, nil
}

func (splitStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	c := &splitCursor{piped: piped{in}, fragments: r.env.Fragments}
	if c.fragments != nil {
		c.skip = c.fragments.Seen()
	}
	return c, nil
}

// Fragments numbers the parts of an event that is split.
type Fragments interface {
	// Token is the resume token of part n (from 1) of the event with this token.
	Token(event bson.Raw, n int) bson.Raw
	// Seen is how many parts of its first event the stream does not give.
	Seen() int
}

type splitCursor struct {
	piped
	parts     []bson.Raw
	fragments Fragments
	skip      int
}

func (c *splitCursor) Next(ctx context.Context) (bson.Raw, error) {
	for len(c.parts) == 0 {
		doc, err := c.in.Next(ctx)
		if err != nil || len(doc) <= MaxEvent && c.skip == 0 {
			return doc, err
		}
		if len(doc) > MaxEvent {
			if c.parts, err = c.splitEvent(doc, MaxEvent); err != nil {
				return nil, err
			}
		}
		if c.skip > len(c.parts) { // after the last part comes the next event
			return nil, mongoerr.New(mongoerr.ChangeStreamFatalError, "Attempted to resume from a split event fragment, but the event in the resumed stream was not split").
				WithLabels("NonResumableChangeStreamError")
		}
		c.parts, c.skip = c.parts[c.skip:], 0
	}
	p := c.parts[0]
	c.parts = c.parts[1:]
	return p, nil
}

// splitEvent distributes the fields of an event, the smallest first, over
// fragments of at most limit bytes, each with an _id and {splitEvent:
// {fragment, of}}.
func (c *splitCursor) splitEvent(doc bson.Raw, limit int) ([]bson.Raw, error) {
	id := value.Lookup(doc, "_id")
	const overhead = 96
	var fields []bson.RawElement
	for it := value.Walk(doc); it.Next(); {
		if it.Key() != "_id" {
			fields = append(fields, bson.RawElement(it.Element()))
		}
	}
	slices.SortFunc(fields, func(a, b bson.RawElement) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a.Key(), b.Key()))
	})
	var groups [][][]byte
	size := limit
	for _, f := range fields {
		n := len(f)
		if n+held(id)+overhead > limit {
			return nil, mongoerr.New(mongoerr.BSONObjectTooLarge, "BSONObj size: %d is invalid. Size must be between 0 and %d", n, limit)
		}
		if size+n > limit {
			groups = append(groups, nil)
			size = held(id) + overhead
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], f)
		size += n
	}
	parts := make([]bson.Raw, len(groups))
	for i, g := range groups {
		var b value.Builder
		token := id
		if c.fragments != nil && id.IsDocument() {
			token = value.Document(c.fragments.Token(id.Doc(), i+1))
		}
		b.Add("_id", token)
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
