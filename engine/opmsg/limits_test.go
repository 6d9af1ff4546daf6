package opmsg_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// failure is the code of a command that failed, or of its first statement.
func failure(r bson.Raw) int64 {
	if v, err := r.LookupErr("writeErrors", "0", "code"); err == nil {
		return v.AsInt64()
	}
	if v, err := r.LookupErr("code"); err == nil {
		return v.AsInt64()
	}
	return 0
}

func TestTooLarge(t *testing.T) {
	addr := serve(t)
	insert := func(doc bson.D) bson.Raw {
		return exchange(t, addr, msg(t, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{doc}}, {Key: "$db", Value: "d"}}))
	}
	require.EqualValues(t, 2, failure(insert(bson.D{{Key: "_id", Value: 1}, {Key: "s", Value: strings.Repeat("x", 17<<20)}})))
	require.Zero(t, failure(insert(bson.D{{Key: "_id", Value: 2}, {Key: "s", Value: strings.Repeat("x", 16<<20-200)}})))
	// A document may not grow beyond the limit either.
	r := exchange(t, addr, msg(t, bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{
		{Key: "q", Value: bson.D{{Key: "_id", Value: 2}}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "t", Value: strings.Repeat("y", 1000)}}}}}}}}, {Key: "$db", Value: "d"}}))
	require.NotZero(t, failure(r), r)
	nested := func(n int) bson.D {
		d := bson.D{{Key: "a", Value: 1}}
		for range n {
			d = bson.D{{Key: "a", Value: d}}
		}
		return d
	}
	require.Zero(t, failure(insert(nested(150))))
	require.EqualValues(t, 15, failure(insert(nested(250))))
	require.EqualValues(t, 1, exchange(t, addr, msg(t, bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "d"}})).Lookup("ok").AsInt64())
}
