package agg

import (
	"context"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// bucketAutoStage is $bucketAuto: it divides the sorted documents into buckets
// of about the same size.
type bucketAutoStage struct {
	reads
	groupBy input
	buckets int64
	rounder rounder // nil: none
	accs    []accSpec
	plain   extractor
	coll    *value.Collation
}

func compileBucketAuto(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40240, "The argument to $bucketAuto must be an object, but found type: %s", value.TypeName(spec.Type))
	}
	s := &bucketAutoStage{coll: c.env.Collation}
	hasGroupBy, hasOutput := false, false
	for it := value.Walk(spec.Value); it.Next(); {
		v := it.Value()
		var err error
		switch it.Key() {
		case "groupBy":
			hasGroupBy = true
			err = s.setGroupBy(c, v)
		case "buckets":
			err = s.setBuckets(v)
		case "output":
			hasOutput = true
			err = s.setOutput(c, v)
		case "granularity":
			if !v.IsString() {
				return nil, mongoerr.New(40261, "The $bucketAuto 'granularity' field must be a string, but found type: %s", value.TypeName(v.Kind()))
			}
			s.rounder, err = rounderNamed(v.Str())
		default:
			err = mongoerr.New(40245, "Unrecognized option to $bucketAuto: %s", it.Key())
		}
		if err != nil {
			return nil, err
		}
	}
	if !hasGroupBy || s.buckets == 0 {
		return nil, mongoerr.New(40246, "$bucketAuto requires 'groupBy' and 'buckets' to be specified")
	}
	if !hasOutput {
		var b value.Builder
		b.Add("$sum", value.Int32(1))
		a, err := c.accumulatorField(&s.plain, "count", b.DocumentOf())
		if err != nil {
			return nil, err
		}
		s.accs = append(s.accs, a)
	}
	return []stage{s}, nil
}

func (s *bucketAutoStage) setGroupBy(c *compiler, v value.Value) (err error) {
	if !isExpressionSpec(v) {
		return mongoerr.New(40239, "The $bucketAuto 'groupBy' field must be defined as a $-prefixed path or an expression object, but found: %s", v)
	}
	s.groupBy, err = s.plain.input(c, v.RawValue())
	return err
}

func (s *bucketAutoStage) setBuckets(v value.Value) error {
	if !v.IsNumber() {
		return mongoerr.New(40241, "The $bucketAuto 'buckets' field must be a numeric value, but found type: %s", value.TypeName(v.Kind()))
	}
	n, ok := v.Integral()
	if !ok || n > math.MaxInt32 || n < math.MinInt32 {
		return mongoerr.New(40242, "The $bucketAuto 'buckets' field must be representable as a 32-bit integer, but found %s", v)
	}
	if n <= 0 {
		return mongoerr.New(40243, "The $bucketAuto 'buckets' field must be greater than 0, but found: %d", n)
	}
	s.buckets = n
	return nil
}

func (s *bucketAutoStage) setOutput(c *compiler, v value.Value) error {
	if !v.IsDocument() {
		return mongoerr.New(40244, "The $bucketAuto 'output' field must be an object, but found type: %s", value.TypeName(v.Kind()))
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		a, err := c.accumulatorField(&s.plain, it.Key(), it.Value())
		if err != nil {
			return err
		}
		s.accs = append(s.accs, a)
	}
	return nil
}

func (s *bucketAutoStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	return &blocking{piped: piped{in}, fill: func(ctx context.Context, in store.Cursor) (store.Cursor, error) {
		sorter := &sorter{r: r}
		var key []byte
		err := drain(ctx, in, func(doc bson.Raw) error {
			v, err := s.key(r, doc)
			if err != nil {
				return err
			}
			key = value.AppendSortKeyCollated(key[:0], v, false, s.coll)
			return sorter.add(key, doc)
		})
		if err != nil {
			sorter.discard()
			return nil, err
		}
		n := sorter.seq
		sorted, err := sorter.finish()
		if err != nil {
			return nil, err
		}
		size := max(int(math.Round(float64(n)/float64(s.buckets))), 1)
		return &bucketCursor{piped: piped{sorted}, s: s, r: r, size: size}, nil
	}}, nil
}

