package sink

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// The driver's writer of Extended JSON is the measure.
func TestAppendJSON(t *testing.T) {
	number, err := bson.ParseDecimal128("1.50")
	require.NoError(t, err)
	for _, v := range []any{
		"plain", `quote " and \ and é and <&>`, "line\nend\t\x01", "", int32(-5), int64(1) << 60, true, nil, 0.0, 1.0, 12.5, 1e21, 1e-7, -0.1, math.MaxFloat64,
		math.Inf(1), bson.NewObjectID(), bson.DateTime(0), bson.DateTime(1700000000123), bson.DateTime(1700000000100), bson.DateTime(-5),
		bson.NewDateTimeFromTime(time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)), number, bson.Timestamp{T: 5, I: 6}, bson.Regex{Pattern: "a/b", Options: "i"},
		bson.Binary{Subtype: 4, Data: make([]byte, 16)}, bson.MinKey{}, bson.D{}, bson.A{}, bson.A{int32(1), "a", bson.D{{Key: "k\"", Value: 1.0}}},
		bson.D{{Key: "a", Value: bson.D{{Key: "b", Value: bson.A{nil}}}}},
	} {
		doc, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
		require.NoError(t, err)
		want, err := bson.MarshalExtJSON(bson.Raw(doc), false, false)
		require.NoError(t, err)
		got, err := appendJSON(nil, value.Document(doc))
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(got))
		if f, ok := v.(float64); ok {
			require.Equal(t, string(want), string(got), "%v", f)
		}
	}
}
