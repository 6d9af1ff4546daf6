package agg

import (
	"context"
	"io"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// groupStage is {$group: {_id: expression, field: {$accumulator: …}}}.
type groupStage struct {
	reads
	id    groupID
	accs  []accSpec
	plain extractor
	coll  *value.Collation
}

func compileGroup(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(15947, "a group's fields must be specified in an object")
	}
	g := &groupStage{coll: c.env.Collation}
	hasID := false
	for it := value.Walk(spec.Value); it.Next(); {
		name := it.Key()
		if name == "_id" {
			if hasID {
				return nil, mongoerr.New(15948, "a group's _id may only be specified once")
			}
			hasID = true
			if err := g.id.compile(c, &g.plain, it.Value()); err != nil {
				return nil, err
			}
			continue
		}
		if name == "$doingMerge" {
			return nil, mongoerr.New(17030, "$doingMerge should be true if present")
		}
		a, err := c.accumulatorField(&g.plain, name, it.Value())
		if err != nil {
			return nil, err
		}
		g.accs = append(g.accs, a)
	}
	if !hasID {
		return nil, mongoerr.New(15955, "a group specification must include an _id")
	}
	return []stage{g}, nil
}

// groupID is the expression of _id. An object of expressions is kept in parts,
// so that the key is made without building the object for every document.
type groupID struct {
	parts []input
	names []string // of the parts of an object; nil for a single expression
}

func (g *groupID) compile(c *compiler, e *extractor, v value.Value) error {
	if !v.IsDocument() || !isObjectLiteral(v.Doc()) {
		in, err := e.input(c, v.RawValue())
		g.parts = []input{in}
		return err
	}
	if _, err := c.expr(v.RawValue()); err != nil {
		return err
	}
	g.names = []string{}
	for it := value.Walk(v.Doc()); it.Next(); {
		in, err := e.input(c, it.Value().RawValue())
		if err != nil {
			return err
		}
		g.names, g.parts = append(g.names, it.Key()), append(g.parts, in)
	}
	return nil
}

func isObjectLiteral(doc bson.Raw) bool {
	it := value.Walk(doc)
	return it.Next() && !strings.HasPrefix(it.Key(), "$")
}

func (s *groupStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	return &blocking{piped: piped{in}, fill: func(ctx context.Context, in store.Cursor) (store.Cursor, error) {
		return newGrouping(s, r).fill(ctx, in)
	}}, nil
}

// group is one group: its key as first met and its accumulators.
type group struct {
	id   value.Value
	accs []accumulator
}

// grouping is the hash table of one $group. When it is full, documents of new
// groups go to partitions on disk, by the hash of their key, and each
// partition is grouped afterwards; so a group is never split.
type grouping struct {
	s     *groupStage
	r     *run
	plain extractor
	ids   []value.Value
	key   []byte
	index map[string]int32
	group []group
	mem   int64
	check int
	level uint64
	parts []*spillFile
}

const spillPartitions = 16

func newGrouping(s *groupStage, r *run) *grouping {
	return &grouping{
		s: s, r: r,
		plain: extractor{names: s.plain.names, vals: make([]value.Value, len(s.plain.names))},
		ids:   make([]value.Value, len(s.id.parts)),
		index: map[string]int32{},
	}
}

func (g *grouping) fill(ctx context.Context, in store.Cursor) (store.Cursor, error) {
	if err := drain(ctx, in, g.add); err != nil {
		g.discard()
		return nil, err
	}
	return &groupCursor{g: g}, nil
}

func (g *grouping) discard() {
	for _, p := range g.parts {
		if p != nil {
			p.close()
		}
	}
	g.parts = nil
}

func (g *grouping) add(doc bson.Raw) error {
	g.r.x.Root = doc
	g.plain.read(doc)
	if err := g.makeKey(); err != nil {
		return err
	}
	i, ok := g.index[string(g.key)]
	if !ok {
		if g.full() {
			return g.spill(doc)
		}
		var err error
		if i, err = g.newGroup(); err != nil {
			return err
		}
		g.r.x.Root = doc
	}
	accs := g.group[i].accs
	for j := range g.s.accs {
		if err := g.s.accs[j].feed(g.r.x, &g.plain, accs[j], doc); err != nil {
			return err
		}
	}
	return nil
}

func (g *grouping) makeKey() (err error) {
	g.key = g.key[:0]
	single := len(g.s.id.parts) == 1
	for i := range g.s.id.parts {
		v, err := g.s.id.parts[i].eval(g.r.x, &g.plain)
		if err != nil {
			return err
		}
		if single {
			v = orNull(v)
		}
		g.ids[i] = v
		g.key = value.AppendSortKeyCollated(g.key, v, false, g.s.coll)
	}
	return nil
}

