package match

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

func newPath(text string) Path { return Path{Text: text, Parts: strings.Split(text, ".")} }

// anyAt tests the values that a path leads to until one passes. An array at
// the end gives each of its items and then itself; an array on the way is
// walked, its documents by the rest of the path and, if the next name is a
// number, that item by what follows; an array found so counts as a whole.
func anyAt(c *expr.Context, doc bson.Raw, parts []string, n Node) bool {
	v := value.Lookup(doc, parts[0])
	for parts = parts[1:]; len(parts) > 0; parts = parts[1:] {
		switch v.Kind() {
		case bson.TypeEmbeddedDocument:
			v = value.Lookup(v.Doc(), parts[0])
		case bson.TypeArray:
			return anyInArray(c, v.Doc(), parts, n)
		default:
			return n.test(c, value.Value{})
		}
	}
	return anyLeaf(c, v, n)
}

func anyLeaf(c *expr.Context, v value.Value, n Node) bool {
	if v.IsArray() && !wholeArray(n) {
		for it := value.Walk(v.Doc()); it.Next(); {
			if n.test(c, it.Value()) {
				return true
			}
		}
	}
	return n.test(c, v)
}

// wholeArray tells whether a predicate looks at arrays only as a whole.
func wholeArray(n Node) bool {
	switch n.(type) {
	case *Size, *ElemMatch, *ElemMatchValue:
		return true
	}
	return false
}

func anyInArray(c *expr.Context, arr bson.Raw, parts []string, n Node) bool {
	if len(parts) == 1 && parts[0] == "" { // a dot behind an array's name changes nothing
		return anyLeaf(c, value.Array(arr), n)
	}
	index := positionOf(parts[0])
	i := -1
	for it := value.Walk(arr); it.Next(); {
		i++
		if it.Kind() == bson.TypeEmbeddedDocument && anyAt(c, it.Value().Doc(), parts, n) {
			return true
		}
		if i == index && anyAtPosition(c, it.Value(), parts[1:], n) {
			return true
		}
	}
	return false
}

func anyAtPosition(c *expr.Context, v value.Value, rest []string, n Node) bool {
	switch {
	case len(rest) == 0:
		return n.test(c, v)
	case v.IsDocument():
		return anyAt(c, v.Doc(), rest, n)
	case v.IsArray():
		return anyInArray(c, v.Doc(), rest, n)
	}
	return false
}

// positionOf is the array position that a name stands for, or -1.
func positionOf(name string) int {
	if name == "" || len(name) > 9 || name[0] == '0' && len(name) > 1 {
		return -1
	}
	for i := 0; i < len(name); i++ {
		if name[i] < '0' || name[i] > '9' {
			return -1
		}
	}
	n, _ := strconv.Atoi(name)
	return n
}
