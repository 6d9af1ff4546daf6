package update

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// splitPath splits the path of an update and checks its names.
func splitPath(path string) ([]string, error) {
	if path == "" {
		return nil, mongoerr.New(mongoerr.EmptyFieldName, "An empty update path is not valid.")
	}
	parts := strings.Split(path, ".")
	first := slices.Index(parts, "$")
	if first >= 0 && slices.Contains(parts[first+1:], "$") {
		return nil, mongoerr.New(mongoerr.BadValue, "Too many positional (i.e. '$') elements found in path '%s'", path)
	}
	for i, p := range parts {
		switch {
		case p == "":
			return nil, mongoerr.New(mongoerr.EmptyFieldName, "The update path '%s' contains an empty field name, which is not allowed.", path)
		case isPositional(p):
			if i == 0 {
				return nil, mongoerr.New(mongoerr.BadValue, "Cannot have array filter identifier (i.e. '$[<id>]') element in the first position in path '%s'", path)
			}
		}
	}
	return parts, nil
}

// isPositional tells whether a name stands for items of an array: $, $[], $[id].
func isPositional(name string) bool {
	return name == "$" || strings.HasPrefix(name, "$[") && strings.HasSuffix(name, "]")
}

// comparePaths is the order in which the paths of an update are applied: by
// names, position by position; numbers in their numeric order.
func comparePaths(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if c := compareNames(a[i], b[i]); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

func compareNames(a, b string) int {
	x, xok := position(a)
	y, yok := position(b)
	if xok && yok {
		return x - y
	}
	return strings.Compare(a, b)
}

// conflict tells whether one path is the beginning of the other.
func conflict(a, b []string) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

// mixed tells how long the common beginning of two paths is where one of them
// goes on with $[] or $[id] and the other with something else; otherwise -1.
func mixed(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if x, y := strings.HasPrefix(a[i], "$["), strings.HasPrefix(b[i], "$["); x != y {
			return i
		}
		if a[i] != b[i] {
			break
		}
	}
	return -1
}

func conflictError(a, b []string) error {
	short := a
	if len(b) < len(a) {
		short = b
	}
	return mongoerr.New(mongoerr.ConflictingUpdateOperators, "Updating the path '%s' would create a conflict at '%s'",
		strings.Join(b, "."), strings.Join(short, "."))
}

// target is where a path led: to an element, or as far as there is one.
type target struct {
	root   *elem
	at     *elem   // the element, nil when it does not exist
	parent *elem   // the deepest existing container on the way
	chain  []*elem // the existing elements, root first
	path   []string
	depth  int // how many names of the path exist
}

// follow goes down a path of plain names.
func follow(root *elem, path []string) target {
	t := target{root: root, parent: root, path: path, chain: []*elem{root}}
	cur := root
	for i, name := range path {
		next := cur.child(name)
		if next == nil {
			t.parent, t.depth = cur, i
			return t
		}
		if i == len(path)-1 {
			t.parent, t.depth, t.at = cur, i+1, next
			return t
		}
		cur = next
		t.chain = append(t.chain, cur)
	}
	return t
}

// viable tells whether the rest of the path can be created.
func (t *target) viable() error {
	name := t.path[t.depth]
	switch t.parent.kind() {
	case bson.TypeEmbeddedDocument:
		return nil
	case bson.TypeArray:
		if i, ok := position(name); ok {
			if i > maxBackfill+len(t.parent.expand()) {
				return mongoerr.New(mongoerr.CannotBackfillArray, "can't backfill more than %d elements", maxBackfill)
			}
			return nil
		}
	}
	at := strings.Join(t.path[:t.depth], ".")
	if t.depth > 0 {
		at = t.path[t.depth-1]
	}
	return mongoerr.New(mongoerr.PathNotViable, "Cannot create field '%s' in element {%s: %s}", name, at, t.parent.value())
}

const maxBackfill = 1_500_000

// create makes the missing part of the path with a value at its end. It
// returns how many names of the path lead to the topmost new element.
func (t *target) create(v value.Value) (created int, err error) {
	if err := t.viable(); err != nil {
		return 0, err
	}
	for i := len(t.path) - 1; i > t.depth; i-- {
		var b value.Builder
		b.Add(t.path[i], v)
		v = value.Document(b.Doc())
	}
	t.insert(v)
	return t.depth + 1, nil
}

func (t *target) insert(v value.Value) {
	name := t.path[t.depth]
	if t.parent.v.IsArray() {
		i, _ := position(name)
		for len(t.parent.expand()) < i {
			t.parent.add(strconv.Itoa(len(t.parent.kids)), value.Null())
		}
	}
	t.parent.add(name, v)
}
