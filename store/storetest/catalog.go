package storetest

import (
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
)

var catalogCases = []testCase{
	{"implicit creation", func(x *env) {
		x.insert("a", `{"_id": 1}`)
		names, err := x.s.Databases(x.ctx)
		require.NoError(x, err)
		require.Contains(x, names, x.db)
		colls, err := x.s.Collections(x.ctx, x.db)
		require.NoError(x, err)
		require.Len(x, colls, 1)
		require.Equal(x, "a", colls[0].Name)
		require.NotEqual(x, [16]byte{}, colls[0].UUID)
	}},
	{"sorted with views", func(x *env) {
		x.insert("b", `{"_id": 1, "v": 1}`, `{"_id": 2, "v": 2}`)
		x.insert("a", `{"_id": 1}`)
		x.command(`{"create": "c", "viewOn": "b", "pipeline": [{"$match": {"v": 2}}]}`)
		colls, err := x.s.Collections(x.ctx, x.db)
		require.NoError(x, err)
		var names []string
		for _, c := range colls {
			if c.Name != "system.views" {
				names = append(names, c.Name)
			}
			if c.Name == "c" {
				require.True(x, c.View)
				require.Equal(x, "b", c.ViewOn)
				require.Len(x, c.Pipeline, 1)
			}
		}
		require.Equal(x, []string{"a", "b", "c"}, names)
		require.Equal(x, []string{`{"_id":2,"v":2}`}, x.all(x.s, "c"))
		require.Equal(x, []string{`{"n":1}`}, x.all(x.s, "c", `{"$count": "n"}`))
		r, err := x.s.Write(x.ctx, x.ns("c"), inserts(`{"_id": 3}`), writeDefaults)
		if err == nil {
			err = r.Err()
		}
		x.wantCode(err, mongoerr.CommandNotSupportedOnView)
	}},
	{"options", func(x *env) {
		x.command(`{"create": "a", "validator": {"n": {"$gt": 0}}, "changeStreamPreAndPostImages": {"enabled": true}}`)
		colls, err := x.s.Collections(x.ctx, x.db)
		require.NoError(x, err)
		require.Equal(x, `{"n":{"$gt":0}}`, text(colls[0].Options.Lookup("validator").Document()))
	}},
	{"create twice", func(x *env) {
		x.command(`{"create": "a"}`)
		_, err := x.s.Command(x.ctx, x.db, js(`{"create": "a", "capped": true, "size": 4096}`))
		x.wantCode(err, mongoerr.NamespaceExists)
	}},
	{"drop and rename", func(x *env) {
		x.insert("a", `{"_id": 1}`)
		_, err := x.s.Command(x.ctx, "admin", doc(bson.D{{Key: "renameCollection", Value: x.db + ".a"}, {Key: "to", Value: x.db + ".b"}}))
		require.NoError(x, err)
		require.Empty(x, x.all(x.s, "a"))
		require.Equal(x, []string{`{"_id":1}`}, x.all(x.s, "b"))
		x.command(`{"drop": "b"}`)
		require.Empty(x, x.all(x.s, "b"))
	}},
	{"unknown command", func(x *env) {
		_, err := x.s.Command(x.ctx, x.db, js(`{"noSuchCommandAtAll": 1}`))
		x.wantCode(err, mongoerr.CommandNotFound)
	}},
	{"unknown field", func(x *env) {
		_, err := x.s.Command(x.ctx, x.db, js(`{"create": "a", "nonsense": 1}`))
		x.wantCode(err, 40415)
	}},
	{"invalid names", func(x *env) {
		_, err := x.s.Write(x.ctx, x.ns(""), inserts(`{"_id": 1}`), writeDefaults)
		x.wantCode(err, mongoerr.InvalidNamespace)
	}},
	{"indexes", func(x *env) {
		x.command(`{"createIndexes": "a", "indexes": [{"key": {"n": 1}, "name": "n_1"}, {"key": {"a.b": 1, "n": -1}, "name": "ab", "unique": true}]}`)
		x.command(`{"createIndexes": "a", "indexes": [{"key": {"n": 1}, "name": "n_1"}]}`)
		_, err := x.s.Command(x.ctx, x.db, js(`{"createIndexes": "a", "indexes": [{"key": {"n": 1}, "name": "n_1", "unique": true}]}`))
		x.wantCode(err, mongoerr.IndexKeySpecsConflict)
		x.command(`{"dropIndexes": "a", "index": "n_1"}`)
		_, err = x.s.Command(x.ctx, x.db, js(`{"dropIndexes": "a", "index": "n_1"}`))
		x.wantCode(err, mongoerr.IndexNotFound)
	}},
	{"unique index over duplicates", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 5}`, `{"_id": 2, "n": 5}`)
		_, err := x.s.Command(x.ctx, x.db, js(`{"createIndexes": "a", "indexes": [{"key": {"n": 1}, "name": "n_1", "unique": true}]}`))
		x.wantCode(err, mongoerr.DuplicateKey)
	}},
}
