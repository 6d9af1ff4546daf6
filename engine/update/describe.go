package update

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Description is the updateDescription of a change event.
type Description struct {
	UpdatedFields   bson.Raw // dotted paths and their new values
	RemovedFields   []string
	TruncatedArrays []Truncated
	Ambiguous       []Ambiguous

	of             *plain // what makes UpdatedFields when it is asked for; nil: it is made
	changed, there uint64 // its fields, by bit
}

// Ambiguous is a path whose dots do not tell its parts, or whose numbers do not
// tell places in arrays from names.
type Ambiguous struct {
	Path  string
	Parts []value.Value // strings, and numbers for places in arrays
}

// trail is the parts of the path that leads to a change.
type trail []value.Value

// to is the trail of a part of what the trail leads to.
func (t trail) to(name string, inArray bool) trail {
	part := value.String(name)
	if inArray {
		if i, err := strconv.Atoi(name); err == nil {
			part = value.Int32(int32(i))
		}
	}
	return append(t[:len(t):len(t)], part)
}

func (t trail) ambiguous() bool {
	for i, part := range t {
		if !part.IsString() {
			continue
		}
		name := part.Str()
		if strings.Contains(name, ".") || i > 0 && name != "" && strings.Trim(name, "0123456789") == "" {
			return true
		}
	}
	return false
}

func (d *Description) note(path string, t trail) {
	if t.ambiguous() {
		d.Ambiguous = append(d.Ambiguous, Ambiguous{path, t})
	}
}

// Flat tells that only fields of the document itself, other than _id, became
// values without parts, of a document that is not too large.
func (d *Description) Flat() bool { return d.of != nil }

func (d *Description) empty() bool {
	return len(d.UpdatedFields) <= 5 && len(d.RemovedFields) == 0 && len(d.TruncatedArrays) == 0
}

// DisambiguatedPaths names the field of a description that only streams with
// showExpandedEvents show.
const DisambiguatedPaths = "disambiguatedPaths"

// Truncated is an array that became shorter.
type Truncated struct {
	Field   string
	NewSize int
}

// Document is the description as a change event holds it; disambiguatedPaths is
// there when it has something to say.
func (d *Description) Document() bson.Raw {
	var b value.Builder
	updated := d.UpdatedFields
	if d.of != nil {
		updated = d.of.describe(d.changed, d.there)
	}
	if updated == nil {
		updated = value.EmptyDocument
	}
	b.Add("updatedFields", value.Document(updated))
	b.Open(bson.TypeArray, "removedFields")
	for _, f := range d.RemovedFields {
		b.Item(value.String(f))
	}
	b.Close()
	b.Open(bson.TypeArray, "truncatedArrays")
	for _, t := range d.TruncatedArrays {
		b.OpenItem(bson.TypeEmbeddedDocument)
		b.Add("field", value.String(t.Field))
		b.Add("newSize", value.Int32(int32(t.NewSize)))
		b.Close()
	}
	b.Close()
	if len(d.Ambiguous) > 0 {
		b.Open(bson.TypeEmbeddedDocument, DisambiguatedPaths)
		for _, a := range d.Ambiguous {
			b.Add(a.Path, value.ArrayFrom(a.Parts))
		}
		b.Close()
	}
	return b.Doc()
}

// changeLog collects what operators did, as a tree of paths like the one in
// which MongoDB writes it down; so the order of updatedFields is the same.
type changeLog struct {
	root *elem
	tree logNode
}

type logNode struct {
	name    string
	whole   *elem // the element as a whole was set
	created bool
	removed bool
	kids    []*logNode
}

func (n *logNode) kid(name string) *logNode {
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	k := &logNode{name: name}
	n.kids = append(n.kids, k)
	return k
}

// at finds the node of a path; nil when something above it is set as a whole.
func (l *changeLog) at(path []string) *logNode {
	n := &l.tree
	for _, name := range path {
		if n.whole != nil {
			return nil
		}
		n = n.kid(name)
	}
	return n
}

func (l *changeLog) updated(path []string, e *elem) {
	if n := l.at(path); n != nil {
		n.whole = e
	}
}

func (l *changeLog) created(path []string, e *elem) {
	if n := l.at(path); n != nil {
		n.whole, n.created = e, true
	}
}

func (l *changeLog) removed(path []string) {
	if n := l.at(path); n != nil {
		n.removed = true
	}
}

// collapse shows an array as a whole when more than one of its items changed.
func (l *changeLog) collapse(path []string) {
	n, e := &l.tree, l.root
	for _, name := range path {
		i := slices.IndexFunc(n.kids, func(k *logNode) bool { return k.name == name })
		if i < 0 || n.whole != nil || e == nil {
			return
		}
		n, e = n.kids[i], e.child(name)
	}
	if n.whole == nil && len(n.kids) > 1 {
		n.whole = e
	}
}

func (l *changeLog) description() *Description {
	d := &Description{}
	var b value.Builder
	l.tree.collect(d, &b, "", nil, l.root)
	d.UpdatedFields = b.Doc()
	return d
}

// collect writes a document's changes in the order changed, created, deeper
// ones; an array's in the order of its items.
func (n *logNode) collect(d *Description, b *value.Builder, prefix string, t trail, e *elem) {
	array := e != nil && e.v.IsArray()
	for pass := range 3 {
		for _, k := range n.kids {
			switch {
			case k.removed && k.whole == nil:
				if pass == 0 {
					d.RemovedFields = append(d.RemovedFields, prefix+k.name)
					d.note(prefix+k.name, t.to(k.name, array))
				}
			case k.whole != nil:
				if array && pass == 0 || !array && pass == 0 && !k.created || !array && pass == 1 && k.created {
					b.Add(prefix+k.name, k.whole.value())
					d.note(prefix+k.name, t.to(k.name, array))
				}
			case array && pass == 0, !array && pass == 2:
				k.collect(d, b, prefix+k.name+".", t.to(k.name, array), childOf(e, k.name))
			}
		}
	}
}

func childOf(e *elem, name string) *elem {
	if e == nil {
		return nil
	}
	return e.child(name)
}
