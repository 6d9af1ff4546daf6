package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// cmdCount: {count: coll, query, skip, limit, hint, collation}.
func cmdCount(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	if c := r.e.catalog.get(ns); c != nil {
		r.onView = c.load().view != nil
	}
	q := emptyDoc
	var skip, limit int64
	var o pipelineOptions
	err = r.fields(func(key string, v value.Value) (_ bool, err error) {
		switch key {
		case "query":
			if v.IsNullish() {
				return true, nil
			}
			q, err = r.document(key, v)
		case "skip":
			skip, err = r.number(key, v)
		case "limit":
			if !v.IsNumber() {
				return true, mongoerr.New(mongoerr.BadValue, "limit value is not a valid number")
			}
			if _, ok := v.Integral(); !ok {
				return true, mongoerr.New(mongoerr.FailedToParse, "Expected an integer: limit: %s", v)
			}
			limit = max(v.AsInt64(), -v.AsInt64())
		case "hint":
			o.hint, err = r.hintOf(v)
		case "collation":
			o.collationSpec, err = r.document(key, v)
		case "fields", "queryOptions", "collectionUUID":
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return dst, err
	}
	pipeline := []bson.Raw{stageDoc("$match", value.Document(q))}
	if skip > 0 {
		pipeline = append(pipeline, stageDoc("$skip", value.Int64(skip)))
	}
	if limit > 0 {
		pipeline = append(pipeline, stageDoc("$limit", value.Int64(limit)))
	}
	n, err := r.e.countPipeline(ctx, ns, pipeline, o)
	if err != nil {
		return dst, err
	}
	return value.AppendElement(dst, "n", value.IntOrLong(n)), nil
}

func (e *Engine) countPipeline(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, o pipelineOptions) (int64, error) {
	op, err := e.aggregate(ctx, ns, append(pipeline, stageDoc("$count", value.String("n"))), o)
	if err != nil {
		return 0, err
	}
	defer op.cur.Close()
	doc, err := op.cur.Next(ctx)
	if isEOF(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return value.Lookup(doc, "n").AsInt64(), nil
}

func stageDoc(name string, v value.Value) bson.Raw {
	start, d := value.BeginDocument(nil)
	return value.EndDocument(value.AppendElement(d, name, v), start)
}
