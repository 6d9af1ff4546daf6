package agg

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

func TestTrimmerFollowsShapes(t *testing.T) {
	cut := trimmer{keep: []string{"b", "d"}}
	for _, c := range []struct{ in, want bson.D }{
		{bson.D{{Key: "a", Value: 1}, {Key: "b", Value: 2}, {Key: "c", Value: 3}, {Key: "d", Value: 4}}, bson.D{{Key: "b", Value: 2}, {Key: "d", Value: 4}}},
		{bson.D{{Key: "b", Value: 2}, {Key: "c", Value: 3}, {Key: "d", Value: 4}}, bson.D{{Key: "b", Value: 2}, {Key: "d", Value: 4}}},
		{bson.D{{Key: "a", Value: 1}, {Key: "c", Value: 3}}, bson.D{}},
		{bson.D{}, bson.D{}},
		{bson.D{{Key: "d", Value: 4}, {Key: "e", Value: 1}, {Key: "b", Value: 2}}, bson.D{{Key: "d", Value: 4}, {Key: "b", Value: 2}}},
	} {
		doc, err := bson.Marshal(c.in)
		require.NoError(t, err)
		want, err := bson.Marshal(c.want)
		require.NoError(t, err)
		got := cut.append(nil, doc)
		clear(doc) // buffers are used again
		require.Equal(t, bson.Raw(want), bson.Raw(got))
	}
}

func TestSetPathOfFieldsThatOnlyValuesName(t *testing.T) {
	doc, err := bson.Marshal(bson.D{{Key: "a", Value: "x"}, {Key: "b", Value: bson.D{{Key: "x", Value: 1}}}})
	require.NoError(t, err)
	want, err := bson.Marshal(bson.D{{Key: "a", Value: "x"}, {Key: "b", Value: bson.D{{Key: "x", Value: 1}}}, {Key: "x", Value: bson.D{{Key: "y", Value: "z"}}}})
	require.NoError(t, err)
	require.Equal(t, bson.Raw(want), bson.Raw(setPath(nil, doc, []string{"x", "y"}, value.String("z"))))
	require.Equal(t, bson.Raw(doc), bson.Raw(setPath(nil, doc, []string{"q", "y"}, value.Value{})))
}
