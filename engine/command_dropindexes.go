package engine

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

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
	if !ix.IsString() && !ix.IsArray() && !ix.IsDocument() {
		return dst, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'dropIndexes.index' is the wrong type '%s', expected types '[string, object, array]'", value.TypeName(ix.Kind()))
	}
	if ix.IsArray() && value.Len(ix.Doc()) == 1 {
		if only := value.Index(ix.Doc(), 0); only.IsString() && only.Str() == "*" {
			ix = only
		}
	}
	aborted, err := r.e.abortBuilds(ctx, c, ix)
	if err != nil {
		return dst, err
	}
	was := len(c.load().indexes)
	ix, done := afterAbort(ix, aborted)
	if !done {
		names, err := c.load().indexesToDrop(ix)
		if err != nil {
			return dst, err
		}
		if err := r.e.dropIndexes(ctx, c, names); err != nil {
			return dst, err
		}
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
		if m.clustered && (x != nil && x.IsID() || n == m.clusteredName()) {
			return nil, mongoerr.New(5979800, "It is illegal to drop the clusteredIndex")
		}
		if x == nil {
			return nil, mongoerr.New(mongoerr.IndexNotFound, "index not found with name [%s]", n)
		}
		if x.IsID() {
			return nil, mongoerr.New(mongoerr.InvalidOptions, "cannot drop _id index")
		}
	}
	return names, nil
}
