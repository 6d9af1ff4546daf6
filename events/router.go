package events

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// router finds the routes that may want an event without asking every one:
// first by operation and collection, then by the equality terms of filters,
// which are hashed. What it leaves out cannot match; what it gives is still to
// be asked. One reader uses it.
type router struct {
	routes []*route
	kinds  map[kind]*candidates
	found  []*route // reused
	key    []byte   // reused
}

// candidates are the routes of one operation on one collection.
type candidates struct {
	all    []*route // in the order of the router
	rest   []*route // those without a hashed term
	terms  []hashed
	lookup bool // one of them wants documents to be looked up
}

// hashed are the routes whose filters ask for one value at a path.
type hashed struct {
	path path
	by   map[string][]*route // by the value's sort key
	all  []*route
}

func newRouter(routes []*route) *router {
	return &router{routes: routes, kinds: map[kind]*candidates{}}
}

// of gives the candidates of an operation on a collection.
func (r *router) of(op, coll string) *candidates {
	c := r.kinds[kind{op, coll}]
	if c == nil {
		if len(r.kinds) >= maxKinds {
			clear(r.kinds)
		}
		c = r.candidates(op, coll)
		r.kinds[kind{strings.Clone(op), strings.Clone(coll)}] = c
	}
	return c
}

func (r *router) candidates(op, coll string) *candidates {
	c := &candidates{}
	for _, rt := range r.routes {
		if !rt.wantsKind(op, coll) {
			continue
		}
		c.all = append(c.all, rt)
		c.lookup = c.lookup || rt.spec.FullDocument == string(store.ImageUpdateLookup)
		if rt.term.names == nil {
			c.rest = append(c.rest, rt)
			continue
		}
		i := slices.IndexFunc(c.terms, func(h hashed) bool { return slices.Equal(h.path.names, rt.term.names) })
		if i < 0 {
			i = len(c.terms)
			c.terms = append(c.terms, hashed{path: path{names: rt.term.names}, by: map[string][]*route{}})
		}
		h := &c.terms[i]
		h.by[rt.termKey] = append(h.by[rt.termKey], rt)
		h.all = append(h.all, rt)
	}
	return c
}

// find gives the routes that may want an event; they are valid until the
// next call.
func (r *router) find(e *Event) []*route {
	c := r.of(e.Op, e.Coll)
	if len(c.terms) == 0 {
		return c.all
	}
	r.found = append(r.found[:0], c.rest...)
	for i := range c.terms {
		h := &c.terms[i]
		v, plain := h.path.plain(e)
		if !plain {
			r.found = append(r.found, h.all...)
			continue
		}
		if v.IsMissing() {
			continue
		}
		r.key = value.AppendSortKey(r.key[:0], v, false)
		r.found = append(r.found, h.by[string(r.key)]...)
	}
	return r.found
}

// plain finds the path's value through documents only. An array on the way, or
// as the value, has several values: those of its items and itself.
func (p path) plain(e *Event) (v value.Value, plain bool) {
	v = p.root(e)
	for _, name := range p.names[1:] {
		switch {
		case v.IsArray():
			return v, false
		case !v.IsDocument():
			return value.Value{}, true
		}
		v = value.Lookup(v.Doc(), name)
	}
	return v, !v.IsArray()
}

// root is the value of the path's first name.
func (p path) root(e *Event) value.Value {
	switch p.names[0] {
	case "fullDocument":
		return e.Full
	case "fullDocumentBeforeChange":
		return e.Before
	case "updateDescription":
		return e.Update
	case "documentKey":
		return e.Key
	}
	return value.Lookup(e.Raw, p.names[0])
}

// equalityTerm finds a term of a filter that asks for one value at a path: the
// event cannot match without it. ok is false when there is none.
func equalityTerm(filter bson.Raw) (p path, v value.Value, ok bool) {
	for it := value.Walk(filter); it.Next(); {
		if it.Key() == "$and" && it.Value().IsArray() {
			for _, arm := range value.Items(nil, it.Value().Doc()) {
				if arm.IsDocument() {
					if p, v, ok = equalityTerm(arm.Doc()); ok {
						return p, v, true
					}
				}
			}
			continue
		}
		if v, ok = equalTo(it.Value()); ok && !strings.HasPrefix(it.Key(), "$") {
			return makePaths([]string{strings.Clone(it.Key())})[0], v, true
		}
	}
	return path{}, value.Value{}, false
}

// equalTo gives the value that a condition asks for, when it is one that is
// compared as it is.
func equalTo(v value.Value) (value.Value, bool) {
	if v.IsDocument() {
		if v = value.Lookup(v.Doc(), "$eq"); v.IsMissing() {
			return v, false
		}
	}
	switch v.Kind() {
	case bson.TypeString, bson.TypeObjectID, bson.TypeInt32, bson.TypeInt64, bson.TypeBoolean, bson.TypeDateTime:
		return v, true
	}
	return v, false
}
