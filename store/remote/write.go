package remote

import (
	"context"
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/store"
)

func write(ctx context.Context, client *mongo.Client, ns store.Namespace, ops []store.WriteOp, opts store.WriteOptions) (store.WriteResult, error) {
	var res store.WriteResult
	if len(ops) == 0 {
		return res, nil
	}
	models := make([]mongo.WriteModel, len(ops))
	for i := range ops {
		m, err := model(&ops[i])
		if err != nil {
			return res, err
		}
		models[i] = m
	}
	bo := options.BulkWrite().SetOrdered(!opts.Unordered)
	if opts.Let != nil {
		bo.SetLet(opts.Let)
	}
	if opts.Comment != "" {
		bo.SetComment(opts.Comment)
	}
	co := options.Collection()
	if opts.Durable && mongo.SessionFromContext(ctx) == nil {
		co.SetWriteConcern(majority())
	}
	r, err := client.Database(ns.DB).Collection(ns.Coll, co).BulkWrite(ctx, models, bo)
	if err != nil {
		if res.Errors, err = splitBulk(err); err != nil {
			return res, err
		}
	}
	return counts(res, r)
}

func counts(res store.WriteResult, r *mongo.BulkWriteResult) (store.WriteResult, error) {
	if r == nil {
		return res, nil
	}
	res.Inserted, res.Matched, res.Modified, res.Deleted = r.InsertedCount, r.MatchedCount, r.ModifiedCount, r.DeletedCount
	for i, id := range r.UpsertedIDs {
		t, data, err := bson.MarshalValue(id)
		if err != nil {
			return res, err
		}
		res.Upserted = append(res.Upserted, store.Upserted{Index: int(i), ID: bson.RawValue{Type: t, Value: data}})
	}
	sort.Slice(res.Upserted, func(i, j int) bool { return res.Upserted[i].Index < res.Upserted[j].Index })
	return res, nil
}

func model(op *store.WriteOp) (mongo.WriteModel, error) {
	switch op.Kind {
	case store.Insert:
		return mongo.NewInsertOneModel().SetDocument(op.Document), nil
	case store.Delete:
		return deleteModel(op), nil
	}
	return updateModel(op)
}

func deleteModel(op *store.WriteOp) mongo.WriteModel {
	if op.Multi {
		m := mongo.NewDeleteManyModel().SetFilter(op.Filter)
		m.Hint, m.Collation = hint(op), collation(op.Collation)
		return m
	}
	m := mongo.NewDeleteOneModel().SetFilter(op.Filter)
	m.Hint, m.Collation = hint(op), collation(op.Collation)
	return m
}

func updateModel(op *store.WriteOp) (mongo.WriteModel, error) {
	u, replacement, err := updateValue(op.Update)
	if err != nil {
		return nil, err
	}
	switch {
	case replacement && !op.Multi:
		m := mongo.NewReplaceOneModel().SetFilter(op.Filter).SetReplacement(u).SetUpsert(op.Upsert)
		m.Hint, m.Collation = hint(op), collation(op.Collation)
		return m, nil
	case op.Multi:
		m := mongo.NewUpdateManyModel().SetFilter(op.Filter).SetUpdate(u).SetUpsert(op.Upsert)
		m.ArrayFilters, m.Hint, m.Collation = arrayFilters(op), hint(op), collation(op.Collation)
		return m, nil
	}
	m := mongo.NewUpdateOneModel().SetFilter(op.Filter).SetUpdate(u).SetUpsert(op.Upsert)
	m.ArrayFilters, m.Hint, m.Collation = arrayFilters(op), hint(op), collation(op.Collation)
	return m, nil
}

// updateValue gives the update as the driver wants it: a document, or a list of
// stages; and whether it replaces the document.
func updateValue(v bson.RawValue) (any, bool, error) {
	if doc, ok := v.DocumentOK(); ok {
		first, err := doc.IndexErr(0)
		return doc, err != nil || first.Key()[:min(1, len(first.Key()))] != "$", nil
	}
	var stages []bson.Raw
	err := v.Unmarshal(&stages)
	return stages, false, err
}

func hint(op *store.WriteOp) any {
	if op.Hint.Type == 0 {
		return nil
	}
	return op.Hint
}

func arrayFilters(op *store.WriteOp) []any {
	var out []any
	for _, f := range op.ArrayFilters {
		out = append(out, f)
	}
	return out
}

func collation(spec bson.Raw) *options.Collation {
	if spec == nil {
		return nil
	}
	var c struct {
		Locale          string
		CaseLevel       bool   `bson:"caseLevel"`
		CaseFirst       string `bson:"caseFirst"`
		Strength        int
		NumericOrdering bool `bson:"numericOrdering"`
		Alternate       string
		MaxVariable     string `bson:"maxVariable"`
		Normalization   bool
		Backwards       bool
	}
	if bson.Unmarshal(spec, &c) != nil {
		return nil
	}
	return &options.Collation{Locale: c.Locale, CaseLevel: c.CaseLevel, CaseFirst: c.CaseFirst, Strength: c.Strength,
		NumericOrdering: c.NumericOrdering, Alternate: c.Alternate, MaxVariable: c.MaxVariable, Normalization: c.Normalization, Backwards: c.Backwards}
}