func (g *grouping) newGroup() (int32, error) {
	gr := group{id: g.idValue(), accs: make([]accumulator, len(g.s.accs))}
	if gr.id.IsDocument() {
		// The counts of $firstN and its kin may use the fields of the key.
		g.r.x.Root = gr.id.Doc()
	} else {
		g.r.x.Root = value.EmptyDocument
	}
	for j := range g.s.accs {
		a, err := g.s.accs[j].make(g.r.x)
		if err != nil {
			return 0, err
		}
		gr.accs[j] = a
	}
	i := int32(len(g.group))
	g.index[string(g.key)] = i
	g.group = append(g.group, gr)
	g.mem += int64(2*len(g.key)+96) + int64(held(gr.id))
	return i, nil
}

func (g *grouping) idValue() value.Value {
	if g.s.id.names == nil {
		return orNull(g.ids[0]).Clone()
	}
	start, buf := value.BeginDocument(make([]byte, 0, 64))
	for i, name := range g.s.id.names {
		buf = value.AppendElement(buf, name, g.ids[i])
	}
	return value.Document(value.EndDocument(buf, start))
}

// full tells whether a new group would exceed the memory limit. Sizes of
// accumulators are summed up only when the number of groups has grown enough
// to matter.
func (g *grouping) full() bool {
	limit := g.r.env.memoryLimit()
	if len(g.group) < g.check && g.parts == nil {
		return false
	}
	if g.parts != nil {
		return true
	}
	used := g.mem
	for i := range g.group {
		for _, a := range g.group[i].accs {
			used += int64(a.size())
		}
	}
	if used > limit {
		return true
	}
	g.check = len(g.group) + 1 + len(g.group)/8
	if used > 0 && len(g.group) > 0 {
		perGroup := used/int64(len(g.group)) + 1
		g.check = len(g.group) + 1 + int((limit-used)/perGroup/4)
	}
	return false
}

func (g *grouping) spill(doc bson.Raw) error {
	if !g.r.env.AllowDiskUse {
		return mongoerr.New(mongoerr.QueryExceededMemoryLimitNoDiskUse,
			"Exceeded memory limit for $group, but didn't allow external spilling; pass allowDiskUse:true to opt in")
	}
	if g.parts == nil {
		g.parts = make([]*spillFile, spillPartitions)
	}
	h := value.Hash(g.level+1, value.StringBytes(g.key)) % spillPartitions
	if g.parts[h] == nil {
		f, err := newSpillFile(g.r.env.TempDir)
		if err != nil {
			return err
		}
		g.parts[h] = f
	}
	return g.parts[h].write(nil, doc)
}

// groupCursor gives the groups in memory, then groups each partition.
type groupCursor struct {
	g    *grouping
	next int
	buf  []byte
}

func (c *groupCursor) Next(ctx context.Context) (bson.Raw, error) {
	for {
		if c.next < len(c.g.group) {
			gr := &c.g.group[c.next]
			c.next++
			return c.document(gr)
		}
		sub, err := c.nextPartition(ctx)
		if err != nil {
			return nil, err
		}
		parts := c.g.parts
		*c = groupCursor{g: sub, buf: c.buf}
		c.g.parts = append(c.g.parts, parts...)
	}
}

func (c *groupCursor) document(gr *group) (bson.Raw, error) {
	start, buf := value.BeginDocument(c.buf[:0])
	buf = value.AppendElement(buf, "_id", gr.id)
	for i, a := range gr.accs {
		v, err := a.result()
		if err != nil {
			return nil, err
		}
		buf = value.AppendElement(buf, c.g.s.accs[i].field, orNull(v))
	}
	c.buf = value.EndDocument(buf, start)
	return c.buf, nil
}

// nextPartition groups the next partition on disk.
func (c *groupCursor) nextPartition(ctx context.Context) (*grouping, error) {
	for i, f := range c.g.parts {
		if f == nil {
			continue
		}
		c.g.parts[i] = nil
		if err := f.rewind(); err != nil {
			return nil, err
		}
		sub := newGrouping(c.g.s, c.g.r)
		sub.level = c.g.level + 1
		err := drain(ctx, &spillCursor{f}, sub.add)
		f.close()
		return sub, err
	}
	return nil, io.EOF
}

func (c *groupCursor) Close() error {
	c.g.discard()
	return nil
}

// spillCursor reads the documents of a spill file.
type spillCursor struct{ f *spillFile }

func (s *spillCursor) Next(context.Context) (bson.Raw, error) {
	_, doc, err := s.f.read()
	return doc, err
}
func (s *spillCursor) Close() error { return nil }
