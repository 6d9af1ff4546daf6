package engine

import (
	"context"

	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// cmdCollStats: {collStats: coll, scale}.
func cmdCollStats(_ context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	scale, err := r.scale()
	if err != nil {
		return dst, err
	}
	return r.e.appendCollStats(dst, ns, scale)
}

func (r *request) scale() (int64, error) {
	v := value.Lookup(r.cmd, "scale")
	if v.IsNullish() {
		return 1, nil
	}
	if !v.IsNumber() {
		return 0, r.wrongType("scale", v, "double")
	}
	if v.AsInt64() < 1 {
		return 0, mongoerr.New(51024, "BSON field 'scale' value must be >= 1, actual value '%s'", v)
	}
	return v.AsInt64(), nil
}

func (e *Engine) appendCollStats(dst []byte, ns store.Namespace, scale int64) ([]byte, error) {
	c := e.catalog.get(ns)
	var m = &meta{}
	var count, size int64
	if c != nil {
		m, count, size = c.load(), c.count.Load(), c.size.Load()
		if m.view != nil {
			return dst, mongoerr.New(mongoerr.CommandNotSupportedOnView, "Namespace %s is a view, not a collection", ns)
		}
	}
	dst = value.AppendElement(dst, "ns", value.String(ns.String()))
	dst = value.AppendElement(dst, "size", value.IntOrLong(size/scale))
	dst = value.AppendElement(dst, "count", value.IntOrLong(count))
	if count > 0 {
		dst = value.AppendElement(dst, "avgObjSize", value.IntOrLong(size/count))
	}
	dst = value.AppendElement(dst, "numOrphanDocs", value.Int32(0))
	storageSize := int64(0)
	if c != nil {
		storageSize = e.db.DiskUsage(storage.DocumentRange(c.id))
	}
	dst = value.AppendElement(dst, "storageSize", value.IntOrLong(storageSize/scale))
	dst = value.AppendElement(dst, "freeStorageSize", value.Int32(0))
	dst = value.AppendElement(dst, "capped", value.Bool(m.capped.bytes > 0))
	if m.capped.bytes > 0 {
		dst = value.AppendElement(dst, "max", value.IntOrLong(m.capped.documents))
		dst = value.AppendElement(dst, "maxSize", value.IntOrLong(m.capped.bytes/scale))
	}
	dst = value.AppendElement(dst, "nindexes", value.Int32(int32(len(m.indexes))))
	dst = value.AppendElement(dst, "indexBuilds", value.Array(emptyDoc))
	sizes, total := []byte(nil), int64(0)
	start, sizes := value.BeginDocument(sizes)
	for _, ix := range m.indexes {
		n := e.db.DiskUsage(storage.IndexRange(ix.ID))
		total += n
		sizes = value.AppendElement(sizes, ix.Name, value.IntOrLong(n/scale))
	}
	dst = value.AppendElement(dst, "totalIndexSize", value.IntOrLong(total/scale))
	dst = value.AppendElement(dst, "totalSize", value.IntOrLong((total+storageSize)/scale))
	dst = value.AppendElement(dst, "indexSizes", value.Document(value.EndDocument(sizes, start)))
	return value.AppendElement(dst, "scaleFactor", value.IntOrLong(scale)), nil
}

// cmdDBStats: {dbStats: 1, scale}.
func cmdDBStats(_ context.Context, r *request, dst []byte) ([]byte, error) {
	scale, err := r.scale()
	if err != nil {
		return dst, err
	}
	var colls, views, objects, size, indexes, storageSize, indexSize int64
	for _, c := range r.e.catalog.list(r.db) {
		m := c.load()
		if m.view != nil {
			views++
			continue
		}
		colls++
		objects += c.count.Load()
		size += c.size.Load()
		indexes += int64(len(m.indexes))
		storageSize += r.e.db.DiskUsage(storage.DocumentRange(c.id))
		for _, ix := range m.indexes {
			indexSize += r.e.db.DiskUsage(storage.IndexRange(ix.ID))
		}
	}
	avg := 0.0
	if objects > 0 {
		avg = float64(size) / float64(objects)
	}
	s := float64(scale)
	dst = value.AppendElement(dst, "db", value.String(r.db))
	dst = value.AppendElement(dst, "collections", value.IntOrLong(colls))
	dst = value.AppendElement(dst, "views", value.IntOrLong(views))
	dst = value.AppendElement(dst, "objects", value.IntOrLong(objects))
	dst = value.AppendElement(dst, "avgObjSize", value.Double(avg))
	dst = value.AppendElement(dst, "dataSize", value.Double(float64(size)/s))
	dst = value.AppendElement(dst, "storageSize", value.Double(float64(storageSize)/s))
	dst = value.AppendElement(dst, "freeStorageSize", value.Double(0))
	dst = value.AppendElement(dst, "indexes", value.IntOrLong(indexes))
	dst = value.AppendElement(dst, "indexSize", value.Double(float64(indexSize)/s))
	dst = value.AppendElement(dst, "indexFreeStorageSize", value.Double(0))
	dst = value.AppendElement(dst, "totalSize", value.Double(float64(storageSize+indexSize)/s))
	dst = value.AppendElement(dst, "totalFreeStorageSize", value.Double(0))
	dst = value.AppendElement(dst, "scaleFactor", value.Double(s))
	dst = value.AppendElement(dst, "fsUsedSize", value.Double(0))
	return value.AppendElement(dst, "fsTotalSize", value.Double(0)), nil
}

// cmdDataSize: {dataSize: "db.coll", keyPattern, min, max, estimate}.
func cmdDataSize(_ context.Context, r *request, dst []byte) ([]byte, error) {
	if !r.arg.IsString() {
		return dst, r.wrongType("dataSize", r.arg, "string")
	}
	ns := splitNamespace(r.arg.Str())
	began := r.e.opts.Now()
	estimate := false
	bounded := false
	err := r.fields(func(key string, v value.Value) (known bool, err error) {
		switch key {
		case "estimate":
			estimate, err = r.boolean(key, v)
		case "keyPattern", "min", "max":
			bounded = true
			_, err = r.document(key, v)
		case "maxSize", "maxObjects":
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return dst, err
	}
	if bounded {
		return dst, mongoerr.New(mongoerr.CommandNotSupported, "dataSize of a part of a collection is not supported")
	}
	var size, n int64
	if c := r.e.catalog.get(ns); c != nil {
		size, n = c.size.Load(), c.count.Load()
	}
	dst = value.AppendElement(dst, "size", value.IntOrLong(size))
	dst = value.AppendElement(dst, "numObjects", value.IntOrLong(n))
	dst = value.AppendElement(dst, "millis", value.IntOrLong(r.e.opts.Now().Sub(began).Milliseconds()))
	return value.AppendElement(dst, "estimate", value.Bool(estimate)), nil
}
