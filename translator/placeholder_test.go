package translator

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
)

func fillOne(t *testing.T, o obj, conds []matchCond, slots ...value.Value) (string, error) {
	t.Helper()
	f := filler{slots: slots, conds: conds}
	doc := f.doc(nil, encode(o))
	require.NoError(t, value.Validate(doc))
	out, err := bson.MarshalExtJSON(bson.Raw(doc), false, false)
	require.NoError(t, err)
	return string(out), f.err
}

func TestFillValuesAndLimits(t *testing.T) {
	out, err := fillOne(t, obj{{"$project", obj{{"x", op1("$literal", placeholder{kind: slotValue, n: 1})}}}}, nil, value.Null(), value.String("$a"))
	require.NoError(t, err)
	require.Equal(t, `{"$project":{"x":{"$literal":"$a"}}}`, out)
	for _, c := range []struct {
		v    value.Value
		want string
	}{
		{value.Int64(3), `{"$limit":3}`},
		{value.Null(), `{"$skip":0}`},
		{value.Int32(0), `{"$match":{"$expr":false}}`},
	} {
		out, err = fillOne(t, obj{{"$limit", placeholder{kind: limitRows, n: 0}}}, nil, c.v)
		require.NoError(t, err)
		require.Equal(t, c.want, out)
	}
	_, err = fillOne(t, obj{{"$skip", placeholder{kind: skipRows, n: 0}}}, nil, value.Int32(-1))
	require.Equal(t, sqlerr.InvalidRowCountInOffset, sqlerr.As(err).Code)
}

// A comparison with NULL is never true, whatever the operator.
func TestConditionsWithNull(t *testing.T) {
	hex := "65a000000000000000000001"
	for _, c := range []struct {
		cond matchCond
		v    value.Value
		want string
	}{
		{matchCond{op: "$eq"}, value.Int32(1), `{"a":{"$eq":1}}`},
		{matchCond{op: "$eq"}, value.Null(), `{"a":{"$in":[]}}`},
		{matchCond{op: "$gte"}, value.Null(), `{"a":{"$in":[]}}`},
		{matchCond{op: "$ne"}, value.Int32(1), `{"a":{"$nin":[1,null]}}`},
		{matchCond{op: "$ne"}, value.Null(), `{"a":{"$in":[]}}`},
		{matchCond{op: "$in", fixed: []value.Value{value.Int32(2)}}, value.Null(), `{"a":{"$eq":2}}`},
		{matchCond{op: "$nin", fixed: []value.Value{value.Int32(2)}}, value.Null(), `{"a":{"$in":[]}}`},
		{matchCond{op: "any"}, value.Null(), `{"a":{"$in":[]}}`},
		{matchCond{op: "any"}, value.ArrayFrom([]value.Value{value.Int32(1), value.Null(), value.Int32(2)}), `{"a":{"$in":[1,2]}}`},
		{matchCond{op: "all"}, value.ArrayFrom(nil), `{"a":{"$nin":[]}}`},
		{matchCond{op: "$eq", oid: onlyOID}, value.String(hex), `{"a":{"$eq":{"$oid":"` + hex + `"}}}`},
		{matchCond{op: "$eq", oid: onlyOID}, value.String("no"), `{"a":{"$in":[]}}`},
		{matchCond{op: "$ne", oid: onlyOID}, value.String("no"), `{"a":{"$nin":[null]}}`},
		{matchCond{op: "$eq", oid: oidAndText}, value.String(hex), `{"a":{"$in":[{"$oid":"` + hex + `"},"` + hex + `"]}}`},
	} {
		c.cond.slots = []int{0}
		out, err := fillOne(t, obj{{"a", placeholder{kind: condition, n: 0}}}, []matchCond{c.cond}, c.v)
		require.NoError(t, err)
		require.Equal(t, c.want, out)
	}
}
