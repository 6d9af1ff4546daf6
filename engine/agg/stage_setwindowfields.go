package agg

import (
	"bytes"
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// windowStage is $setWindowFields. It sorts by partition and order, holds one
// partition at a time and adds its functions' results to the documents.
type windowStage struct {
	reads
	partition expr.Expr // nil: one partition
	sort      *sortPattern
	outputs   []windowOutput
	coll      *value.Collation
}

// windowOutput is one function and the path that its result goes to.
type windowOutput struct {
	path []string
	fn   windowFunc
}

// windowFunc calculates a function for all documents of a partition.
type windowFunc interface {
	evaluate(x *expr.Context, p *partition) ([]value.Value, error)
}

// partition is the documents of one partition in order.
type partition struct {
	docs []bson.Raw
	sort *sortPattern
}

func compileSetWindowFields(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, failParse("the $setWindowFields stage specification must be an object, found %s", value.TypeName(spec.Type))
	}
	s := &windowStage{coll: c.env.Collation}
	var output value.Value
	for it := value.Walk(spec.Value); it.Next(); {
		v := it.Value()
		var err error
		switch it.Key() {
		case "partitionBy":
			s.partition, err = c.expr(v.RawValue())
		case "sortBy":
			if !v.IsDocument() {
				return nil, wrongType("$setWindowFields", "sortBy", v.Kind(), "object")
			}
			s.sort, err = c.sortPattern(v.Doc())
		case "output":
			output = v
		default:
			err = unknownField("$setWindowFields", it.Key())
		}
		if err != nil {
			return nil, err
		}
	}
	return []stage{s}, s.compileOutput(c, output)
}

func (s *windowStage) compileOutput(c *compiler, output value.Value) error {
	if output.IsMissing() {
		return missingField("$setWindowFields", "output")
	}
	if !output.IsDocument() {
		return wrongType("$setWindowFields", "output", output.Kind(), "object")
	}
	check := &projNode{}
	for it := value.Walk(output.Doc()); it.Next(); {
		path, err := splitPath(it.Key())
		if err != nil {
			return err
		}
		fn, err := c.windowFunc(it.Key(), it.Value(), s.sort)
		if err != nil {
			return err
		}
		if err := addLeaf(check, it.Key(), projEntry{action: actCompute}); err != nil {
			return mongoerr.New(6307900, "specification contains two conflicting paths at '%s'", it.Key())
		}
		s.outputs = append(s.outputs, windowOutput{path, fn})
	}
	return nil
}

func (s *windowStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	streams := s.partition == nil && s.sort == nil
	return &blocking{piped: piped{in}, streams: streams, fill: func(ctx context.Context, in store.Cursor) (store.Cursor, error) {
		sorted, err := s.sorted(ctx, r, in)
		if err != nil {
			return nil, err
		}
		return &windowCursor{piped: piped{sorted}, s: s, r: r}, nil
	}}, nil
}

// sorted orders the input by partition, then by sortBy; without either the
// input's order stays.
func (s *windowStage) sorted(ctx context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	if s.partition == nil && s.sort == nil {
		return &nextFunc{piped{Documents(nil)}, in.Next}, nil
	}
	sorter := &sorter{r: r}
	var key []byte
	err := drain(ctx, in, func(doc bson.Raw) (err error) {
		if key, err = s.appendPartition(r, key[:0], doc); err != nil {
			return err
		}
		if s.sort != nil {
			if key, err = s.sort.appendKey(key, doc); err != nil {
				return err
			}
		}
		return sorter.add(key, doc)
	})
	if err != nil {
		sorter.discard()
		return nil, err
	}
	return sorter.finish()
}

func (s *windowStage) appendPartition(r *run, dst []byte, doc bson.Raw) ([]byte, error) {
	if s.partition == nil {
		return dst, nil
	}
	r.x.Root = doc
	v, err := s.partition.Eval(r.x)
	if err != nil {
		return nil, err
	}
	if v.IsArray() {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "An expression used to partition cannot evaluate to value of type array")
	}
	return value.AppendSortKeyCollated(dst, orNull(v), false, s.coll), nil
}

// windowCursor gives the documents of one partition after the other.
type windowCursor struct {
	piped
	s       *windowStage
	r       *run
	p       partition
	results [][]value.Value
	next    int
	ahead   bson.Raw // the first document of the following partition
	ended   bool
	bufs    [2][]byte
}

func (c *windowCursor) Next(ctx context.Context) (bson.Raw, error) {
	for c.next == len(c.p.docs) {
		if c.ended && c.ahead == nil {
			return nil, errEnd
		}
		if err := c.load(ctx); err != nil {
			return nil, err
		}
	}
	doc := c.p.docs[c.next]
	for i, out := range c.s.outputs {
		b := &c.bufs[i%2]
		*b = setPath((*b)[:0], doc, out.path, c.results[i][c.next])
		doc = *b
	}
	c.next++
	return doc, nil
}

// load reads the next partition and calculates all functions over it.
func (c *windowCursor) load(ctx context.Context) error {
	var mem arena
	var first, key []byte
	c.p, c.next = partition{sort: c.s.sort}, 0
	if c.ahead != nil {
		c.p.docs = append(c.p.docs, c.ahead)
		var err error
		if first, err = c.s.appendPartition(c.r, nil, c.ahead); err != nil {
			return err
		}
		c.ahead = nil
	}
	for {
		doc, err := c.in.Next(ctx)
		if err == errEnd {
			c.ended = true
			break
		}
		if err != nil {
			return err
		}
		if key, err = c.s.appendPartition(c.r, key[:0], doc); err != nil {
			return err
		}
		if len(c.p.docs) == 0 {
			first = bytes.Clone(key)
		} else if !bytes.Equal(first, key) {
			c.ahead = clone(doc)
			break
		}
		c.p.docs = append(c.p.docs, mem.copy(doc))
		if limit := c.r.env.memoryLimit(); mem.total > limit {
			return mongoerr.New(5643011, "Exceeded memory limit in $setWindowFields, used %d bytes but max allowed is %d bytes", mem.total, limit)
		}
	}
	return c.calculate()
}

func (c *windowCursor) calculate() error {
	c.results = c.results[:0]
	for _, out := range c.s.outputs {
		vals, err := out.fn.evaluate(c.r.x, &c.p)
		if err != nil {
			return err
		}
		c.results = append(c.results, vals)
	}
	return nil
}
