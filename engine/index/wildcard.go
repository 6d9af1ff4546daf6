package index

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// WildcardPath names the part of a wildcard index's keys that holds the path.
const WildcardPath = "$_path"

// wildcardField ends the name of the field of a key pattern that stands for
// all paths: "$**" or "a.b.$**".
const wildcardField = "$**"

// Wildcard is what an index on "$**" covers. Its keys are pairs of a path and a
// value; the other fields of a compound pattern are left to the filter.
type Wildcard struct {
	Prefix  []string // the paths of a.b.$** begin with a.b
	Desc    bool
	include [][]string // if any: only these and what is under them
	exclude [][]string
}

// IsWildcardField tells whether a field of a key pattern stands for many paths.
func IsWildcardField(name string) bool {
	return name == wildcardField || strings.HasSuffix(name, "."+wildcardField)
}

// WildcardOf gives the wildcard of a key pattern, or nil. projection is the
// wildcardProjection of the index, or nil.
func WildcardOf(key, projection bson.Raw) *Wildcard {
	for it := value.Walk(key); it.Next(); {
		if !IsWildcardField(it.Key()) {
			continue
		}
		w := &Wildcard{}
		if prefix := strings.TrimSuffix(strings.TrimSuffix(it.Key(), wildcardField), "."); prefix != "" {
			w.Prefix = strings.Split(prefix, ".")
		}
		w.project(projection)
		return w
	}
	return nil
}

// project reads a projection. _id is left out unless it is included, and may
// be included beside what is excluded.
func (w *Wildcard) project(projection bson.Raw) {
	includes, id := false, false
	for it := value.Walk(projection); it.Next(); {
		if it.Key() != "_id" && it.Value().Truthy() {
			includes = true
		}
	}
	for it := value.Walk(projection); it.Next(); {
		w.projectField(nil, it.Key(), it.Value())
		id = id || it.Key() == "_id" && it.Value().Truthy()
	}
	switch {
	case !includes && id && len(w.exclude) > 0:
		w.include = nil
	case !id && !includes && len(w.Prefix) == 0:
		w.exclude = append(w.exclude, []string{"_id"})
	}
}

func (w *Wildcard) projectField(at []string, name string, v value.Value) {
	path := append(at[:len(at):len(at)], strings.Split(strings.Clone(name), ".")...)
	switch {
	case v.IsDocument():
		for it := value.Walk(v.Doc()); it.Next(); {
			w.projectField(path, it.Key(), it.Value())
		}
	case v.Truthy():
		w.include = append(w.include, path)
	default:
		w.exclude = append(w.exclude, path)
	}
}

// Covers tells whether every value at a path is in the index.
func (w *Wildcard) Covers(path string) bool {
	parts := strings.Split(path, ".")
	for _, p := range parts {
		if _, err := strconv.ParseUint(p, 10, 32); err == nil {
			return false // a place in an array is no part of a path in the keys
		}
	}
	if !isUnder(parts, w.Prefix) {
		return false
	}
	for _, x := range w.exclude {
		if isUnder(parts, x) || isUnder(x, parts) {
			return false
		}
	}
	for _, p := range w.include {
		if isUnder(parts, p) {
			return true
		}
	}
	return len(w.include) == 0
}

// enters tells whether something at or under a path may be in the index.
func (w *Wildcard) enters(path []string) bool {
	if !isUnder(path, w.Prefix) && !isUnder(w.Prefix, path) {
		return false
	}
	for _, x := range w.exclude {
		if isUnder(path, x) {
			return false
		}
	}
	for _, p := range w.include {
		if isUnder(path, p) || isUnder(p, path) {
			return true
		}
	}
	return len(w.include) == 0
}

// holds tells whether the value at a path itself is in the index.
func (w *Wildcard) holds(path []string) bool {
	if !isUnder(path, w.Prefix) {
		return false
	}
	for _, p := range w.include {
		if isUnder(path, p) {
			return true
		}
	}
	return len(w.include) == 0
}

func isUnder(path, root []string) bool {
	if len(path) < len(root) {
		return false
	}
	for i := range root {
		if path[i] != root[i] {
			return false
		}
	}
	return true
}

// wildcardKeys emits a pair for every value of the document.
type wildcardKeys struct {
	w        *Wildcard
	pair     [2]value.Value
	path     []string
	multikey bool
	emit     func([]value.Value) error
}

func (k *wildcardKeys) document(doc bson.Raw) error {
	for it := value.Walk(doc); it.Next(); {
		k.path = append(k.path, strings.Clone(it.Key()))
		if k.w.enters(k.path) {
			if err := k.value(it.Value(), true); err != nil {
				return err
			}
		}
		k.path = k.path[:len(k.path)-1]
	}
	return nil
}

// value follows a value; the items of an array have the array's path, but an
// array in an array is one value.
func (k *wildcardKeys) value(v value.Value, arrays bool) error {
	switch {
	case v.IsDocument() && value.Len(v.Doc()) > 0:
		return k.document(v.Doc())
	case v.IsArray() && arrays:
		k.multikey = true
		if value.Len(v.Doc()) == 0 {
			return k.put(value.Undefined())
		}
		for it := value.Walk(v.Doc()); it.Next(); {
			if err := k.value(it.Value(), false); err != nil {
				return err
			}
		}
		return nil
	}
	return k.put(v)
}

func (k *wildcardKeys) put(v value.Value) error {
	if !k.w.holds(k.path) {
		return nil
	}
	k.pair = [2]value.Value{value.String(strings.Join(k.path, ".")), v}
	return k.emit(k.pair[:])
}

// WildcardFields are the parts of a wildcard index's keys.
func WildcardFields() []Field {
	return []Field{{Name: WildcardPath, Path: []string{WildcardPath}}, {Name: wildcardField, Path: []string{wildcardField}}}
}
