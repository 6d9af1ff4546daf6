package agg

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// projection is a compiled tree of field rules that maps one document to
// another in one walk. It serves $project, $unset, $addFields and find.
type projection struct{ root *projNode }

type projAction uint8

const (
	actInclude projAction = iota
	actExclude
	actCompute
	actDescend
)

type projEntry struct {
	name   string
	action projAction
	node   *projNode // actDescend
	expr   expr.Expr // actCompute
}

type projNode struct {
	entries []projEntry
	index   map[string]int // only when there are many entries
	// keep says what happens to fields without an entry: exclusions and
	// $addFields keep them, inclusions drop them.
	keep bool
	// computes says that somewhere below a field is computed; values that are
	// no documents are then replaced by one.
	computes bool
	// overwrite lets computed fields stand where the document already has
	// them ($addFields); in inclusions they are always appended.
	overwrite bool
}

const manyEntries = 8

func (n *projNode) find(name string) int {
	if n.index != nil {
		if i, ok := n.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range n.entries {
		if n.entries[i].name == name {
			return i
		}
	}
	return -1
}

func (n *projNode) add(e projEntry) *projEntry {
	n.entries = append(n.entries, e)
	if n.index != nil {
		n.index[e.name] = len(n.entries) - 1
	} else if len(n.entries) > manyEntries {
		n.index = make(map[string]int, 2*len(n.entries))
		for i := range n.entries {
			n.index[n.entries[i].name] = i
		}
	}
	return &n.entries[len(n.entries)-1]
}

// finish settles the flags of a tree that has all its entries.
func (n *projNode) finish(keep, overwrite bool) bool {
	n.keep, n.overwrite = keep, overwrite
	for i := range n.entries {
		e := &n.entries[i]
		if e.action == actCompute || e.action == actDescend && e.node.finish(keep, overwrite) {
			n.computes = true
		}
	}
	return n.computes
}

// apply appends the projected document to dst. c.Root must be set.
func (p *projection) apply(c *expr.Context, dst []byte, doc bson.Raw) ([]byte, error) {
	return p.root.appendDocument(c, dst, doc)
}

func (n *projNode) appendDocument(c *expr.Context, dst []byte, doc bson.Raw) ([]byte, error) {
	start, dst := value.BeginDocument(dst)
	dst, err := n.appendFields(c, dst, doc)
	if err != nil {
		return nil, err
	}
	return value.EndDocument(dst, start), nil
}

// seenSet remembers which entries have been met; small sets do not allocate.
type seenSet struct {
	bits uint64
	more []bool
	n    int
}

func newSeenSet(size int) seenSet {
	if size > 64 {
		return seenSet{more: make([]bool, size)}
	}
	return seenSet{}
}

func (s *seenSet) has(i int) bool {
	if s.more != nil {
		return s.more[i]
	}
	return s.bits&(1<<i) != 0
}

func (s *seenSet) add(i int) {
	s.n++
	if s.more != nil {
		s.more[i] = true
		return
	}
	s.bits |= 1 << i
}

func (n *projNode) appendFields(c *expr.Context, dst []byte, doc bson.Raw) (_ []byte, err error) {
	seen := newSeenSet(len(n.entries))
	for it := value.Walk(doc); it.Next(); {
		i := n.find(it.Key())
		if i < 0 {
			if n.keep {
				dst = append(dst, it.Element()...)
			} else if seen.n == len(n.entries) {
				break
			}
			continue
		}
		if seen.has(i) {
			continue
		}
		if dst, err = n.appendExisting(c, dst, &it, &n.entries[i], &seen, i); err != nil {
			return nil, err
		}
	}
	if !n.computes {
		return dst, nil
	}
	return n.appendNew(c, dst, &seen)
}

func (n *projNode) appendExisting(c *expr.Context, dst []byte, it *value.Iter, e *projEntry, seen *seenSet, i int) ([]byte, error) {
	switch e.action {
	case actInclude:
		seen.add(i)
		return append(dst, it.Element()...), nil
	case actExclude:
		seen.add(i)
		return dst, nil
	case actCompute:
		if !n.overwrite {
			return dst, nil
		}
		seen.add(i)
		v, err := e.expr.Eval(c)
		if err != nil {
			return nil, err
		}
		return value.AppendElement(dst, e.name, v), nil
	}
	seen.add(i)
	return e.node.appendNested(c, dst, e.name, it.Value())
}

func (n *projNode) appendNew(c *expr.Context, dst []byte, seen *seenSet) ([]byte, error) {
	for i := range n.entries {
		e := &n.entries[i]
		if seen.has(i) {
			continue
		}
		switch {
		case e.action == actCompute:
			v, err := e.expr.Eval(c)
			if err != nil {
				return nil, err
			}
			dst = value.AppendElement(dst, e.name, v)
		case e.action == actDescend && e.node.computes:
			var err error
			if dst, err = e.node.appendNested(c, dst, e.name, value.Value{}); err != nil {
				return nil, err
			}
		}
	}
	return dst, nil
}

// appendNested appends the field key with the projection of v, if any is left.
func (n *projNode) appendNested(c *expr.Context, dst []byte, key string, v value.Value) ([]byte, error) {
	switch v.Kind() {
	case bson.TypeEmbeddedDocument:
		return n.appendDocument(c, value.AppendHeader(dst, bson.TypeEmbeddedDocument, key), v.Doc())
	case bson.TypeArray:
		return n.appendArray(c, value.AppendHeader(dst, bson.TypeArray, key), v.Doc())
	}
	if n.computes {
		return n.appendDocument(c, value.AppendHeader(dst, bson.TypeEmbeddedDocument, key), value.EmptyDocument)
	}
	if n.keep {
		return value.AppendElement(dst, key, v), nil
	}
	return dst, nil
}

func (n *projNode) appendArray(c *expr.Context, dst []byte, arr bson.Raw) ([]byte, error) {
	start, dst := value.BeginDocument(dst)
	i := 0
	for it := value.Walk(arr); it.Next(); {
		before := len(dst)
		var err error
		if dst, err = n.appendNested(c, dst, itemKey(i), it.Value()); err != nil {
			return nil, err
		}
		if len(dst) > before {
			i++
		}
	}
	return value.EndDocument(dst, start), nil
}

var smallKeys = func() (k [64]string) {
	for i := range k {
		k[i] = strconv.Itoa(i)
	}
	return k
}()

// itemKey is the key of the i-th item of an array.
func itemKey(i int) string {
	if i < len(smallKeys) {
		return smallKeys[i]
	}
	return strconv.Itoa(i)
}