// key is the value that a document is sorted by.
func (s *bucketAutoStage) key(r *run, doc bson.Raw) (value.Value, error) {
	r.x.Root = doc
	s.plain.read(doc)
	v, err := s.groupBy.eval(r.x, &s.plain)
	if err != nil || s.rounder == nil {
		return orNull(v), err
	}
	switch {
	case !v.IsNumber():
		return v, mongoerr.New(40258, "$bucketAuto can specify a 'granularity' with numeric boundaries only, but found a value with type: %s", value.TypeName(v.Kind()))
	case v.IsNaN():
		return v, mongoerr.New(40259, "$bucketAuto can specify a 'granularity' with numeric boundaries only, but found a NaN")
	case v.Sign() < 0:
		return v, mongoerr.New(40260, "$bucketAuto can specify a 'granularity' with non-negative numbers only, but found a negative number")
	}
	return v, nil
}

// bucketCursor fills one bucket after the other from the sorted documents.
type bucketCursor struct {
	piped
	s     *bucketAutoStage
	r     *run
	size  int
	made  int64
	next  bson.Raw // the first document of the next bucket
	key   value.Value
	ended bool
	begun bool
	min   value.Value // of the next bucket, when rounded
}

// pull reads one document ahead.
func (c *bucketCursor) pull(ctx context.Context) error {
	doc, err := c.in.Next(ctx)
	if err == errEnd {
		c.next, c.ended = nil, true
		return nil
	}
	if err != nil {
		return err
	}
	c.next = append(c.next[:0], doc...)
	c.key, err = c.s.key(c.r, c.next)
	return err
}

func (c *bucketCursor) Next(ctx context.Context) (bson.Raw, error) {
	if !c.begun {
		c.begun = true
		if err := c.pull(ctx); err != nil {
			return nil, err
		}
	}
	if c.ended {
		return nil, errEnd
	}
	c.made++
	return c.fill(ctx)
}

func (c *bucketCursor) fill(ctx context.Context) (bson.Raw, error) {
	accs, err := c.accumulators()
	if err != nil {
		return nil, err
	}
	low := c.key.Clone()
	if c.s.rounder != nil {
		if low = c.min; low.IsMissing() {
			low = c.s.rounder.down(c.key)
		}
	}
	var high value.Value
	take := func() error {
		high = c.key.Clone()
		for i := range accs {
			if err := c.s.accs[i].feed(c.r.x, &c.s.plain, accs[i], c.next); err != nil {
				return err
			}
		}
		return c.pull(ctx)
	}
	last := c.made == c.s.buckets
	for n := 0; !c.ended && (n < c.size || last && c.s.rounder == nil); n++ {
		if err := take(); err != nil {
			return nil, err
		}
	}
	if high, err = c.absorb(high, last, take); err != nil {
		return nil, err
	}
	return c.document(low, high, accs)
}

// absorb takes the documents that belong into the bucket by its upper
// boundary, and gives that.
func (c *bucketCursor) absorb(high value.Value, last bool, take func() error) (value.Value, error) {
	if c.s.rounder == nil {
		for !c.ended && value.CompareCollated(c.key, high, c.s.coll) == 0 {
			if err := take(); err != nil {
				return high, err
			}
		}
		if !c.ended {
			return c.key.Clone(), nil
		}
		return high, nil
	}
	bound := c.s.rounder.up(high)
	for !c.ended && (last || value.Compare(c.key, bound) < 0 || bound.Sign() == 0 && c.key.Sign() == 0) {
		if last && value.Compare(c.key, bound) >= 0 {
			bound = c.s.rounder.up(c.key)
		}
		if err := take(); err != nil {
			return high, err
		}
	}
	if bound.Sign() == 0 && !c.ended {
		bound = c.s.rounder.down(c.key)
	}
	c.min = bound
	return bound, nil
}

func (c *bucketCursor) accumulators() ([]accumulator, error) {
	accs := make([]accumulator, len(c.s.accs))
	root := c.r.x.Root
	c.r.x.Root = value.EmptyDocument
	for i := range accs {
		var err error
		if accs[i], err = c.s.accs[i].make(c.r.x); err != nil {
			return nil, err
		}
	}
	c.r.x.Root = root
	return accs, nil
}

func (c *bucketCursor) document(low, high value.Value, accs []accumulator) (bson.Raw, error) {
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, "_id")
	b.Add("min", low)
	b.Add("max", high)
	b.Close()
	for i, a := range accs {
		v, err := a.result()
		if err != nil {
			return nil, err
		}
		b.Add(c.s.accs[i].field, orNull(v))
	}
	return b.Doc(), nil
}
