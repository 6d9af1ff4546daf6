package engine

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/value"
	"weir/mongoerr"
)

// cmdDropIndexes: {dropIndexes: coll, index: name | key | [names] | "*"}.
func cmdDropIndexes(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	var ix value.Value
	err := r.fields(func(key string, v value.Value) (bool, error) {
		if key == "index" {
			ix = v
		}
		return key == "index" || key == "collectionUUID", nil
	})
	if err != nil {
		return dst, err
	}
	c, err := r.existing()
	if err != nil {
		return dst, err
	}
	if ix.IsMissing() {
		return dst, r.missing("index")
	}
	if ix.IsArray() && value.Len(ix.Doc()) == 1 {
		if only := value.Index(ix.Doc(), 0); only.IsString() && only.Str() == "*" {
			ix = only
		}
	}
	names, err := c.load().indexesToDrop(ix)
	if err != nil {
		return dst, err
	}
	was := len(c.load().indexes)
	if err := r.e.dropIndexes(ctx, c, names); err != nil {
		return dst, err
	}
	dst = value.AppendElement(dst, "nIndexesWas", value.Int32(int32(was)))
	if ix.IsString() && ix.Str() == "*" {
		dst = value.AppendElement(dst, "msg", value.String("non-_id indexes dropped for collection"))
	}
	return dst, nil
}

func (m *meta) indexesToDrop(ix value.Value) ([]string, error) {
	var names []string
	switch {
	case ix.IsString() && ix.Str() == "*":
		for _, x := range m.indexes[1:] {
			names = append(names, x.Name)
		}
		return names, nil
	case ix.IsString():
		names = []string{strings.Clone(ix.Str())}
	case ix.IsArray():
		for it := value.Walk(ix.Doc()); it.Next(); {
			if it.Kind() != bson.TypeString {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'dropIndexes.index.%s' is the wrong type '%s', expected type 'string'", it.Key(), value.TypeName(it.Kind()))
			}
			names = append(names, strings.Clone(it.Value().Str()))
		}
	case ix.IsDocument():
		x := m.hintedIndex(ix.RawValue())
		if x == nil {
			return nil, mongoerr.New(mongoerr.IndexNotFound, "can't find index with key: %s", ix)
		}
		names = []string{x.Name}
	default:
		return nil, nil // names nothing
	}
	for _, n := range names {
		x := m.index(n)
		if x == nil {
			return nil, mongoerr.New(mongoerr.IndexNotFound, "index not found with name [%s]", n)
		}
		if x.IsID() {
			return nil, mongoerr.New(mongoerr.InvalidOptions, "cannot drop _id index")
		}
	}
	return names, nil
}

// modifyIndex is collMod's index: {name | keyPattern, hidden, expireAfterSeconds}.
func (r *request) modifyIndex(ctx context.Context, dst []byte, c *collection, spec bson.Raw) ([]byte, error) {
	name, pattern := value.Lookup(spec, "name"), value.Lookup(spec, "keyPattern")
	if name.IsMissing() == pattern.IsMissing() {
		return dst, mongoerr.New(mongoerr.InvalidOptions, "must specify either index name or key pattern")
	}
	target := name
	if name.IsMissing() {
		target = pattern
	}
	var ix *indexState
	if target.IsString() || target.IsDocument() {
		ix = c.load().hintedIndex(target.RawValue())
	}
	if ix == nil {
		return dst, mongoerr.New(mongoerr.IndexNotFound, "cannot find index %s for ns %s", target, c.load().ns)
	}
	hidden, ttl := value.Lookup(spec, "hidden"), value.Lookup(spec, "expireAfterSeconds")
	unique, prepare := value.Lookup(spec, "unique"), value.Lookup(spec, "prepareUnique")
	if hidden.IsMissing() && ttl.IsMissing() && unique.IsMissing() && prepare.IsMissing() {
		return dst, mongoerr.New(mongoerr.InvalidOptions, "no expireAfterSeconds, hidden, unique, or prepareUnique field")
	}
	if !ttl.IsMissing() {
		if !ttl.IsNumber() {
			return dst, mongoerr.New(mongoerr.InvalidOptions, "expireAfterSeconds field must be a number")
		}
		if err := checkTTL(ttl, ix.Key); err != nil {
			return dst, err
		}
		if ix.ExpireAfter >= 0 {
			dst = value.AppendElement(dst, "expireAfterSeconds_old", value.IntOrLong(ix.ExpireAfter))
		}
		dst = value.AppendElement(dst, "expireAfterSeconds_new", value.IntOrLong(ttl.AsInt64()))
	}
	if !hidden.IsMissing() {
		if ix.IsID() {
			return dst, mongoerr.New(mongoerr.BadValue, "can't hide _id index")
		}
		if ix.Hidden != hidden.Truthy() {
			dst = value.AppendElement(dst, "hidden_old", value.Bool(ix.Hidden))
			dst = value.AppendElement(dst, "hidden_new", value.Bool(hidden.Truthy()))
		}
	}
	if !prepare.IsMissing() {
		dst = value.AppendElement(dst, "prepareUnique_old", value.Bool(ix.PrepareUnique))
		dst = value.AppendElement(dst, "prepareUnique_new", value.Bool(prepare.Truthy()))
	}
	if !unique.IsMissing() {
		return r.makeUnique(ctx, dst, c, ix, unique.Truthy())
	}
	changed := changedIndex(ix.Definition, hidden, ttl, prepare)
	return dst, r.e.ddl(ctx, func(u *unit) error { return u.changeIndex(c, ix.Name, changed) })
}

func changedIndex(d *index.Definition, hidden, ttl, prepare value.Value) bson.Raw {
	start, s := value.BeginDocument(nil)
	for it := value.Walk(d.Spec); it.Next(); {
		if it.Key() == "prepareUnique" && !prepare.IsMissing() || it.Key() == "hidden" && !hidden.IsMissing() || it.Key() == "expireAfterSeconds" && !ttl.IsMissing() {
			continue
		}
		s = append(s, it.Element()...)
	}
	if !ttl.IsMissing() {
		s = value.AppendElement(s, "expireAfterSeconds", value.Int32(int32(ttl.AsInt64())))
	}
	if !hidden.IsMissing() && hidden.Truthy() {
		s = value.AppendElement(s, "hidden", value.Bool(true))
	}
	if !prepare.IsMissing() && prepare.Truthy() {
		s = value.AppendElement(s, "prepareUnique", value.Bool(true))
	}
	return value.EndDocument(s, start)
}
