package engine_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
)

// wrong are values for fields that want another.
func wrong() []any {
	return []any{nil, true, -1, 1.5, int64(1) << 62, "", "x", "$x", bson.D{}, bson.D{{Key: "$a", Value: 1}}, bson.A{}, bson.A{1}, bson.A{bson.D{}},
		bson.Binary{Data: []byte{1}}, bson.Timestamp{T: 1}, bson.MinKey{}, bson.Regex{Pattern: "("}}
}

// spoiled gives v with one of its fields replaced by each wrong value, at every depth.
func spoiled(v any, yield func(any)) {
	switch v := v.(type) {
	case bson.D:
		for i, f := range v {
			with := func(x any) {
				d := append(bson.D{}, v...)
				d[i].Value = x
				yield(d)
			}
			for _, x := range wrong() {
				with(x)
			}
			spoiled(f.Value, with)
		}
	case bson.A:
		for i, f := range v {
			spoiled(f, func(x any) {
				a := append(bson.A{}, v...)
				a[i] = x
				yield(a)
			})
		}
	}
}

// Whatever stands where something else belongs, the answer is an error of the
// server or a result, never an internal error or a panic.
func TestWrongTypes(t *testing.T) {
	e := openEngine(t, "", engine.Options{TestCommands: true})
	run(t, e, `{"insert": "c", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": [1, 2]}]}`)
	for _, cmd := range []string{
		`{"renameCollection": "d.c", "to": "d.c2", "dropTarget": {"$binary": {"base64": "AAAAAAAAQACAAAAAAAAAAA==", "subType": "04"}}, "collectionUUID": {"$binary": {"base64": "AAAAAAAAQACAAAAAAAAAAA==", "subType": "04"}}}`,
		`{"insert": "c", "documents": [{"_id": 3}], "collectionUUID": {"$binary": {"base64": "AAAAAAAAQACAAAAAAAAAAA==", "subType": "04"}}}`,
		`{"createIndexes": "w", "indexes": [{"key": {"$**": 1, "b": 1}, "name": "w", "wildcardProjection": {"b": 0, "d": {"e": 0}}, "v": 2}]}`,
		`{"create": "o", "indexOptionDefaults": {"storageEngine": {"wiredTiger": {}}}, "storageEngine": {"wiredTiger": {}}, "changeStreamPreAndPostImages": {"enabled": true}, "autoIndexId": true}`,
		`{"collMod": "c", "index": {"name": "_id_", "forceNonUnique": true}, "changeStreamPreAndPostImages": {"enabled": true}}`,
		`{"cloneCollectionAsCapped": "c", "toCollection": "cc", "size": 1000}`,
		`{"find": "c", "sort": {"a": 1}, "projection": {"k": {"$meta": "sortKey"}, "r": {"$meta": "recordId"}, "i": {"$meta": "indexKey"}}}`,
		`{"find": "c", "readConcern": {"level": "snapshot", "atClusterTime": {"$timestamp": {"t": 5, "i": 1}}}}`,
		`{"aggregate": "c", "pipeline": [{"$changeStream": {"showExpandedEvents": true}}, {"$changeStreamSplitLargeEvent": {}}], "cursor": {}}`,
		`{"aggregate": "c", "pipeline": [{"$group": {"_id": null, "p": {"$percentile": {"input": "$a", "p": "$$ps", "method": "approximate"}}}}], "let": {"ps": [0.5]}, "cursor": {}}`,
		`{"find": "c", "filter": {"a": 1}, "projection": {"a": 1}, "sort": {"a": 1}, "skip": 1, "limit": 1, "batchSize": 1, "hint": {"_id": 1}, "min": {"_id": 1}, "max": {"_id": 3}, "let": {"x": 1}, "collation": {"locale": "en"}, "maxTimeMS": 1000, "readConcern": {"level": "local"}}`,
		`{"aggregate": "c", "pipeline": [{"$match": {"a": 1}}, {"$group": {"_id": "$a", "n": {"$sum": 1}}}], "cursor": {"batchSize": 1}, "let": {"x": 1}, "hint": "_id_", "collation": {"locale": "en"}}`,
		`{"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"x": 1}}, "upsert": false, "multi": false, "arrayFilters": [{"e": 1}], "hint": {"_id": 1}, "collation": {"locale": "en"}}], "ordered": true, "writeConcern": {"w": 1, "j": true}}`,
		`{"delete": "c", "deletes": [{"q": {"_id": 5}, "limit": 1, "hint": {"_id": 1}}], "ordered": true}`,
		`{"findAndModify": "c", "query": {"_id": 1}, "update": {"$set": {"a": 1}}, "sort": {"a": 1}, "new": true, "fields": {"a": 1}, "arrayFilters": []}`,
		`{"create": "n", "capped": true, "size": 4096, "max": 3, "validator": {"a": 1}, "validationLevel": "strict", "collation": {"locale": "en"}, "changeStreamPreAndPostImages": {"enabled": true}, "clusteredIndex": {"key": {"_id": 1}, "unique": true}}`,
		`{"createIndexes": "c", "indexes": [{"key": {"q": 1}, "name": "q", "unique": true, "sparse": true, "expireAfterSeconds": 5, "partialFilterExpression": {"a": 1}, "collation": {"locale": "en"}, "hidden": true}]}`,
		`{"collMod": "c", "validator": {}, "validationLevel": "off", "index": {"name": "_id_", "hidden": true}, "changeStreamPreAndPostImages": {"enabled": false}}`,
		`{"createUser": "u", "pwd": "", "roles": ["read", {"role": "read", "db": "d"}], "mechanisms": ["SCRAM-SHA-256"], "customData": {}}`,
		`{"usersInfo": {"user": "a", "db": "b"}, "showCredentials": true, "filter": {}}`,
		`{"getMore": 5, "collection": "c", "batchSize": 1}`, `{"killCursors": "c", "cursors": [1]}`, `{"currentOp": 1, "$all": true, "active": {"$in": [true]}}`, `{"killOp": 1, "op": 5}`,
		`{"endSessions": [{"id": 1}]}`, `{"killAllSessionsByPattern": [{"lsid": {}}]}`, `{"listCollections": 1, "filter": {"name": "c"}, "cursor": {"batchSize": 1}}`,
		`{"insert": "c", "documents": [{"b": 1}], "lsid": {"id": 1}, "txnNumber": 1, "autocommit": false, "startTransaction": true, "stmtId": 1}`,
		`{"explain": {"find": "c", "filter": {}}, "verbosity": "queryPlanner"}`, `{"dbHash": 1, "collections": ["c"]}`, `{"compact": "c"}`, `{"hello": 1, "client": {"application": {"name": "x"}}, "compression": ["zlib"]}`,
	} {
		var d bson.D
		require.NoError(t, bson.UnmarshalExtJSON([]byte(cmd), false, &d), cmd)
		spoiled(d, func(x any) {
			b, err := bson.Marshal(x)
			require.NoError(t, err)
			_, err = e.Command(context.Background(), "d", b)
			require.NotEqual(t, mongoerr.InternalError, mongoerr.CodeOf(err), "%s: %v", bson.Raw(b), err)
		})
	}
}
