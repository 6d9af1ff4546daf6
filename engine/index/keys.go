package index

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// codeCannotIndexParallelArrays and codeHashedArray are the server's codes.
const (
	codeCannotIndexParallelArrays = 171
	codeHashedArray               = 16766
	seedHashed                    = 0
)

// cursor is how far the path of one field was followed.
type cursor struct {
	at   value.Value
	rest []string
	done bool // at is the value, even when it is an array inside an array
}

// Generator makes keys; it keeps buffers and is used by one goroutine at a time.
type Generator struct {
	values   []value.Value
	levels   [][]cursor
	multikey bool
	missing  uint64
}

// Missing tells, during emit, which of the values (the first 64) stand for a
// field that is not there, in place of a null.
func (g *Generator) Missing() uint64 { return g.missing }

// Keys calls emit with the key values of every key of the document, which may
// repeat. It tells whether an array was involved.
func (g *Generator) Keys(d *Definition, doc bson.Raw, emit func(values []value.Value) error) (multikey bool, err error) {
	if d.Partial != nil {
		if ok, err := d.Partial(doc); err != nil || !ok {
			return false, err
		}
	}
	if d.Wildcard != nil {
		k := &wildcardKeys{w: d.Wildcard, emit: emit}
		g.missing = 0
		err = k.document(doc)
		return k.multikey, err
	}
	if cap(g.values) < len(d.Fields) {
		g.values = make([]value.Value, len(d.Fields))
	}
	g.values, g.multikey = g.values[:len(d.Fields)], false
	cs := g.level(0, len(d.Fields))
	for i := range d.Fields {
		cs[i] = cursor{at: value.Document(doc), rest: d.Fields[i].Path}
	}
	err = g.expand(d, 0, emit)
	return g.multikey, err
}

func (g *Generator) level(depth, n int) []cursor {
	for len(g.levels) <= depth {
		g.levels = append(g.levels, make([]cursor, n))
	}
	if cap(g.levels[depth]) < n {
		g.levels[depth] = make([]cursor, n)
	}
	g.levels[depth] = g.levels[depth][:n]
	return g.levels[depth]
}

// expand follows all paths to a value or an array, and goes on with every
// element of the array.
func (g *Generator) expand(d *Definition, depth int, emit func([]value.Value) error) error {
	cs := g.levels[depth]
	array, err := g.advance(d, cs)
	if err != nil {
		return err
	}
	if array.IsMissing() {
		return g.emit(d, cs, emit)
	}
	g.multikey = true
	next := g.level(depth+1, len(cs))
	cs = g.levels[depth]
	empty := true
	for it := value.Walk(array.Doc()); it.Next(); {
		empty = false
		g.descend(cs, next, it.Value())
		if err := g.expand(d, depth+1, emit); err != nil {
			return err
		}
		next = g.levels[depth+1]
	}
	if empty {
		g.descend(cs, next, value.Undefined())
		return g.expand(d, depth+1, emit)
	}
	return nil
}

func (g *Generator) descend(from, to []cursor, item value.Value) {
	copy(to, from)
	for i := range to {
		c := &to[i]
		switch {
		case c.done || !c.at.IsArray():
		case len(c.rest) == 0:
			c.at, c.done = item, true
		case item.IsDocument():
			c.at = item
		default:
			c.at, c.rest, c.done = value.Value{}, nil, true
		}
	}
}

// advance moves every cursor down to a value or an array and returns the array
// that they stand on, if any.
func (g *Generator) advance(d *Definition, cs []cursor) (array value.Value, err error) {
	first := -1
	for i := range cs {
		c := &cs[i]
		if c.done {
			continue
		}
		follow(c)
		if !c.at.IsArray() {
			c.done = true
			continue
		}
		if d.Fields[i].Hashed {
			return array, mongoerr.New(codeHashedArray, "hashed indexes do not currently support array values. Found array at path: %s", d.Fields[i].Name)
		}
		if first >= 0 && !sameArray(array, c.at) {
			return array, mongoerr.New(codeCannotIndexParallelArrays, "cannot index parallel arrays [%s] [%s]",
				lastPart(d, cs, i), lastPart(d, cs, first))
		}
		first, array = i, c.at
	}
	return array, nil
}

func lastPart(d *Definition, cs []cursor, i int) string {
	path := d.Fields[i].Path
	return path[max(0, len(path)-len(cs[i].rest)-1)]
}

func sameArray(a, b value.Value) bool {
	x, y := a.Doc(), b.Doc()
	return len(x) == len(y) && &x[0] == &y[0]
}

// follow walks documents, and arrays by position.
func follow(c *cursor) {
	for len(c.rest) > 0 {
		switch {
		case c.at.IsDocument():
			c.at = value.Lookup(c.at.Doc(), c.rest[0])
		case c.at.IsArray():
			n, err := strconv.Atoi(c.rest[0])
			if err != nil || n < 0 {
				return
			}
			item := value.Index(c.at.Doc(), n)
			if item.IsMissing() {
				return
			}
			c.at = item
		default:
			c.at, c.rest = value.Value{}, nil
			return
		}
		c.rest = c.rest[1:]
	}
}

func (g *Generator) emit(d *Definition, cs []cursor, emit func([]value.Value) error) error {
	missing := true
	g.missing = 0
	for i := range cs {
		v := cs[i].at
		missing = missing && v.IsMissing()
		if v.IsMissing() {
			v = value.Null()
			g.missing |= 1 << i
		}
		g.values[i] = v
	}
	if missing && d.Sparse {
		return nil
	}
	return emit(g.values)
}

// AppendKey appends the order-preserving bytes of a key.
func (d *Definition) AppendKey(dst []byte, values []value.Value) []byte {
	for i, v := range values {
		dst = d.appendPart(dst, i, v)
	}
	return dst
}

func (d *Definition) appendPart(dst []byte, i int, v value.Value) []byte {
	f := &d.Fields[i]
	if f.Hashed {
		v = value.Int64(int64(value.HashCollated(seedHashed, v, d.Collation)))
	}
	if d.Collation != nil {
		return value.AppendSortKeyCollated(dst, v, f.Desc, d.Collation)
	}
	return value.AppendSortKey(dst, v, f.Desc)
}
