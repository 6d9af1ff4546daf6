package match

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// Position is Match that also tells which item of an array made the document
// match, for the positional operator "$" of updates and projections: the index
// in the outermost array that the path of the last such predicate met, or -1.
// Like MongoDB it does not look into $or.
func (m *Matcher) Position(c *expr.Context, doc bson.Raw) (ok bool, pos int, err error) {
	if ok, err = m.root.matches(c, doc); !ok || err != nil {
		return ok, -1, err
	}
	return true, position(c, doc, m.root), nil
}

func position(c *expr.Context, doc bson.Raw, n Node) int {
	if n, ok := n.(*And); ok {
		return positionOfAll(c, doc, n)
	}
	if p := pathOf(n); p != nil {
		return positionAt(c, value.Document(doc), p.Parts, n)
	}
	return -1
}

// positionOfAll lets the predicate with the last path decide, because MongoDB
// sorts them before it matches.
func positionOfAll(c *expr.Context, doc bson.Raw, n *And) int {
	best, at := "", -1
	for _, x := range n.Of {
		path := ""
		if p := pathOf(x); p != nil {
			path = p.Text
		}
		if at >= 0 && path < best {
			continue
		}
		if p := position(c, doc, x); p >= 0 {
			best, at = path, p
		}
	}
	return at
}

// pathOf is the path of a predicate; nil for other nodes.
func pathOf(n Node) *Path {
	switch n := n.(type) {
	case *Compare:
		return &n.Path
	case *In:
		return &n.Path
	case *Exists:
		return &n.Path
	case *Type:
		return &n.Path
	case *Size:
		return &n.Path
	case *Mod:
		return &n.Path
	case *Regex:
		return &n.Path
	case *Bits:
		return &n.Path
	case *ElemMatch:
		return &n.Path
	case *ElemMatchValue:
		return &n.Path
	}
	return nil
}

func positionAt(c *expr.Context, v value.Value, parts []string, n Node) int {
	for ; len(parts) > 0 && v.IsDocument(); parts = parts[1:] {
		v = value.Lookup(v.Doc(), parts[0])
	}
	if !v.IsArray() {
		return -1
	}
	if len(parts) == 0 {
		return positionAmong(c, v, n)
	}
	index, i := positionOf(parts[0]), -1
	for it := value.Walk(v.Doc()); it.Next(); {
		i++
		if it.Kind() == bson.TypeEmbeddedDocument && anyAt(c, it.Value().Doc(), parts, n) {
			return i
		}
		if i == index && anyAtPosition(c, it.Value(), parts[1:], n) {
			return positionBehind(c, it.Value(), parts[1:], n)
		}
	}
	return -1
}

// positionBehind goes on behind an item that the path names by its number: that
// gives no position itself, only an array further on does.
func positionBehind(c *expr.Context, v value.Value, rest []string, n Node) int {
	if len(rest) == 0 {
		return -1
	}
	return positionAt(c, v, rest, n)
}

// positionAmong finds the item of an array at the end of the path.
func positionAmong(c *expr.Context, arr value.Value, n Node) int {
	i := -1
	for it := value.Walk(arr.Doc()); it.Next(); {
		i++
		v := it.Value()
		switch n := n.(type) {
		case *Size:
			return -1
		case *ElemMatch:
			if !v.IsDocument() && !v.IsArray() {
				continue
			}
			if ok, err := n.Of.matches(c, v.Doc()); ok && err == nil {
				return i
			}
		case *ElemMatchValue:
			if (&And{n.Of}).test(c, v) {
				return i
			}
		default:
			if n.test(c, v) {
				return i
			}
		}
	}
	return -1
}
