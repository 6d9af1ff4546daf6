package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// cmdConvertToCapped: {convertToCapped: coll, size}. The newest documents that
// fit are copied into a new collection, which takes the place of the old one;
// indexes other than the one on _id are lost.
func cmdConvertToCapped(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	var size value.Value
	err = r.fields(func(key string, v value.Value) (bool, error) {
		if key == "size" {
			size = v
		}
		return key == "size" || key == "temp" || key == "capped", nil
	})
	if err != nil {
		return dst, err
	}
	if !size.IsNumber() || size.AsInt64() <= 0 {
		return dst, mongoerr.New(mongoerr.InvalidOptions, "Capped collection size must be greater than zero")
	}
	c, err := r.existing()
	if err != nil {
		return dst, err
	}
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "capped", value.Bool(true))
	d = value.AppendElement(d, "size", value.IntOrLong(size.AsInt64()))
	return dst, r.e.convertToCapped(ctx, c, ns, value.EndDocument(d, start))
}

// cmdCloneCollectionAsCapped: {cloneCollectionAsCapped: coll, toCollection, size}.
func cmdCloneCollectionAsCapped(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	var to, size value.Value
	err := r.fields(func(key string, v value.Value) (bool, error) {
		switch key {
		case "toCollection":
			to = v
		case "size":
			size = v
		default:
			return key == "temp", nil
		}
		return true, nil
	})
	switch {
	case err != nil:
		return dst, err
	case !to.IsString() || to.Str() == "":
		return dst, mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace name: %s", to)
	case !size.IsNumber() || size.AsInt64() <= 0:
		return dst, mongoerr.New(mongoerr.InvalidOptions, "invalid command spec")
	}
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	old := r.e.catalog.get(ns)
	switch {
	case old == nil:
		return dst, mongoerr.New(mongoerr.NamespaceNotFound, "source collection %s does not exist", ns)
	case old.load().view != nil:
		return dst, mongoerr.New(mongoerr.CommandNotSupportedOnView, "cloneCollectionAsCapped not supported for views: %s", ns)
	}
	target := store.Namespace{DB: r.db, Coll: to.Str()}
	if r.e.catalog.get(target) != nil {
		return dst, mongoerr.New(mongoerr.NamespaceExists, "cloneCollectionAsCapped failed - destination collection %s already exists. source collection: %s", target, ns)
	}
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "capped", value.Bool(true))
	d = value.AppendElement(d, "size", value.IntOrLong(size.AsInt64()))
	c, err := r.e.createCollection(ctx, target, value.EndDocument(d, start))
	if err != nil {
		return dst, err
	}
	return dst, r.e.copyInto(ctx, old, c, target)
}

// copyInto copies all documents of a collection in their order.
func (e *Engine) copyInto(ctx context.Context, from, to *collection, ns store.Namespace) error {
	_, reader, release := e.freeze(from, nil)
	docs := &sourceCursor{scan: newScan(from, reader, access{}), limit: -1}
	docs.scan.close = release
	err := (&pipelineWriter{e}).fill(ctx, to, ns, nil, docs)
	if cerr := docs.Close(); err == nil {
		err = cerr
	}
	return err
}

func (e *Engine) convertToCapped(ctx context.Context, old *collection, ns store.Namespace, options bson.Raw) error {
	temp := store.Namespace{DB: ns.DB, Coll: "tmp.convertToCapped." + bson.NewObjectID().Hex()}
	c, err := e.createCollection(ctx, temp, options)
	if err != nil {
		return err
	}
	if err = e.copyInto(ctx, old, c, temp); err == nil {
		err = e.rename(ctx, temp, ns, true)
	}
	if err != nil {
		_ = e.ddl(context.WithoutCancel(ctx), func(u *unit) error { return u.drop(c) })
	}
	return err
}
