package storetest

import (
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
	"weir/store"
)

var writeDefaults = store.WriteOptions{}

var writeCases = []testCase{
	{"every kind", func(x *env) {
		up := updateOp(`{"_id": 9}`, `{"$set": {"v": 1}}`)
		up.Upsert = true
		many := updateOp(`{}`, `{"$inc": {"v": 10}}`)
		many.Multi = true
		del := deleteOp(`{"v": {"$gte": 12}}`)
		del.Multi = true
		r := x.write("a", append(inserts(`{"_id": 1, "v": 1}`, `{"_id": 2, "v": 2}`),
			updateOp(`{"_id": 1}`, `{"$set": {"v": 1}}`), updateOp(`{"_id": 1}`, `{"v": 5}`), up, many, del)...)
		require.NoError(x, r.Err())
		require.EqualValues(x, 2, r.Inserted)
		require.EqualValues(x, 1+1+3, r.Matched)
		require.EqualValues(x, 0+1+3, r.Modified)
		require.EqualValues(x, 2, r.Deleted)
		require.Len(x, r.Upserted, 1)
		require.Equal(x, 4, r.Upserted[0].Index)
		require.EqualValues(x, 9, r.Upserted[0].ID.AsInt64())
		require.Equal(x, []string{`{"_id":9,"v":11}`}, x.all(x.s, "a"))
	}},
	{"_id made and moved to the front", func(x *env) {
		x.write("a", inserts(`{"v": 1}`, `{"v": 2, "_id": 7}`)...)
		require.Equal(x, []string{`{"_id":7,"v":2}`}, x.all(x.s, "a", `{"$match": {"_id": 7}}`))
		require.Equal(x, []string{`{"n":1}`}, x.all(x.s, "a", `{"$match": {"_id": {"$type": "objectId"}}}`, `{"$count": "n"}`))
	}},
	{"duplicate _id", func(x *env) {
		x.insert("a", `{"_id": 1}`)
		r := x.write("a", inserts(`{"_id": 2}`, `{"_id": 1}`, `{"_id": 3}`)...)
		require.EqualValues(x, 1, r.Inserted)
		require.Len(x, r.Errors, 1)
		require.Equal(x, 1, r.Errors[0].Index)
		m := x.wantCode(r.Err(), mongoerr.DuplicateKey)
		require.Equal(x, "E11000 duplicate key error collection: "+x.db+".a index: _id_ dup key: { _id: 1 }", m.Message)
	}},
	{"unordered", func(x *env) {
		x.insert("a", `{"_id": 1}`)
		r, err := x.s.Write(x.ctx, x.ns("a"), inserts(`{"_id": 1}`, `{"_id": 2}`, `{"_id": 1}`), store.WriteOptions{Unordered: true})
		require.NoError(x, err)
		require.EqualValues(x, 1, r.Inserted)
		require.Len(x, r.Errors, 2)
		require.Equal(x, 2, r.Errors[1].Index)
	}},
	{"unique index", func(x *env) {
		x.command(`{"createIndexes": "a", "indexes": [{"key": {"e": 1, "f": 1}, "name": "ef", "unique": true}]}`)
		x.insert("a", `{"_id": 1, "e": "x", "f": 1}`, `{"_id": 2, "e": "y"}`)
		m := x.wantCode(firstError(x.write("a", inserts(`{"_id": 3, "e": "x", "f": 1}`)...)), mongoerr.DuplicateKey)
		require.Contains(x, m.Message, `index: ef dup key: { e: "x", f: 1 }`)
		require.Equal(x, `{"e":"x","f":1}`, text(bson.Raw(m.Info).Lookup("keyValue").Document()))
		x.wantCode(firstError(x.write("a", updateOp(`{"_id": 2}`, `{"$set": {"e": "x", "f": 1}}`))), mongoerr.DuplicateKey)
		require.NoError(x, firstError(x.write("a", updateOp(`{"_id": 1}`, `{"$set": {"e": "z"}}`), inserts(`{"_id": 3, "e": "x", "f": 1}`)[0])))
	}},
	{"a failed update of many", func(x *env) {
		x.command(`{"createIndexes": "a", "indexes": [{"key": {"u": 1}, "name": "u", "unique": true}]}`)
		x.insert("a", `{"_id": 1, "u": 1}`, `{"_id": 2, "u": 2}`)
		op := updateOp(`{}`, `{"$set": {"u": 9}}`)
		op.Multi = true
		r := x.write("a", op)
		x.wantCode(r.Err(), mongoerr.DuplicateKey)
		require.Zero(x, r.Modified)
		require.Equal(x, []string{`{"n":1}`}, x.all(x.s, "a", `{"$match": {"u": 9}}`, `{"$count": "n"}`))
	}},
	{"immutable _id", func(x *env) {
		x.insert("a", `{"_id": 1}`)
		x.wantCode(firstError(x.write("a", updateOp(`{"_id": 1}`, `{"$set": {"_id": 2}}`))), mongoerr.ImmutableField)
	}},
	{"bad operator", func(x *env) {
		x.insert("a", `{"_id": 1}`)
		x.wantCode(firstError(x.write("a", updateOp(`{"_id": 1}`, `{"$nonsense": {"a": 2}}`))), mongoerr.FailedToParse)
	}},
	{"array filters and pipeline", func(x *env) {
		x.insert("a", `{"_id": 1, "t": [1, 5, 9]}`)
		op := updateOp(`{"_id": 1}`, `{"$set": {"t.$[e]": 0}}`)
		op.ArrayFilters = stages(`{"e": {"$gt": 4}}`)
		require.NoError(x, firstError(x.write("a", op)))
		require.Equal(x, []string{`{"_id":1,"t":[1,0,0]}`}, x.all(x.s, "a"))
		arr, err := bson.Marshal(bson.D{{Key: "0", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: bson.D{{Key: "$size", Value: "$t"}}}}}}}})
		require.NoError(x, err)
		require.NoError(x, firstError(x.write("a", store.WriteOp{Kind: store.Update, Filter: js(`{}`), Update: bson.RawValue{Type: bson.TypeArray, Value: arr}})))
		require.Equal(x, []string{`{"_id":1,"t":[1,0,0],"n":3}`}, x.all(x.s, "a"))
	}},
	{"validator", func(x *env) {
		x.command(`{"create": "a", "validator": {"$jsonSchema": {"required": ["n"]}}}`)
		x.wantCode(firstError(x.write("a", inserts(`{"_id": 1}`)...)), mongoerr.DocumentValidationFailure)
		require.NoError(x, firstError(x.write("a", inserts(`{"_id": 1, "n": 1}`)...)))
		x.wantCode(firstError(x.write("a", updateOp(`{"_id": 1}`, `{"$unset": {"n": 1}}`))), mongoerr.DocumentValidationFailure)
	}},
	{"findAndModify", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`, `{"_id": 2, "n": 2}`)
		r := x.command(`{"findAndModify": "a", "query": {}, "sort": {"n": -1}, "update": {"$inc": {"n": 5}}, "new": true}`)
		require.Equal(x, `{"_id":2,"n":7}`, text(r.Lookup("value").Document()))
		r = x.command(`{"findAndModify": "a", "query": {"_id": 1}, "remove": true}`)
		require.Equal(x, `{"_id":1,"n":1}`, text(r.Lookup("value").Document()))
		r = x.command(`{"findAndModify": "a", "query": {"_id": 5}, "update": {"$set": {"n": 1}}, "upsert": true}`)
		require.Equal(x, bson.TypeNull, r.Lookup("value").Type)
		require.EqualValues(x, 5, r.Lookup("lastErrorObject", "upserted").AsInt64())
	}},
	{"delete one of many", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`, `{"_id": 2, "n": 1}`)
		r := x.write("a", deleteOp(`{"n": 1}`))
		require.EqualValues(x, 1, r.Deleted)
		require.Equal(x, []string{`{"_id":2,"n":1}`}, x.all(x.s, "a"))
	}},
}

func firstError(r store.WriteResult) error { return r.Err() }
