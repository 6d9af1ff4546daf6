package catalog

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
)

func TestHint(t *testing.T) {
	for _, c := range []struct {
		filter       string
		seven, eight bool // whether rows of relation 7 and 8 can matter
		table, index bool // whether relkinds r and i can
	}{
		{`{"oid": 7}`, true, false, true, true},
		{`{"oid": {"$eq": {"$numberLong": "7"}}, "relkind": "r"}`, true, false, true, false},
		{`{"oid": {"$in": [7, 8]}, "relkind": {"$in": ["i", "I"]}}`, true, true, false, true},
		{`{"$and": [{"oid": {"$eq": 8}}, {"relkind": {"$in": ["r", ""]}}]}`, false, true, true, false},
		{`{"oid": {"$ne": 7}}`, true, true, true, true},
		{`{"oid": {"$gt": 7}}`, true, true, true, true},
		{`{"$or": [{"oid": 7}, {"relkind": "r"}]}`, true, true, true, true},
		{`{"$or": [{"oid": 7}, {"$and": [{"oid": 9}, {"relkind": "r"}]}]}`, true, false, true, true},
		{`{"$or": [{"oid": 7, "relkind": "i"}, {"oid": 8, "relkind": "I"}]}`, true, true, false, true},
		{`{"oid": {"$in": [7, null]}}`, true, true, true, true},
		{`{"$expr": {"$eq": ["$oid", 7]}}`, true, true, true, true},
	} {
		var filter bson.Raw
		require.NoError(t, bson.UnmarshalExtJSON([]byte(c.filter), false, &filter))
		h := hintIn(WithFilter(context.Background(), filter))
		require.Equal(t, c.seven, h.admits("oid", 7), c.filter)
		require.Equal(t, c.eight, h.admits("oid", 8), c.filter)
		require.Equal(t, c.table, h.admitsText("relkind", "r"), c.filter)
		require.Equal(t, c.index, h.admitsText("relkind", "i"), c.filter)
	}
}

func TestPartialIndexSQL(t *testing.T) {
	table := &Table{Columns: []Column{{Name: "a", Path: []string{"a"}}}}
	for filter, sql := range map[string]string{
		`{"a": {"$gt": 5}}`:                  `(a > 5)`,
		`{"a": {"$exists": true}, "b.c": 1}`: `((a IS NOT NULL) AND ((b.c) = 1))`,
		`{"a": "it's"}`:                      `(a = 'it''s'::text)`,
		`{"a": {"$mod": [2, 0]}}`:            `({"a": {"$mod": [2, 0]}})`,
	} {
		var doc bson.Raw
		require.NoError(t, bson.UnmarshalExtJSON([]byte(filter), false, &doc))
		require.Equal(t, sql, partialSQL(table, doc))
	}
}

func TestDefaultSQL(t *testing.T) {
	for in, out := range map[string]string{
		`nextval('public.s')`: `nextval('public.s'::regclass)`,
		`'x'`:                 `'x'::text`,
		`'it''s'`:             `'it''s'::text`,
		`'a' || 'b'`:          `'a' || 'b'`,
		`0`:                   `0`,
	} {
		c := Column{Default: in, Type: typeOfName("text")}
		require.Equal(t, out, c.defaultSQL())
	}
}
