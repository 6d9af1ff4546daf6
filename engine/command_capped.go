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
	d = value.AppendElement(d, "size", value.IntOrLong(max(size.AsInt64()+255, 4096)&^255))
	return dst, r.e.convertToCapped(ctx, c, ns, value.EndDocument(d, start))
}

func (e *Engine) convertToCapped(ctx context.Context, old *collection, ns store.Namespace, options bson.Raw) error {
	temp := store.Namespace{DB: ns.DB, Coll: "tmp.convertToCapped." + bson.NewObjectID().Hex()}
	c, err := e.createCollection(ctx, temp, options)
	if err != nil {
		return err
	}
	_, reader, release := e.freeze(old, nil)
	docs := &sourceCursor{scan: newScan(old, reader, access{}), limit: -1}
	docs.scan.close = release
	err = (&pipelineWriter{e}).fill(ctx, c, temp, nil, docs)
	if cerr := docs.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = e.rename(ctx, temp, ns, true)
	}
	if err != nil {
		_ = e.ddl(context.WithoutCancel(ctx), func(u *unit) error { return u.drop(c) })
	}
	return err
}
